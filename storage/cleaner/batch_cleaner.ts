/**
 * Cleans one batch after another: decides by the rules (compaction_rules.ts) what is left of each, and appends that to the new segment.
 * Runs on the cleaner worker.
 *
 *   nothing removed, no new horizon   the batch's own bytes
 *   some records removed              their header, and the runs of bytes between the removed records; compressed again where they were
 *   a new horizon                     likewise, each record with a timestamp delta that is relative to the horizon
 *   all records removed               the header alone, or nothing
 *
 * Must always hold: a kept record has its offset, key, value, headers and timestamp. Base offset, last offset, sequence, producer, epochs,
 * codec and the type of the timestamps stay those of the batch.
 * Source: Kafka's MemoryRecords.filterTo, buildRetainedRecordsInto, DefaultRecordBatch.writeEmptyHeader.
 */
import { assert } from "../base/assert.ts";
import { freeBytes } from "../base/freed_bytes.ts";
import { NO_TIMESTAMP } from "../base/units.ts";
import { compressInto } from "../records/compression/compression.ts";
import { ContentBuffer } from "../records/compression/content_buffer.ts";
import { defaultLevels } from "../records/compression/levels.ts";
import { crc32c } from "../records/crc32c.ts";
import * as batches from "../records/record_batch.ts";
import {
  afterVarint,
  afterVarlong,
  varintAt,
  varintBytes,
  VARLONG_WRITTEN_MAX,
  varlongAt,
  writeVarint,
  writeVarlong,
} from "../records/varint.ts";
import type { NativeMemory } from "../sys/memory.ts";
import type { BatchSource } from "./batch_source.ts";
import type { CleanedSegment } from "./cleaned_segment.ts";
import type { CleanedTransactions } from "./cleaned_transactions.ts";
import type { CleaningJob } from "./cleaning_job.ts";
import type { OffsetMap } from "./offset_map.ts";
import { RecordWalk } from "./record_walk.ts";
import { dropsAllRecords, isLastOfProducer, keepsRecord, type ProducerEnd, producersById } from "./compaction_rules.ts";

const VARINT_BYTES_MAX = 5;
/** Bytes by which a new timestamp delta, and the length that counts it, can make a record longer. */
const GROWTH_BYTES_MAX = VARLONG_WRITTEN_MAX + VARINT_BYTES_MAX;
/** Memory that is kept for the records of the next batch. */
const KEPT_BYTES_MAX = 2 * 1024 * 1024;
/** Most bytes by which compression makes any content longer than twice its size. */
const PACKED_GROWTH_BYTES_MAX = 1024;
const NO_HORIZON = -1;

/** What one cleaning knows of the whole log. */
export interface CleaningRound {
  readonly job: CleaningJob;
  readonly map: OffsetMap;
  /** Records above it are not in the map. */
  readonly latestOffset: number;
  readonly transactions: CleanedTransactions;
}

/** Cleans batches. */
export class BatchCleaner {
  /** Batches that are not copied as they are. */
  changedCount = 0;
  /** Records that were read, those that were kept, and those without a key that were removed. */
  recordsRead = 0;
  recordsKept = 0;
  keylessRecords = 0;
  readonly #round: CleaningRound;
  readonly #producers: Map<number, ProducerEnd>;
  readonly #walk = new RecordWalk();
  /** Pairs of indexes of the walk's memory, between which all records are kept; neighbours are one run. */
  #runs = new Int32Array(256);
  #runsCount = 0;
  #runsBytes = 0;
  #keptCount = 0;
  #largestDelta = -Infinity;
  #hasTombstone = false;
  /** Memory for records before they are compressed. */
  #plain = new Uint8Array(0);
  readonly #packed = new ContentBuffer();

  /** @param round what is known of the log */
  constructor(round: CleaningRound) {
    this.#round = round;
    this.#producers = producersById(round.job.producers);
  }

  /**
   * Cleans the current batch of a source.
   * @param target receives what is left of it
   * @returns bytes of its records once decompressed, 0 where they are not compressed
   * @throws LogDamagedError when its records cannot be read @throws as `target.reserve()` and `target.append()`
   */
  clean(source: BatchSource, target: CleanedSegment): number {
    const { memory, at } = source;
    const { view } = memory;
    const { job, transactions } = this.#round;
    const isControl = batches.isControl(view, at);
    const isDiscardable = isControl ? transactions.passControl(view, at) : transactions.passData(view, at);
    const horizonMs = batches.hasDeleteHorizon(view, at) ? batches.baseTimestamp(view, at) : NO_HORIZON;
    const dropsAll = dropsAllRecords({ isControl, isDiscardable, horizonMs }, job.nowMs);
    const count = batches.recordsCount(view, at);
    this.#select(source, { dropsAll, isControl, isExpired: horizonMs >= 0 && job.nowMs >= horizonMs });
    this.recordsRead += count;
    this.recordsKept += this.#keptCount;
    this.#append(source, target, {
      count,
      needsHorizon: (this.#hasTombstone || (isControl && isDiscardable)) && horizonMs < 0,
    });
    const unpacked = this.#walk.unpackedBytes;
    this.#walk.trim();
    return unpacked;
  }

  #append({ memory, at }: BatchSource, target: CleanedSegment, by: { count: number; needsHorizon: boolean }): void {
    const { job } = this.#round;
    const isKept = this.#keptCount > 0 || this.#keepsHeader(memory.view, at);
    if (isKept && this.#keptCount === by.count && (this.#keptCount === 0 || !by.needsHorizon)) {
      this.#appendUnchanged(memory, at, target);
      return;
    }
    this.changedCount++;
    if (!isKept) return;
    if (this.#keptCount === 0) this.#appendHeader(memory, at, target);
    else this.#appendRebuilt(memory, at, target, by.needsHorizon ? newHorizon(job) : null);
  }

  /** Finds the runs of records that are kept. */
  #select(source: BatchSource, how: { dropsAll: boolean; isControl: boolean; isExpired: boolean }): void {
    const walk = this.#walk;
    this.#runsCount = 0;
    this.#runsBytes = 0;
    this.#keptCount = 0;
    this.#largestDelta = -Infinity;
    this.#hasTombstone = false;
    const refusal = walk.begin(source.memory, source.at);
    if (refusal !== null) source.refuseContent(refusal);
    while (walk.next()) {
      if (how.dropsAll || !(how.isControl || this.#keepsRecord(how.isExpired))) continue;
      this.#keptCount++;
      this.#largestDelta = Math.max(this.#largestDelta, walk.timestampDelta);
      if (walk.isTombstone) this.#hasTombstone = true;
      this.#addToRuns(walk.start, walk.end);
    }
    if (walk.isDamaged) source.refuse("a record does not fit into the batch");
  }

  #keepsRecord(isExpired: boolean): boolean {
    const { map, latestOffset } = this.#round;
    const walk = this.#walk;
    if (walk.offset > latestOffset) return true;
    if (walk.keyLength < 0) {
      this.keylessRecords++;
      return false;
    }
    const lastOfKey = map.get(walk.memory, walk.keyStart, walk.keyLength);
    return keepsRecord(walk.offset, lastOfKey, isExpired && walk.isTombstone);
  }

  #addToRuns(start: number, end: number): void {
    this.#runsBytes += end - start;
    const last = 2 * this.#runsCount - 1;
    if (last > 0 && this.#runs[last] === start) {
      this.#runs[last] = end;
      return;
    }
    if (last + 2 >= this.#runs.length) {
      const grown = new Int32Array(2 * this.#runs.length);
      grown.set(this.#runs);
      this.#runs = grown;
    }
    this.#runs[last + 1] = start;
    this.#runs[last + 2] = end;
    this.#runsCount++;
  }

  #keepsHeader(view: DataView, at: number): boolean {
    if (batches.nextOffset(view, at) === this.#round.job.firstUncleanableOffset) return true;
    const producerId = batches.producerId(view, at);
    return producerId >= 0 && isLastOfProducer({
      lastOffset: batches.lastOffset(view, at),
      producerEpoch: batches.producerEpoch(view, at),
      isControl: batches.isControl(view, at),
    }, this.#producers.get(producerId));
  }

  #appendUnchanged(memory: NativeMemory, at: number, target: CleanedSegment): void {
    const bytes = batches.batchBytes(memory.view, at);
    const to = target.reserve(bytes);
    target.memory.bytes.set(memory.bytes.subarray(at, at + bytes), to);
    target.append();
  }

  #appendHeader(memory: NativeMemory, at: number, target: CleanedSegment): void {
    const to = target.reserve(batches.BATCH_HEADER_BYTES);
    this.#stamp(memory, at, {
      target,
      to,
      batchBytes: batches.BATCH_HEADER_BYTES,
      recordsCount: 0,
      baseTimestamp: NO_TIMESTAMP,
      maxTimestamp: batches.maxTimestamp(memory.view, at),
      hasHorizon: false,
    });
  }

  /** Appends the batch with the records that are kept. @param newHorizonMs null where it has none, or keeps its own */
  #appendRebuilt(memory: NativeMemory, at: number, target: CleanedSegment, newHorizonMs: number | null): void {
    const { view } = memory;
    const baseTimestamp = batches.baseTimestamp(view, at);
    const codec = batches.codec(view, at);
    const shift = newHorizonMs === null ? 0 : baseTimestamp - newHorizonMs;
    const bytesMax = this.#runsBytes + (shift === 0 ? 0 : this.#keptCount * GROWTH_BYTES_MAX);
    let [to, recordsBytes] = [0, 0];
    if (codec === 0) {
      to = target.reserve(batches.BATCH_HEADER_BYTES + bytesMax);
      const recordsAt = to + batches.BATCH_HEADER_BYTES;
      recordsBytes = this.#writeRecords(target.memory.bytes, recordsAt, shift) - recordsAt;
    } else {
      this.#pack(codec, bytesMax, shift);
      recordsBytes = this.#packed.length;
      to = target.reserve(batches.BATCH_HEADER_BYTES + recordsBytes);
      target.memory.bytes.set(this.#packed.bytes.subarray(0, recordsBytes), to + batches.BATCH_HEADER_BYTES);
      this.#packed.trim();
    }
    const largest = batches.isLogAppendTime(view, at)
      ? batches.maxTimestamp(view, at)
      : Math.max(NO_TIMESTAMP, baseTimestamp + this.#largestDelta);
    this.#stamp(memory, at, {
      target,
      to,
      batchBytes: batches.BATCH_HEADER_BYTES + recordsBytes,
      recordsCount: this.#keptCount,
      baseTimestamp: newHorizonMs ?? baseTimestamp,
      maxTimestamp: largest,
      hasHorizon: newHorizonMs !== null || batches.hasDeleteHorizon(view, at),
    });
  }

  /** Compresses the kept records into `#packed`, at the codec's default level as Kafka's cleaner does. */
  #pack(codec: number, bytesMax: number, shift: number): void {
    if (this.#plain.length < bytesMax) this.#plain = new Uint8Array(bytesMax);
    const content = this.#plain.subarray(0, this.#writeRecords(this.#plain, 0, shift));
    const bytesMaxPacked = 2 * content.length + PACKED_GROWTH_BYTES_MAX;
    const how = { contentBytes: content.length, levels: defaultLevels, bytesMax: bytesMaxPacked };
    const isWhole = compressInto(this.#packed, codec, content, how);
    assert(isWhole, "compressed records have room");
    if (this.#plain.length <= KEPT_BYTES_MAX) return;
    freeBytes(this.#plain);
    this.#plain = new Uint8Array(0);
  }

  /** Writes the header of a new batch and appends it to the segment. */
  #stamp(
    memory: NativeMemory,
    at: number,
    how: { target: CleanedSegment; to: number } & Parameters<typeof batches.stampCleanedHeader>[3],
  ): void {
    const { target, to } = how;
    const { bytes, view } = target.memory;
    batches.stampCleanedHeader(target.memory, to, { bytes: memory.bytes, at }, how);
    const from = to + batches.CRC_COVERS_FROM;
    batches.stampCrc(view, to, crc32c(bytes, from, how.batchBytes - batches.CRC_COVERS_FROM));
    target.append();
  }

  /** Copies the kept records. @param shift added to their timestamp deltas @returns index after the last one */
  #writeRecords(into: Uint8Array, at: number, shift: number): number {
    const { bytes } = this.#walk.memory;
    let to = at;
    for (let run = 0; run < this.#runsCount; run++) {
      const [start, end] = [this.#runs[2 * run]!, this.#runs[2 * run + 1]!];
      if (shift === 0) {
        into.set(bytes.subarray(start, end), to);
        to += end - start;
      } else {for (let from = start; from < end;) {
          const bodyAt = afterVarint(bytes, from);
          const recordEnd = bodyAt + varintAt(bytes, from);
          to = writeShifted(into, to, { bytes, bodyAt, recordEnd, shift });
          from = recordEnd;
        }}
    }
    return to;
  }
}

/** The horizon of a batch that gets one now, in ms; `delete.retention.ms` may be without end. */
function newHorizon({ nowMs, deleteRetentionMs }: CleaningJob): number {
  return Math.min(nowMs + deleteRetentionMs, Number.MAX_SAFE_INTEGER);
}

/** Copies a record with another timestamp delta. @returns index after it */
function writeShifted(
  into: Uint8Array,
  at: number,
  record: { bytes: Uint8Array; bodyAt: number; recordEnd: number; shift: number },
): number {
  const { bytes, bodyAt, recordEnd, shift } = record;
  const deltaAt = bodyAt + 1;
  const restAt = afterVarlong(bytes, deltaAt);
  const deltaEnd = writeVarlong(delta, 0, varlongAt(bytes, deltaAt) + shift);
  const bodyBytes = 1 + deltaEnd + recordEnd - restAt;
  let to = writeVarint(into, at, bodyBytes);
  into[to++] = bytes[bodyAt]!;
  for (let index = 0; index < deltaEnd; index++) into[to++] = delta[index]!;
  into.set(bytes.subarray(restAt, recordEnd), to);
  return at + varintBytes(bodyBytes) + bodyBytes;
}

/** The bytes of one timestamp delta. */
const delta = new Uint8Array(VARLONG_WRITTEN_MAX);
