/**
 * The index of aborted transactions (`.txnindex`): one entry for each whose abort marker lies in the segment. A segment without one has
 * no such file. Pure; any isolate.
 *
 *   0  int16  version, 0
 *   2  int64  producerId
 *  10  int64  firstOffset       of the transaction
 *  18  int64  lastOffset        that of its abort marker
 *  26  int64  lastStableOffset  when the marker was appended
 *  34  bytes an entry, ascending by lastOffset
 *
 * Source: Kafka's TransactionIndex and AbortedTxn.
 */
import { readInt64, writeInt64 } from "../base/int64.ts";
import { type Offset, toOffset } from "../base/units.ts";

const VERSION = 0;
const PRODUCER_ID_AT = 2;
const FIRST_OFFSET_AT = 10;
const LAST_OFFSET_AT = 18;
const LAST_STABLE_OFFSET_AT = 26;
const ENTRY_BYTES = 34;

/** A transaction that was aborted. */
export interface AbortedTransaction {
  readonly producerId: number;
  readonly firstOffset: Offset;
  /** Offset of its abort marker. */
  readonly lastOffset: Offset;
  readonly lastStableOffset: Offset;
}

/** Reads an entry of an index's bytes, possible or not. @param entry its number @returns null after the last whole one */
export function readAbortedTransaction(view: DataView, entry: number): AbortedTransaction | null {
  const at = entry * ENTRY_BYTES;
  if (at + ENTRY_BYTES > view.byteLength) return null;
  return {
    producerId: readInt64(view, at + PRODUCER_ID_AT),
    firstOffset: toOffset(readInt64(view, at + FIRST_OFFSET_AT)),
    lastOffset: toOffset(readInt64(view, at + LAST_OFFSET_AT)),
    lastStableOffset: toOffset(readInt64(view, at + LAST_STABLE_OFFSET_AT)),
  };
}

/** Bytes of an index. */
export function encodeTransactionIndex(transactions: readonly AbortedTransaction[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(transactions.length * ENTRY_BYTES);
  const view = new DataView(bytes.buffer);
  transactions.forEach((transaction, index) => {
    const at = index * ENTRY_BYTES;
    view.setInt16(at, VERSION);
    writeInt64(view, at + PRODUCER_ID_AT, transaction.producerId);
    writeInt64(view, at + FIRST_OFFSET_AT, transaction.firstOffset);
    writeInt64(view, at + LAST_OFFSET_AT, transaction.lastOffset);
    writeInt64(view, at + LAST_STABLE_OFFSET_AT, transaction.lastStableOffset);
  });
  return bytes;
}

/**
 * Reads an index; a part of an entry at its end does not count, because the owner of an active segment may be writing it.
 * @param baseOffset of the segment @returns null when an entry cannot be one
 */
export function decodeTransactionIndex(bytes: Uint8Array, baseOffset: Offset): AbortedTransaction[] | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const transactions: AbortedTransaction[] = [];
  for (let entry = 0;; entry++) {
    const transaction = readAbortedTransaction(view, entry);
    if (transaction === null) return transactions;
    const { firstOffset, lastOffset } = transaction;
    if (view.getInt16(entry * ENTRY_BYTES) !== VERSION) return null;
    if (firstOffset > lastOffset || lastOffset < baseOffset) return null;
    if (lastOffset <= (transactions.at(-1)?.lastOffset ?? -1) || firstOffset < 0) return null;
    transactions.push(transaction);
  }
}

/** Bytes of the entries whose abort marker lies below an offset: they come first. @param bytes of an index */
export function abortedBytesBelow(bytes: Uint8Array, offset: Offset): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let entry = 0;; entry++) {
    const transaction = readAbortedTransaction(view, entry);
    if (transaction === null || transaction.lastOffset >= offset) return entry * ENTRY_BYTES;
  }
}
