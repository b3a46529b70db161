/**
 * The producer ids that a shard may assign: a block from the control plane, which guarantees that none of its ids is ever
 * assigned again. Requests that come while there is no id wait. Runs on shards; it cannot await.
 *
 * Always: an id is assigned once; at most one request for a block is under way.
 */
import type { ControlClient } from "../../partitions/metadata/control_calls.ts";
import { isFailure } from "../shards/shard_messages.ts";

/** A block is requested when this few ids are left, so that in steady use no request waits (ProducerIdManager: 10 % of a block). */
const REFILL_AT = 100;

/** Receives an id, or the sentence why there is none. */
export type ProducerIdWaiter = (producerId: number | { readonly failure: string }) => void;

/** The ids of one shard. */
export class ProducerIds {
  readonly #blocks: { next: number; end: number }[] = [];
  #waiting: ProducerIdWaiter[] = [];
  #isRefilling = false;

  /** Assigns an id, at once or when a block has come. */
  take(control: ControlClient, waiter: ProducerIdWaiter): void {
    const id = this.#next();
    if (id === null) this.#waiting.push(waiter);
    else waiter(id);
    if (this.#left() < REFILL_AT) this.#refill(control);
  }

  #next(): number | null {
    const block = this.#blocks[0];
    if (block === undefined) return null;
    const id = block.next++;
    if (block.next === block.end) this.#blocks.shift();
    return id;
  }

  #left(): number {
    return this.#blocks.reduce((sum, { next, end }) => sum + end - next, 0);
  }

  #refill(control: ControlClient): void {
    if (this.#isRefilling) return;
    this.#isRefilling = true;
    control.call("allocateProducerIds", {}, (result) => {
      this.#isRefilling = false;
      const waiting = this.#waiting;
      this.#waiting = [];
      if (isFailure(result)) {
        for (const waiter of waiting) waiter(result);
        return;
      }
      this.#blocks.push({ next: result.firstId, end: result.firstId + result.count });
      for (const waiter of waiting) this.take(control, waiter);
    });
  }
}
