/**
 * The owner's side of requests from other shards: receives a record, calls the partition, sends the answer. The batch of an append stays
 * in the arena of the shard that received it; the owner reads it, stamps it and writes it to disk from there. Runs on every shard; the
 * asking side is remote_partitions.ts.
 */
import { assert } from "../../storage/base/assert.ts";
import { toOffset } from "../../storage/base/units.ts";
import type { NativeMemory } from "../../storage/mod.ts";
import { type Answered, type AnyQuestion, refuseAnswer } from "../questions/question.ts";
import { type Parcel, Parcels } from "./parcels.ts";
import type { Arena } from "../shared/arena.ts";
import type { OwnedRequests } from "../owned/owned_requests.ts";
import { emptyAppendOutcome, emptyReadOutcome } from "../requests/outcomes.ts";
import { refusalNumber } from "../requests/refusals.ts";
import type { Outbox } from "../shared/mail.ts";
import * as message from "../shared/messages.ts";
import type { RingRecord } from "../shared/ring.ts";

/** Most bytes of lists that wait on the heap because the arena is full. Further answers with a list are refused. */
const WAITING_LISTS_BYTES_MAX = 8 * 1024 * 1024;
/** An empty list. */
const NO_PARCEL: Parcel = { block: 0, start: 0, length: 0 };

/** Serves the requests of other shards. */
export class PartitionService {
  readonly #requests: OwnedRequests;
  readonly #outboxes: readonly Outbox[];
  readonly #arenas: readonly NativeMemory[];
  readonly #onRelease: (lease: number) => void;
  readonly #questions: readonly AnyQuestion[];
  readonly #lists: Parcels;
  readonly #appended = emptyAppendOutcome();
  readonly #outcome = emptyReadOutcome();

  /**
   * @param requests handles requests to the shard's own partitions
   * @param of the outbox and arena of each shard, the questions that may be asked, and where leases are returned
   */
  constructor(
    requests: OwnedRequests,
    of: {
      outboxes: readonly Outbox[];
      arenas: readonly NativeMemory[];
      /** This shard's own. */
      arena: Arena;
      questions: readonly AnyQuestion[];
      onRelease: (lease: number) => void;
    },
  ) {
    this.#questions = of.questions;
    // Answers may arrive out of order: the asking shard matches them by their operation.
    this.#lists = new Parcels(of.arena, { inOrder: false });
    this.#requests = requests;
    this.#outboxes = of.outboxes;
    this.#arenas = of.arenas;
    this.#onRelease = of.onRelease;
  }

  /** Sends answers whose lists waited for room. */
  sendWaiting(): void {
    this.#lists.sendWaiting();
  }

  /** Serves a request. @param sender the asking shard @returns false when the record is not a request */
  receive(sender: number, record: RingRecord): boolean {
    switch (record.ints[record.int]) {
      case message.kind.append:
        this.#append(sender, record);
        return true;
      case message.kind.read:
        this.#read(sender, record);
        return true;
      case message.kind.release:
        this.#onRelease(record.ints[record.int + message.release.lease] as number);
        return true;
      case message.kind.question:
        this.#answer(sender, record);
        return true;
      case message.kind.listTaken:
        this.#lists.release(record.ints[record.int + message.taken.block] as number);
        return true;
    }
    return false;
  }

  #append(sender: number, { ints, int }: RingRecord): void {
    const ask = message.append;
    const batch = {
      memory: this.#arenas[sender] as NativeMemory,
      arena: sender,
      start: ints[int + ask.start] as number,
      length: ints[int + ask.length] as number,
      acks: ints[int + ask.acks] as number,
      isAhead: ints[int + ask.isAhead] === 1,
    };
    const operation = ints[int + ask.operation] as number;
    const outcome = this.#appended;
    const waiting = this.#requests.append(ints[int + ask.slot] as number, batch, outcome);
    if (waiting === null) return this.#sendAppended(sender, operation);
    this.#requests.whenEnded(waiting, { outcome, done: () => this.#sendAppended(sender, operation) });
  }

  /** Sends the outcome of the last append. */
  #sendAppended(sender: number, operation: number): void {
    const outcome = this.#appended;
    const outbox = this.#outboxes[sender] as Outbox;
    const answer = outbox.begin(message.kind.appended);
    const at = message.appended;
    answer.ints[answer.int + at.operation] = operation;
    answer.ints[answer.int + at.refusal] = refusalNumber(outcome.refusal);
    answer.ints[answer.int + at.recordIndex] = outcome.recordIndex;
    answer.ints[answer.int + at.isComplete] = outcome.isComplete ? 1 : 0;
    answer.ints[answer.int + at.leadership] = outcome.leadership;
    answer.floats[answer.float + at.floats.baseOffset] = outcome.baseOffset;
    answer.floats[answer.float + at.floats.nextOffset] = outcome.nextOffset;
    answer.floats[answer.float + at.floats.appendTimeMs] = outcome.appendTimeMs;
    answer.floats[answer.float + at.floats.logStartOffset] = outcome.logStartOffset;
    outbox.commit();
  }

  #read(sender: number, { ints, int, floats, float }: RingRecord): void {
    const ask = message.read;
    const slot = ints[int + ask.slot] as number;
    const operation = ints[int + ask.operation] as number;
    const replica = ints[int + ask.replica] as number;
    const request = {
      fetchOffset: toOffset(floats[float + ask.floats.fetchOffset] as number),
      maxBytes: ints[int + ask.maxBytes] as number,
      currentLeaderEpoch: ints[int + ask.currentLeaderEpoch] as number,
      lastFetchedEpoch: ints[int + ask.lastFetchedEpoch] as number,
      atLeastOne: ints[int + ask.atLeastOne] === 1,
      committedOnly: ints[int + ask.committedOnly] === 1,
      follower: replica < 0 ? null : {
        replica,
        brokerEpoch: floats[float + ask.floats.brokerEpoch] as number,
        logStartOffset: toOffset(floats[float + ask.floats.logStartOffset] as number),
      },
    };
    this.#requests.read(slot, request, { outcome: () => this.#outcome, done: () => this.#sendRead(sender, operation) });
  }

  /** Sends the outcome of the last read. */
  #sendRead(sender: number, operation: number): void {
    const outcome = this.#outcome;
    const outbox = this.#outboxes[sender] as Outbox;
    const answer = outbox.begin(message.kind.readDone);
    const at = message.readDone;
    answer.ints[answer.int + at.operation] = operation;
    answer.ints[answer.int + at.refusal] = refusalNumber(outcome.refusal);
    answer.ints[answer.int + at.fd] = outcome.fd;
    answer.ints[answer.int + at.length] = outcome.length;
    answer.ints[answer.int + at.lease] = outcome.lease;
    answer.ints[answer.int + at.divergingEpoch] = outcome.divergingEpoch;
    answer.ints[answer.int + at.reachesEnd] = outcome.reachesEnd ? 1 : 0;
    answer.floats[answer.float + at.floats.position] = outcome.position;
    answer.floats[answer.float + at.floats.highWatermark] = outcome.highWatermark;
    answer.floats[answer.float + at.floats.lastStableOffset] = outcome.lastStableOffset;
    answer.floats[answer.float + at.floats.logStartOffset] = outcome.logStartOffset;
    answer.floats[answer.float + at.floats.visibleBytes] = outcome.visibleBytes;
    answer.floats[answer.float + at.floats.divergingEndOffset] = outcome.divergingEndOffset;
    outbox.commit();
  }

  #answer(sender: number, record: RingRecord): void {
    const { ints, int } = record;
    const question = this.#questions[ints[int + message.question.question] as number];
    assert(question !== undefined, "shards have the same list of questions");
    const operation = ints[int + message.question.operation] as number;
    const slot = ints[int + message.question.slot] as number;
    const answered = this.#requests.ask(slot, question, question.ask.read(record));
    const list = question.answer.packList(answered);
    const to = { shard: sender, operation, question };
    if (list.length === 0) return this.#sendAnswer(to, answered, NO_PARCEL);
    const isFull = this.#lists.waitingBytes + list.length > WAITING_LISTS_BYTES_MAX;
    if (isFull) this.#sendAnswer(to, refuseAnswer(question, "too-many-lists"), NO_PARCEL);
    else this.#lists.send(list, list.length, (parcel) => this.#sendAnswer(to, answered, parcel));
  }

  #sendAnswer(
    to: { shard: number; operation: number; question: AnyQuestion },
    answered: Answered<object>,
    list: Parcel,
  ): void {
    const outbox = this.#outboxes[to.shard] as Outbox;
    const answer = outbox.begin(message.kind.answer);
    const { ints, int } = answer;
    const at = message.answer;
    ints[int + at.operation] = to.operation;
    ints[int + at.refusal] = refusalNumber(answered.refusal);
    ints[int + at.block] = list.block;
    ints[int + at.start] = list.start;
    ints[int + at.length] = list.length;
    to.question.answer.write(answer, answered);
    outbox.commit();
  }
}
