/**
 * What a log has to hold after everything that happened to it: the model of the storage simulation (storage_lives.ts). It knows what was
 * appended, what of it was acknowledged as durable, and what the rules allowed to remove. It is written from the promises to clients, and
 * shares no code with recovery, retention or the cleaner. Test code.
 *
 *   must be there   durable, at or above every log start that was decided, and not compacted away
 *   may be gone     below a log start that was decided; not durable when the power was lost; compacted: a record without a key, one with a
 *                   later record of its key that is still there, a tombstone whose horizon has passed
 *   must be gone    below a log start that is durable, because clients were told
 */
import { strict as assert } from "node:assert";
import type { SegmentFacts } from "../storage/log/log_types.ts";
import { decodeBatch, type DecodedBatch, type DecodedRecord } from "./cleaning_fixture.ts";
import { type BatchOptions, buildBatch, type TestRecord } from "./record_batch_builder.ts";

/** A batch that was sent to the log. */
export interface SentBatch {
  readonly records: readonly TestRecord[];
  readonly options: BatchOptions;
  /** As it should be stored. */
  readonly stored: DecodedBatch;
}

/** A cleaning that began: what it may have removed. */
export interface BegunCleaning {
  /** Records from here on stay. */
  readonly below: number;
  /** Batches below are written anew, and their tombstones get a horizon. */
  readonly rewrittenBelow: number;
  /** Wall-clock time. */
  readonly nowMs: number;
}

/** What a log serves. */
export interface ServedLog {
  readonly logStartOffset: number;
  readonly logEndOffset: number;
  /** All of its batches. */
  readonly batches: readonly DecodedBatch[];
}

/** The batch that a log should store for one that is sent to it. @param place that the log gives it */
export function sentBatch(
  records: readonly TestRecord[],
  options: BatchOptions,
  place: { baseOffset: number; partitionLeaderEpoch: number },
): SentBatch {
  return { records, options, stored: decodeBatch(buildBatch(records, { ...options, ...place })) };
}

/** The expected content of one log. */
export class StorageModel {
  /** `delete.retention.ms` */
  readonly #deleteRetentionMs: number;
  /** By offset, ascending. */
  #batches: SentBatch[] = [];
  /** The batch whose append has no answer yet. */
  #unanswered: SentBatch | null = null;
  readonly #cleanings: BegunCleaning[] = [];
  /** Records below a log start that was decided, and then forgotten by a loss of power: they may have replaced others before. */
  readonly #deleted: DecodedRecord[] = [];
  /** Producers of batches that the last loss of power took. */
  readonly #losers = new Set<number>();
  /** Records below it were acknowledged as durable. */
  durableEnd = 0;
  /** Highest log start that was decided: what is below may be gone. */
  decidedStart = 0;
  /** Highest log start that is durable: what is below must be gone. */
  durableStart = 0;
  logEndOffset = 0;

  constructor(deleteRetentionMs: number) {
    this.#deleteRetentionMs = deleteRetentionMs;
  }

  /** A batch is sent. It may be in the log from now on. */
  send(batch: SentBatch): void {
    this.#unanswered = batch;
  }

  /** The batch is acknowledged. */
  onAppended(): void {
    assert.ok(this.#unanswered !== null);
    this.#batches.push(this.#unanswered);
    this.logEndOffset = this.#unanswered.stored.lastOffset + 1;
    this.#unanswered = null;
  }

  /** A cleaning begins. */
  onCleaning(cleaning: BegunCleaning): void {
    this.#cleanings.push(cleaning);
  }

  /** The last batch of a producer that is still in the log. */
  lastOf(producerId: number): SentBatch | null {
    return this.#batches.findLast(({ stored }) => stored.producerId === producerId) ?? null;
  }

  /**
   * Whether the log may not know the last batch of a producer that is in it. A cleaning keeps the header of a producer's last batch only. If
   * the last one is lost with the power, the one before may have no header any more. (Kafka's cleaner does the same.)
   */
  isUncertain(producerId: number): boolean {
    return this.#losers.has(producerId) && this.#cleanings.length > 0;
  }

  /** Compares a log that was opened again, and takes over what survived. @param hasLost whether what was not durable may be missing */
  checkReopened(log: ServedLog, { hasLost }: { hasLost: boolean }): void {
    const { logEndOffset, batches } = log;
    const end = this.#unanswered?.stored.lastOffset ?? this.logEndOffset - 1;
    const least = hasLost ? this.durableEnd : this.logEndOffset;
    assert.ok(logEndOffset >= least, `the log ends at ${logEndOffset}, ${least} was promised`);
    assert.ok(
      logEndOffset <= Math.max(end + 1, this.decidedStart),
      `the log ends at ${logEndOffset}, behind the last batch`,
    );
    this.#losers.clear();
    const pending = this.#unanswered;
    this.#unanswered = null;
    const isThere = batches.some(({ baseOffset }) => baseOffset === pending?.stored.baseOffset);
    if (pending !== null && isThere && pending.stored.baseOffset >= this.logEndOffset) this.#batches.push(pending);
    if (hasLost) this.#forgetLost(log);
    this.logEndOffset = logEndOffset;
    this.check(log);
    this.#batches = this.#batches.filter(({ stored }) => stored.lastOffset >= this.durableStart);
  }

  /** Compares what a log serves. */
  check(log: ServedLog): void {
    const { logStartOffset, batches } = log;
    assert.ok(
      logStartOffset >= this.durableStart,
      `deleted: below ${this.durableStart}, served from ${logStartOffset}`,
    );
    const sent = new Map(this.#batches.map(({ stored }) => [stored.baseOffset, stored]));
    let next = -1;
    for (const batch of batches) {
      assert.ok(batch.baseOffset >= next, `batch ${batch.baseOffset} comes behind ${next - 1}`);
      next = batch.lastOffset + 1;
      checkContent(batch, sent.get(batch.baseOffset));
    }
    this.#checkMissing(log);
  }

  /**
   * Compares what a log serves after a cleaning: below its end each key has one record, and each record has a key.
   * @param cleanBelow end of the clean part
   */
  checkCleaned(log: ServedLog, cleanBelow: number): void {
    this.check(log);
    const seen = new Set<string>();
    for (const { key, offset } of recordsOf(log)) {
      if (offset >= cleanBelow || offset < log.logStartOffset) continue;
      assert.ok(key !== null, `the record at ${offset} has no key, below ${cleanBelow}`);
      assert.ok(!seen.has(key), `key ${key} at ${offset} is there again, below ${cleanBelow}`);
      seen.add(key);
    }
  }

  /**
   * Forgets the batches that did not survive and were not durable, or were deleted. A log start that was not durable is forgotten too: then
   * all records are back from some offset on, and none is missing behind it.
   */
  #forgetLost({ batches, logStartOffset, logEndOffset }: ServedLog): void {
    const found = new Set(batches.map(({ baseOffset }) => baseOffset));
    const mustStay = ({ lastOffset }: DecodedBatch) => lastOffset >= logStartOffset && lastOffset < this.durableEnd;
    this.#batches = this.#batches.filter(({ stored }) => {
      const isKept = found.has(stored.baseOffset) || (mustStay(stored) && stored.lastOffset < logEndOffset);
      if (!isKept) this.#losers.add(stored.producerId);
      if (!isKept && stored.lastOffset < this.decidedStart) this.#deleted.push(...stored.records);
      return isKept;
    });
    // Where nothing must have survived, the log begins with whatever did.
    if (this.durableEnd <= this.decidedStart) this.decidedStart = logStartOffset;
    else this.decidedStart = Math.min(this.decidedStart, logStartOffset);
  }

  #checkMissing(log: ServedLog): void {
    const found = new Set(recordsOf(log).map(({ offset }) => offset));
    const latest = new Map<string, DecodedRecord>();
    const sent = this.#batches.flatMap(({ stored }) => stored.records);
    for (const record of sent) if (record.key !== null) latest.set(record.key, record);
    const emptied = new Set<string>();
    for (const record of sent) {
      // A log may also begin behind segments of which compaction has left nothing.
      if (record.offset < this.decidedStart || found.has(record.offset)) continue;
      assert.ok(this.#isCompacted(record, sent), `the record at ${record.offset} (key ${record.key}) is missing`);
      if (record.key !== null && latest.get(record.key) === record) emptied.add(record.key);
    }
    // The last record of these keys is a tombstone that is gone. An older one would come back to life.
    for (const { key, offset } of recordsOf(log)) {
      assert.ok(key === null || !emptied.has(key) || offset < log.logStartOffset, `${key} at ${offset} is back`);
    }
  }

  /** Whether the rules of compaction allow that a record is gone. */
  #isCompacted({ offset, key, value }: DecodedRecord, sent: readonly DecodedRecord[]): boolean {
    const cleanings = this.#cleanings.filter(({ below }) => offset < below);
    if (cleanings.length === 0) return false;
    if (key === null) return true;
    const below = Math.max(...cleanings.map((cleaning) => cleaning.below));
    if (
      [...sent, ...this.#deleted].some((later) => later.key === key && later.offset > offset && later.offset < below)
    ) return true;
    const first = this.#cleanings.findIndex(({ rewrittenBelow }) => offset < rewrittenBelow);
    const horizonMs = (this.#cleanings[first]?.nowMs ?? Infinity) + this.#deleteRetentionMs;
    const later = this.#cleanings.slice(first + 1);
    return value === null && later.some((cleaning) => offset < cleaning.below && cleaning.nowMs >= horizonMs);
  }
}

/** What retention is about to do. */
export interface RetentionLimits {
  /** New log start. */
  readonly endOffset: number;
  readonly highWatermark: number;
  readonly nowMs: number;
  readonly rules: { readonly retentionMs: number; readonly retentionBytes: number };
}

/** Checks that all that retention is about to remove is committed, and too old or too much. */
export function checkRetention(
  { logStartOffset, batches }: ServedLog,
  segments: readonly SegmentFacts[],
  { endOffset, highWatermark, nowMs, rules: { retentionMs, retentionBytes } }: RetentionLimits,
): void {
  assert.ok(endOffset <= highWatermark, `retention up to ${endOffset}, committed below ${highWatermark}`);
  const served = segments.filter((segment) => segment.endOffset > logStartOffset);
  let bytesLeft = served.reduce((sum, { logFileBytes }) => sum + logFileBytes, 0);
  for (const segment of served.filter((segment) => segment.endOffset <= endOffset)) {
    bytesLeft -= segment.logFileBytes;
    if (retentionBytes >= 0 && bytesLeft >= retentionBytes) continue;
    const own = batches.filter(({ baseOffset, lastOffset }) =>
      baseOffset >= segment.baseOffset && lastOffset < segment.endOffset
    );
    const times = own.flatMap(({ records }) => records.map(({ timestamp }) => timestamp));
    const isOld = retentionMs >= 0 && times.every((time) => nowMs - time > retentionMs);
    assert.ok(isOld, `segment ${segment.baseOffset} is neither old nor too much`);
  }
}

function recordsOf({ batches }: ServedLog): DecodedRecord[] {
  return batches.flatMap(({ records }) => records);
}

/** Compares a batch with what was sent: compaction may have removed records, nothing else. */
function checkContent(found: DecodedBatch, sent: DecodedBatch | undefined): void {
  assert.ok(sent !== undefined, `a batch at ${found.baseOffset} was never sent, or was lost before`);
  const kept = new Set(found.records.map(({ offset }) => offset));
  const records = sent.records.filter(({ offset }) => kept.has(offset));
  assert.deepEqual(found.records, records, `the records of batch ${found.baseOffset}`);
  const facts = ({ lastOffset, leaderEpoch, producerId, producerEpoch, baseSequence, isControl }: DecodedBatch) => {
    return { lastOffset, leaderEpoch, producerId, producerEpoch, baseSequence, isControl };
  };
  assert.deepEqual(facts(found), facts(sent), `the header of batch ${found.baseOffset}`);
}
