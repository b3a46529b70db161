/**
 * Recovery of one segment: it checks batches by header, length and CRC-32C, up to the first one that is torn or corrupt, and
 * completes the indexes at the same time. It does not change the file: what happens to the remaining bytes depends on the following
 * segments (log_recovery.ts). Runs on the shard that opens the log.
 *
 *   power may be lost    batches from the last index entry below the recovery point on are checked
 *   process was killed   those past the last index entry are checked: earlier writes are complete in the page cache
 *
 * Must always hold: the kept part is a prefix of whole, sound batches with growing offsets. Records of the formats v0 and v1 are
 * distinguished from damage by their own checksum: the log is then refused, and they are not cut off.
 * Source: Kafka's LogSegment.recover.
 */
import { crc32 } from "node:zlib";
import { type Offset, toOffset } from "../base/units.ts";
import { crc32c } from "../records/crc32c.ts";
import { HeaderWindow } from "./header_window.ts";
import { keptAfterKill, keptBelow } from "./index_resume.ts";
import * as batches from "../records/record_batch.ts";
import type { Segment } from "./segment.ts";
import type { RebuildMode } from "./segment_indexes.ts";
import { describeBatch, SegmentReader } from "./segment_reader.ts";
import type { LogResources } from "../log/log_resources.ts";
import { LogDamagedError } from "../log/storage_failure.ts";
import type { FileSystem } from "../sys/file_system.ts";
import { SystemError } from "../sys/libc.ts";
import { type NativeMemory, nativeMemory } from "../sys/memory.ts";

/** Bytes between two notices of the progress. */
const NOTICE_BYTES = 1024 * 1024;

/** First bytes of every segment, which a clean start reads too. */
const PEEK_BYTES = 128;

/** Where the checksum of a v0 or v1 record lies, and what it covers: `offset int64, size int32, crc int32, magic int8`. */
const LEGACY_CRC_AT = 12;
const LEGACY_CRC_COVERS_FROM = 16;
const LEGACY_RECORD_BYTES_MIN = 26;

/** The result of one segment's recovery. */
export interface RecoveredSegment {
  /** Offset after the last sound batch; the base offset when there is none. */
  readonly endOffset: Offset;
  /** Position after the last sound batch. */
  readonly endPosition: number;
  /** Bytes after it, which hold no sound batch and are to be cut off. */
  readonly cutBytes: number;
  /** Whether these bytes were written; otherwise they are zeros, room that was never used. */
  readonly isTorn: boolean;
}

/** Recovers segments, one after the other. */
export class SegmentRecovery {
  readonly #fs: FileSystem;
  readonly #resources: LogResources;
  readonly #reader: SegmentReader;
  readonly #peek: HeaderWindow;

  /** @param fs where the segments are @param resources of the shard's logs */
  constructor(fs: FileSystem, resources: LogResources) {
    this.#fs = fs;
    this.#resources = resources;
    this.#reader = new SegmentReader(resources.window);
    this.#peek = new HeaderWindow(fs, PEEK_BYTES);
  }

  /**
   * Recovers one segment; its size is then that of its sound batches.
   * @param by durableBelow: the check begins at the last index entry below it, or at the beginning where the indexes are of no use;
   * mode: "in place" where the next start rebuilds the indexes again if no flush comes before it
   * @param visit called with every batch that was checked and is kept
   * @throws LogDamagedError for batches of an old format @throws SystemError, or the runtime's errors, of the disk
   */
  recover(
    segment: Segment,
    { durableBelow, mode }: { durableBelow: Offset; mode: RebuildMode },
    visit: (view: DataView, at: number) => void,
  ): RecoveredSegment {
    const size = segment.logFileBytes;
    this.refuseOldFormats(segment, 0, size);
    const isKept = mode === "in place" && durableBelow > segment.baseOffset;
    const kept = isKept ? keptBelow(segment, durableBelow, this.#reader) : 0;
    const { endOffset, position } = this.#replay(segment, { mode, kept, size, isChecked: true }, visit);
    if (position < size) this.refuseOldFormats(segment, position, size);
    segment.endRebuild(position);
    const isTorn = !this.#isUnused(segment, position, size);
    return { endOffset, endPosition: position, cutBytes: size - position, isTorn };
  }

  /**
   * Recovers the segment that was appended to when the process was killed, while the page cache survived: completes its indexes by
   * the headers of the batches, and checks those past the last index entry.
   * @returns null when its end is not what an interrupted write leaves: then it has to be recovered in full
   * @throws SystemError, or the runtime's errors, of the disk
   */
  recoverEnd(segment: Segment): RecoveredSegment | null {
    const size = segment.logFileBytes;
    const found = keptAfterKill(segment, this.#reader);
    const mode = "in place";
    const whole = this.#replay(segment, { mode, kept: found, size, isChecked: false }, ignore);
    const kept = Math.max(0, segment.offsetIndex.count - 1);
    const { endOffset, position } = this.#replay(segment, { mode, kept, size, isChecked: true }, ignore);
    segment.endRebuild(position);
    if (position < size && !this.#isTornWrite(segment, { from: position, wholeTo: whole.position, size })) return null;
    const isTorn = !this.#isUnused(segment, position, size);
    return { endOffset, endPosition: position, cutBytes: size - position, isTorn };
  }

  /**
   * Refuses a log that has a record of format v0 or v1 at a position.
   * @param end bytes of the file that count @throws LogDamagedError when they are
   */
  refuseOldFormats(segment: Segment, position: number, end: number): void {
    this.#peek.begin();
    if (position + LEGACY_RECORD_BYTES_MIN > end) return;
    const at = this.#peek.locate(segment.fd, position, batches.BATCH_STEP_BYTES);
    if (at < 0) return;
    const magic = batches.magic(this.#peek.view, at);
    const length = batches.batchBytes(this.#peek.view, at);
    if ((magic !== 0 && magic !== 1) || length < LEGACY_RECORD_BYTES_MIN || position + length > end) return;
    this.#window.begin();
    const whole = this.#whole(segment.fd, position, length);
    if (whole === null) return;
    const { memory, start } = whole;
    const stored = memory.view.getUint32(start + LEGACY_CRC_AT);
    if (crc32(memory.bytes.subarray(start + LEGACY_CRC_COVERS_FROM, start + length)) !== stored) return;
    throw new LogDamagedError(
      `Cannot open ${segment.path(".log")}: it holds records of format v${magic} at position ${position}, which only ` +
        `Apache Kafka before 4.0 wrote. They are not served: let Apache Kafka copy the topic to one of format v2 first.`,
    );
  }

  /**
   * Replays the batches behind the kept index entries, up to the first unsound one.
   * @param isChecked whether by CRC, too; otherwise the headers alone are read @returns where they end
   */
  #replay(
    segment: Segment,
    { mode, kept, size, isChecked }: { mode: RebuildMode; kept: number; size: number; isChecked: boolean },
    visit: (view: DataView, at: number) => void,
  ): { endOffset: Offset; position: number } {
    const window = isChecked ? this.#window : this.#reader.window;
    const { view } = window;
    window.begin();
    segment.beginRebuild(mode, kept); // the flush that raises the recovery point makes it durable
    let position = segment.logFileBytes;
    let noticedTo = position as number;
    let endOffset = segment.baseOffset;
    while (position < size) {
      const at = isChecked ? this.#locateSound(segment, position, size) : window.locateBatch(segment, position, size);
      if (at < 0 || batches.baseOffset(view, at) < endOffset) break;
      endOffset = toOffset(batches.lastOffset(view, at) + 1);
      segment.replay(describeBatch(view, at));
      visit(view, at);
      position += batches.batchBytes(view, at);
      if (isChecked && position - noticedTo >= NOTICE_BYTES) {
        this.#resources.onChecked(position - noticedTo);
        noticedTo = position;
      }
    }
    if (isChecked) this.#resources.onChecked(position - noticedTo);
    return { endOffset, position };
  }

  /**
   * Whether bytes without a sound batch are one write that was interrupted, and unused room after it.
   * @param range from: where they begin; wholeTo: the end of the batches whose headers are sound
   */
  #isTornWrite(segment: Segment, { from, wholeTo, size }: { from: number; wholeTo: number; size: number }): boolean {
    if (size - from < batches.BATCH_HEADER_BYTES) return true;
    this.#peek.begin();
    const at = this.#peek.locate(segment.fd, from, batches.BATCH_HEADER_BYTES);
    if (at < 0) return false;
    const announced = batches.batchBytes(this.#peek.view, at);
    if (wholeTo > from && wholeTo !== from + announced) return false; // more batches follow the unsound one
    return this.#isUnused(segment, from + Math.max(announced, batches.BATCH_HEADER_BYTES), size);
  }

  /** Whether the first bytes of a range are zeros, or there are none. */
  #isUnused(segment: Segment, from: number, to: number): boolean {
    const length = Math.min(to - from, PEEK_BYTES);
    if (length <= 0) return true;
    this.#peek.begin();
    const at = this.#peek.locate(segment.fd, from, length);
    return at >= 0 && this.#peek.memory.bytes.subarray(at, at + length).every((byte) => byte === 0);
  }

  /** Memory for whole batches; a clean start does not need it. */
  get #window(): HeaderWindow {
    return this.#resources.recoveryWindow;
  }

  /** Index in the window of a batch whose header and CRC are sound, or -1. */
  #locateSound(segment: Segment, position: number, end: number): number {
    const at = this.#window.locateBatch(segment, position, end);
    if (at < 0) return -1;
    const bytes = batches.batchBytes(this.#window.view, at);
    const whole = this.#whole(segment.fd, position, bytes);
    if (whole === null) return -1;
    const { memory, start } = whole;
    const from = start + batches.CRC_COVERS_FROM;
    const crc = crc32c(memory.bytes, from, bytes - batches.CRC_COVERS_FROM);
    if (crc !== batches.storedCrc(memory.view, start)) return -1;
    return this.#window.locateBatch(segment, position, end);
  }

  /** The bytes of a range of the file: in the window where they fit, else in memory of their own. */
  #whole(fd: number, position: number, length: number): { memory: NativeMemory; start: number } | null {
    if (length <= this.#window.memory.bytes.length) {
      const start = this.#window.locate(fd, position, length);
      return start < 0 ? null : { memory: this.#window.memory, start };
    }
    const memory = nativeMemory(new ArrayBuffer(length));
    const read = this.#fs.pread(fd, memory, 0, length, position);
    if (read < 0) throw new SystemError(`read ${length} bytes of a file at position ${position}`);
    return read === length ? { memory, start: 0 } : null;
  }
}

/** For batches that nobody has to look at. */
function ignore(): void {}
