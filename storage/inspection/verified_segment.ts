/**
 * Reads one segment whole and says what is wrong with it: each batch's header and CRC, each record of each batch, the order of the
 * offsets, and the entries of both indexes. The main isolate of `main.ts verify`; it writes nothing.
 */
import { BatchRecordReader } from "../records/batch_record_reader.ts";
import type { Offset } from "../base/units.ts";
import * as batches from "../records/record_batch.ts";
import { partitionFileName, type SegmentFileKind } from "../segments/segment_names.ts";
import { TIME_ENTRY_BYTES } from "../segments/time_index.ts";
import type { FileSystem } from "../sys/file_system.ts";
import { damage, note, type Report } from "./finding.ts";
import { IndexWalk } from "./index_walk.ts";
import { StoredBatches } from "./stored_batches.ts";

/** Bytes read between two reports of the progress. */
const PROGRESS_BYTES = 16 * 1024 * 1024;

/** A segment to be verified. */
export interface SegmentToVerify {
  readonly directory: string;
  readonly baseOffset: Offset;
  /** The log's last segment: batches are appended to it. */
  readonly isActive: boolean;
  /** Offsets below it are known to be on the disk; Infinity after a clean stop. What lies above may be torn. */
  readonly durableBelow: number;
}

/** What a segment holds. */
export interface VerifiedSegment {
  /** Offset after its last sound batch; the base offset where it has none. */
  endOffset: number;
  batches: number;
  records: number;
  /** Bytes of its sound batches. */
  bytes: number;
}

/** Verifies a segment. @throws SystemError, or the runtime's errors, when the disk refuses */
export function* verifySegment(fs: FileSystem, segment: SegmentToVerify): Generator<Report, VerifiedSegment> {
  const { directory, baseOffset, isActive } = segment;
  const path = (kind: SegmentFileKind) => `${directory}/${partitionFileName(baseOffset, kind)}`;
  const sums: VerifiedSegment = { endOffset: baseOffset, batches: 0, records: 0, bytes: 0 };
  const offsets = fs.readFile(path(".index"));
  const times = fs.readFile(path(".timeindex"));
  const walk = offsets === null || times === null ? null : new IndexWalk(baseOffset, { offsets, times });
  using stored = new StoredBatches(fs, path(".log"));
  let reported = 0;
  let isWhole = true;
  for (;;) {
    const found = stored.next();
    if (found === "end") break;
    const problem = found === "batch" ? batchProblem(stored, sums.endOffset) : found.problem;
    if (problem !== null) {
      isWhole = false;
      const position = found === "batch" ? stored.position : stored.end;
      const text = `after offset ${sums.endOffset - 1}, at position ${position} of ${stored.fileBytes}: ${problem}`;
      const isTorn = isActive && sums.endOffset >= segment.durableBelow;
      yield isTorn
        ? note(path(".log"), `${text}. It was not flushed, and the next start cuts it off`)
        : damage(path(".log"), text);
      if (found !== "batch") {
        if (found.batchBytes === 0) break; // nothing says where the next batch begins
        stored.skip(found.batchBytes);
        continue;
      }
    }
    walk?.visit(stored.memory.view, stored.at, stored.position);
    sums.endOffset = Math.max(sums.endOffset, batches.nextOffset(stored.memory.view, stored.at));
    sums.batches++;
    sums.records += batches.recordsCount(stored.memory.view, stored.at);
    sums.bytes += stored.end - stored.position;
    if (stored.end - reported < PROGRESS_BYTES) continue;
    yield { kind: "read", bytes: stored.end - reported };
    reported = stored.end;
  }
  yield { kind: "read", bytes: stored.fileBytes - reported };
  // A start reads what was not flushed, and writes its indexes again.
  if (isActive ? segment.durableBelow !== Infinity : sums.endOffset > segment.durableBelow) return sums;
  for (const [kind, bytes] of [[".index", offsets], [".timeindex", times]] as const) {
    if (bytes === null) yield note(path(kind), "it is missing: the first look-up, or the next start, writes it again");
  }
  if (walk === null || !isWhole) return sums;
  if (isActive && [offsets, times].some(endsInZeros)) {
    yield note(
      path(".index"),
      "its segment was not closed: the next start of the broker that wrote it writes it again",
    );
    return sums;
  }
  walk.end(sums.batches > 0);
  if (walk.offsetProblem !== null) yield damage(path(".index"), walk.offsetProblem);
  if (walk.timeProblem !== null) yield damage(path(".timeindex"), walk.timeProblem);
  return sums;
}

/** Whether an index is allocated ahead of its entries, as it is until its segment closes. */
function endsInZeros(index: Uint8Array | null): boolean {
  return index !== null && index.length > 0 && index.subarray(-TIME_ENTRY_BYTES).every((byte) => byte === 0);
}

/** What is wrong with a batch whose CRC is right. */
function batchProblem({ memory, at }: StoredBatches, endOffset: number): string | null {
  const { view } = memory;
  const first = batches.baseOffset(view, at);
  if (first < endOffset) return `the batch begins at offset ${first}, below the end of the one before`;
  const count = batches.recordsCount(view, at);
  if (count < 0 || count > batches.lastOffsetDelta(view, at) + 1) {
    return `the batch ${first}..${batches.lastOffset(view, at)} says that it has ${count} records`;
  }
  if (count === 0) return null; // compaction leaves such batches
  const reader = BatchRecordReader.open(memory, at);
  if (typeof reader === "string") return `the records of the batch at offset ${first} cannot be unpacked: ${reader}`;
  while (reader.next());
  if (reader.damaged) {
    return `the records of the batch at offset ${first} do not fit it (after offset ${reader.offset})`;
  }
  const last = batches.lastOffset(view, at);
  if (reader.offset > last) return `the batch ${first}..${last} has a record with offset ${reader.offset}`;
  return null;
}
