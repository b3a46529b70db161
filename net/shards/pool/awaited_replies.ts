/** What the pool waits for: replies of one shard or of all, by a number, and what the shards could not do. Main isolate. */
import type { PartitionFailure } from "../../../partitions/control.ts";

interface Awaited {
  missing: number;
  readonly failures: PartitionFailure[];
  readonly resolve: (failures: readonly PartitionFailure[]) => void;
  readonly reject: (error: Error) => void;
}

/** The replies. */
export class AwaitedReplies {
  readonly #awaited = new Map<number, Awaited>();

  /** Waits for replies. @param missing how many @param send asks for them @returns what the shards could not do, once all have replied */
  wait(sequence: number, missing: number, send: () => void): Promise<readonly PartitionFailure[]> {
    return new Promise((resolve, reject) => {
      this.#awaited.set(sequence, { missing, failures: [], resolve, reject });
      send();
    });
  }

  /** A shard has replied; nothing happens when nobody waits for that. @param failures what it could not do */
  count(sequence: number, failures: readonly PartitionFailure[]): void {
    const awaited = this.#awaited.get(sequence);
    if (awaited === undefined) return;
    for (const failure of failures) awaited.failures.push(failure);
    if (--awaited.missing > 0) return;
    this.#awaited.delete(sequence);
    awaited.resolve(awaited.failures);
  }

  /** Nobody will reply any more. */
  rejectAll(error: Error): void {
    for (const { reject } of this.#awaited.values()) reject(error);
    this.#awaited.clear();
  }
}
