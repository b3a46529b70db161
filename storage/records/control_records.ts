/**
 * The records of control batches: commit and abort markers. Pure; any isolate.
 *
 *   key = int16 version 0 · int16 type (0 abort, 1 commit; others are not of transactions)
 *   value = int16 version · int32 coordinatorEpoch
 *
 * Source: Kafka's ControlRecordType and EndTransactionMarker.
 */
import { BatchRecordReader } from "./batch_record_reader.ts";

const KEY_BYTES = 4;
const VALUE_BYTES_MIN = 6;
const ABORT = 0;
const COMMIT = 1;

/** A marker that ends a transaction. */
export interface EndMarker {
  readonly committed: boolean;
  /** Epoch of the transaction coordinator that wrote it. */
  readonly coordinatorEpoch: number;
}

/**
 * Reads the marker of a control batch.
 * @param view all bytes of the batch @param at index of its first byte
 * @returns null when the batch is empty (compacted), of another type, or damaged
 */
export function readEndMarker(view: DataView, at: number): EndMarker | null {
  const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  const reader = BatchRecordReader.open({ bytes, view }, at);
  if (typeof reader === "string" || !reader.next()) return null;
  if (reader.keyLength < KEY_BYTES || reader.valueLength < VALUE_BYTES_MIN) return null;
  const inBatch = new DataView(reader.bytes.buffer, reader.bytes.byteOffset);
  const type = inBatch.getInt16(reader.keyStart + 2);
  if (type !== ABORT && type !== COMMIT) return null;
  return { committed: type === COMMIT, coordinatorEpoch: inBatch.getInt32(reader.valueStart + 2) };
}
