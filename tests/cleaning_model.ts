/**
 * Kafka's rules of compaction over a list of batches in memory, written from Cleaner.java, CleanedTransactionMetadata.java and
 * MemoryRecords.filterTo as plainly as possible. It shares nothing with the cleaner but the form of a decoded batch. Test code.
 */
import type { DecodedBatch, DecodedRecord } from "./cleaning_fixture.ts";

/** Key of an abort marker. */
export const ABORT_KEY = "\0\0\0\0";
/** Key of a commit marker. */
export const COMMIT_KEY = "\0\0\0\x01";

/** A transaction that was aborted. */
export interface ModelAbort {
  producerId: number;
  firstOffset: number;
  /** Offset of the marker. */
  lastOffset: number;
}

/** What one cleaning is asked for, and what it found out. */
export interface ModelRound {
  nowMs: number;
  deleteRetentionMs: number;
  firstDirtyOffset: number;
  firstUncleanableOffset: number;
  /** Last offset whose key is in the offset map. */
  latestOffset: number;
  /** Batches from here on lie in segments that are not rewritten. */
  rewrittenBelow: number;
  /** Epoch and last data offset (-1 for none) of each producer that the log knows. */
  producers: ReadonlyMap<number, { epoch: number; lastDataOffset: number }>;
}

/** The transactions that a walk has seen. */
class ModelWalk {
  readonly #aborts: readonly ModelAbort[];
  readonly #committed = new Set<number>();
  readonly #seenOfAborted = new Set<ModelAbort>();
  /** Aborted transactions whose marker is not to be discarded. */
  readonly needed: ModelAbort[] = [];

  constructor(aborts: readonly ModelAbort[]) {
    this.#aborts = aborts;
  }

  isAborted(batch: DecodedBatch): boolean {
    if (!batch.isTransactional) return false;
    const abort = this.#aborts.find(({ producerId, firstOffset, lastOffset }) =>
      producerId === batch.producerId && firstOffset <= batch.lastOffset && batch.baseOffset <= lastOffset
    );
    if (abort === undefined) this.#committed.add(batch.producerId);
    else this.#seenOfAborted.add(abort);
    return abort !== undefined;
  }

  isMarkerFree(batch: DecodedBatch): boolean {
    const key = batch.records[0]?.key;
    if (key === undefined) return true;
    if (key === COMMIT_KEY) return !this.#committed.delete(batch.producerId);
    if (key !== ABORT_KEY) return false;
    const abort = this.#aborts.find(({ producerId, lastOffset }) =>
      producerId === batch.producerId && lastOffset === batch.baseOffset
    );
    if (abort === undefined || !this.#seenOfAborted.has(abort)) return true;
    this.needed.push(abort);
    return false;
  }
}

/** Cleans a log by the rules. @returns the batches that are left, and the aborted transactions that indexes must have */
export function cleanModel(
  log: readonly DecodedBatch[],
  aborts: readonly ModelAbort[],
  round: ModelRound,
): { log: DecodedBatch[]; aborts: ModelAbort[] } {
  const lastOfKey = modelMap(log, aborts, round);
  const walk = new ModelWalk(aborts);
  const left = log.flatMap((batch) => {
    if (batch.baseOffset >= round.rewrittenBelow) return [batch];
    const isDiscardable = batch.isControl ? walk.isMarkerFree(batch) : walk.isAborted(batch);
    const isPast = batch.horizonMs !== null && batch.horizonMs <= round.nowMs;
    const dropsAll = isDiscardable && (!batch.isControl || isPast);
    const records = batch.records.filter((record) =>
      !dropsAll && (batch.isControl || isKept(record, isPast, { lastOfKey, latestOffset: round.latestOffset }))
    );
    const cleaned = { ...batch, records };
    if (records.length === 0) return mustStay(batch, round) ? [emptied(batch)] : [];
    const isMarkerOfNothing = batch.isControl && isDiscardable;
    if (batch.horizonMs === null && (isMarkerOfNothing || records.some(({ value }) => value === null))) {
      cleaned.horizonMs = round.nowMs + round.deleteRetentionMs;
    }
    if (!batch.isLogAppendTime) cleaned.maxTimestamp = Math.max(-1, ...records.map(({ timestamp }) => timestamp));
    return [cleaned];
  });
  const kept = aborts.filter((abort) => abort.lastOffset >= round.rewrittenBelow || walk.needed.includes(abort));
  return { log: left, aborts: kept };
}

/** The offset of the last record of each key in the dirty part. */
function modelMap(log: readonly DecodedBatch[], aborts: readonly ModelAbort[], round: ModelRound): Map<string, number> {
  const lastOfKey = new Map<string, number>();
  const walk = new ModelWalk(aborts);
  for (const batch of log) {
    if (batch.isControl || walk.isAborted(batch)) continue;
    for (const { key, offset } of batch.records) {
      if (key !== null && offset >= round.firstDirtyOffset && offset <= round.latestOffset) lastOfKey.set(key, offset);
    }
  }
  return lastOfKey;
}

function isKept(
  record: DecodedRecord,
  isPast: boolean,
  { lastOfKey, latestOffset }: { lastOfKey: ReadonlyMap<string, number>; latestOffset: number },
): boolean {
  if (record.offset > latestOffset) return true;
  if (record.key === null) return false;
  return record.offset >= (lastOfKey.get(record.key) ?? -1) && (record.value !== null || !isPast);
}

/** Whether an empty batch keeps its header. */
function mustStay(batch: DecodedBatch, round: ModelRound): boolean {
  if (batch.lastOffset + 1 === round.firstUncleanableOffset) return true;
  const producer = round.producers.get(batch.producerId);
  if (producer === undefined) return false;
  if (producer.lastDataOffset >= 0) return batch.lastOffset === producer.lastDataOffset;
  return batch.isControl && batch.producerEpoch === producer.epoch;
}

function emptied(batch: DecodedBatch): DecodedBatch {
  return { ...batch, records: [], codec: 0, horizonMs: null };
}
