/**
 * Requests to the partitions of this shard, whether they come from this shard or, in a ring record, from another. Runs on the owning
 * shard.
 */
import { type Clock, producerId, toOffset } from "../../storage/mod.ts";
import {
  type AppendedBytes,
  type AppendOutcome,
  type ReadOutcome,
  type ReadRequest,
  refuseAppend,
  refuseRead,
} from "../requests/outcomes.ts";
import { type Answered, type Question, refuseAnswer } from "../questions/question.ts";
import type { ColdLookups } from "./cold_lookups.ts";
import type { PartitionAppendResult } from "./appends/partition_appends.ts";
import type { OwnedPartitions } from "./owned_partitions.ts";
import type { Partition } from "./partition.ts";
import { type ProducedBatch, QueuedAppend } from "./appends/queued_append.ts";

/** `acks` of a produce that waits for the in-sync replicas. */
const ACKS_ALL = -1;

/** A batch with what its request says about it. */
type ArrivedBatch = ProducedBatch & Required<AppendedBytes>;

/** An append that waits in the queue of its partition. */
export interface WaitingAppend {
  readonly partition: Partition;
  readonly append: QueuedAppend;
  readonly acks: number;
}

/** Requests to the partitions of one shard. */
export class OwnedRequests {
  readonly #partitions: OwnedPartitions;
  readonly #clock: Clock;
  readonly #cold: ColdLookups;
  #queuedCount = 0;

  /** @param partitions of the shard @param by the clock that stamps batches, and the reads that wait for cold files */
  constructor(partitions: OwnedPartitions, by: { clock: Clock; cold: ColdLookups }) {
    this.#partitions = partitions;
    this.#clock = by.clock;
    this.#cold = by.cold;
  }

  /** Appends that wait in queues. */
  get queuedCount(): number {
    return this.#queuedCount;
  }

  /**
   * Appends a batch.
   * @param batch its place in the arena of the shard that received it @param outcome is filled, unless the append has to wait
   * @returns null, or the append that waits: `whenEnded()` has to follow
   */
  append(slot: number, batch: ArrivedBatch, outcome: AppendOutcome): WaitingAppend | null {
    const partition = this.#partitions.at(slot);
    if (partition === undefined) {
      refuseAppend(outcome, this.#partitions.refusalOf(slot));
      return null;
    }
    // Kafka refuses nothing else for too few replicas: records of other producers wait below them.
    if (batch.acks === ACKS_ALL && partition.leader?.hasEnoughReplicas === false) {
      refuseAppend(outcome, "not-enough-replicas");
      return null;
    }
    if (batch.isAhead && !partition.log.producers.has(producerId(batch.memory.view, batch.start))) {
      refuseAppend(outcome, "out-of-order-sequence");
      return null;
    }
    const result = partition.submit(batch, this.#clock.wallMs());
    if (result instanceof QueuedAppend) return { partition, append: result, acks: batch.acks };
    fill(outcome, result, { partition, acks: batch.acks });
    return null;
  }

  /** Says what an append that waits ends with. @param to outcome: is filled; done: called once then */
  whenEnded({ partition, append, acks }: WaitingAppend, to: { outcome: AppendOutcome; done: () => void }): void {
    this.#queuedCount++;
    append.onEnd = (end) => {
      this.#queuedCount--;
      if (typeof end === "string") refuseAppend(to.outcome, end);
      else fill(to.outcome, end, { partition, acks });
      to.done();
    };
  }

  /**
   * Lends a slice at once, or, when the read needs an index that is not in memory, after the index was loaded.
   * @param to outcome: gives the outcome to fill, at each try; done: called once, when the outcome is filled
   */
  read(slot: number, request: ReadRequest, to: { outcome: () => ReadOutcome; done: () => void }): void {
    const files = this.#tryToRead(slot, request, to.outcome(), true);
    if (files === null) return to.done();
    this.#cold.wait(files, () => {
      this.#tryToRead(slot, request, to.outcome(), false);
      to.done();
    });
  }

  /** Answers a question. */
  ask<Ask extends object, Answer extends object>(
    slot: number,
    question: Question<Ask, Answer>,
    ask: Ask,
  ): Answered<Answer> {
    const partition = this.#partitions.at(slot);
    if (partition === undefined) return refuseAnswer(question, this.#partitions.refusalOf(slot));
    return question.serve(partition, ask);
  }

  #tryToRead(slot: number, request: ReadRequest, outcome: ReadOutcome, deferCold: boolean): readonly string[] | null {
    const partition = this.#partitions.at(slot);
    if (partition !== undefined) return partition.read(request, outcome, deferCold);
    refuseRead(outcome, this.#partitions.refusalOf(slot));
    return null;
  }
}

function fill(outcome: AppendOutcome, result: PartitionAppendResult, of: { partition: Partition; acks: number }): void {
  const { replica, log } = of.partition;
  outcome.refusal = result.refusal;
  outcome.recordIndex = result.recordIndex;
  outcome.baseOffset = result.baseOffset;
  outcome.nextOffset = toOffset(result.lastOffset + 1);
  outcome.isComplete = replica.isComplete(of.acks, outcome.nextOffset);
  outcome.leadership = replica.row.leadership;
  outcome.appendTimeMs = result.appendTimeMs;
  outcome.logStartOffset = log.logStartOffset;
}
