/**
 * The appends of clients to one partition that cannot be written at once, because a codec worker has to decompress or compress a batch
 * before them, or their own. First in, first out. Runs on the shard that owns the partition.
 *
 *   check ─► little to unpack, and nobody waits ─────────────► written at once; there is no queue
 *       └──► queued ─► unpacked and packed, by whoever is free ─► written in its turn ─► flushed (group_flush.ts) ─► visible
 *                      a large batch: a codec worker              a duplicate of a batch before it finds it in the log
 *                      a small one: here
 *
 * The bytes of a queued batch stay in the arena, where they count as those of an unanswered request: its connection is read no further
 * at the limits of net/reactor/pipeline_limits.ts and net/reactor/request_memory.ts.
 *
 * Always: each append ends once. Batches are written in the order of their appends, so a producer's sequence is kept. An append ends
 * only after a codec worker is done with its bytes, also when the partition has gone.
 * (Kafka decompresses in the thread of the request, under the lock of the log.)
 */
import {
  allocateNative,
  type AppendResult,
  type BatchRules,
  type NativeMemory,
  transcodeBatch,
  transcodeUs,
} from "../../../storage/mod.ts";
import type { Refusal } from "../../requests/refusals.ts";
import type { CodecJobs } from "./codec_jobs.ts";
import { type AppendEnd, type CheckedBatch, type ProducedBatch, QueuedAppend } from "./queued_append.ts";

/**
 * Estimated time to unpack and pack a batch up to which the shard does it, in µs, and again to pack it once its size is known. A hop to a
 * worker and back takes a fifth of that.
 */
const INLINE_US_MAX = 1000;
/** Most bytes of records that the shard unpacks itself, however small the batch: 2 ms of its turn. */
const INLINE_CONTENT_BYTES_MAX = 2 * 1024 * 1024;
/** Most blocks, chunks and frames that the shard unpacks itself: a batch of 490 KB of tiny ones takes 100 ms and more. */
const INLINE_PIECES_MAX = 256;
/** Batches of a partition that are written in a row, before the rest of the turn. */
const WRITES_MAX = 16;

const inlineLimits = {
  contentBytesMax: INLINE_CONTENT_BYTES_MAX,
  piecesMax: INLINE_PIECES_MAX,
  packUsMax: INLINE_US_MAX,
  allocate: allocateNative,
};

/** What the queue needs of its partition. */
export interface QueueParts {
  readonly jobs: CodecJobs;
  /** Writes a batch that was checked. @param nowMs the time of the check */
  readonly write: (memory: NativeMemory, start: number, nowMs: number) => AppendResult;
  /** Whether the log knows a producer, so that it notices a gap in its sequence. */
  readonly knowsProducer: (producerId: number) => boolean;
  /** Batches are left that may be written: `run()` has to be called in a later turn. */
  readonly onLeft: () => void;
}

/**
 * Unpacks and packs a batch here, if that takes little time.
 * @returns null when a codec worker has to do it
 */
export function transcodeHere(batch: ProducedBatch, rules: BatchRules): CheckedBatch | null {
  if (transcodeUs(batch.memory.view, batch.start, rules) > INLINE_US_MAX) return null;
  const transcoded = transcodeBatch(batch, rules, inlineLimits);
  return transcoded.isPending ? null : transcoded;
}

/** The queue of one partition. */
export class AppendQueue {
  readonly #parts: QueueParts;
  readonly #appends: QueuedAppend[] = [];
  readonly #onReady = (append: QueuedAppend) => this.#onResult(append);

  /** @param parts of its partition */
  constructor(parts: QueueParts) {
    this.#parts = parts;
  }

  /** Whether nothing waits. */
  get isEmpty(): boolean {
    return this.#appends.length === 0;
  }

  /**
   * Adds an append behind all others.
   * @param checked its batch; null when a codec worker has to do that @param by the rules and the time of the check
   */
  add(
    batch: ProducedBatch,
    checked: CheckedBatch | null,
    by: { readonly rules: BatchRules; readonly nowMs: number },
  ): QueuedAppend {
    const { arena, start, length } = batch;
    const work = { arena, start, length, rules: { ...by.rules } };
    const append = new QueuedAppend(batch, work, { nowMs: by.nowMs, onReady: this.#onReady });
    this.#appends.push(append);
    if (checked === null) this.#parts.jobs.add(append);
    else append.ready(checked);
    return append;
  }

  /** Writes the batches whose turn has come, a few at a time. */
  run(): void {
    for (let count = 0; count < WRITES_MAX && this.#appends[0]?.isReady === true; count++) this.#endFirst();
    if (this.#appends[0]?.isReady === true) this.#parts.onLeft();
  }

  /** Nothing is written any more: the partition has gone. Appends end at once, those at a codec worker when it is done with them. */
  fail(refusal: Refusal): void {
    for (const append of this.#appends) append.fail(refusal);
    const failed = this.#appends.filter(({ isWorking }) => !isWorking);
    const working = this.#appends.filter(({ isWorking }) => isWorking);
    this.#appends.splice(0, Infinity, ...working);
    for (const append of failed) this.#end(append, refusal);
  }

  #onResult(append: QueuedAppend): void {
    const { refused } = append;
    if (typeof refused !== "string") return this.run();
    this.#appends.splice(this.#appends.indexOf(append), 1);
    this.#end(append, refused);
    this.run();
  }

  #endFirst(): void {
    const append = this.#appends.shift() as QueuedAppend;
    const { memory, start } = append.stored;
    const end = append.refused ?? this.#parts.write(memory, start, append.nowMs);
    if (typeof end !== "string" && end.refusal !== null) this.#refuseFollowers(append);
    this.#end(append, end);
  }

  /**
   * Refuses the batches that follow a refused one of their producer, up to its retry. The log would notice the gap in the sequence of a
   * producer that it knows; an unknown one may begin at any sequence (KAFKA-15591).
   */
  #refuseFollowers({ producerId, baseSequence }: QueuedAppend): void {
    if (producerId < 0 || this.#parts.knowsProducer(producerId)) return;
    for (const append of this.#appends) {
      if (append.producerId !== producerId) continue;
      if (append.baseSequence === baseSequence) return;
      append.fail("out-of-order-sequence");
    }
  }

  #end(append: QueuedAppend, end: AppendEnd): void {
    append.end(end);
    if (append.hasJob) this.#parts.jobs.release(append);
  }
}
