/**
 * Requests of a shard that name a topic or a partition which it does not know, or whose owner has not opened it: they wait until the
 * controller has carried out what it had been asked for before. If that was the creation, they find it then. A client that
 * produces without having asked for metadata would otherwise lose the order of its batches (KAFKA-15591).
 *
 *   add() ──► next ──awaitChanges──► asked ──every shard has applied all changes──► resume()
 *
 * One question is under way at a time; who comes later waits for the next one, because a creation may have been asked for in between.
 * Runs on shards.
 *
 * Always: each waits once, no longer than WAIT_MS_MAX, and goes on in the order of coming; all together keep no more than
 * WAITING_BYTES_MAX, whoever comes then is refused at once.
 */
import type { ControlClient, DelayedOperation, Purgatory } from "../../../partitions/mod.ts";
import type { Clock } from "../../../storage/mod.ts";
import { LANDING_BYTES } from "../../reactor/request_memory.ts";

/** Longest wait: a creation takes milliseconds, unless the disk is slow. */
const WAIT_MS_MAX = 2000;
/** Memory of requests that may wait; each keeps a block of at least LANDING_BYTES from being used again. */
const WAITING_BYTES_MAX = 32 * 1024 * 1024;

/** What waits of a shard's requests is built from. */
export interface TopicWaitsParts {
  readonly control: ControlClient;
  readonly purgatory: Purgatory;
  readonly clock: Clock;
}

/** One request that waits. */
export class TopicWait implements DelayedOperation {
  deadlineMs = 0;
  heapIndex = -1;
  isMarked = false;
  /** Belongs to TopicWaits: ends the wait. */
  end: () => void = () => {};
  /** Memory that it keeps. */
  readonly bytes: number;
  readonly resume: () => void;

  /** @param bytes of the request @param resume runs once: what there is now is all that this request will find */
  constructor(bytes: number, resume: () => void) {
    this.bytes = Math.max(bytes, LANDING_BYTES);
    this.resume = resume;
  }

  onProgress(): void {}

  onExpired(): void {
    this.end();
  }
}

/** Those of one shard. */
export class TopicWaits {
  readonly #parts: TopicWaitsParts;
  readonly #waiting = new Set<TopicWait>();
  #bytes = 0;
  #isAsking = false;
  #next: TopicWait[] = [];

  /** @param parts the shard's pieces */
  constructor(parts: TopicWaitsParts) {
    this.#parts = parts;
  }

  /** How many wait. */
  get count(): number {
    return this.#waiting.size;
  }

  /** Whether one more may wait. */
  hasRoom(wait: TopicWait): boolean {
    return this.#bytes + wait.bytes <= WAITING_BYTES_MAX;
  }

  /** Lets a request wait, for which there is room. */
  add(wait: TopicWait): void {
    const { purgatory, clock } = this.#parts;
    this.#waiting.add(wait);
    this.#bytes += wait.bytes;
    wait.deadlineMs = clock.monotonicMs() + WAIT_MS_MAX;
    wait.end = () => this.remove(wait) && wait.resume();
    purgatory.schedule(wait);
    this.#next.push(wait);
    if (!this.#isAsking) this.#ask();
  }

  /** Takes a request out: its connection has gone. @returns whether it was waiting */
  remove(wait: TopicWait): boolean {
    if (!this.#waiting.delete(wait)) return false;
    this.#bytes -= wait.bytes;
    this.#parts.purgatory.cancel(wait);
    return true;
  }

  #ask(): void {
    const asked = this.#next;
    this.#next = [];
    this.#isAsking = true;
    this.#parts.control.call("awaitChanges", {}, () => {
      this.#isAsking = false;
      for (const wait of asked) wait.end();
      if (this.#next.length > 0) this.#ask();
    });
  }
}
