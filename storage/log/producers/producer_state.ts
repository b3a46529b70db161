/**
 * What a log knows of its idempotent producers. The last five batches of each distinguish repeated batches from new ones and reveal
 * gaps. Pure state; runs on the shard that owns the log.
 *
 * A batch of a known producer is
 *   a duplicate  same epoch, and the exact sequences of one of the last five batches: answered with its old offset
 *   refused      an epoch below the known one; a new epoch that does not begin at sequence 0; a gap in the sequence
 *   appended     otherwise. An unknown producer may begin at any sequence: its earlier batches may have been deleted,
 *                or its state may have expired
 *
 * Must always hold: `update()` follows every append with a producer id, in offset order. The batches of one entry are of
 * one epoch. Deleting records keeps their producers (as Kafka since 2.5): otherwise a retry would be appended again.
 * Source: Kafka's ProducerStateManager, ProducerAppendInfo, ProducerStateEntry; KIP-98, KIP-360.
 */
import { assert } from "../../base/assert.ts";
import { NO_TIMESTAMP, type Offset, toOffset } from "../../base/units.ts";
import { appendKnown, BATCHES_KEPT, insertKnown, type KnownBatch } from "./known_batches.ts";
import { decodeProducerSnapshot, encodeProducerSnapshot, type SnapshotEntry } from "./producer_snapshot_format.ts";

/** Sequence numbers wrap from INT32_MAX to 0. */
const SEQUENCES = 0x8000_0000;
const NO_SEQUENCE = -1;
const NO_COORDINATOR_EPOCH = -1;
/**
 * Most producers that a log remembers: a client can invent producer ids, and each costs about 500 bytes. The producer that was idle
 * longest is dropped first. (Kafka has no such limit.)
 */
const PRODUCERS_MAX = 100_000;

/** Why a batch of a producer is refused: OUT_OF_ORDER_SEQUENCE_NUMBER (45), INVALID_PRODUCER_EPOCH (47). */
export type ProducerRefusal = "out-of-order-sequence" | "invalid-producer-epoch";

/** What a batch header says about its producer. */
export interface ProducerFacts {
  readonly producerId: number;
  readonly producerEpoch: number;
  /** Sequence of the first record. */
  readonly baseSequence: number;
  /** Sequence of the last record (see `lastSequenceOf()`). */
  readonly lastSequence: number;
}

/** A batch that was appended. */
export interface AppendedFacts extends ProducerFacts {
  readonly baseOffset: Offset;
  readonly lastOffset: Offset;
  /** Largest timestamp of the batch, in ms. */
  readonly timestamp: number;
  /** Whether the batch belongs to a transaction. */
  readonly transactional: boolean;
}

/** A commit or abort marker that was appended. */
export interface MarkerFacts {
  readonly producerId: number;
  readonly producerEpoch: number;
  /** Epoch of the transaction coordinator that wrote it. */
  readonly coordinatorEpoch: number;
  /** Timestamp of the marker, in ms. */
  readonly timestamp: number;
}

/** What to do with a batch. */
export type ProducerCheck =
  | { readonly kind: "append" }
  | {
    readonly kind: "duplicate";
    readonly baseOffset: Offset;
    readonly lastOffset: Offset;
    /** Timestamp of the first append, in ms. */
    readonly timestamp: number;
  }
  | { readonly kind: "refused"; readonly refusal: ProducerRefusal; readonly message: string };

/** What is known of a producer (DescribeProducers). */
export interface KnownProducer {
  readonly producerId: number;
  readonly producerEpoch: number;
  /** Sequence of the last record in this epoch, -1 for none. */
  readonly lastSequence: number;
  /** Timestamp of the last batch or marker, in ms. */
  readonly lastTimestamp: number;
  /** Epoch of the transaction coordinator that wrote the last marker, -1 for none. */
  readonly coordinatorEpoch: number;
  /** First offset of the open transaction, -1 for none. */
  readonly currentTxnStartOffset: number;
}

interface Producer {
  readonly producerId: number;
  epoch: number;
  /** Oldest first, at most five. */
  batches: KnownBatch[];
  lastTimestamp: number;
  /** Coordinator epoch of the last marker, -1 for none. */
  coordinatorEpoch: number;
  /** Where the open transaction begins, -1 for none. */
  currentTxnFirstOffset: number;
}

const APPEND: ProducerCheck = Object.freeze({ kind: "append" });

/** Sequence of a batch's last record. @param lastOffsetDelta of the batch */
export function lastSequenceOf(baseSequence: number, lastOffsetDelta: number): number {
  return (baseSequence + lastOffsetDelta) % SEQUENCES;
}

/** The producers of one log. */
export class ProducerState {
  /** In the order of their last update when the limit is near (see `#producerForUpdate()`). */
  readonly #producers = new Map<number, Producer>();
  readonly #producersMax: number;
  /**
   * All ids in order, and perhaps some that were dropped since, while producers are listed part by part: to sort 100,000 takes longer
   * than to list a part. Null when a producer was added, and from each `expire()` on until the next list.
   */
  #orderedIds: Float64Array | null = null;

  /** @param producersMax most producers that are remembered */
  constructor(producersMax = PRODUCERS_MAX) {
    assert(producersMax > 0, "at least one producer is remembered");
    this.#producersMax = producersMax;
  }

  /** Number of known producers. */
  get size(): number {
    return this.#producers.size;
  }

  /** Whether a producer is known. */
  has(producerId: number): boolean {
    return this.#producers.has(producerId);
  }

  /** Number of producers with an open transaction. */
  get openTransactionsCount(): number {
    return this.#producers.values().filter((producer) => producer.currentTxnFirstOffset >= 0).toArray().length;
  }

  /**
   * Lists known producers in the order of their ids.
   * @param producerId those above it are listed, -1 for all @param countMax most that are listed, the lowest ids first
   */
  listAbove(producerId: number, countMax: number): KnownProducer[] {
    const ids = this.#orderedIds ??= Float64Array.from(this.#producers.keys()).sort();
    const listed: KnownProducer[] = [];
    for (let index = firstAbove(ids, producerId); index < ids.length && listed.length < countMax; index++) {
      const producer = this.#producers.get(ids[index]!);
      if (producer !== undefined) listed.push(describe(producer));
    }
    return listed;
  }

  /** Calls back with each producer: its id, epoch, last offset of its last batch (-1: none), start of its open transaction (-1: none). */
  forEach(visit: (producerId: number, epoch: number, lastDataOffset: number, txnFirstOffset: number) => void): void {
    for (const { producerId, epoch, batches, currentTxnFirstOffset } of this.#producers.values()) {
      visit(producerId, epoch, batches.at(-1)?.lastOffset ?? -1, currentTxnFirstOffset);
    }
  }

  /** Decides what to do with a batch that a client sent. */
  check(batch: ProducerFacts): ProducerCheck {
    const producer = this.#producers.get(batch.producerId);
    if (producer === undefined) return APPEND;
    if (batch.producerEpoch < producer.epoch) return staleEpoch(batch, producer.epoch);
    const { batches } = producer;
    if (batch.producerEpoch > producer.epoch) {
      return batch.baseSequence === 0 || producer.epoch < 0 ? APPEND : outOfOrder(batch, NO_SEQUENCE);
    }
    for (let index = batches.length - 1; index >= 0; index--) {
      const known = batches[index]!;
      if (known.baseSequence !== batch.baseSequence || known.lastSequence !== batch.lastSequence) continue;
      return {
        kind: "duplicate",
        baseOffset: known.baseOffset,
        lastOffset: known.lastOffset,
        timestamp: known.timestamp,
      };
    }
    const last = batches.at(-1)?.lastSequence ?? NO_SEQUENCE;
    return batch.baseSequence === (last + 1) % SEQUENCES ? APPEND : outOfOrder(batch, last);
  }

  /** Records an appended batch without checking it again, because replication and recovery take batches as they are. */
  update(batch: AppendedFacts): void {
    const producer = this.#producerForUpdate(batch.producerId);
    beginEpoch(producer, batch.producerEpoch);
    const { batches } = producer;
    appendKnown(batches, batch);
    producer.lastTimestamp = batch.timestamp;
    if (batch.transactional && producer.currentTxnFirstOffset < 0) producer.currentTxnFirstOffset = batch.baseOffset;
  }

  /**
   * Whether a batch may be missing that `recall()` would record: one of a producer with less than five known batches.
   * @param from lowest offset that can be read; producers whose newest batch is below have no other above it
   */
  mayRecall(from: Offset): boolean {
    return this.#producers.values().some(({ batches }) => {
      const newest = batches.at(-1);
      return newest !== undefined && batches.length < BATCHES_KEPT && newest.baseOffset > from;
    });
  }

  /**
   * Records a batch from before the snapshot that was loaded, which has the newest batch of each producer only: the earlier ones may be
   * repeated, too. Called in any order, before `update()`.
   */
  recall(batch: AppendedFacts): void {
    const producer = this.#producers.get(batch.producerId);
    const newest = producer?.batches.at(-1);
    if (producer === undefined || newest === undefined) return;
    if (batch.producerEpoch !== producer.epoch || batch.lastOffset >= newest.baseOffset) return;
    insertKnown(producer.batches, batch);
  }

  /** Records an appended marker: it ends the transaction and may begin a new epoch (KIP-890). */
  endTransaction(marker: MarkerFacts): void {
    const producer = this.#producerForUpdate(marker.producerId);
    beginEpoch(producer, marker.producerEpoch);
    producer.coordinatorEpoch = marker.coordinatorEpoch;
    producer.currentTxnFirstOffset = -1;
    producer.lastTimestamp = marker.timestamp;
  }

  /**
   * Drops idle producers.
   * @param nowMs the time @param expirationMs `producer.id.expiration.ms`, counted from the last batch's timestamp
   */
  expire(nowMs: number, expirationMs: number): void {
    this.#orderedIds = null;
    for (const { producerId, lastTimestamp, currentTxnFirstOffset } of this.#producers.values()) {
      if (currentTxnFirstOffset < 0 && nowMs - lastTimestamp >= expirationMs) this.#producers.delete(producerId);
    }
  }

  /** Drops batches that are cut off the log's end, and producers without a remaining batch. @param offset new log end */
  truncateTo(offset: Offset): void {
    for (const producer of this.#producers.values()) {
      if (producer.batches.length === 0) continue;
      producer.batches = producer.batches.filter((batch) => batch.lastOffset < offset);
      const last = producer.batches.at(-1);
      if (last === undefined) this.#producers.delete(producer.producerId);
      else producer.lastTimestamp = last.timestamp;
    }
  }

  /** Drops all producers. */
  clear(): void {
    this.#orderedIds = null;
    this.#producers.clear();
  }

  /** Bytes of a snapshot file; it holds the newest batch of each producer. */
  encodeSnapshot(): Uint8Array {
    return encodeProducerSnapshot(Array.from(this.#producers.values(), toSnapshotEntry));
  }

  /** Replaces the state by that of a snapshot file. @returns false, with nothing changed, when it is damaged */
  loadSnapshot(bytes: Uint8Array): boolean {
    const entries = decodeProducerSnapshot(bytes);
    if (entries === null) return false;
    this.clear();
    for (const entry of entries.slice(-this.#producersMax)) {
      this.#producers.set(entry.producerId, fromSnapshotEntry(entry));
    }
    return true;
  }

  /**
   * The entry of a producer to update, created if missing. The order of updates is kept only when the limit is near, because moving
   * an entry to the end of the map costs more than the rest of the update.
   */
  #producerForUpdate(producerId: number): Producer {
    const known = this.#producers.get(producerId);
    if (known !== undefined && this.#producers.size <= this.#producersMax / 2) return known;
    if (known !== undefined) this.#producers.delete(producerId);
    else if (this.#producers.size >= this.#producersMax) this.#forgetOldest();
    if (known === undefined) this.#orderedIds = null;
    const producer = known ?? newProducer(producerId);
    this.#producers.set(producerId, producer);
    return producer;
  }

  #forgetOldest(): void {
    const [oldest] = this.#producers.keys();
    assert(oldest !== undefined, "a full map has a first key");
    this.#producers.delete(oldest);
  }
}

/** Begins a new epoch without batches, because those of an earlier epoch do not determine its next sequence. */
function beginEpoch(producer: Producer, epoch: number): void {
  if (producer.epoch === epoch) return;
  producer.epoch = epoch;
  producer.batches = [];
}

/** Index of the first id above one. */
function firstAbove(ids: Float64Array, id: number): number {
  let [from, to] = [0, ids.length];
  while (from < to) {
    const middle = (from + to) >>> 1;
    if (ids[middle]! <= id) from = middle + 1;
    else to = middle;
  }
  return from;
}

function describe(producer: Producer): KnownProducer {
  return {
    producerId: producer.producerId,
    producerEpoch: producer.epoch,
    lastSequence: producer.batches.at(-1)?.lastSequence ?? NO_SEQUENCE,
    lastTimestamp: producer.lastTimestamp,
    coordinatorEpoch: producer.coordinatorEpoch,
    currentTxnStartOffset: producer.currentTxnFirstOffset,
  };
}

function newProducer(producerId: number): Producer {
  return {
    producerId,
    epoch: -1,
    batches: [],
    lastTimestamp: NO_TIMESTAMP,
    coordinatorEpoch: NO_COORDINATOR_EPOCH,
    currentTxnFirstOffset: -1,
  };
}

function staleEpoch(batch: ProducerFacts, knownEpoch: number): ProducerCheck {
  const message = `Cannot append a batch of producer ${batch.producerId}: its epoch ${batch.producerEpoch} is below ` +
    `the last seen epoch ${knownEpoch}`;
  return { kind: "refused", refusal: "invalid-producer-epoch", message };
}

function outOfOrder(batch: ProducerFacts, lastSequence: number): ProducerCheck {
  const message =
    `Cannot append a batch of producer ${batch.producerId}: in epoch ${batch.producerEpoch} its sequence ` +
    `${batch.baseSequence} does not follow ${lastSequence}`;
  return { kind: "refused", refusal: "out-of-order-sequence", message };
}

function toSnapshotEntry(producer: Producer): SnapshotEntry {
  const last = producer.batches.at(-1);
  return {
    producerId: producer.producerId,
    producerEpoch: producer.epoch,
    lastSequence: last?.lastSequence ?? NO_SEQUENCE,
    lastOffset: last?.lastOffset ?? toOffset(-1),
    offsetDelta: last === undefined ? 0 : last.lastOffset - last.baseOffset,
    timestamp: producer.lastTimestamp,
    coordinatorEpoch: producer.coordinatorEpoch,
    currentTxnFirstOffset: producer.currentTxnFirstOffset,
  };
}

function fromSnapshotEntry(entry: SnapshotEntry): Producer {
  const { producerId, producerEpoch, coordinatorEpoch, currentTxnFirstOffset, timestamp, lastSequence } = entry;
  const batches: KnownBatch[] = entry.lastOffset < 0 ? [] : [{
    baseSequence: (lastSequence - entry.offsetDelta % SEQUENCES + SEQUENCES) % SEQUENCES,
    lastSequence,
    baseOffset: toOffset(entry.lastOffset - entry.offsetDelta),
    lastOffset: entry.lastOffset,
    timestamp,
  }];
  return {
    producerId,
    epoch: producerEpoch,
    batches,
    lastTimestamp: timestamp,
    coordinatorEpoch,
    currentTxnFirstOffset,
  };
}
