/**
 * The cleaner workers as the main isolate sees them: each compacts one log. A worker starts with the first job that finds none idle, and
 * ends when it was idle for a moment, so a broker without compacted topics has none. Runs on the main isolate.
 *
 * Always: a worker that works is not ended before it has closed its files, because descriptors belong to the process.
 */
import { assert } from "../base/assert.ts";
import type { CleaningOrder, CleaningOutcome, ToCleaner } from "./cleaner_messages.ts";

/** A worker that had nothing to do for this long is ended: what it holds is large, and starting one takes 50 ms. */
const IDLE_MS = 1000;

/** The limits of a cleaning, which the next one may not have any more. */
export interface CleanerLimits {
  /** Most workers: `log.cleaner.threads`. */
  readonly workersMax: number;
  /** `log.cleaner.io.max.bytes.per.second`, for each worker. */
  readonly bytesPerSecond: number;
}

/** What the pool is built from. */
export interface CleanerPoolParts {
  /** Calls back after a time. @returns a function that cancels it */
  readonly after: (ms: number, callback: () => void) => () => void;
}

/** A cleaning under way. */
export interface RunningCleaning {
  /** Settles when it has ended; never rejects. */
  readonly outcome: Promise<CleaningOutcome>;
  /** Aborts it soon, unless it has ended. */
  abort(): void;
}

interface Member {
  readonly worker: Worker;
  /** Ends the job; null while the worker is idle. */
  settle: ((outcome: CleaningOutcome) => void) | null;
  /** Cancels the worker's end. */
  keep: () => void;
}

/** The workers. */
export class CleanerPool implements Disposable {
  readonly #parts: CleanerPoolParts;
  readonly #members = new Set<Member>();

  /** @param parts what ends idle workers */
  constructor(parts: CleanerPoolParts) {
    this.#parts = parts;
  }

  /** Workers that run. */
  get workersCount(): number {
    return this.#members.size;
  }

  /** Lets a worker clean a log; at most `workersMax` cleanings may be under way. */
  clean(order: CleaningOrder, { workersMax, bytesPerSecond }: CleanerLimits): RunningCleaning {
    const member = this.#members.values().find(({ settle }) => settle === null) ?? this.#start(workersMax);
    const { promise, resolve } = Promise.withResolvers<CleaningOutcome>();
    member.keep();
    member.settle = resolve;
    this.#post(member, { type: "clean", order, bytesPerSecond });
    const abort = () => {
      if (member.settle === resolve) this.#post(member, { type: "abort" });
    };
    return { outcome: promise, abort };
  }

  /** Ends all workers. Called once every cleaning has ended. Idempotent. */
  [Symbol.dispose](): void {
    for (const member of this.#members) this.#end(member);
  }

  #start(workersMax: number): Member {
    assert(this.#members.size < workersMax, "no more logs are cleaned at a time than there may be workers");
    const worker = new Worker(new URL("./cleaner_worker.ts", import.meta.url), { type: "module", name: "cleaner" });
    const member: Member = { worker, settle: null, keep: () => {} };
    worker.onmessage = ({ data }: MessageEvent<CleaningOutcome>) => {
      member.keep = this.#parts.after(IDLE_MS, () => this.#end(member));
      this.#settle(member, data);
    };
    worker.onerror = (event) => {
      event.preventDefault();
      this.#end(member);
      this.#settle(member, { kind: "failed", message: event.message });
    };
    this.#members.add(member);
    return member;
  }

  #post({ worker }: Member, content: ToCleaner): void {
    worker.postMessage(content);
  }

  #settle(member: Member, outcome: CleaningOutcome): void {
    const { settle } = member;
    member.settle = null;
    settle?.(outcome);
  }

  #end(member: Member): void {
    member.keep();
    member.worker.terminate();
    this.#members.delete(member);
  }
}
