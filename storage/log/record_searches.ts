/**
 * Searches inside batches, for the logs of one shard: small ones at once; for others a codec worker unpacks the batch, and the search is
 * unfinished until it has. Runs on shards.
 *
 * Always: a search at once reads a bounded number of bytes and pieces. The bytes of batches at workers are limited.
 */
import * as batches from "../records/record_batch.ts";
import { findInBatch, type FoundRecord, type RecordSearch } from "../records/timestamp_search.ts";
import type { NativeMemory } from "../sys/memory.ts";

/** Most bytes and pieces of records that a shard unpacks itself: 5 ms of its turn. */
const INLINE_LIMITS = { contentBytesMax: 2 * 1024 * 1024, piecesMax: 256 };
/** Most bytes of batches that are at workers, as they are stored; one batch may exceed it. */
const WORKERS_BYTES_MAX = 4 * 1024 * 1024;
/** Most results that wait to be asked for again; the oldest are forgotten, and searched for anew. */
const RESULTS_MAX = 64;

/** Lets a codec worker search; `done` runs on a later turn. @param batch is transferred */
export type SearchElsewhere = (batch: ArrayBuffer, search: RecordSearch, done: (record: FoundRecord) => void) => void;

/** A stored batch: its header, and how to read all of it. */
export interface StoredBatch {
  readonly view: DataView;
  readonly headerAt: number;
  /** Reads the whole batch into memory of its own. @throws SystemError */
  readonly read: () => NativeMemory;
}

/** The searches of one shard. */
export class RecordSearches {
  readonly #elsewhere: SearchElsewhere | null;
  /** By batch and search: the results, or null while a worker has the batch. */
  readonly #results = new Map<string, FoundRecord | null>();
  #workersBytes = 0;

  /** @param elsewhere lets a codec worker search; null where there is none, so that everything is searched at once */
  constructor(elsewhere: SearchElsewhere | null = null) {
    this.#elsewhere = elsewhere;
  }

  /**
   * Searches in a batch.
   * @returns "unfinished" while a worker has the batch, or will get it when others are done: the same search, later, has the result
   * @throws SystemError
   */
  find(batch: StoredBatch, search: RecordSearch): FoundRecord | "unfinished" {
    const key = keyOf(batch, search);
    const known = this.#results.get(key);
    if (known === null) return "unfinished";
    if (known !== undefined) return known;
    const memory = batch.read();
    const bytes = memory.bytes.subarray(0, batches.batchBytes(memory.view, 0));
    if (this.#elsewhere === null) return findInBatch(bytes, search) as FoundRecord;
    const found = findInBatch(bytes, search, INLINE_LIMITS);
    if (found !== "too-large") return found;
    if (this.#workersBytes === 0 || this.#workersBytes + bytes.length <= WORKERS_BYTES_MAX) {
      this.#begin(key, memory, { search, elsewhere: this.#elsewhere });
    }
    return "unfinished";
  }

  #begin(
    key: string,
    { bytes }: NativeMemory,
    { search, elsewhere }: { search: RecordSearch; elsewhere: SearchElsewhere },
  ): void {
    const { length } = bytes;
    this.#workersBytes += length;
    this.#results.set(key, null);
    elsewhere(bytes.buffer as ArrayBuffer, search, (record) => {
      this.#workersBytes -= length;
      this.#results.delete(key);
      this.#results.set(key, record);
      if (this.#results.size > RESULTS_MAX) this.#forgetOldest();
    });
  }

  #forgetOldest(): void {
    for (const [key, result] of this.#results) {
      if (result === null) continue;
      this.#results.delete(key);
      return;
    }
  }
}

/** Names a batch by its content, so that a result stays true whatever becomes of the log: its checksum covers all but the base offset. */
function keyOf({ view, headerAt }: StoredBatch, search: RecordSearch): string {
  const batch = `${batches.storedCrc(view, headerAt)}:${batches.baseOffset(view, headerAt)}:${
    batches.batchBytes(view, headerAt)
  }`;
  return search.type === "first"
    ? `${batch}:first:${search.target.timestamp}:${search.target.offset}`
    : `${batch}:largest:${search.from}`;
}
