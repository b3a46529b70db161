/**
 * What a cleaning keeps: the rules for batches and records. Pure functions; they run on the cleaner worker, `keepsRecord()` once for every
 * record.
 *
 *   batch      its records                                        itself, when no record is left
 *   data       all go if its transaction was aborted, else each   goes, except as the last batch of a producer that the log knows, or
 *              by its key                                          of the cleanable part: then its header stays
 *   control    go if nothing needs it and its horizon is past     likewise
 *
 *   record     kept if it lies above the offset map, or if no later record has its key and it is no tombstone past its horizon
 *   horizon    is set when a batch that has none keeps a tombstone, or a marker that nothing needs: now + delete.retention.ms (KIP-534)
 *
 * Source: Kafka's Cleaner.cleanInto and shouldRetainRecord, MemoryRecords.filterTo.
 */
import type { Offset } from "../base/units.ts";
import type { ActiveProducers } from "./cleaning_job.ts";

/** What is known of a producer. */
export interface ProducerEnd {
  readonly epoch: number;
  /** -1 where it has no data in the log. */
  readonly lastDataOffset: number;
}

/** A batch by its header. */
export interface BatchFacts {
  readonly isControl: boolean;
  /** Of data: its transaction was aborted. Of a control batch: nothing in the log needs it (cleaned_transactions.ts). */
  readonly isDiscardable: boolean;
  /** In ms, -1 for none. */
  readonly horizonMs: number;
}

/** Makes the producers of a job ready for look-ups. */
export function producersById({ producerIds, epochs, lastDataOffsets }: ActiveProducers): Map<number, ProducerEnd> {
  const byId = new Map<number, ProducerEnd>();
  for (let index = 0; index < producerIds.length; index++) {
    byId.set(producerIds[index]!, { epoch: epochs[index]!, lastDataOffset: lastDataOffsets[index]! });
  }
  return byId;
}

/** Whether all records of a batch are removed, whatever their keys. */
export function dropsAllRecords({ isControl, isDiscardable, horizonMs }: BatchFacts, nowMs: number): boolean {
  return isDiscardable && (!isControl || (horizonMs >= 0 && horizonMs <= nowMs));
}

/**
 * Whether a batch is the last one of its producer: it has the sequence, or the epoch, from which the producer continues.
 * @param producer what is known of it; undefined where it is not known any more
 */
export function isLastOfProducer(
  batch: { readonly lastOffset: Offset; readonly producerEpoch: number; readonly isControl: boolean },
  producer: ProducerEnd | undefined,
): boolean {
  if (producer === undefined) return false;
  if (producer.lastDataOffset >= 0) return batch.lastOffset === producer.lastDataOffset;
  return batch.isControl && batch.producerEpoch === producer.epoch;
}

/**
 * Whether a record of a data batch is kept.
 * @param offset of the record @param lastOfKey offset that the map has for its key, -1 for none
 * @param isExpired whether it is a tombstone whose batch has a horizon in the past
 */
export function keepsRecord(offset: number, lastOfKey: number, isExpired: boolean): boolean {
  return offset >= lastOfKey && !isExpired;
}
