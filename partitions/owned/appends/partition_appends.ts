/**
 * The appends to one partition, of clients and of the broker itself: checked, put into a queue where they have to wait, and written. Runs on
 * the shard that owns the partition.
 *
 * Always: nothing is written but by the leader, in its epoch. Each result is reported to the partition before whoever appended gets it.
 */
import {
  type AppendRefusal,
  type AppendResult,
  type Log,
  type NativeMemory,
  refusedAppend,
} from "../../../storage/mod.ts";
import type { ReplicaState } from "../../replication/replica_state.ts";
import type { Refusal } from "../../requests/refusals.ts";
import { AppendQueue, transcodeHere } from "./append_queue.ts";
import type { CodecJobs } from "./codec_jobs.ts";
import type { CheckedBatch, ProducedBatch, QueuedAppend } from "./queued_append.ts";

/** The log's result, or that this broker does not lead the partition. */
export type PartitionAppendResult = Omit<AppendResult, "refusal"> & {
  readonly refusal: AppendRefusal | "not-leader-or-follower" | null;
};

/** What the appends of a partition need around them. */
export interface PartitionAppendsParts {
  /** The batches of the shard for codec workers. */
  readonly codecJobs: CodecJobs;
  /** A batch was written, or not. @returns the result */
  onResult(result: AppendResult, nowMs: number): AppendResult;
  /** Appends are left whose turn has come: `run()` has to be called in a later turn. */
  onLeft(): void;
}

const NOT_LED = "Another broker leads the partition, or none";

/** The appends of one partition. */
export class PartitionAppends {
  readonly #log: Log;
  readonly #replica: ReplicaState;
  readonly #parts: PartitionAppendsParts;
  /** Appends that wait; null until one had to. */
  #queue: AppendQueue | null = null;

  constructor({ log, replica }: { readonly log: Log; readonly replica: ReplicaState }, parts: PartitionAppendsParts) {
    this.#log = log;
    this.#replica = replica;
    this.#parts = parts;
  }

  /** Appends a batch of the broker itself (`Partition.append()`). */
  append(batch: { memory: NativeMemory; start: number; length: number }, nowMs: number): PartitionAppendResult {
    if (!this.#replica.takesAppends) return this.#refuse();
    const options = { leaderEpoch: this.#replica.leaderEpoch, nowMs };
    const result = this.#log.appendAsLeader(batch.memory, batch.start, batch.length, options);
    return this.#parts.onResult(result, nowMs);
  }

  /** Appends a client's batch (`Partition.submit()`). */
  submit(batch: ProducedBatch, nowMs: number): PartitionAppendResult | QueuedAppend {
    const log = this.#log;
    if (!this.#replica.takesAppends) return this.#refuse();
    const check = log.checkAppend(batch.memory, batch.start, batch.length, nowMs);
    const checked: CheckedBatch | null = check.isPending ? transcodeHere(batch, log.appendRules) : check;
    if (checked?.refusal) return refusedAppend(checked.refusal, checked.message, checked.recordIndex);
    if (checked !== null && (this.#queue === null || this.#queue.isEmpty)) {
      const { rebuilt = null } = checked;
      return rebuilt === null ? this.#write(batch.memory, batch.start, nowMs) : this.#write(rebuilt, 0, nowMs);
    }
    this.#queue ??= this.#newQueue();
    return this.#queue.add(batch, checked, { rules: log.appendRules, nowMs });
  }

  /** Writes queued appends whose turn has come. */
  run(): void {
    this.#queue?.run();
  }

  /** Ends the queued appends: nothing more is written. */
  fail(refusal: Refusal): void {
    this.#queue?.fail(refusal);
  }

  #refuse(): PartitionAppendResult {
    if (this.#replica.isOpen) return { ...refusedAppend("log-offline", NOT_LED), refusal: "not-leader-or-follower" };
    return refusedAppend("log-offline", this.#log.offlineReason ?? "The partition's log directory failed");
  }

  #newQueue(): AppendQueue {
    const { log, parts } = { log: this.#log, parts: this.#parts };
    return new AppendQueue({
      jobs: parts.codecJobs,
      write: (memory, start, nowMs) => this.#write(memory, start, nowMs),
      knowsProducer: (producerId) => log.producers.has(producerId),
      onLeft: () => parts.onLeft(),
    });
  }

  #write(memory: NativeMemory, start: number, nowMs: number): AppendResult {
    const options = { leaderEpoch: this.#replica.leaderEpoch, nowMs };
    return this.#parts.onResult(this.#log.appendChecked(memory, start, options), nowMs);
  }
}
