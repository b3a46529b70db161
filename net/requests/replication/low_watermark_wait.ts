/**
 * What a DeleteRecords waits for where a partition has followers: that they have moved their log starts, too. The low watermark is the lowest
 * log start of the live replicas. When one of the partitions progresses, those that are left are asked again. Runs on shards.
 *
 * Always: `done` runs once, unless the client has disconnected. Source: Kafka's DelayedDeleteRecords.
 */
import type { DelayedOperation } from "../../../partitions/mod.ts";
import { deleteRecords } from "../../../partitions/questions/delete_records.ts";
import { errorCode } from "../../protocol/error_codes.ts";
import { gatherMore, type NamedTopic, namedTopic } from "../gather.ts";
import type { Exchange, ShardServices } from "../handler.ts";

/** A partition whose followers have not moved their log starts yet. */
export interface PendingDeletion {
  readonly topic: string;
  readonly partitionIndex: number;
  /** The low watermark has to reach it. */
  readonly target: number;
  lowWatermark: number;
  errorCode: number;
}

/** What a wait is made of. */
export interface LowWatermarkWaitParts {
  readonly pending: readonly PendingDeletion[];
  /** Of the request. */
  readonly timeoutMs: number;
  readonly exchange: Exchange<never>;
  readonly services: ShardServices;
  /** They are moved, refused, or the time is over: the pending ones say which. */
  readonly done: () => void;
}

/** Any epoch. */
const NO_EPOCH = -1;
const PENDING_BYTES = 256;

/** The wait of one request. */
export class LowWatermarkWait implements DelayedOperation {
  deadlineMs = 0;
  heapIndex = -1;
  isMarked = false;
  readonly #parts: LowWatermarkWaitParts;
  readonly #slots: readonly number[];
  #left: readonly PendingDeletion[];
  #isAsking = false;
  #asksAgain = false;
  #isOver = false;

  /** @param parts the partitions, each at least once asked */
  constructor(parts: LowWatermarkWaitParts) {
    const { pending, services: { image } } = parts;
    this.#parts = parts;
    this.#left = pending;
    this.#slots = pending.flatMap(({ topic, partitionIndex }) =>
      image.topic(topic)?.partitions[partitionIndex]?.slot ?? []
    );
  }

  /** Bytes of memory that it takes while it waits. */
  get heldBytes(): number {
    return this.#parts.pending.length * PENDING_BYTES;
  }

  /** Begins to wait. */
  start(): void {
    const { timeoutMs, exchange, services: { clock, purgatory } } = this.#parts;
    this.deadlineMs = clock.monotonicMs() + Math.max(0, timeoutMs);
    exchange.onAbandoned(() => this.#end());
    purgatory.schedule(this);
    for (const slot of this.#slots) purgatory.watch(slot, this);
    this.#ask(); // they may have moved before the watch began
  }

  onProgress(): void {
    this.#ask();
  }

  onExpired(): void {
    for (const pending of this.#left) pending.errorCode = errorCode.REQUEST_TIMED_OUT;
    this.#finish();
  }

  #ask(): void {
    this.#asksAgain = this.#isAsking;
    if (this.#isAsking) return;
    this.#isAsking = true;
    gatherMore(
      {
        question: deleteRecords,
        topics: byTopic(this.#left),
        repeated: "each",
        operation: "DELETE",
        indexOf: ({ partitionIndex }) => partitionIndex,
        ask: ({ target }) => ({ offset: target }),
        leaderEpochOf: () => NO_EPOCH,
        part: (pending, code, { lowWatermark }) => ({ pending, code, lowWatermark }),
        respond: (topics) => {
          this.#isAsking = false;
          if (this.#isOver) return;
          for (const { partitions } of topics) {
            for (const { pending, code, lowWatermark } of partitions) {
              Object.assign(pending, { errorCode: code, lowWatermark });
            }
          }
          this.#answered();
        },
      },
      this.#parts.exchange,
      this.#parts.services,
    );
  }

  #answered(): void {
    this.#left = this.#left.filter((pending) =>
      pending.errorCode === errorCode.NONE && pending.lowWatermark < pending.target
    );
    if (this.#left.length === 0) this.#finish();
    else if (this.#asksAgain) this.#ask();
  }

  #finish(): void {
    this.#end();
    this.#parts.done();
  }

  #end(): void {
    const { purgatory } = this.#parts.services;
    this.#isOver = true;
    purgatory.cancel(this);
    for (const slot of this.#slots) purgatory.unwatch(slot, this);
  }
}

function byTopic(pending: readonly PendingDeletion[]): NamedTopic<PendingDeletion>[] {
  return [...Map.groupBy(pending, ({ topic }) => topic)].map(([name, partitions]) => namedTopic(name, partitions));
}
