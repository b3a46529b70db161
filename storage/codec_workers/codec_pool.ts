/**
 * The codec workers of a broker: started when batches have to wait, ended when nothing was left to do for a while. A fresh broker has
 * none. Runs on the main isolate, which passes batches and results between shards and workers as messages: a batch for a worker takes a
 * millisecond and more, its messages a tenth of one.
 *
 *   transcode() ─► waiting ─► a worker, which may unpack SMALL_BYTES_MAX ─► answered
 *                  in order,       └─► large ─► a worker, one at a time ─┘     a rebuilt batch counts until its shard has written it,
 *   search() ────────────────────────────┘                                    release()
 *
 * Always: a worker has one batch at a time, produced batches begin in the order of their arrival, and only one worker at a time unpacks
 * more than SMALL_BYTES_MAX. Rebuilt batches take at most RESULTS_BYTES_MAX, or there is only one; a batch counts as the largest that its
 * topic allows from its beginning on. That never blocks: the oldest that began waits for none that began later. So the workers stay below
 * 256 MB: 100 of content, 32 of results, and 20 to compress, 8 of content and 8 of a window each (tests/hostile/codec_bombs_test.ts).
 * What waits is limited by the shards (partitions/owned/appends/codec_jobs.ts).
 */
import { assert } from "../base/assert.ts";
import { CONTENT_BYTES_MAX } from "../records/batch_rules.ts";
import type { FoundRecord } from "../records/timestamp_search.ts";
import type { CodecAnswer, CodecOutcome, CodecStart, CodecTask, CodecWork, SearchWork } from "./codec_messages.ts";

/** Most workers. Each takes 12 MB. */
const WORKERS_MAX = 2;
/** What several workers may unpack at the same time: eight times the default of `max.message.bytes`. */
const SMALL_BYTES_MAX = 8 * 1024 * 1024;
/** Most bytes of rebuilt batches that are made or not written yet; one batch may exceed it. */
const RESULTS_BYTES_MAX = 32 * 1024 * 1024;
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
  readonly task: CodecTask;
  /** What the rebuilt batch may take. */
  readonly resultBytesMax: number;
  readonly settle: (outcome: CodecOutcome) => void;
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
  /** Produced batches that no worker has had yet. */
  readonly #waiting: Job[] = [];
  /** What may take the memory of which there is enough for one. */
  readonly #large: Job[] = [];
  #resultBytes = 0;

  /** @param parts the arenas, and how many workers there may be */
  constructor(parts: CodecPoolParts) {
    this.#parts = parts;
  }

  /** Workers that run. */
  get workersCount(): number {
    return this.#members.size;
  }

  /** Bytes of rebuilt batches that are made or not released. */
  get resultBytes(): number {
    return this.#resultBytes;
  }

  /**
   * Lets a worker do it. `release()` has to follow when the rebuilt batch is not needed any more.
   * @returns settles with the answer, or never when the pool is disposed before
   * @throws Error when the worker fails, which is a bug: what it has done to the batch is unknown
   */
  transcode(work: CodecWork): Promise<CodecAnswer> {
    const { promise, resolve, reject } = Promise.withResolvers<CodecAnswer>();
    this.#waiting.push({
      task: { type: "transcode", work, contentBytesMax: SMALL_BYTES_MAX },
      resultBytesMax: Math.min(work.rules.maxMessageBytes, work.rules.segmentBytes),
      settle: (outcome) => resolve((outcome as Extract<CodecOutcome, { type: "transcoded" }>).answer),
      reject,
    });
    this.#beginNext();
    return promise;
  }

  /**
   * Lets a worker search in a stored batch.
   * @returns settles with the record, or never when the pool is disposed before @throws Error when the worker fails, which is a bug
   */
  search(work: SearchWork): Promise<FoundRecord> {
    const { promise, resolve, reject } = Promise.withResolvers<FoundRecord>();
    this.#large.push({
      task: { type: "search", work },
      resultBytesMax: 0,
      settle: (outcome) => resolve((outcome as Extract<CodecOutcome, { type: "found" }>).record),
      reject,
    });
    this.#beginNext();
    return promise;
  }

  /** A rebuilt batch was written, or is not needed. @param bytes of its memory */
  release(bytes: number): void {
    this.#resultBytes -= bytes;
    assert(this.#resultBytes >= 0, "a rebuilt batch is released once");
    this.#beginNext();
  }

  /** Ends all workers. Idempotent. */
  [Symbol.dispose](): void {
    for (const member of this.#members) this.#end(member);
    this.#waiting.length = 0;
    this.#large.length = 0;
  }

  #beginNext(): void {
    for (let queue = this.#nextQueue(); queue !== null; queue = this.#nextQueue()) {
      const member = this.#members.values().find(({ job }) => job === null) ?? this.#start();
      if (member === null) return;
      this.#begin(member, queue.shift() as Job);
    }
  }

  /** The queue whose first job may begin; null when none may. */
  #nextQueue(): Job[] | null {
    if (this.#large.length > 0 && !this.#members.values().some(({ job }) => job !== null && isLarge(job))) {
      return this.#large;
    }
    const [first] = this.#waiting;
    if (first === undefined) return null;
    const hasRoom = this.#resultBytes === 0 || this.#resultBytes + first.resultBytesMax <= RESULTS_BYTES_MAX;
    return hasRoom ? this.#waiting : null;
  }

  #start(): Member | null {
    if (this.#members.size >= Math.min(WORKERS_MAX, this.#parts.coresCount)) return null;
    const url = new URL("./codec_worker.ts", import.meta.url);
    const worker = new Worker(url, { type: "module", name: "codec" });
    const member: Member = { worker, job: null, keep: () => {} };
    worker.onmessage = ({ data }: MessageEvent<CodecOutcome>) => this.#onOutcome(member, data);
    worker.onerror = (event) => {
      event.preventDefault();
      this.#onError(member, new Error(`A codec worker failed: ${event.message}`));
    };
    const start: CodecStart = { arenas: this.#parts.arenas };
    worker.postMessage(start);
    this.#members.add(member);
    return member;
  }

  #begin(member: Member, job: Job): void {
    member.keep();
    member.job = job;
    const { task } = job;
    // A large batch has counted since a worker first had it.
    if (task.type === "transcode" && !isLarge(job)) this.#resultBytes += job.resultBytesMax;
    member.worker.postMessage(task, task.type === "search" ? [task.work.batch] : []);
  }

  #onOutcome(member: Member, outcome: CodecOutcome): void {
    const { job } = member;
    assert(job !== null, "a worker answers a batch");
    member.job = null;
    if (outcome.type === "transcoded" && outcome.isPending) this.#large.push(asLarge(job));
    else {
      const rebuilt = outcome.type === "transcoded" ? outcome.answer.rebuilt : null;
      this.#resultBytes += (rebuilt?.byteLength ?? 0) - job.resultBytesMax;
      job.settle(outcome);
    }
    this.#beginNext();
    if (member.job === null) member.keep = this.#parts.after(IDLE_MS, () => this.#end(member));
  }

  #onError(member: Member, error: Error): void {
    const { job } = member;
    this.#end(member);
    this.#resultBytes -= job?.resultBytesMax ?? 0;
    job?.reject(error);
    this.#beginNext();
  }

  #end(member: Member): void {
    member.keep();
    member.worker.terminate();
    this.#members.delete(member);
  }
}

/** Whether the job may unpack as much as any batch may have. */
function isLarge({ task }: Job): boolean {
  return task.type === "search" || task.contentBytesMax === CONTENT_BYTES_MAX;
}

function asLarge(job: Job): Job {
  const { task } = job;
  assert(task.type === "transcode" && !isLarge(job), "a worker defers what is larger than its limit");
  return { ...job, task: { ...task, contentBytesMax: CONTENT_BYTES_MAX } };
}
