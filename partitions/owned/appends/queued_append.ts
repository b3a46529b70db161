/**
 * One append that waits in the queue of its partition (append_queue.ts). Runs on the shard that owns the partition.
 *
 *   waiting ──► working, at a codec worker ──► ready, in its turn ──► ended
 *      └── checked here, or not to be written ────┘
 */
import {
  type AppendResult,
  baseSequence,
  type BatchRefusal,
  type CodecAnswer,
  type CodecWork,
  freeBytes,
  type NativeMemory,
  nativeMemory,
  producerId,
  refusedAppend,
} from "../../../storage/mod.ts";
import type { Refusal } from "../../requests/refusals.ts";
import type { CodecJob } from "./codec_jobs.ts";

/** A client's batch. The bytes stay in place until the append has ended. */
export interface ProducedBatch {
  readonly memory: NativeMemory;
  readonly start: number;
  readonly length: number;
  /** The shard in whose arena they lie. */
  readonly arena: number;
}

/** A batch that was checked: refused, stored as it is, or rebuilt. */
export interface CheckedBatch {
  readonly refusal: BatchRefusal | null;
  readonly message: string;
  readonly recordIndex: number;
  readonly rebuilt?: NativeMemory | null;
}

/** What an append ends with: the log's result, or why it was not tried. */
export type AppendEnd = AppendResult | Refusal;

/** One append. */
export class QueuedAppend implements CodecJob {
  readonly work: CodecWork;
  /** Wall-clock time of the check, in ms. */
  readonly nowMs: number;
  readonly producerId: number;
  readonly baseSequence: number;
  /** Called once, when it has ended. Set by the caller of the append. */
  onEnd: (end: AppendEnd) => void = () => {};
  readonly #batch: ProducedBatch;
  readonly #onReady: (append: QueuedAppend) => void;
  #state: "waiting" | "working" | "ready" | "ended" = "waiting";
  #refusal: Refusal | null = null;
  /** The result of the check, when it refused the batch. */
  #refused: AppendResult | null = null;
  #rebuilt: NativeMemory | null = null;
  #rebuiltBytes = 0;
  /** Whether a codec worker got it. */
  #hasJob = false;

  /** @param work for a codec worker, should it be needed @param by the time, and what is called when a worker has ended */
  constructor(
    batch: ProducedBatch,
    work: CodecWork,
    by: { nowMs: number; onReady: (append: QueuedAppend) => void },
  ) {
    this.#batch = batch;
    this.work = work;
    this.nowMs = by.nowMs;
    this.#onReady = by.onReady;
    this.producerId = producerId(batch.memory.view, batch.start);
    this.baseSequence = baseSequence(batch.memory.view, batch.start);
  }

  /** Whether it may be written, or ended with a refusal. */
  get isReady(): boolean {
    return this.#state === "ready";
  }

  /** Whether a codec worker has its bytes. */
  get isWorking(): boolean {
    return this.#state === "working";
  }

  get isWaiting(): boolean {
    return this.#state === "waiting";
  }

  /** Whether a codec worker has or had its bytes. */
  get hasJob(): boolean {
    return this.#hasJob;
  }

  get rebuiltBytes(): number {
    return this.#rebuiltBytes;
  }

  /** Why it is not to be written; null when it is. */
  get refused(): AppendEnd | null {
    return this.#refusal ?? this.#refused;
  }

  /** Where the batch lies that is to be written. */
  get stored(): { readonly memory: NativeMemory; readonly start: number } {
    return this.#rebuilt === null ? this.#batch : { memory: this.#rebuilt, start: 0 };
  }

  /** It was checked. */
  ready(checked: CheckedBatch): void {
    const { refusal, message, recordIndex, rebuilt = null } = checked;
    if (refusal !== null) this.#refused = refusedAppend(refusal, message, recordIndex);
    this.#rebuilt = rebuilt;
    this.#state = "ready";
  }

  /** It is not to be written. Unless a codec worker has its bytes, it may end. */
  fail(refusal: Refusal): void {
    this.#refusal ??= refusal;
    if (this.#state === "waiting") this.#state = "ready";
  }

  /** Ends it. */
  end(end: AppendEnd): void {
    this.#state = "ended";
    if (this.#rebuilt !== null) freeBytes(this.#rebuilt.bytes);
    this.#rebuilt = null;
    this.onEnd(end);
  }

  onBegin(): void {
    this.#state = "working";
    this.#hasJob = true;
  }

  onAnswer(answer: CodecAnswer): void {
    const { rebuilt } = answer;
    this.#rebuiltBytes = rebuilt?.byteLength ?? 0;
    this.ready({ ...answer, rebuilt: rebuilt === null ? null : nativeMemory(rebuilt) });
    this.#onReady(this);
  }
}
