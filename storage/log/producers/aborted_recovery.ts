/**
 * Puts the indexes of aborted transactions right when a log is opened after an unclean stop: those of the segments that recovery has read
 * are built anew from the batches, and the others, which may be in the page cache alone, are made durable. Runs on the shard that opens the
 * log.
 *
 * Where an open transaction began, below the first of those segments, a producer snapshot says, or all batches since one.
 * Source: Kafka's UnifiedLog.recoverSegment.
 */
import { Buffer } from "node:buffer";
import type { Offset } from "../../base/units.ts";
import { nextOffset } from "../../records/record_batch.ts";
import type { Segment } from "../../segments/segment.ts";
import type { SegmentList } from "../../segments/segment_list.ts";
import type { SegmentReader } from "../../segments/segment_reader.ts";
import {
  abortedBytesBelow,
  type AbortedTransaction,
  encodeTransactionIndex,
} from "../../segments/transaction_index.ts";
import type { FileSystem } from "../../sys/file_system.ts";
import { SystemError } from "../../sys/libc.ts";
import { allocateNative } from "../../sys/memory.ts";
import { ProducerStateManager } from "./producer_state_manager.ts";

/** What the indexes are restored from. */
export interface AbortedRecoveryParts {
  readonly fs: FileSystem;
  readonly directory: string;
  readonly segments: SegmentList;
  readonly reader: SegmentReader;
}

/** Builds the indexes of the segments from an index on anew, durably. @throws SystemError, or the runtime's errors, when refused */
export function rebuildAborted(from: number, parts: AbortedRecoveryParts): void {
  const { fs, directory, segments, reader } = parts;
  const producers = new ProducerStateManager(fs, directory);
  const start = producers.loadAtMost(segments.at(from).baseOffset, segments.first.baseOffset);
  for (let index = segments.floorIndex(start); index < segments.length; index++) {
    const segment = segments.at(index);
    const aborted: AbortedTransaction[] = [];
    reader.scan(segment, { from: 0, to: segment.logFileBytes }, (view, at) => {
      if (nextOffset(view, at) <= start) return;
      const transaction = producers.abortedBy(view, at);
      if (transaction !== null) aborted.push(transaction);
      producers.update(view, at);
    });
    if (index >= from) replace(segment, encodeTransactionIndex(aborted), parts);
  }
}

/**
 * Makes the indexes of the segments from an index on durable, and cuts off what lies above the log's end: its batch was not written.
 * @throws SystemError, or the runtime's errors, when refused
 */
export function keepAborted(from: number, logEndOffset: Offset, parts: AbortedRecoveryParts): void {
  const { fs, segments } = parts;
  for (const segment of segments.all.slice(from)) {
    const bytes = fs.readFile(segment.path(".txnindex"));
    if (bytes !== null) replace(segment, bytes.subarray(0, abortedBytesBelow(bytes, logEndOffset)), parts);
  }
}

function replace(segment: Segment, bytes: Uint8Array, { fs, directory }: AbortedRecoveryParts): void {
  const path = segment.path(".txnindex");
  const before = fs.readFile(path);
  if (bytes.length === 0) {
    if (before !== null) fs.remove(path);
    return;
  }
  const isSame = before !== null && Buffer.compare(before, bytes) === 0;
  const memory = allocateNative(bytes.length);
  memory.bytes.set(bytes);
  const fd = fs.open(path, { write: true, create: true, truncate: !isSame });
  try {
    if (!isSame && fs.pwrite(fd, memory, 0, bytes.length, 0) !== bytes.length) throw new SystemError(`write ${path}`);
    if (!fs.fdatasync(fd)) throw new SystemError(`flush ${path}`);
  } finally {
    fs.close(fd);
  }
  if (!fs.syncDirectory(directory)) throw new SystemError(`flush directory ${directory}`);
}
