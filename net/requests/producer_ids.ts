/**
 * The producer ids that a shard may give out: a block from the control plane, which has made sure that no id of it is ever
 * given out again. Requests that come while there is none wait. Runs on shards; it cannot await.
 *
 * Always: an id is given out once; at most one call for a block is under way.
 */
import type { ControlClient } from "../../partitions/metadata/control_calls.ts";
import { isFailure } from "../shards/shard_messages.ts";

/** A block is asked for when so few ids are left, so that in steady use nobody waits (ProducerIdManager: 10 % of a block). */
const REFILL_AT = 100;

/** Gets an id, or a sentence why there is none. */
export type ProducerIdWaiter = (producerId: number | { readonly failure: string }) => void;

/** The ids of one shard. */
export class ProducerIds {
  readonly #blocks: { next: number; end: number }[] = [];
  #waiting: ProducerIdWaiter[] = [];
  #isRefilling = false;

  /** Gives out an id, now or when a block has come. */
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
