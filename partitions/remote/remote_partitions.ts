/**
 * Partitions of other shards, called through the rings: each call becomes one record to the owner, and each answer completes its waiter.
 * Records carry no batches: an append names its bytes in this shard's arena, a read is answered with a leased slice. Runs on every shard,
 * on the asking side; the owner's side is partition_service.ts.
 */
import { toOffset } from "../../storage/base/units.ts";
import { assert } from "../../storage/base/assert.ts";
import type { NativeMemory } from "../../storage/mod.ts";
import type { AnswerWaiter, AnyQuestion } from "../questions/question.ts";
import { Operations } from "../requests/operations.ts";
import type { AppendedBytes, AppendWaiter, ReadRequest, ReadWaiter } from "../requests/outcomes.ts";
import { emptyAppendOutcome } from "../requests/outcomes.ts";
import { refusalOf } from "../requests/refusals.ts";
import type { Outbox } from "../shared/mail.ts";
import * as message from "../shared/messages.ts";
import type { RingRecord } from "../shared/ring.ts";
import { reportTaken } from "./parcels.ts";

/** Sends requests to the partitions of other shards. */
export class RemotePartitions {
  readonly #outboxes: readonly Outbox[];
  readonly #arenas: readonly NativeMemory[];
  readonly #known: readonly AnyQuestion[];
  readonly #appends = new Operations<AppendWaiter>();
  readonly #reads = new Operations<ReadWaiter>();
  readonly #questions = new Operations<AnswerWaiter<object, object>>();
  /** All tables of operations: `inFlight` counts those listed here. */
  readonly #tables = [this.#appends, this.#reads, this.#questions];
  readonly #appended = emptyAppendOutcome();

  /** @param to the outbox and arena of each shard, and the questions that may be asked */
  constructor(
    to: { outboxes: readonly Outbox[]; arenas: readonly NativeMemory[]; questions: readonly AnyQuestion[] },
  ) {
    this.#outboxes = to.outboxes;
    this.#arenas = to.arenas;
    this.#known = to.questions;
  }

  /** Operations that wait for another shard. */
  get inFlight(): number {
    let count = 0;
    for (const table of this.#tables) count += table.count;
    return count;
  }

  /** Asks the owner to append; the bytes must stay in this shard's arena until the answer. */
  append(
    to: { shard: number; slot: number },
    batch: AppendedBytes,
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
    ints[int + message.append.isAhead] = batch.isAhead ? 1 : 0;
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
    const { follower } = request;
    ints[int + message.read.replica] = follower === null ? -1 : follower.replica;
    if (follower !== null) {
      floats[float + message.read.floats.brokerEpoch] = follower.brokerEpoch;
      floats[float + message.read.floats.logStartOffset] = follower.logStartOffset;
    }
    outbox.commit();
  }

  /** Returns a slice to its owner. */
  release(to: { shard: number }, lease: number): void {
    const outbox = this.#outbox(to.shard);
    const { ints, int } = outbox.begin(message.kind.release);
    ints[int + message.release.lease] = lease;
    outbox.commit();
  }

  /** Asks the owner a question. */
  ask(to: { shard: number; slot: number }, ask: object, waiter: AnswerWaiter<object, object>, tag: number): void {
    const number = this.#known.indexOf(waiter.question);
    assert(number >= 0, "every question stands in the list of questions");
    const outbox = this.#outbox(to.shard);
    const record = outbox.begin(message.kind.question);
    const { ints, int } = record;
    ints[int + message.question.operation] = this.#questions.add(waiter, tag);
    ints[int + message.question.slot] = to.slot;
    ints[int + message.question.question] = number;
    waiter.question.ask.write(record, ask);
    outbox.commit();
  }

  /** Completes the waiter of an answer. @param sender the answering shard @returns false when the record is not an answer */
  receive(sender: number, record: RingRecord): boolean {
    switch (record.ints[record.int]) {
      case message.kind.appended:
        this.#onAppended(record);
        return true;
      case message.kind.readDone:
        this.#onReadDone(record);
        return true;
      case message.kind.answer:
        this.#onAnswer(sender, record);
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
    outcome.leadership = ints[int + at.leadership] as number;
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
    outcome.visibleBytes = floats[float + at.floats.visibleBytes] as number;
    outcome.divergingEndOffset = toOffset(floats[float + at.floats.divergingEndOffset] as number);
    waiter.onRead(tag);
  }

  #onAnswer(sender: number, record: RingRecord): void {
    const { ints, int } = record;
    const at = message.answer;
    const operation = ints[int + at.operation] as number;
    const refusal = refusalOf(ints[int + at.refusal] as number);
    const tag = this.#questions.tagOf(operation);
    const waiter = this.#questions.take(operation);
    const start = ints[int + at.start] as number;
    const length = ints[int + at.length] as number;
    const list = length === 0 ? undefined : this.#memory(sender).bytes.subarray(start, start + length);
    const answer = waiter.question.answer.read(record, list);
    if (length > 0) reportTaken(this.#outbox(sender), message.kind.listTaken, ints[int + at.block] as number);
    waiter.onAnswer(tag, { ...answer, refusal });
  }

  #memory(shard: number): NativeMemory {
    return this.#arenas[shard] as NativeMemory;
  }
}
