/**
 * Helpers for tests of compaction: segments of batches in a directory, a cleaning of them from begin to end, and the batches that are
 * left, decoded.
 */
import { strict as assert } from "node:assert";
import { toOffset } from "../storage/base/units.ts";
import type { CleaningJob, CleaningResult, CleaningSegment } from "../storage/cleaner/cleaning_job.ts";
import { cleanLog } from "../storage/cleaner/log_cleaning.ts";
import { BatchRecordReader } from "../storage/records/batch_record_reader.ts";
import * as batches from "../storage/records/record_batch.ts";
import { CLEANED_SUFFIX, partitionFileName, segmentFileKinds } from "../storage/segments/segment_names.ts";
import { type FileSystem, linuxFileSystem } from "../storage/sys/file_system.ts";
import { batchesIn } from "./log_fixture.ts";
import { concatBytes, TEST_TIMESTAMP } from "./record_batch_builder.ts";

/** No producer is known. */
export const NO_PRODUCERS = {
  producerIds: new Float64Array(0),
  epochs: new Int16Array(0),
  lastDataOffsets: new Float64Array(0),
};

/** A batch as it lies in a log, decoded. */
export interface DecodedBatch {
  baseOffset: number;
  lastOffset: number;
  leaderEpoch: number;
  codec: number;
  producerId: number;
  producerEpoch: number;
  baseSequence: number;
  isTransactional: boolean;
  isControl: boolean;
  isLogAppendTime: boolean;
  maxTimestamp: number;
  /** null for none */
  horizonMs: number | null;
  records: DecodedRecord[];
}

/** A record; keys and values as text of one character a byte. */
export interface DecodedRecord {
  offset: number;
  timestamp: number;
  key: string | null;
  value: string | null;
  headersCount: number;
}

/** Writes a segment's `.log` file, in the place of one that exists. */
export function writeSegment(directory: string, baseOffset: number, parts: readonly Uint8Array[]): void {
  Deno.mkdirSync(directory, { recursive: true });
  Deno.writeFileSync(`${directory}/${partitionFileName(toOffset(baseOffset), ".log")}`, concatBytes(parts));
}

/** Base offsets of the segments in a directory, ascending. */
export function segmentsIn(directory: string): number[] {
  const names = [...Deno.readDirSync(directory)].map(({ name }) => name).filter((name) => name.endsWith(".log"));
  return names.map((name) => Number(name.slice(0, -4))).sort((one, other) => one - other);
}

/**
 * A job for the segments in a directory; the last one is the active segment.
 * @param changes fields that differ from: everything is dirty and cleanable, no producer is known, Kafka's defaults
 */
export function jobOf(directory: string, changes: Partial<CleaningJob> = {}): CleaningJob {
  const bases = segmentsIn(directory);
  const segments = bases.slice(0, -1).map((base, index): CleaningSegment => {
    const file = Deno.statSync(`${directory}/${partitionFileName(toOffset(base), ".log")}`);
    const modifiedMs = file.mtime?.getTime() ?? 0;
    return { baseOffset: toOffset(base), endOffset: toOffset(bases[index + 1]!), bytes: file.size, modifiedMs };
  });
  return {
    directory,
    segments,
    firstDirtyOffset: toOffset(bases[0]!),
    firstUncleanableOffset: toOffset(bases.at(-1)!),
    producers: NO_PRODUCERS,
    nowMs: TEST_TIMESTAMP,
    deleteRetentionMs: 86_400_000,
    segmentBytes: 1024 * 1024,
    segmentIndexBytes: 10 * 1024 * 1024,
    indexIntervalBytes: 4096,
    dedupeBufferBytes: 1024 * 1024,
    dedupeLoadFactor: 0.9,
    ...changes,
  };
}

/** Cleans from begin to end. @throws what the cleaning throws; its files are removed then */
export function clean(job: CleaningJob, fs: FileSystem = linuxFileSystem): CleaningResult {
  using cleaning = cleanLog(job, { fs });
  let moved = 0;
  let progress = 0;
  while (cleaning.next()) {
    assert.ok(cleaning.bytesMoved >= moved && cleaning.progress >= progress && cleaning.progress <= 1);
    [moved, progress] = [cleaning.bytesMoved, cleaning.progress];
  }
  assert.equal(cleaning.progress, 1);
  return cleaning.result;
}

/** Puts the new segments in the place of their sources, as a log does that no crash interrupts. */
export function swapIn(directory: string, { replacements }: CleaningResult): void {
  for (const { baseOffset, sources, bytes, hasAborted } of replacements) {
    const path = (offset: number, kind: (typeof segmentFileKinds)[number]) =>
      `${directory}/${partitionFileName(toOffset(offset), kind)}`;
    for (const source of sources) for (const kind of segmentFileKinds) linuxFileSystem.remove(path(source, kind));
    assert.equal(Deno.statSync(path(baseOffset, ".log") + CLEANED_SUFFIX).size, bytes);
    for (const kind of segmentFileKinds) {
      if (kind !== ".txnindex" || hasAborted) {
        Deno.renameSync(path(baseOffset, kind) + CLEANED_SUFFIX, path(baseOffset, kind));
      }
    }
  }
  const left = [...Deno.readDirSync(directory)].filter(({ name }) => name.endsWith(CLEANED_SUFFIX));
  assert.deepEqual(left.map(({ name }) => name), []);
}

/** Cleans, and swaps the new segments in. */
export function cleanAndSwap(job: CleaningJob): CleaningResult {
  const result = clean(job);
  swapIn(job.directory, result);
  return result;
}

/** All batches of a log in order, decoded; asserts that they are whole and sound. */
export function decodeLog(directory: string): DecodedBatch[] {
  return segmentsIn(directory).flatMap((base) => {
    const bytes = Deno.readFileSync(`${directory}/${partitionFileName(toOffset(base), ".log")}`);
    return batchesIn(bytes).map((batch) => decodeBatch(batch.bytes));
  });
}

/** Decodes one batch. */
export function decodeBatch(bytes: Uint8Array): DecodedBatch {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const reader = BatchRecordReader.open({ bytes, view }, 0);
  assert.ok(typeof reader !== "string", String(reader));
  const records: DecodedRecord[] = [];
  while (reader.next()) {
    records.push({
      offset: reader.offset,
      timestamp: reader.timestamp,
      key: textOf(reader.key()),
      value: textOf(reader.value()),
      headersCount: reader.headersCount,
    });
  }
  assert.equal(reader.damaged, false);
  return {
    baseOffset: batches.baseOffset(view, 0),
    lastOffset: batches.lastOffset(view, 0),
    leaderEpoch: batches.partitionLeaderEpoch(view, 0),
    codec: batches.codec(view, 0),
    producerId: batches.producerId(view, 0),
    producerEpoch: batches.producerEpoch(view, 0),
    baseSequence: batches.baseSequence(view, 0),
    isTransactional: batches.isTransactional(view, 0),
    isControl: batches.isControl(view, 0),
    isLogAppendTime: batches.isLogAppendTime(view, 0),
    maxTimestamp: batches.maxTimestamp(view, 0),
    horizonMs: batches.hasDeleteHorizon(view, 0) ? batches.baseTimestamp(view, 0) : null,
    records,
  };
}

const decoder = new TextDecoder("latin1");

function textOf(bytes: Uint8Array | null): string | null {
  return bytes === null ? null : decoder.decode(bytes);
}
