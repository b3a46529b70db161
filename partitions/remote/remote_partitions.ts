/**
 * Partitions of other shards, asked through the rings: each call becomes one record to the owner, each answer completes the
 * waiter. Bytes never travel: an append passes the place in this shard's arena, a read brings back a leased slice.
 * Runs on every shard, on the asking side; the owner's side is partition_service.ts.
 */
import { toOffset } from "../../storage/base/units.ts";
import { Operations } from "../requests/operations.ts";
import type {
  AppendWaiter,
  DeletionWaiter,
  EpochEndWaiter,
  ListOffsetWaiter,
  ReadRequest,
  ReadWaiter,
} from "../requests/outcomes.ts";
import { emptyAppendOutcome } from "../requests/outcomes.ts";
import { refusalOf } from "../requests/refusals.ts";
import type { Outbox } from "../shared/mail.ts";
import * as message from "../shared/messages.ts";
import type { RingRecord } from "../shared/ring.ts";

/** The asking side. */
export class RemotePartitions {
  readonly #outboxes: readonly Outbox[];
  readonly #appends = new Operations<AppendWaiter>();
  readonly #reads = new Operations<ReadWaiter>();
  readonly #listOffsets = new Operations<ListOffsetWaiter>();
  readonly #epochEnds = new Operations<EpochEndWaiter>();
  readonly #deletions = new Operations<DeletionWaiter>();
  readonly #appended = emptyAppendOutcome();

  /** @param outboxes the way to each shard */
  constructor(outboxes: readonly Outbox[]) {
    this.#outboxes = outboxes;
  }

  /** Operations that wait for another shard. */
  get inFlight(): number {
    return this.#appends.count + this.#reads.count + this.#listOffsets.count + this.#epochEnds.count +
      this.#deletions.count;
  }

  /** Asks the owner to append; the bytes must stay in this shard's arena until the answer. */
  append(
    to: { shard: number; slot: number },
    batch: { start: number; length: number; acks: number },
    waiter: AppendWaiter,
    tag: number,
  ): void {
    const outbox = this.#outbox(to.shard);
    const { ints, int } = outbox.begin(message.kind.append);
    ints[int + message.append.operation] = this.#appends.add(waiter, tag);
    ints[int + message.append.slot] = to.slot;
    ints[int + message.append.start] = batch.start;
    ints[int + message.append.length] = batch.length;
    ints[int + message.append.acks] = batch.acks;
    outbox.commit();
  }

  /** Asks the owner for a slice. */
  read(to: { shard: number; slot: number }, request: ReadRequest, waiter: ReadWaiter, tag: number): void {
    const outbox = this.#outbox(to.shard);
    const { ints, int, floats, float } = outbox.begin(message.kind.read);
    ints[int + message.read.operation] = this.#reads.add(waiter, tag);
    ints[int + message.read.slot] = to.slot;
    ints[int + message.read.maxBytes] = request.maxBytes;
    ints[int + message.read.currentLeaderEpoch] = request.currentLeaderEpoch;
    ints[int + message.read.lastFetchedEpoch] = request.lastFetchedEpoch;
    ints[int + message.read.atLeastOne] = request.atLeastOne ? 1 : 0;
    ints[int + message.read.committedOnly] = request.committedOnly ? 1 : 0;
    floats[float + message.read.floats.fetchOffset] = request.fetchOffset;
    outbox.commit();
  }

  /** Gives a slice back to its owner. */
  release(to: { shard: number; slot: number }, lease: number): void {
    const outbox = this.#outbox(to.shard);
    const { ints, int } = outbox.begin(message.kind.release);
    ints[int + message.release.slot] = to.slot;
    ints[int + message.release.lease] = lease;
    outbox.commit();
  }

  /** Asks the owner for the offset of a timestamp. */
  listOffset(
    to: { shard: number; slot: number },
    query: { timestamp: number; currentLeaderEpoch: number; committedOnly: boolean },
    waiter: ListOffsetWaiter,
    tag: number,
  ): void {
    const outbox = this.#outbox(to.shard);
    const { ints, int, floats, float } = outbox.begin(message.kind.listOffset);
    ints[int + message.listOffset.operation] = this.#listOffsets.add(waiter, tag);
    ints[int + message.listOffset.slot] = to.slot;
    ints[int + message.listOffset.currentLeaderEpoch] = query.currentLeaderEpoch;
    ints[int + message.listOffset.committedOnly] = query.committedOnly ? 1 : 0;
    floats[float + message.listOffset.floats.timestamp] = query.timestamp;
    outbox.commit();
  }

  /** Asks the owner where a leader epoch ends. */
  epochEnd(
    to: { shard: number; slot: number },
    query: { currentLeaderEpoch: number; leaderEpoch: number },
    waiter: EpochEndWaiter,
    tag: number,
  ): void {
    const outbox = this.#outbox(to.shard);
    const { ints, int } = outbox.begin(message.kind.epochEnd);
    ints[int + message.epochEnd.operation] = this.#epochEnds.add(waiter, tag);
    ints[int + message.epochEnd.slot] = to.slot;
    ints[int + message.epochEnd.currentLeaderEpoch] = query.currentLeaderEpoch;
    ints[int + message.epochEnd.leaderEpoch] = query.leaderEpoch;
    outbox.commit();
  }

  /** Asks the owner to move the log start. */
  deleteRecords(to: { shard: number; slot: number }, offset: number, waiter: DeletionWaiter, tag: number): void {
    const outbox = this.#outbox(to.shard);
    const { ints, int, floats, float } = outbox.begin(message.kind.deleteRecords);
    ints[int + message.deleteRecords.operation] = this.#deletions.add(waiter, tag);
    ints[int + message.deleteRecords.slot] = to.slot;
    floats[float + message.deleteRecords.floats.offset] = offset;
    outbox.commit();
  }

  /** Completes the waiter of an answer. @returns false when the record is no answer */
  receive(record: RingRecord): boolean {
    switch (record.ints[record.int]) {
      case message.kind.appended:
        this.#onAppended(record);
        return true;
      case message.kind.readDone:
        this.#onReadDone(record);
        return true;
      case message.kind.listOffsetDone:
        this.#onListOffsetDone(record);
        return true;
      case message.kind.epochEndDone:
        this.#onEpochEndDone(record);
        return true;
      case message.kind.recordsDeleted:
        this.#onRecordsDeleted(record);
        return true;
    }
    return false;
  }

  #outbox(shard: number): Outbox {
    return this.#outboxes[shard] as Outbox;
  }

  #onAppended({ ints, int, floats, float }: RingRecord): void {
    const at = message.appended;
    const outcome = this.#appended;
    outcome.refusal = refusalOf(ints[int + at.refusal] as number);
    outcome.recordIndex = ints[int + at.recordIndex] as number;
    outcome.isComplete = ints[int + at.isComplete] === 1;
    outcome.baseOffset = toOffset(floats[float + at.floats.baseOffset] as number);
    outcome.nextOffset = toOffset(floats[float + at.floats.nextOffset] as number);
    outcome.appendTimeMs = floats[float + at.floats.appendTimeMs] as number;
    outcome.logStartOffset = toOffset(floats[float + at.floats.logStartOffset] as number);
    const operation = ints[int + at.operation] as number;
    const tag = this.#appends.tagOf(operation);
    this.#appends.take(operation).onAppended(tag, outcome);
  }

  #onReadDone({ ints, int, floats, float }: RingRecord): void {
    const at = message.readDone;
    const operation = ints[int + at.operation] as number;
    const tag = this.#reads.tagOf(operation);
    const waiter = this.#reads.take(operation);
    const outcome = waiter.outcomeOf(tag);
    outcome.refusal = refusalOf(ints[int + at.refusal] as number);
    outcome.fd = ints[int + at.fd] as number;
    outcome.length = ints[int + at.length] as number;
    outcome.lease = ints[int + at.lease] as number;
    outcome.divergingEpoch = ints[int + at.divergingEpoch] as number;
    outcome.reachesEnd = ints[int + at.reachesEnd] === 1;
    outcome.position = floats[float + at.floats.position] as number;
    outcome.highWatermark = toOffset(floats[float + at.floats.highWatermark] as number);
    outcome.lastStableOffset = toOffset(floats[float + at.floats.lastStableOffset] as number);
    outcome.logStartOffset = toOffset(floats[float + at.floats.logStartOffset] as number);
    outcome.highWatermarkBytes = floats[float + at.floats.highWatermarkBytes] as number;
    outcome.divergingEndOffset = toOffset(floats[float + at.floats.divergingEndOffset] as number);
    waiter.onRead(tag);
  }

  #onListOffsetDone({ ints, int, floats, float }: RingRecord): void {
    const at = message.listOffsetDone;
    const operation = ints[int + at.operation] as number;
    const tag = this.#listOffsets.tagOf(operation);
    this.#listOffsets.take(operation).onListOffset(tag, {
      refusal: refusalOf(ints[int + at.refusal] as number),
      offset: toOffset(floats[float + at.floats.offset] as number),
      timestamp: floats[float + at.floats.timestamp] as number,
      leaderEpoch: ints[int + at.leaderEpoch] as number,
    });
  }

  #onEpochEndDone({ ints, int, floats, float }: RingRecord): void {
    const at = message.epochEndDone;
    const operation = ints[int + at.operation] as number;
    const tag = this.#epochEnds.tagOf(operation);
    this.#epochEnds.take(operation).onEpochEnd(tag, {
      refusal: refusalOf(ints[int + at.refusal] as number),
      leaderEpoch: ints[int + at.leaderEpoch] as number,
      endOffset: toOffset(floats[float + at.floats.endOffset] as number),
    });
  }

  #onRecordsDeleted({ ints, int, floats, float }: RingRecord): void {
    const at = message.recordsDeleted;
    const operation = ints[int + at.operation] as number;
    const tag = this.#deletions.tagOf(operation);
    this.#deletions.take(operation).onRecordsDeleted(tag, {
      refusal: refusalOf(ints[int + at.refusal] as number),
      logStartOffset: toOffset(floats[float + at.floats.logStartOffset] as number),
    });
  }
}
