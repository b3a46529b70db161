/**
 * The append path of one log: checks a batch, assigns its offsets, writes it at the end, and rolls to a new segment when that is
 * due. Runs on the shard that owns the log.
 *
 *   batch ─► checks ─► known producer's duplicate? ─► epoch noted ─► roll? ─► stamped ─► one write ─► log end moves
 *
 * Batches of another leader keep their offsets and their epochs:
 *
 *   checked batches of one epoch ─► epoch noted ─► roll? ─► one write ─► log end moves ─► producers
 *
 * Must always hold: every offset is assigned once, in order. A refused append changes nothing that is read. An append as a leader
 * allocates its result and nothing else.
 * Source: Kafka's UnifiedLog.append, LocalLog.roll.
 */
import { NO_OFFSET, type Offset, toOffset } from "../base/units.ts";
import { transcodeBatch } from "../records/batch_intake.ts";
import { type BatchCheck, type BatchRules, CONTENT_BYTES_MAX } from "../records/batch_rules.ts";
import { checkProducedBatch } from "../records/batch_validation.ts";
import * as batches from "../records/record_batch.ts";
import type { Segment } from "../segments/segment.ts";
import type { SegmentList } from "../segments/segment_list.ts";
import { SegmentRoll } from "../segments/segment_roll.ts";
import { allocateNative, type NativeMemory } from "../sys/memory.ts";
import type { LeaderEpochFile } from "./epochs/leader_epoch_file.ts";
import { batchRules, type LogConfig } from "./log_config.ts";
import type { LoadedLog } from "./log_loader.ts";
import type { LogResources } from "./log_resources.ts";
import { acceptedAppend, DISK_REFUSED, refusedAppend } from "./log_results.ts";
import type { AppendOptions, AppendResult, LogOptions } from "./log_types.ts";
import { AbortedIndexFile } from "./producers/aborted_index_file.ts";
import type { ProducerStateManager } from "./producers/producer_state_manager.ts";
import { storageFailure } from "./storage_failure.ts";

const transcodeLimits = { contentBytesMax: CONTENT_BYTES_MAX, allocate: allocateNative };

/** Batches of the leader that lie one behind the other and are written at once. */
export interface ReplicatedRun {
  /** Of the first one. */
  readonly start: number;
  /** Of all. */
  readonly bytes: number;
  /** Number of batches. */
  readonly count: number;
  /** Wall-clock time in ms. */
  readonly nowMs: number;
}

/** The write side of one log. */
export class LogAppends {
  readonly #directory: string;
  readonly #segments: SegmentList;
  readonly #producers: ProducerStateManager;
  readonly #epochs: LeaderEpochFile;
  readonly #unflushed: LoadedLog["unflushed"];
  readonly #rolls: SegmentRoll;
  readonly #aborted: AbortedIndexFile;
  readonly #onDamaged: (reason: string) => void;
  // Reused for every batch.
  readonly #rules: { -readonly [Rule in keyof BatchRules]: BatchRules[Rule] };
  readonly #batch = { bytes: 0, lastOffset: NO_OFFSET, maxTimestamp: 0, nowMs: 0 };
  readonly #stamp = { baseOffset: NO_OFFSET, leaderEpoch: 0 };
  #config: LogConfig;
  #logEndOffset: Offset;

  /**
   * @param loaded what the log starts with
   * @param by its options, the resources of the shard's logs, and a callback for a partial write that cannot be cut off again
   */
  constructor(
    loaded: LoadedLog,
    by: { options: LogOptions; resources: LogResources; onDamaged: (reason: string) => void },
  ) {
    const { fs, directory, random = Math.random } = by.options;
    this.#directory = directory;
    this.#rolls = new SegmentRoll({ fs, resources: by.resources, directory, random });
    this.#onDamaged = by.onDamaged;
    this.#segments = loaded.segments;
    this.#producers = loaded.producers;
    this.#epochs = loaded.epochs;
    this.#unflushed = loaded.unflushed;
    this.#aborted = new AbortedIndexFile(fs, directory, loaded.unflushed);
    this.#config = by.options.config;
    this.#rules = batchRules(by.options.config);
    this.#logEndOffset = loaded.logEndOffset;
  }

  /** Offset that the next record gets. */
  get logEndOffset(): Offset {
    return this.#logEndOffset;
  }

  /** Applies a changed configuration: limits at once, settings of a segment's files with the next segment. */
  configure(config: LogConfig): void {
    this.#config = config;
    Object.assign(this.#rules, batchRules(config));
  }

  /** The rules of the last `check()`. Always the same object: another check overwrites it. */
  get rules(): BatchRules {
    return this.#rules;
  }

  /** Bytes of the batch that was appended last, as it is stored. */
  get lastBatchBytes(): number {
    return this.#batch.bytes;
  }

  /** Validates a produced batch, assigns its offsets and appends it by one write. Written is not durable. */
  appendAsLeader(memory: NativeMemory, start: number, length: number, options: AppendOptions): AppendResult {
    const check = this.check(memory, start, length, options.nowMs);
    if (check.isPending) return this.#appendTranscoded(memory, start, options);
    if (check.refusal !== null) return refusedAppend(check.refusal, check.message, check.recordIndex);
    return this.appendChecked(memory, start, options);
  }

  /** The first stage of an append: checks a produced batch by the topic's rules. @param nowMs wall-clock time of the append */
  check(memory: NativeMemory, start: number, length: number, nowMs: number): BatchCheck {
    this.#rules.nowMs = nowMs;
    this.#rules.recordsMax = Number.MAX_SAFE_INTEGER - this.#logEndOffset;
    return checkProducedBatch(memory, start, length, this.#rules);
  }

  #appendTranscoded(memory: NativeMemory, start: number, options: AppendOptions): AppendResult {
    const { refusal, message, recordIndex, rebuilt } = transcodeBatch({ memory, start }, this.#rules, transcodeLimits);
    if (refusal !== null) return refusedAppend(refusal, message, recordIndex);
    return rebuilt === null ? this.appendChecked(memory, start, options) : this.appendChecked(rebuilt, 0, options);
  }

  /** The last stage of an append: assigns the offsets of a batch that was checked, and writes it. `nowMs` is that of the check. */
  appendChecked(memory: NativeMemory, start: number, options: AppendOptions): AppendResult {
    const earlier = this.#producers.check(memory.view, start);
    if (earlier !== null) return earlier;
    try {
      return this.#append(memory, start, options);
    } catch (error) {
      return this.#refuse(storageFailure(error));
    }
  }

  /**
   * Whether a batch of the leader is written together with those before it: of one epoch, into one segment that is not empty. A marker, with
   * which the index of transactions grows, is written alone.
   */
  continues(memory: NativeMemory, start: number, run: ReplicatedRun): boolean {
    const { view } = memory;
    if (batches.partitionLeaderEpoch(view, start) !== batches.partitionLeaderEpoch(view, run.start)) return false;
    if (batches.isControl(view, start) || batches.isControl(view, run.start)) return false;
    const { active } = this.#segments;
    this.#describeReplicated(view, start, run.nowMs);
    return active.logFileBytes > 0 && !active.shouldRoll(this.#batch, this.#config, run.bytes);
  }

  /**
   * Writes batches of the leader at the end, as they are.
   * @param run whole, sound batches with rising offsets, the first one not below the log end (follower/follower_appends.ts)
   * @returns the cause when the disk refused; the log is unchanged then
   */
  appendReplicated(memory: NativeMemory, run: ReplicatedRun): string | null {
    try {
      return this.#appendReplicated(memory, run);
    } catch (error) {
      return storageFailure(error);
    }
  }

  /**
   * Closes the active segment and starts a new one.
   * @param baseOffset of the new one: the log end, or above it where a compacted log has no records in between
   * @throws SystemError, or the runtime's errors, when the disk refuses; the log is unchanged then
   */
  roll(nowMs: number, baseOffset = this.#logEndOffset): void {
    const old = this.#segments.active;
    this.#producers.snapshotLast(baseOffset, old.baseOffset);
    const next = this.#rolls.roll(old, baseOffset, { config: this.#config, nowMs });
    this.#segments.push(next);
    this.#unflushed.addDirectory(this.#directory);
    this.#logEndOffset = baseOffset;
  }

  /** Removes what a refused roll has left, because the log is about to end elsewhere. @throws the runtime's errors when refused */
  clearRefusedRoll(): void {
    this.#rolls.clear();
  }

  /** A segment whose files exist, to be opened anew. */
  reopenedSegment(baseOffset: Offset): Segment {
    return this.#rolls.reopened(baseOffset, { config: this.#config });
  }

  /**
   * Creates the active segment of a log that was truncated, at its new end.
   * @throws SystemError, or the runtime's errors, when the disk refuses; the next call tries again
   */
  beginSegment(logEndOffset: Offset, nowMs: number): Segment {
    this.#unflushed.addDirectory(this.#directory);
    return this.#rolls.begin(logEndOffset, { config: this.#config, nowMs });
  }

  /** The log ends at an offset from now on, because it was truncated. */
  truncated(logEndOffset: Offset): void {
    this.#logEndOffset = logEndOffset;
    this.#aborted.forget();
  }

  #append(memory: NativeMemory, start: number, options: AppendOptions): AppendResult {
    const view = memory.view;
    const batch = this.#batch;
    const stamp = this.#stamp;
    stamp.baseOffset = this.#logEndOffset;
    stamp.leaderEpoch = options.leaderEpoch;
    batch.bytes = batches.batchBytes(view, start);
    batch.lastOffset = toOffset(this.#logEndOffset + batches.lastOffsetDelta(view, start));
    batch.maxTimestamp = batches.maxTimestamp(view, start);
    batch.nowMs = options.nowMs;
    this.#epochs.assign(options.leaderEpoch, this.#logEndOffset, this.#unflushed);
    if (this.#rolls.isDue || this.#segments.active.shouldRoll(batch, this.#config)) this.roll(options.nowMs);
    batches.stampPlace(view, start, stamp);
    const outcome = this.#segments.active.append(memory, start, batch);
    if (outcome !== "written") {
      const refusal = this.#refuse(DISK_REFUSED);
      if (outcome === "damaged") this.#onDamaged(`${refusal.message}; the torn write could not be cut off`);
      return refusal;
    }
    this.#logEndOffset = toOffset(batch.lastOffset + 1);
    this.#producers.update(view, start);
    const appendTimeMs = batches.isLogAppendTime(view, start) ? options.nowMs : -1;
    return acceptedAppend(stamp.baseOffset, batch.lastOffset, appendTimeMs);
  }

  #appendReplicated(memory: NativeMemory, run: ReplicatedRun): string | null {
    const { start, bytes, nowMs } = run;
    const { view } = memory;
    const batch = this.#batch;
    const baseOffset = batches.baseOffset(view, start);
    this.#describeReplicated(view, start, nowMs);
    this.#epochs.follow(batches.partitionLeaderEpoch(view, start), baseOffset, this.#unflushed);
    if (this.#rolls.isDue) this.#rolls.clear(); // a roll at this batch's offset might not fit to what is left
    if (this.#segments.active.shouldRoll(batch, this.#config)) this.roll(nowMs, baseOffset);
    const { active } = this.#segments;
    const aborted = this.#producers.abortedBy(view, start); // a marker is written alone: see `continues()`
    const cause = aborted === null
      ? this.#writeRun(memory, run)
      : this.#aborted.append(active.baseOffset, aborted, () => this.#writeRun(memory, run));
    if (cause !== null) return cause;
    for (let at = start; at < start + bytes; at += batch.bytes) {
      this.#describeReplicated(view, at, nowMs);
      active.added(batch);
      this.#logEndOffset = toOffset(batch.lastOffset + 1);
      this.#producers.update(view, at);
    }
    return null;
  }

  #writeRun(memory: NativeMemory, { start, bytes, count }: ReplicatedRun): string | null {
    const outcome = this.#segments.active.write(memory, start, bytes, count);
    if (outcome === "damaged") this.#onDamaged(`${DISK_REFUSED}; the torn write could not be cut off`);
    return outcome === "written" ? null : DISK_REFUSED;
  }

  #describeReplicated(view: DataView, start: number, nowMs: number): void {
    const batch = this.#batch;
    batch.bytes = batches.batchBytes(view, start);
    batch.lastOffset = batches.lastOffset(view, start);
    batch.maxTimestamp = batches.largestTimestamp(view, start);
    batch.nowMs = nowMs;
  }

  #refuse(cause: string): AppendResult {
    return refusedAppend("log-offline", `Cannot append at offset ${this.#logEndOffset}: ${cause}`);
  }
}
