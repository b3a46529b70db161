/** A partition's log as the state machines of replication see it. Shards. */
import type { Log, Offset } from "../../storage/mod.ts";
import type { EpochEnd, ReplicaLog } from "./epoch_divergence.ts";

/** The view of one log. */
export class ReplicaLogView implements ReplicaLog {
  readonly #log: Log;

  constructor(log: Log) {
    this.#log = log;
  }

  get logStartOffset(): Offset {
    return this.#log.logStartOffset;
  }

  get logEndOffset(): Offset {
    return this.#log.logEndOffset;
  }

  get earliestEpoch(): number {
    return this.#log.epochFor(this.#log.logStartOffset);
  }

  get latestEpoch(): number {
    return this.#log.latestLeaderEpoch;
  }

  endOffsetFor(epoch: number): EpochEnd {
    return this.#log.endOffsetForEpoch(epoch);
  }
}
