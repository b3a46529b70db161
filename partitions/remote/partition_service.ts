/**
 * The owner's side of requests from other shards: takes a record, asks the partition, sends the answer. The batch of an
 * append is read, stamped and written to disk where the other shard received it: in that shard's arena.
 * Runs on every shard; the asking side is remote_partitions.ts.
 */
import { toOffset } from "../../storage/base/units.ts";
import type { ColdLookups } from "../owned/cold_lookups.ts";
import { emptyReadOutcome, type ReadOutcome, type ReadRequest, refuseRead } from "../requests/outcomes.ts";
import type { Partition } from "../owned/partition.ts";
import { type Refusal, refusalNumber } from "../requests/refusals.ts";
import type { Clock, NativeMemory } from "../../storage/mod.ts";
import type { Outbox } from "../shared/mail.ts";
import * as message from "../shared/messages.ts";
import type { RingRecord } from "../shared/ring.ts";

/** The serving side. */
export class PartitionService {
  readonly #partitions: ReadonlyMap<number, Partition>;
  readonly #outboxes: readonly Outbox[];
  readonly #arenas: readonly NativeMemory[];
  readonly #clock: Clock;
  readonly #refusalOf: (slot: number) => Refusal;
  readonly #cold: ColdLookups;
  readonly #onRelease: (slot: number, lease: number) => void;
  readonly #outcome = emptyReadOutcome();

  /**
   * @param partitions the shard's own, by slot
   * @param peers the way to each shard and its arena, the clock, why a slot has no partition (its log could not be opened, or
   * its topic is being deleted), where reads wait for cold files, and where leases go back to
   */
  constructor(
    partitions: ReadonlyMap<number, Partition>,
    peers: {
      outboxes: readonly Outbox[];
      arenas: readonly NativeMemory[];
      clock: Clock;
      refusalOf: (slot: number) => Refusal;
      cold: ColdLookups;
      onRelease: (slot: number, lease: number) => void;
    },
  ) {
    this.#partitions = partitions;
    this.#cold = peers.cold;
    this.#outboxes = peers.outboxes;
    this.#arenas = peers.arenas;
    this.#clock = peers.clock;
    this.#refusalOf = peers.refusalOf;
    this.#onRelease = peers.onRelease;
  }

  /** Serves a request. @param sender the asking shard @returns false when the record is no request */
  receive(sender: number, record: RingRecord): boolean {
    switch (record.ints[record.int]) {
      case message.kind.append:
        this.#append(sender, record);
        return true;
      case message.kind.read:
        this.#read(sender, record);
        return true;
      case message.kind.release:
        this.#onRelease(
          record.ints[record.int + message.release.slot] as number,
          record.ints[record.int + message.release.lease] as number,
        );
        return true;
      case message.kind.listOffset:
        this.#listOffset(sender, record);
        return true;
      case message.kind.epochEnd:
        this.#epochEnd(sender, record);
        return true;
      case message.kind.deleteRecords:
        this.#deleteRecords(sender, record);
        return true;
    }
    return false;
  }

  /**
   * Reads here, at once or, where the index that it has to look into is cold, when that has been loaded.
   * @param to outcome: what is filled, asked for each time; done: called once, when it is
   */
  read(slot: number, request: ReadRequest, to: { outcome: () => ReadOutcome; done: () => void }): void {
    const files = this.#tryToRead(slot, request, to.outcome(), true);
    if (files === null) return to.done();
    this.#cold.wait(files, () => {
      this.#tryToRead(slot, request, to.outcome(), false);
      to.done();
    });
  }

  #tryToRead(slot: number, request: ReadRequest, outcome: ReadOutcome, deferCold: boolean): readonly string[] | null {
    const partition = this.#partitions.get(slot);
    if (partition !== undefined) return partition.read(request, outcome, deferCold);
    refuseRead(outcome, this.#refusalOf(slot));
    return null;
  }

  #append(sender: number, { ints, int }: RingRecord): void {
    const slot = ints[int + message.append.slot] as number;
    const partition = this.#partitions.get(slot);
    const batch = {
      memory: this.#arenas[sender] as NativeMemory,
      start: ints[int + message.append.start] as number,
      length: ints[int + message.append.length] as number,
    };
    const result = partition?.append(batch, this.#clock.wallMs());
    const outbox = this.#outboxes[sender] as Outbox;
    const answer = outbox.begin(message.kind.appended);
    const at = message.appended;
    answer.ints[answer.int + at.operation] = ints[int + message.append.operation] as number;
    answer.ints[answer.int + at.refusal] = refusalNumber(result === undefined ? this.#refusalOf(slot) : result.refusal);
    answer.ints[answer.int + at.recordIndex] = result?.recordIndex ?? -1;
    answer.floats[answer.float + at.floats.baseOffset] = result?.baseOffset ?? -1;
    answer.floats[answer.float + at.floats.nextOffset] = (result?.lastOffset ?? -2) + 1;
    answer.floats[answer.float + at.floats.appendTimeMs] = result?.appendTimeMs ?? -1;
    answer.floats[answer.float + at.floats.logStartOffset] = partition?.log.logStartOffset ?? -1;
    outbox.commit();
  }

  #read(sender: number, { ints, int, floats, float }: RingRecord): void {
    const ask = message.read;
    const slot = ints[int + ask.slot] as number;
    const operation = ints[int + ask.operation] as number;
    const request = {
      fetchOffset: toOffset(floats[float + ask.floats.fetchOffset] as number),
      maxBytes: ints[int + ask.maxBytes] as number,
      currentLeaderEpoch: ints[int + ask.currentLeaderEpoch] as number,
      lastFetchedEpoch: ints[int + ask.lastFetchedEpoch] as number,
      atLeastOne: ints[int + ask.atLeastOne] === 1,
      committedOnly: ints[int + ask.committedOnly] === 1,
    };
    this.read(slot, request, { outcome: () => this.#outcome, done: () => this.#sendRead(sender, operation) });
  }

  /** Sends the outcome of a read, which is the last one. */
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

  #listOffset(sender: number, { ints, int, floats, float }: RingRecord): void {
    const ask = message.listOffset;
    const slot = ints[int + ask.slot] as number;
    const partition = this.#partitions.get(slot);
    const outcome = partition?.listOffset({
      timestamp: floats[float + ask.floats.timestamp] as number,
      currentLeaderEpoch: ints[int + ask.currentLeaderEpoch] as number,
      committedOnly: ints[int + ask.committedOnly] === 1,
    });
    const outbox = this.#outboxes[sender] as Outbox;
    const answer = outbox.begin(message.kind.listOffsetDone);
    const at = message.listOffsetDone;
    answer.ints[answer.int + at.operation] = ints[int + ask.operation] as number;
    answer.ints[answer.int + at.refusal] = refusalNumber(
      outcome === undefined ? this.#refusalOf(slot) : outcome.refusal,
    );
    answer.ints[answer.int + at.leaderEpoch] = outcome?.leaderEpoch ?? -1;
    answer.floats[answer.float + at.floats.offset] = outcome?.offset ?? -1;
    answer.floats[answer.float + at.floats.timestamp] = outcome?.timestamp ?? -1;
    outbox.commit();
  }

  #epochEnd(sender: number, { ints, int }: RingRecord): void {
    const ask = message.epochEnd;
    const slot = ints[int + ask.slot] as number;
    const partition = this.#partitions.get(slot);
    const outcome = partition?.epochEnd({
      currentLeaderEpoch: ints[int + ask.currentLeaderEpoch] as number,
      leaderEpoch: ints[int + ask.leaderEpoch] as number,
    });
    const outbox = this.#outboxes[sender] as Outbox;
    const answer = outbox.begin(message.kind.epochEndDone);
    const at = message.epochEndDone;
    answer.ints[answer.int + at.operation] = ints[int + ask.operation] as number;
    answer.ints[answer.int + at.refusal] = refusalNumber(
      outcome === undefined ? this.#refusalOf(slot) : outcome.refusal,
    );
    answer.ints[answer.int + at.leaderEpoch] = outcome?.leaderEpoch ?? -1;
    answer.floats[answer.float + at.floats.endOffset] = outcome?.endOffset ?? -1;
    outbox.commit();
  }

  #deleteRecords(sender: number, { ints, int, floats, float }: RingRecord): void {
    const ask = message.deleteRecords;
    const slot = ints[int + ask.slot] as number;
    const outcome = this.#partitions.get(slot)?.deleteRecords(floats[float + ask.floats.offset] as number);
    const outbox = this.#outboxes[sender] as Outbox;
    const answer = outbox.begin(message.kind.recordsDeleted);
    const at = message.recordsDeleted;
    answer.ints[answer.int + at.operation] = ints[int + ask.operation] as number;
    answer.ints[answer.int + at.refusal] = refusalNumber(
      outcome === undefined ? this.#refusalOf(slot) : outcome.refusal,
    );
    answer.floats[answer.float + at.floats.logStartOffset] = outcome?.logStartOffset ?? -1;
    outbox.commit();
  }
}
