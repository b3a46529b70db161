/**
 * Reads a partition of a coordinator's topic from its log, slice by slice: the shard serves other requests between two slices. Runs on
 * the shard that leads the partition.
 *
 * What must always hold:
 * - Records are replayed in the order of the log. Records of a transaction (Apache Kafka's logs have them) are replayed at its commit
 *   marker.
 * - No bytes of a disk make it throw.
 * - A damaged batch ends the loading, as in Kafka. Without its records older state could come back, such as offsets that a client has
 *   long passed.
 * - A record that cannot be read is left out and counted.
 * - After a read that the disk refused, the same slice can be loaded again.
 */
import {
  type FileSystem,
  type Log,
  type NativeMemory,
  nativeMemory,
  type Offset,
  RecordRunReader,
  storageFailure,
} from "../../../storage/mod.ts";
import type { RecordCodec } from "./record_codec.ts";

/** Size of a slice: one to two milliseconds of work (bench/group_commit_bench.ts). */
const SLICE_BYTES = 64 * 1024;

/** The part of a log that the loader uses. */
export type LoadedLog = Pick<Log, "logStartOffset" | "logEndOffset" | "read" | "release">;

/** Why a slice was not loaded. */
export interface LoadProblem {
  /** A sentence. */
  readonly message: string;
  /** Whether another try may succeed: the disk refused, nothing is damaged. No record of the slice was replayed then. */
  readonly mayPass: boolean;
}

/** Records of open transactions, by producer id. */
type Transactions<Entry> = Map<number, Entry[]>;

/** The read buffer that a shard's loaders share, because they read one at a time. */
export class LoadMemory {
  readonly fs: FileSystem;
  #memory: NativeMemory | null = null;

  /** @param fs the file system of the logs */
  constructor(fs: FileSystem) {
    this.fs = fs;
  }

  /** Returns memory for a slice. @param length in bytes, at least */
  take(length: number): NativeMemory {
    if (this.#memory === null || this.#memory.bytes.length < length) {
      this.#memory = nativeMemory(new ArrayBuffer(Math.max(length, SLICE_BYTES)));
    }
    return this.#memory;
  }

  /** Frees the memory, once nothing is being loaded any more. */
  drop(): void {
    this.#memory = null;
  }
}

/** Loads one partition. */
export class RecordLoader<Entry> {
  readonly #log: LoadedLog;
  readonly #memory: LoadMemory;
  readonly #codec: RecordCodec<Entry>;
  readonly #end: Offset;
  readonly #transactions: Transactions<Entry> = new Map();
  #next: Offset;
  #recordsCount = 0;
  #laterCount = 0;
  #damagedCount = 0;

  /** @param log open; nothing is appended to it until it is loaded */
  constructor(log: LoadedLog, memory: LoadMemory, codec: RecordCodec<Entry>) {
    this.#log = log;
    this.#memory = memory;
    this.#codec = codec;
    this.#next = log.logStartOffset;
    this.#end = log.logEndOffset;
  }

  /** How many records were replayed. */
  get recordsCount(): number {
    return this.#recordsCount;
  }

  /** How many records of later Kafka versions were left out. */
  get laterCount(): number {
    return this.#laterCount;
  }

  /** How many damaged records were left out. */
  get damagedCount(): number {
    return this.#damagedCount;
  }

  /**
   * Loads a slice.
   * @param replay called with each record
   * @returns whether the whole log is loaded, or why this slice is not
   */
  loadSlice(replay: (record: Entry) => void): boolean | LoadProblem {
    if (this.#next >= this.#end) return true;
    const options = { maxBytes: SLICE_BYTES, maxOffset: this.#end, atLeastOne: true };
    const { refusal, message, slice } = this.#log.read(this.#next, options);
    if (refusal !== null) return { message, mayPass: true };
    if (slice === null) return true; // compaction removed what was left
    try {
      const memory = this.#memory.take(slice.length);
      const length = this.#memory.fs.pread(slice.fd, memory, 0, slice.length, slice.position);
      if (length !== slice.length) {
        return { message: `Cannot read ${slice.length} bytes: ${this.#memory.fs.lastError()}`, mayPass: true };
      }
      const damage = this.#replay(new RecordRunReader(memory, 0, length), replay);
      if (damage !== null) return { message: damage, mayPass: false };
    } catch (error) {
      return { message: storageFailure(error), mayPass: false };
    } finally {
      this.#log.release(slice.leaseId);
    }
    this.#next = slice.nextOffset;
    return this.#next >= this.#end;
  }

  #replay(reader: RecordRunReader, replay: (record: Entry) => void): string | null {
    while (reader.next()) {
      if (reader.offset < this.#next) continue;
      if (reader.isControl) {
        this.#endTransaction(reader, replay);
        continue;
      }
      const [key, value] = [reader.key(), reader.value()];
      const record = this.#codec.decode(key, value);
      if (record === null) this.#leaveOut(key, value);
      else if (reader.isTransactional) this.#hold(reader.producerId, record);
      else this.#show(record, replay);
    }
    return reader.damage;
  }

  #show(record: Entry, replay: (record: Entry) => void): void {
    this.#recordsCount++;
    replay(record);
  }

  #hold(producerId: number, record: Entry): void {
    const records = this.#transactions.get(producerId);
    if (records === undefined) this.#transactions.set(producerId, [record]);
    else records.push(record);
  }

  #endTransaction(reader: RecordRunReader, replay: (record: Entry) => void): void {
    const key = reader.key();
    const records = this.#transactions.get(reader.producerId);
    if (key === null || key.length < 4 || records === undefined) return;
    const type = (key[2]! << 8) | key[3]!;
    if (type === COMMIT) {
      for (const record of records) this.#show(record, replay);
    }
    if (type === COMMIT || type === ABORT) this.#transactions.delete(reader.producerId);
  }

  #leaveOut(key: Uint8Array | null, value: Uint8Array | null): void {
    if (this.#codec.unread(key, value) === "damaged") this.#damagedCount++;
    else this.#laterCount++;
  }
}

/** Types of control records (storage/records/control_records.ts). */
const ABORT = 0;
const COMMIT = 1;
