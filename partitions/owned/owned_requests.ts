/**
 * Requests to the partitions of this shard, whether they come from this shard or, in a ring record, from another. Runs on the owning
 * shard.
 */
import { type Clock, type NativeMemory, toOffset } from "../../storage/mod.ts";
import {
  type AppendOutcome,
  type ReadOutcome,
  type ReadRequest,
  refuseAppend,
  refuseRead,
} from "../requests/outcomes.ts";
import { type Answered, type Question, refuseAnswer } from "../questions/question.ts";
import type { ColdLookups } from "./cold_lookups.ts";
import type { OwnedPartitions } from "./owned_partitions.ts";

/** Requests to the partitions of one shard. */
export class OwnedRequests {
  readonly #partitions: OwnedPartitions;
  readonly #clock: Clock;
  readonly #cold: ColdLookups;

  /** @param partitions of the shard @param by the clock that stamps batches, and the reads that wait for cold files */
  constructor(partitions: OwnedPartitions, by: { clock: Clock; cold: ColdLookups }) {
    this.#partitions = partitions;
    this.#clock = by.clock;
    this.#cold = by.cold;
  }

  /** Appends a batch. @param batch its place in the arena of the shard that received it @param outcome is filled */
  append(
    slot: number,
    batch: { memory: NativeMemory; start: number; length: number; acks: number },
    outcome: AppendOutcome,
  ): void {
    const partition = this.#partitions.at(slot);
    if (partition === undefined) return refuseAppend(outcome, this.#partitions.refusalOf(slot));
    const result = partition.append(batch, this.#clock.wallMs());
    outcome.refusal = result.refusal;
    outcome.recordIndex = result.recordIndex;
    outcome.baseOffset = result.baseOffset;
    outcome.nextOffset = toOffset(result.lastOffset + 1);
    outcome.isComplete = partition.replica.isComplete(batch.acks, outcome.nextOffset);
    outcome.appendTimeMs = result.appendTimeMs;
    outcome.logStartOffset = partition.log.logStartOffset;
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
