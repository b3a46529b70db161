/**
 * The bytes of a producer snapshot (`<offset>.snapshot`), version 1. Pure; any isolate.
 *
 *    0  int16   version = 1
 *    2  uint32  CRC-32C of the bytes from 6 to the end
 *    6  int32   entries
 *   10  entries of 46 bytes:
 *         0  int64 producerId         22  int32 offsetDelta           38  int64 currentTxnFirstOffset, -1 none
 *         8  int16 producerEpoch      26  int64 timestamp
 *        10  int32 lastSequence       34  int32 coordinatorEpoch, -1 none
 *        14  int64 lastOffset, -1 when the producer has no batch in this epoch
 *
 * Source: Kafka's ProducerSnapshot.json and ProducerStateManager.writeSnapshot.
 */
import { readInt64, writeInt64 } from "../../base/int64.ts";
import { type Offset, toOffset } from "../../base/units.ts";
import { crc32c } from "../../records/crc32c.ts";

const VERSION = 1;
const CRC_AT = 2;
const CRC_COVERS_FROM = 6;
const ENTRIES_AT = 10;
const ENTRY_BYTES = 46;

/** One producer in a snapshot. */
export interface SnapshotEntry {
  readonly producerId: number;
  readonly producerEpoch: number;
  /** Sequence of the last record, -1 for none. */
  readonly lastSequence: number;
  /** Offset of the last record, -1 for none. */
  readonly lastOffset: Offset;
  /** Offset of the last batch's last record, relative to its first one. */
  readonly offsetDelta: number;
  readonly timestamp: number;
  /** Epoch of the transaction coordinator that wrote the last marker, -1 for none. */
  readonly coordinatorEpoch: number;
  /** First offset of the open transaction, -1 for none. */
  readonly currentTxnFirstOffset: number;
}

/** Bytes of a snapshot. */
export function encodeProducerSnapshot(entries: readonly SnapshotEntry[]): Uint8Array {
  const bytes = new Uint8Array(ENTRIES_AT + entries.length * ENTRY_BYTES);
  const view = new DataView(bytes.buffer);
  view.setInt16(0, VERSION);
  view.setInt32(CRC_COVERS_FROM, entries.length);
  for (const [index, entry] of entries.entries()) {
    const at = ENTRIES_AT + index * ENTRY_BYTES;
    writeInt64(view, at, entry.producerId);
    view.setInt16(at + 8, entry.producerEpoch);
    view.setInt32(at + 10, entry.lastSequence);
    writeInt64(view, at + 14, entry.lastOffset);
    view.setInt32(at + 22, entry.offsetDelta);
    writeInt64(view, at + 26, entry.timestamp);
    view.setInt32(at + 34, entry.coordinatorEpoch);
    writeInt64(view, at + 38, entry.currentTxnFirstOffset);
  }
  view.setUint32(CRC_AT, crc32c(bytes, CRC_COVERS_FROM, bytes.length - CRC_COVERS_FROM));
  return bytes;
}

/** Reads a snapshot. @returns null when its version, length or CRC is not right, or an entry cannot be one */
export function decodeProducerSnapshot(bytes: Uint8Array): SnapshotEntry[] | null {
  if (bytes.length < ENTRIES_AT) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const count = view.getInt32(CRC_COVERS_FROM);
  if (view.getInt16(0) !== VERSION || bytes.length !== ENTRIES_AT + count * ENTRY_BYTES) return null;
  if (view.getUint32(CRC_AT) !== crc32c(bytes, CRC_COVERS_FROM, bytes.length - CRC_COVERS_FROM)) return null;
  const entries: SnapshotEntry[] = [];
  for (let at = ENTRIES_AT; at < bytes.length; at += ENTRY_BYTES) {
    const entry = {
      producerId: readInt64(view, at),
      producerEpoch: view.getInt16(at + 8),
      lastSequence: view.getInt32(at + 10),
      lastOffset: toOffset(readInt64(view, at + 14)),
      offsetDelta: view.getInt32(at + 22),
      timestamp: readInt64(view, at + 26),
      coordinatorEpoch: view.getInt32(at + 34),
      currentTxnFirstOffset: readInt64(view, at + 38),
    };
    if (!isPossible(entry)) return null;
    entries.push(entry);
  }
  return entries;
}

function isPossible(entry: SnapshotEntry): boolean {
  const { producerId, lastSequence, lastOffset, offsetDelta } = entry;
  if (producerId < 0 || !Number.isSafeInteger(producerId) || !Number.isSafeInteger(lastOffset)) return false;
  return lastOffset < 0 || (lastSequence >= 0 && offsetDelta >= 0 && offsetDelta <= lastOffset);
}
