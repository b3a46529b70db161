/**
 * Requests of a shard that name an unknown topic or partition, or one whose owner has not opened it. They wait until the
 * controller has carried out all earlier changes. If one of these was the creation, they find the partition then. Without the wait, a
 * client that produces without asking for metadata would lose the order of its batches (KAFKA-15591).
 *
 *   add() ──► next ──awaitChanges──► asked ──every shard has applied all changes──► resume()
 *
 * One question is under way at a time. A later request waits for the next question, because a creation may have been requested in
 * between. Runs on shards.
 *
 * Always: each request waits once, no longer than WAIT_MS_MAX, and continues in order of arrival. All together keep no more than
 * WAITING_BYTES_MAX; a request beyond that is refused at once.
 */
import type { ControlClient, DelayedOperation, Purgatory } from "../../../partitions/mod.ts";
import type { Clock } from "../../../storage/mod.ts";
import { LANDING_BYTES } from "../../reactor/request_memory.ts";

/** Longest wait. A creation takes milliseconds, unless the disk is slow. */
const WAIT_MS_MAX = 2000;
/** Memory of requests that may wait. Each keeps a block of at least LANDING_BYTES from being used again. */
const WAITING_BYTES_MAX = 32 * 1024 * 1024;

/** What the waits of a shard are built from. */
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
  /** Owned by TopicWaits: ends the wait. */
  end: () => void = () => {};
  /** Memory that it keeps. */
  readonly bytes: number;
  readonly resume: () => void;

  /** @param bytes of the request @param resume runs once, when the request should continue with what exists then */
  constructor(bytes: number, resume: () => void) {
    this.bytes = Math.max(bytes, LANDING_BYTES);
    this.resume = resume;
  }

  onProgress(): void {}

  onExpired(): void {
    this.end();
  }
}

/** The waiting requests of one shard. */
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

  /** Number of waiting requests. */
  get count(): number {
    return this.#waiting.size;
  }

  /** Whether one more may wait. */
  hasRoom(wait: TopicWait): boolean {
    return this.#bytes + wait.bytes <= WAITING_BYTES_MAX;
  }

  /** Lets a request wait. There must be room for it. */
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

  /** Removes a request whose connection has closed. @returns whether it was waiting */
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
