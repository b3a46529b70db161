/**
 * Work of the shards that other threads do: flushes, reads of cold files, removals, batches for codec workers. Runs on the main isolate,
 * which only awaits.
 */
import { NO_OFFSET, NO_TIMESTAMP } from "../../storage/base/units.ts";
import { closeDescriptor, type CodecAnswer, CodecPool, flushInBackground } from "../../storage/control.ts";
import type { LogLine } from "../../partitions/config/log_lines.ts";
import { ColdReader } from "./cold_reader.ts";
import { removePaths } from "./path_removal.ts";
import type { FromShard, ToShard } from "./shard_messages.ts";

/** What shards ask for. */
export type ShardJob = Extract<FromShard, { type: "load" | "loadFiles" | "transcode" | "search" | "flush" | "unlink" }>;

/** What the jobs are built from. */
export interface ShardJobsParts {
  /** The arenas of the shards, by their numbers. */
  readonly arenas: readonly SharedArrayBuffer[];
  readonly post: (shard: number, content: ToShard, transferred?: ArrayBuffer[]) => void;
  /** Reports something to the operator. */
  readonly report: (line: LogLine) => void;
  /** A flush failed: the disk may lack what the page cache has. */
  readonly onFlushFailed: () => void;
}

function callAfter(ms: number, callback: () => void): () => void {
  const timer = setTimeout(callback, ms);
  return () => clearTimeout(timer);
}

/** The jobs of all shards. */
export class ShardJobs implements Disposable {
  readonly #parts: ShardJobsParts;
  readonly #coldReader = new ColdReader();
  readonly #codecs: CodecPool;
  readonly #underWay = new Set<Promise<void>>();
  /** Descriptors that ended shards have left. */
  readonly #leftFds: number[] = [];

  /** @param parts how shards get the answers */
  constructor(parts: ShardJobsParts) {
    this.#parts = parts;
    this.#codecs = new CodecPool({
      arenas: parts.arenas,
      coresCount: navigator.hardwareConcurrency,
      after: callAfter,
    });
  }

  /** Begins a job; the shard gets the answer as a message. */
  begin(shard: number, job: ShardJob): void {
    const underWay = this.#do(shard, job);
    this.#underWay.add(underWay);
    underWay.finally(() => this.#underWay.delete(underWay));
  }

  /** A shard does not need a rebuilt batch any more. @param bytes of its memory */
  release(bytes: number): void {
    this.#codecs.release(bytes);
  }

  /** Takes descriptors over that a shard has left at its end: this and other threads may use them yet. */
  takeOver(fds: readonly number[]): void {
    for (const fd of fds) this.#leftFds.push(fd);
  }

  /** Closes those descriptors when the jobs under way have ended. Called once all shards and flush workers have ended; idempotent. */
  async closeLeft(): Promise<void> {
    await this.ended();
    for (const fd of this.#leftFds.splice(0)) closeDescriptor(fd);
  }

  /** Settles when the jobs that are under way have ended. */
  async ended(): Promise<void> {
    await Promise.all(this.#underWay);
  }

  /** Ends the codec workers. */
  [Symbol.dispose](): void {
    this.#codecs[Symbol.dispose]();
  }

  #do(shard: number, job: ShardJob): Promise<void> {
    switch (job.type) {
      case "load":
        return this.#load(shard, job.id, this.#coldReader.load(job.range));
      case "loadFiles":
        return this.#load(shard, job.id, this.#coldReader.loadFiles(job.paths, job.tails));
      case "transcode":
        return this.#transcode(shard, job);
      case "search":
        return this.#search(shard, job);
      case "flush":
        return this.#flush(shard, job);
      case "unlink":
        return removePaths(job.paths, (text) => this.#parts.report({ category: "storage", level: "warning", text }));
    }
  }

  async #load(shard: number, id: number, loaded: Promise<void>): Promise<void> {
    await loaded;
    this.#parts.post(shard, { type: "loaded", id });
  }

  async #flush(shard: number, { id, requests }: Extract<FromShard, { type: "flush" }>): Promise<void> {
    const outcomes = await flushInBackground(requests);
    if (outcomes.includes("failed")) this.#parts.onFlushFailed();
    this.#parts.post(shard, { type: "flushed", id, outcomes });
  }

  async #transcode(shard: number, { id, work }: Extract<FromShard, { type: "transcode" }>): Promise<void> {
    const answer = await this.#codecs.transcode(work).catch((error): CodecAnswer => {
      const message = this.#codecFailure(error);
      return { refusal: "broken-compression", message, recordIndex: -1, rebuilt: null };
    });
    this.#parts.post(shard, { type: "transcoded", id, answer }, answer.rebuilt === null ? [] : [answer.rebuilt]);
  }

  async #search(shard: number, { id, work }: Extract<FromShard, { type: "search" }>): Promise<void> {
    const record = await this.#codecs.search(work).catch((error) => {
      this.#codecFailure(error);
      // As for a batch that is damaged: no record of it can be read.
      return { offset: NO_OFFSET, timestamp: NO_TIMESTAMP };
    });
    this.#parts.post(shard, { type: "found", id, record });
  }

  /** A codec worker failed, which is a bug of the broker or of a library. It costs the batch alone: nothing of it is stored. */
  #codecFailure(error: unknown): string {
    const why = error instanceof Error ? error.message : String(error);
    const text =
      `${why}. Its batch is refused, the broker goes on; please report this with the client's name and codec`;
    this.#parts.report({ category: "requests", level: "error", text });
    return why;
  }
}
