/**
 * The codec workers of a broker: started when batches have to wait, ended when nothing was left to do for a while. A fresh broker has
 * none. Runs on the main isolate, which passes batches and results between shards and workers as messages: a batch for a worker takes a
 * millisecond and more, its messages a tenth of one.
 *
 * Always: a worker has one batch at a time, and batches begin in the order of their arrival. What waits is limited by the shards
 * (partitions/owned/codec_jobs.ts).
 */
import { assert } from "../base/assert.ts";
import type { CodecAnswer, CodecStart, CodecWork } from "./codec_messages.ts";

/** Most workers: each may hold the records of a batch, up to CONTENT_BYTES_MAX (records/batch_rules.ts), and those it has grown out of. */
const WORKERS_MAX = 2;
/** A worker that had nothing to do for this long is ended. Starting one takes 50 ms. */
const IDLE_MS = 10_000;

/** What the pool is built from. */
export interface CodecPoolParts {
  /** The arenas of the shards, by their numbers. */
  readonly arenas: readonly SharedArrayBuffer[];
  /** Cores of the machine: no more workers are started. */
  readonly coresCount: number;
  /** Calls back after a time. @returns a function that cancels it */
  readonly after: (ms: number, callback: () => void) => () => void;
}

interface Job {
  readonly work: CodecWork;
  readonly resolve: (answer: CodecAnswer) => void;
  readonly reject: (error: Error) => void;
}

interface Member {
  readonly worker: Worker;
  /** null while it is idle. */
  job: Job | null;
  /** Cancels its end. */
  keep: () => void;
}

/** The workers. */
export class CodecPool implements Disposable {
  readonly #parts: CodecPoolParts;
  readonly #members = new Set<Member>();
  readonly #waiting: Job[] = [];

  /** @param parts the arenas, and how many workers there may be */
  constructor(parts: CodecPoolParts) {
    this.#parts = parts;
  }

  /** Workers that run. */
  get workersCount(): number {
    return this.#members.size;
  }

  /**
   * Lets a worker do it.
   * @returns settles with the answer, or never when the pool is disposed before
   * @throws Error when the worker fails, which is a bug: what it has done to the batch is unknown
   */
  transcode(work: CodecWork): Promise<CodecAnswer> {
    return new Promise((resolve, reject) => {
      const job = { work, resolve, reject };
      const idle = this.#members.values().find((member) => member.job === null) ?? this.#start();
      if (idle === null) this.#waiting.push(job);
      else this.#begin(idle, job);
    });
  }

  /** Ends all workers. Idempotent. */
  [Symbol.dispose](): void {
    for (const member of this.#members) this.#end(member);
    this.#waiting.length = 0;
  }

  #start(): Member | null {
    if (this.#members.size >= Math.min(WORKERS_MAX, this.#parts.coresCount)) return null;
    const url = new URL("./codec_worker.ts", import.meta.url);
    const worker = new Worker(url, { type: "module", name: "codec" });
    const member: Member = { worker, job: null, keep: () => {} };
    worker.onmessage = ({ data }: MessageEvent<CodecAnswer>) => this.#onAnswer(member, data);
    worker.onerror = (event) => {
      event.preventDefault();
      this.#end(member);
      member.job?.reject(new Error(`A codec worker failed: ${event.message}`));
    };
    const start: CodecStart = { arenas: this.#parts.arenas };
    worker.postMessage(start);
    this.#members.add(member);
    return member;
  }

  #begin(member: Member, job: Job): void {
    member.keep();
    member.job = job;
    member.worker.postMessage(job.work);
  }

  #onAnswer(member: Member, answer: CodecAnswer): void {
    const { job } = member;
    assert(job !== null, "a worker answers a batch");
    member.job = null;
    const next = this.#waiting.shift();
    if (next !== undefined) this.#begin(member, next);
    else member.keep = this.#parts.after(IDLE_MS, () => this.#end(member));
    job.resolve(answer);
  }

  #end(member: Member): void {
    member.keep();
    member.worker.terminate();
    this.#members.delete(member);
  }
}
