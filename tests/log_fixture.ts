/**
 * Helpers for tests of logs: a directory, a configuration, appends and reads in one line, and a check of the files. The check is
 * written from Kafka's sources and shares only the checksum with the storage code.
 */
import { strict as assert } from "node:assert";
import { ManualClock } from "../storage/base/clock.ts";
import { type Offset, toOffset } from "../storage/base/units.ts";
import { defaultLevels } from "../storage/records/compression/levels.ts";
import { crc32c } from "../storage/records/crc32c.ts";
import { Log } from "../storage/log/log.ts";
import type { LogConfig } from "../storage/log/log_config.ts";
import type { AppendResult, LogOptions, TimestampedOffset } from "../storage/log/log_types.ts";
import { type FileSystem, linuxFileSystem } from "../storage/sys/file_system.ts";
import { allocateNative } from "../storage/sys/memory.ts";
import { type BatchOptions, buildBatch, inMemory, TEST_TIMESTAMP, type TestRecord } from "./record_batch_builder.ts";

/** Kafka's defaults, except for small segments. */
export const testConfig: LogConfig = {
  segmentBytes: 1024 * 1024,
  segmentMs: 7 * 24 * 3600 * 1000,
  segmentJitterMs: 0,
  segmentIndexBytes: 10 * 1024 * 1024,
  indexIntervalBytes: 4096,
  maxMessageBytes: 1_048_588,
  messageTimestampType: "CreateTime",
  messageTimestampBeforeMaxMs: Infinity,
  messageTimestampAfterMaxMs: Infinity,
  flushMessages: Infinity,
  flushMs: Infinity,
  compressionType: "producer",
  compressionLevels: defaultLevels,
  compact: false,
  delete: true,
  retentionMs: -1,
  retentionBytes: -1,
  maxCompactionLagMs: Infinity,
  minCompactionLagMs: 0,
  minCleanableDirtyRatio: 0.5,
  deleteRetentionMs: 24 * 3600 * 1000,
  preallocate: false,
  fileDeleteDelayMs: 60_000,
  appendMode: "pwrite",
  recoveryIntervalBytes: Infinity,
};

/** A directory for one test, removed with it. */
export class TestDirectory implements Disposable {
  readonly path = Deno.makeTempDirSync({ prefix: "barnabas-test-" });
  /** A partition's directory in it; it does not exist yet. */
  readonly partition = `${this.path}/topic-0`;

  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}

/** Options for a log, with defaults for everything that a test does not set. */
export function logOptions(directory: string, changes: Partial<LogOptions> = {}): LogOptions {
  return {
    fs: linuxFileSystem,
    clock: new ManualClock(TEST_TIMESTAMP),
    directory,
    config: testConfig,
    cleanShutdown: false,
    recoveryPoint: toOffset(0),
    logStartOffset: toOffset(0),
    producerIdExpirationMs: 24 * 3600 * 1000,
    random: () => 0.5,
    ...changes,
  };
}

/** Opens a log in a directory. */
export function openLog(directory: string, changes: Partial<LogOptions> = {}): Log {
  return Log.open(logOptions(directory, changes));
}

/** Appends one batch of the records, in the middle of a larger memory. */
export function append(
  log: Log,
  records: readonly TestRecord[],
  options: BatchOptions & { leaderEpoch?: number; nowMs?: number } = {},
): AppendResult {
  const { memory, start, length } = inMemory(buildBatch(records, options), 37);
  return log.appendAsLeader(memory, start, length, {
    leaderEpoch: options.leaderEpoch ?? 0,
    nowMs: options.nowMs ?? TEST_TIMESTAMP,
  });
}

/** Deletes the oldest segments, each durably before the next one. @returns paths of the renamed files */
export function deleteSegments(log: Log, count: number): string[] {
  return Array.from({ length: count }, () => {
    assert.ok(log.flush());
    return log.deleteOldestSegment();
  }).flat();
}

/** Records with values of a size; `timestamp` for all of them. */
export function recordsOf(count: number, valueBytes: number, timestamp = TEST_TIMESTAMP): TestRecord[] {
  return Array.from({ length: count }, () => ({ value: new Uint8Array(valueBytes).fill(120), timestamp }));
}

/** A batch as it lies in a file. */
export interface StoredBatch {
  baseOffset: number;
  lastOffset: number;
  position: number;
  bytes: Uint8Array;
  maxTimestamp: number;
  leaderEpoch: number;
}

/** Splits bytes into batches; asserts that they are whole batches with correct checksums. */
export function batchesIn(bytes: Uint8Array, from = 0): StoredBatch[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const found: StoredBatch[] = [];
  for (let at = 0; at < bytes.length;) {
    assert.ok(at + 61 <= bytes.length, `a header at ${at} is whole`);
    const length = view.getInt32(at + 8) + 12;
    assert.ok(length >= 61 && at + length <= bytes.length, `a batch of ${length} bytes at ${at} is whole`);
    assert.equal(view.getInt8(at + 16), 2);
    assert.equal(view.getUint32(at + 17), crc32c(bytes, at + 21, length - 21), `the CRC of the batch at ${at}`);
    const baseOffset = Number(view.getBigInt64(at));
    found.push({
      baseOffset,
      lastOffset: baseOffset + view.getInt32(at + 23),
      position: from + at,
      bytes: bytes.slice(at, at + length),
      maxTimestamp: Number(view.getBigInt64(at + 35)),
      leaderEpoch: view.getInt32(at + 12),
    });
    at += length;
  }
  return found;
}

/**
 * Reads a log from an offset to its end, as a consumer would; every slice must be whole batches.
 * @param options hasGaps: whether offsets may be missing between segments, and at the end
 */
export function readAll(
  log: Log,
  options: { fs?: FileSystem; from?: Offset; maxBytes?: number; hasGaps?: boolean } = {},
): StoredBatch[] {
  const { fs = linuxFileSystem, maxBytes = 100_000, hasGaps = false } = options;
  const found: StoredBatch[] = [];
  for (let offset = options.from ?? log.logStartOffset; offset < log.logEndOffset;) {
    const { refusal, message, slice } = log.read(offset, { maxBytes, maxOffset: log.logEndOffset, atLeastOne: true });
    assert.equal(refusal, null, message);
    if (slice === null && hasGaps) break;
    assert.ok(slice !== null, `something is found at ${offset}`);
    const memory = allocateNative(slice.length);
    assert.equal(fs.pread(slice.fd, memory, 0, slice.length, slice.position), slice.length);
    log.release(slice.leaseId);
    const batches = batchesIn(memory.bytes.subarray(0, slice.length), slice.position);
    assert.ok(batches[0]!.lastOffset >= offset, "the first batch holds the offset");
    const endOffset = batches.at(-1)!.lastOffset + 1;
    assert.ok(endOffset === slice.nextOffset || (hasGaps && endOffset < slice.nextOffset));
    found.push(...batches);
    offset = slice.nextOffset;
  }
  return found;
}

/** Finds a record by its time, or the one with the largest time; repeats the search until it is finished. */
export function findByTime(log: Log, timestamp: number | "largest", maxOffset: Offset): TimestampedOffset | null {
  for (;;) {
    const found = timestamp === "largest"
      ? log.maxTimestampOffset(maxOffset)
      : log.offsetForTimestamp(timestamp, { maxOffset });
    if (found !== "unfinished") return found;
  }
}

/** Names and contents of a directory's files. */
export function filesIn(directory: string): Map<string, Uint8Array> {
  const names = [...Deno.readDirSync(directory)].map((entry) => entry.name);
  return new Map(names.map((name) => [name, Deno.readFileSync(`${directory}/${name}`)]));
}

/**
 * Checks the files of a closed log as Kafka's DumpLogSegments does, and that segments follow each other.
 * @param source the directory, or its files
 * @param options hasLost: whether a loss of power may have taken records between segments, and made recovery set some aside;
 *   isCleaned: whether compaction may have taken records anywhere
 * @returns sentences about the problems, none when everything is correct
 */
export function findInconsistencies(
  source: string | ReadonlyMap<string, Uint8Array>,
  options: { hasLost?: boolean; isCleaned?: boolean } = {},
): string[] {
  const problems: string[] = [];
  const files = typeof source === "string" ? filesIn(source) : source;
  const names = [...files.keys()].sort();
  const stems = names.filter((name) => name.endsWith(".log")).map((name) => name.slice(0, -4));
  let next = -1;
  for (const stem of stems) {
    const batches = batchesIn(files.get(`${stem}.log`)!);
    const hasGap = (at: number) => options.isCleaned === true && at > next;
    const isLoss = (options.hasLost === true && Number(stem) > next) || hasGap(Number(stem));
    if (next >= 0 && Number(stem) !== next && !isLoss) problems.push(`segment ${stem} does not follow offset ${next}`);
    next = Number(stem);
    for (const batch of batches) {
      if (batch.baseOffset !== next && !hasGap(batch.baseOffset)) {
        problems.push(`batch ${batch.baseOffset} of ${stem} should begin at ${next}`);
      }
      next = batch.lastOffset + 1;
    }
    problems.push(...findIndexProblems(files, stem, batches));
  }
  for (const name of names) {
    const known =
      /\.(log|index|timeindex|snapshot)$|^(leader-epoch-checkpoint|truncation-checkpoint|partition\.metadata)$/.test(
        name,
      );
    const isSetAside = options.hasLost === true &&
      /^\d{20}\.(log|index|timeindex|txnindex)\.set-aside(-\d+)?$/.test(name);
    const isAbortedIndex = options.isCleaned === true && /^\d{20}\.txnindex$/.test(name);
    if (!known && !isSetAside && !isAbortedIndex) problems.push(`a file is left over: ${name}`);
    if (/index$/.test(name) && !stems.includes(name.slice(0, 20))) problems.push(`an index has no log: ${name}`);
  }
  return problems;
}

function findIndexProblems(files: ReadonlyMap<string, Uint8Array>, stem: string, batches: StoredBatch[]): string[] {
  const problems: string[] = [];
  const base = Number(stem);
  const byPosition = new Map(batches.map((batch) => [batch.position, batch]));
  const byLastOffset = new Map(batches.map((batch) => [batch.lastOffset, batch]));
  const offsets = indexEntries(files.get(`${stem}.index`)!, 8);
  let last = -1;
  for (const view of offsets) {
    const [offset, position] = [base + view.getInt32(0), view.getInt32(4)];
    if (byPosition.get(position)?.lastOffset !== offset) {
      problems.push(`${stem}.index: ${offset} is not at ${position}`);
    }
    if (offset <= last) problems.push(`${stem}.index: ${offset} comes after ${last}`);
    last = offset;
  }
  let lastTimestamp = -1;
  for (const view of indexEntries(files.get(`${stem}.timeindex`)!, 12)) {
    const [timestamp, offset] = [Number(view.getBigInt64(0)), base + view.getInt32(8)];
    const batch = byLastOffset.get(offset);
    if (batch === undefined || timestampOf(batch) !== timestamp) {
      problems.push(`${stem}.timeindex: ${timestamp} is not that of ${offset}`);
    }
    if (timestamp <= lastTimestamp) problems.push(`${stem}.timeindex: ${timestamp} comes after ${lastTimestamp}`);
    lastTimestamp = timestamp;
  }
  const largest = batches.reduce((max, batch) => Math.max(max, timestampOf(batch)), -1);
  if (lastTimestamp !== largest) {
    problems.push(`${stem}.timeindex ends with ${lastTimestamp}, the segment with ${largest}`);
  }
  return problems;
}

/** Largest timestamp of a batch's records; DumpLogSegments compares an index with the records, not with the header. */
function timestampOf({ bytes, maxTimestamp }: StoredBatch): number {
  const recordsCount = new DataView(bytes.buffer, bytes.byteOffset).getInt32(57);
  return recordsCount === 0 ? -1 : maxTimestamp;
}

/** Splits an index into its entries; asserts that they are whole. */
export function indexEntries(bytes: Uint8Array, entryBytes: number): DataView[] {
  assert.equal(bytes.length % entryBytes, 0, "an index holds whole entries");
  const count = bytes.length / entryBytes;
  return Array.from(
    { length: count },
    (_, i) => new DataView(bytes.buffer, bytes.byteOffset + i * entryBytes, entryBytes),
  );
}
