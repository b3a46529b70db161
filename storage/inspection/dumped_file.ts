/**
 * `main.ts dump FILE`: what a file of a partition holds, as lines for people. The main isolate of the command; it writes nothing.
 *
 * A `.log` file of a running broker is shown up to its last whole batch. Not done: the records of `__consumer_offsets` are shown as bytes
 * (kafka-dump-log.sh --offsets-decoder names their fields).
 * Source: Kafka's DumpLogSegments.
 */
import { type Offset, toOffset } from "../base/units.ts";
import { decodeProducerSnapshot } from "../log/producers/producer_snapshot_format.ts";
import { OFFSET_ENTRY_BYTES, readOffsetEntry } from "../segments/offset_index.ts";
import { type PartitionFileName, partitionFileName, segmentFileKinds } from "../segments/segment_names.ts";
import { readTimeEntry, TIME_ENTRY_BYTES } from "../segments/time_index.ts";
import { readAbortedTransaction } from "../segments/transaction_index.ts";
import type { FileSystem } from "../sys/file_system.ts";
import { describeRecords, describeStoredBatch, time } from "./record_text.ts";
import { StoredBatches } from "./stored_batches.ts";

/** The file is not one that can be shown, or is damaged. The message is a sentence for the user. */
export class DumpError extends Error {
  override name = "DumpError";
}

/** A segment's file, whatever stands after its kind: a segment that waits for its removal can be shown, too. */
const NAME = /^(\d{20})(\.log|\.index|\.timeindex|\.txnindex|\.snapshot)(?:\.[a-z0-9-]+)?$/;

/**
 * Lists what a file holds.
 * @param path of a `.log`, `.index`, `.timeindex`, `.txnindex` or `.snapshot` file
 * @throws DumpError when it cannot be read, is none of these, or is damaged (after the lines of what is sound)
 */
export function* dumpFile(fs: FileSystem, path: string): Generator<string> {
  const name = path.slice(path.lastIndexOf("/") + 1);
  const match = NAME.exec(name);
  if (match === null) {
    const kinds = [...segmentFileKinds, ".snapshot"].join(", ");
    throw new DumpError(
      `${path} is not a file that can be shown: it is not named like a segment's file ` +
        `(${partitionFileName(0 as PartitionFileName["offset"], ".log")}; kinds: ${kinds}). Checkpoints are text`,
    );
  }
  const [baseOffset, kind] = [toOffset(Number(match[1])), match[2] as PartitionFileName["kind"]];
  if (kind === ".log") return yield* dumpLog(fs, path);
  const bytes = readWhole(fs, path);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (kind === ".index") yield* dumpOffsets(view, baseOffset);
  else if (kind === ".timeindex") yield* dumpTimes(view, baseOffset);
  else if (kind === ".txnindex") yield* dumpAborted(view);
  else yield* dumpSnapshot(bytes, path);
}

function* dumpLog(fs: FileSystem, path: string): Generator<string> {
  using stored = openBatches(fs, path);
  for (;;) {
    const found = stored.next();
    if (found === "end") return;
    if (found !== "batch") {
      throw new DumpError(
        `${path}: after ${stored.end} of ${stored.fileBytes} bytes: ${found.problem}. ` +
          "A broker that runs may be writing it; otherwise the next start cuts it off, or says that it cannot",
      );
    }
    yield describeStoredBatch(stored.memory.view, stored.at, stored.position);
    yield* describeRecords(stored.memory, stored.at);
  }
}

function openBatches(fs: FileSystem, path: string): StoredBatches {
  try {
    return new StoredBatches(fs, path);
  } catch (error) {
    throw new DumpError(`Cannot read ${path}: ${error instanceof Error ? error.message : error}`);
  }
}

function readWhole(fs: FileSystem, path: string): Uint8Array {
  let bytes: Uint8Array | null;
  try {
    bytes = fs.readFile(path);
  } catch (error) {
    throw new DumpError(`Cannot read ${path}: ${error instanceof Error ? error.message : error}`);
  }
  if (bytes === null) throw new DumpError(`Cannot read ${path}: there is no such file`);
  return bytes;
}

/** An index whose segment is still written is allocated ahead of its entries: the rest of the file is zeros. */
function* dumpOffsets(view: DataView, baseOffset: Offset): Generator<string> {
  const end = countWritten(view, OFFSET_ENTRY_BYTES);
  for (let entry = 0; entry < end; entry++) {
    const { offset, position } = readOffsetEntry(view, entry, baseOffset)!;
    yield `offset ${offset}  position ${position}`;
  }
}

function* dumpTimes(view: DataView, baseOffset: Offset): Generator<string> {
  const end = countWritten(view, TIME_ENTRY_BYTES);
  for (let entry = 0; entry < end; entry++) {
    const { timestamp, offset } = readTimeEntry(view, entry, baseOffset)!;
    yield `timestamp ${time(timestamp)}  offset ${offset}`;
  }
}

/** Counts the whole entries, without those of zeros at the end. */
function countWritten(view: DataView, entryBytes: number): number {
  let end = view.byteLength;
  while (end > 0 && view.getUint8(end - 1) === 0) end--;
  return Math.min(Math.ceil(end / entryBytes), Math.floor(view.byteLength / entryBytes));
}

function* dumpAborted(view: DataView): Generator<string> {
  for (let entry = 0;; entry++) {
    const aborted = readAbortedTransaction(view, entry);
    if (aborted === null) return;
    const { producerId, firstOffset, lastOffset, lastStableOffset } = aborted;
    yield `aborted ${firstOffset}..${lastOffset}  producer ${producerId}  last stable offset ${lastStableOffset}`;
  }
}

function* dumpSnapshot(bytes: Uint8Array, path: string): Generator<string> {
  const entries = decodeProducerSnapshot(bytes);
  if (entries === null) throw new DumpError(`${path} is damaged: its version, length or CRC-32C is wrong`);
  for (const entry of entries) {
    const open = entry.currentTxnFirstOffset < 0 ? "" : `  transaction open since ${entry.currentTxnFirstOffset}`;
    yield `producer ${entry.producerId}  epoch ${entry.producerEpoch}  last sequence ${entry.lastSequence}  ` +
      `last offset ${entry.lastOffset}  ${time(entry.timestamp)}${open}`;
  }
}
