/**
 * A cursor over the records of a run of batches from a log, for coordinators that load their state from their log. Any isolate but
 * the main one, because decompression takes long.
 *
 * Must always hold: damaged bytes never throw, and nothing outside the range is read. Records are returned only from batches whose
 * length, format, CRC and every record are correct: a damaged batch returns none. A batch that is cut off at the end of the range
 * is not read.
 */
import { type Offset, toOffset } from "../base/units.ts";
import { crc32c } from "./crc32c.ts";
import * as batches from "./record_batch.ts";
import { BatchRecordReader } from "./batch_record_reader.ts";

/** Batches in memory, and the current record. */
export class RecordRunReader {
  readonly #memory: { readonly bytes: Uint8Array; readonly view: DataView };
  readonly #end: number;
  #batchAt: number;
  #nextBatchAt: number;
  #records: BatchRecordReader | null = null;
  #damage: string | null = null;

  /**
   * @param memory the bytes and a view of them; they must not change while they are read
   * @param start index of the first batch @param end index after the last whole batch, or anywhere in a cut one
   */
  constructor(memory: { readonly bytes: Uint8Array; readonly view: DataView }, start: number, end: number) {
    this.#memory = memory;
    this.#batchAt = start;
    this.#nextBatchAt = start;
    this.#end = end;
  }

  /** Moves to the next record. @returns false when no complete one is left, or at damage */
  next(): boolean {
    while (this.#records === null || !this.#records.next()) {
      if (!this.#openBatch()) return false;
    }
    return true;
  }

  /** Why reading stopped before the end of the range; null when nothing is damaged. */
  get damage(): string | null {
    return this.#damage;
  }

  /**
   * Index of the first byte that was not read: after the last whole batch, or at the damaged one. If the log has whole batches from
   * there on but the next read does not get further, the length of that batch is damaged too.
   */
  get position(): number {
    return this.#nextBatchAt;
  }

  /** Offset of the record. */
  get offset(): Offset {
    return this.#record.offset;
  }

  /** Timestamp of the record, or of its append, in ms. */
  get timestamp(): number {
    return this.#record.timestamp;
  }

  /** Key of the record, null for none; a view that is valid until the next batch. */
  key(): Uint8Array | null {
    return this.#record.key();
  }

  /** Value of the record, null for none; a view like the key. */
  value(): Uint8Array | null {
    return this.#record.value();
  }

  /** Whether the record is a marker of a control batch, so its key and value are not data of the topic. */
  get isControl(): boolean {
    return batches.isControl(this.#memory.view, this.#batchAt);
  }

  /** Whether the record belongs to a transaction. */
  get isTransactional(): boolean {
    return batches.isTransactional(this.#memory.view, this.#batchAt);
  }

  /** Producer that wrote the record, -1 for none. */
  get producerId(): number {
    return batches.producerId(this.#memory.view, this.#batchAt);
  }

  get #record(): BatchRecordReader {
    if (this.#records === null) throw new Error("No record: next() was not called, or said false");
    return this.#records;
  }

  #openBatch(): boolean {
    this.#records = null;
    const at = this.#nextBatchAt;
    const left = this.#end - at;
    if (this.#damage !== null || left < batches.BATCH_STEP_BYTES) return false;
    const { bytes, view } = this.#memory;
    const length = batches.batchBytes(view, at);
    if (batches.magic(view, at) !== batches.MAGIC_V2) return this.#fail(`format v${batches.magic(view, at)}`);
    if (length < batches.BATCH_HEADER_BYTES) return this.#fail(`a length of ${length} bytes`);
    if (length > left) return false;
    const crc = crc32c(bytes, at + batches.CRC_COVERS_FROM, length - batches.CRC_COVERS_FROM);
    if (crc !== batches.storedCrc(view, at)) return this.#fail("CRC-32C mismatch");
    const problem = this.#problemOfRecords(at);
    if (problem !== null) return this.#fail(problem);
    this.#batchAt = at;
    this.#nextBatchAt = at + length;
    return true;
  }

  /** Checks a batch before its records are returned. @returns null when all its records are correct */
  #problemOfRecords(at: number): string | null {
    const records = BatchRecordReader.open(this.#memory, at);
    if (typeof records === "string") return records;
    while (records.next());
    if (records.damaged) return "a record that does not fit";
    records.rewind();
    this.#records = records;
    return null;
  }

  #fail(problem: string): boolean {
    const offset = toOffset(batches.baseOffset(this.#memory.view, this.#nextBatchAt));
    this.#damage = `Cannot read the batch at offset ${offset}: ${problem}`;
    return false;
  }
}
