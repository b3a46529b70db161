/**
 * Batches as a follower gets them from its leader: with offsets, leader epochs, gaps of a compacted log, batches that compaction has emptied,
 * idempotent producers, transactions and their markers. Test code.
 */
import { toOffset } from "../storage/base/units.ts";
import { ProducerState } from "../storage/log/producers/producer_state.ts";
import type { FollowerAppend } from "../storage/log/follower/follower_appends.ts";
import type { Log } from "../storage/log/log.ts";
import type { LogConfig } from "../storage/log/log_config.ts";
import { testConfig } from "./log_fixture.ts";
import { buildBatch, concatBytes, inMemory, TEST_TIMESTAMP, type TestRecord } from "./record_batch_builder.ts";

/** A batch of a leader. */
export interface LeaderBatch {
  readonly baseOffset: number;
  readonly lastOffset: number;
  readonly epoch: number;
  /** Largest timestamp of its records, -1 for none. */
  readonly timestamp: number;
  readonly bytes: Uint8Array;
  readonly producerId: number;
  readonly baseSequence: number;
  /** What the marker in it says about the transaction, null where it has no marker. */
  readonly marker: "commit" | "abort" | null;
  readonly isTransactional: boolean;
}

/** Batches of a log, in their order. */
export type History = readonly LeaderBatch[];

/** Where a batch belongs, and what it is. */
export interface BatchPlace {
  readonly baseOffset: number;
  readonly epoch: number;
  readonly valueBytes?: number;
  readonly count?: number;
  readonly timestamp?: number;
  readonly producerId?: number;
  readonly baseSequence?: number;
  readonly isTransactional?: boolean;
  readonly marker?: "commit" | "abort" | null;
  /** Whether compaction has removed its first records, or all of them. */
  readonly compacted?: "partly" | "wholly" | null;
}

/** Builds a batch. */
export function leaderBatch(place: BatchPlace): LeaderBatch {
  const { baseOffset, epoch, valueBytes = 20, timestamp = TEST_TIMESTAMP, producerId = -1, baseSequence = 0 } = place;
  const { marker = null, compacted = null, isTransactional = marker !== null } = place;
  const count = marker === null ? place.count ?? 2 : 1;
  const value = new Uint8Array(valueBytes).fill(97 + (baseOffset + epoch) % 26);
  const markerRecord = { key: new Uint8Array([0, 0, 0, marker === "commit" ? 1 : 0]), value: new Uint8Array(6) };
  const all: TestRecord[] = Array.from({ length: count }, (_, offsetDelta) => ({
    ...marker === null ? { key: "k", value } : markerRecord,
    timestamp,
    offsetDelta,
  }));
  const records = compacted === null ? all : compacted === "partly" ? all.slice(-1) : [];
  const bytes = buildBatch(records, {
    baseOffset,
    partitionLeaderEpoch: epoch,
    lastOffsetDelta: count - 1,
    baseTimestamp: timestamp,
    maxTimestamp: timestamp,
    producerId,
    ...producerId < 0 ? {} : { producerEpoch: 0, baseSequence: marker === null ? baseSequence : -1 },
    transactional: isTransactional,
    control: marker !== null,
  });
  return {
    baseOffset,
    lastOffset: baseOffset + count - 1,
    epoch,
    timestamp: records.length === 0 ? -1 : timestamp,
    bytes,
    producerId,
    baseSequence,
    marker: records.length === 0 ? null : marker,
    isTransactional,
  };
}

/** Settings of a follower's log with small segments. @param random uniform in [0, 1) */
export function followerConfig(random: () => number): LogConfig {
  return {
    ...testConfig,
    segmentBytes: 400 + Math.floor(random() * 1000),
    segmentIndexBytes: 4096,
    indexIntervalBytes: 1 + Math.floor(random() * 300),
    preallocate: random() < 0.2,
    appendMode: random() < 0.5 ? "pwrite" : "mapped",
    compact: random() < 0.5,
  };
}

/** Number of different timestamps of random batches, from `TEST_TIMESTAMP` on. */
export const TIMES = 50;

/** Any batch that may come next. @param place where the log ends, the leader's epoch, and the ids of the producers */
export function randomBatch(
  random: () => number,
  place: { logEndOffset: number; epoch: number; producers: { first: number; count: number } },
): LeaderBatch {
  const below = (limit: number) => Math.floor(random() * limit);
  const { logEndOffset, epoch, producers } = place;
  const gap = random() < 0.15 ? 1 + below(5) : 0;
  const producerId = random() < 0.4 ? -1 : producers.first + below(producers.count);
  const isMarker = producerId >= 0 && random() < 0.2;
  const dice = random();
  return leaderBatch({
    baseOffset: logEndOffset + gap,
    epoch,
    count: 1 + below(4),
    valueBytes: random() < 0.03 ? 2000 : below(100),
    timestamp: TEST_TIMESTAMP + below(TIMES),
    producerId,
    baseSequence: below(1000),
    isTransactional: producerId >= 0 && random() < 0.5,
    marker: isMarker ? (["commit", "abort"] as const)[below(2)]! : null,
    compacted: dice < 0.1 ? "partly" : dice < 0.15 ? "wholly" : null,
  });
}

/** Appends batches as a follower, with a part of a further one behind them. @param leaderEpoch that of the last batch by default */
export function follow(
  log: Log,
  batches: readonly LeaderBatch[],
  { leaderEpoch = batches.at(-1)?.epoch ?? 0, partialBytes = 0, nowMs = TEST_TIMESTAMP } = {},
): FollowerAppend {
  const torn = buildBatch([{ value: "torn ".repeat(50) }], { baseOffset: 1 }).subarray(0, partialBytes);
  const { memory, start, length } = inMemory(concatBytes([...batches.map(({ bytes }) => bytes), torn]), 37);
  return log.appendAsFollower(memory, { start, length, leaderEpoch, nowMs });
}

/** Batches of two records each, from an offset on. */
export function leaderBatches(count: number, from: Omit<BatchPlace, "count">): LeaderBatch[] {
  return Array.from({ length: count }, (_, i) => leaderBatch({ ...from, baseOffset: from.baseOffset + 2 * i }));
}

/** What a log has to know of producers after these batches: sentences, in the order of the ids. @param isAsked for a producer id */
export function producersOf(batches: readonly LeaderBatch[], isAsked = (_id: number) => true): string[] {
  const state = new ProducerState();
  for (
    const { producerId, baseOffset, lastOffset, baseSequence, timestamp, isTransactional, marker, bytes } of batches
  ) {
    if (producerId < 0) continue;
    const isControl = (bytes[22]! & 32) !== 0;
    const shared = { producerId, producerEpoch: 0 };
    if (marker !== null) state.endTransaction({ ...shared, coordinatorEpoch: 0, timestamp });
    if (isControl) continue;
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    state.update({
      ...shared,
      baseSequence,
      lastSequence: baseSequence + lastOffset - baseOffset,
      baseOffset: toOffset(baseOffset),
      lastOffset: toOffset(lastOffset),
      timestamp: Number(view.getBigInt64(35)),
      transactional: isTransactional,
    });
  }
  return described(state, isAsked);
}

/** What a log knows of producers, so too. */
export function describeProducers(log: Log, isAsked = (_id: number) => true): string[] {
  return described(log.producers, isAsked);
}

function described(state: ProducerState, isAsked: (id: number) => boolean): string[] {
  return state.listAbove(-1, 1000).filter(({ producerId }) => isAsked(producerId)).map((one) => JSON.stringify(one));
}

/** Whether all batches that were found are of a history, in its order. */
export function isPartOf(found: readonly { baseOffset: number; bytes: Uint8Array }[], history: History): boolean {
  let next = 0;
  return found.every(({ baseOffset, bytes }) => {
    while (next < history.length && history[next]!.baseOffset < baseOffset) next++;
    const batch = history[next];
    return batch !== undefined && batch.baseOffset === baseOffset && isEqual(batch.bytes, bytes);
  });
}

function isEqual(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, index) => byte === other[index]);
}

/** Offsets of batches, for messages. */
export function namesOf(batches: readonly { baseOffset: number; lastOffset: number }[]): string {
  return batches.map(({ baseOffset, lastOffset }) => `${baseOffset}-${lastOffset}`).join(" ");
}
