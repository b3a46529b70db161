/**
 * The last batches of one producer, in offset order, at most five. Pure; runs on the shard that owns the log.
 * Source: Kafka's ProducerStateEntry.
 */
import { type Offset, toOffset } from "../../base/units.ts";

/** Kafka's ProducerStateEntry.NUM_BATCHES_TO_RETAIN: as many as a client may have in flight. */
export const BATCHES_KEPT = 5;

/** What is kept of a batch. */
export interface KnownBatch {
  baseSequence: number;
  lastSequence: number;
  baseOffset: Offset;
  lastOffset: Offset;
  timestamp: number;
}

/** Adds a batch behind the others. */
export function appendKnown(batches: KnownBatch[], batch: Readonly<KnownBatch>): void {
  batches.push(knownFrom(batch, batches));
}

/** Adds a batch before the newest one, where its offset belongs; one that is older than five others is left out. */
export function insertKnown(batches: KnownBatch[], batch: Readonly<KnownBatch>): void {
  let index = batches.length - 1;
  while (index > 0 && batches[index - 1]!.baseOffset > batch.baseOffset) index--;
  const isFull = batches.length === BATCHES_KEPT;
  if (isFull && index === 0) return;
  const known = knownFrom(batch, batches);
  batches.splice(isFull ? index - 1 : index, 0, known);
}

/** Describes a batch, in the object of the oldest one of a full list, which is taken out of it. */
function knownFrom(batch: Readonly<KnownBatch>, batches: KnownBatch[]): KnownBatch {
  const known = batches.length < BATCHES_KEPT ? newBatch() : batches.shift()!;
  known.baseSequence = batch.baseSequence;
  known.lastSequence = batch.lastSequence;
  known.baseOffset = batch.baseOffset;
  known.lastOffset = batch.lastOffset;
  known.timestamp = batch.timestamp;
  return known;
}

function newBatch(): KnownBatch {
  return { baseSequence: 0, lastSequence: 0, baseOffset: toOffset(0), lastOffset: toOffset(0), timestamp: 0 };
}
