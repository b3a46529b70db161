/**
 * The batches of one shard that are decompressed or compressed by codec workers (storage/codec_workers/codec_pool.ts): in order of
 * arrival, a few at a time. A worker reads a batch in the arena of the shard that received it, and stamps it there or returns a rebuilt
 * one. Runs on shards.
 *
 * Always: the oldest batch that is not written is under way or done. So the limit, which counts results that wait for their turn in a
 * partition, never blocks. The bytes of a batch stay in place until its job has ended, whatever becomes of its partition.
 */
import type { CodecAnswer, CodecWork } from "../../../storage/mod.ts";

/** Most batches that are under way or wait to be written. What the workers make of them has a limit of its own (codec_pool.ts). */
const JOBS_MAX = 8;
/** Most bytes of them, as clients sent them; one batch may exceed it. */
const JOBS_BYTES_MAX = 16 * 1024 * 1024;

/** The codec workers, as a shard sees them. */
export interface Codecs {
  /** Lets a worker do it; `done` runs on a later turn. */
  readonly transcode: (work: CodecWork, done: (answer: CodecAnswer) => void) => void;
  /** Says that a rebuilt batch of that many bytes was written, or is not needed: workers wait for that before they make many more. */
  readonly release: (bytes: number) => void;
}

/** A batch that waits for a worker. */
export interface CodecJob {
  readonly work: CodecWork;
  /** Bytes of the batch that a worker rebuilt; 0 for none. */
  readonly rebuiltBytes: number;
  /** Whether the result is needed. Asked before a worker gets the batch. */
  readonly isWaiting: boolean;
  onBegin(): void;
  onAnswer(answer: CodecAnswer): void;
}

/** The jobs of one shard. */
export class CodecJobs {
  readonly #codecs: Codecs;
  readonly #waiting: CodecJob[] = [];
  #count = 0;
  #bytes = 0;

  /** @param codecs do the jobs */
  constructor(codecs: Codecs) {
    this.#codecs = codecs;
  }

  /** Adds a job behind all others. `release()` has to follow once its result is not needed any more. */
  add(job: CodecJob): void {
    this.#waiting.push(job);
    this.#beginNext();
  }

  /** The result of a job that began was used, or is not needed: the next one may begin. */
  release({ work, rebuiltBytes }: CodecJob): void {
    this.#count--;
    this.#bytes -= work.length;
    if (rebuiltBytes > 0) this.#codecs.release(rebuiltBytes);
    this.#beginNext();
  }

  #beginNext(): void {
    for (let job = this.#waiting[0]; job !== undefined && this.#hasRoom(job); job = this.#waiting[0]) {
      this.#waiting.shift();
      if (job.isWaiting) this.#begin(job);
    }
  }

  #hasRoom(job: CodecJob): boolean {
    if (!job.isWaiting || this.#count === 0) return true;
    return this.#count < JOBS_MAX && this.#bytes + job.work.length <= JOBS_BYTES_MAX;
  }

  #begin(job: CodecJob): void {
    this.#count++;
    this.#bytes += job.work.length;
    job.onBegin();
    this.#codecs.transcode(job.work, (answer) => job.onAnswer(answer));
  }
}
