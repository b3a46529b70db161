/**
 * Commits changes to a store that several brokers share, and waits until this broker has seen them, or seen what was in their way. Main isolate.
 *
 * Always: a transaction is not sent anew while its outcome is unknown. A conflict is not taken for a failure: the rows that the change was
 * planned from are older than the store's, and it can be planned anew once they have arrived.
 */
import { errorCode } from "../../../net/protocol/error_codes.ts";
import { pause } from "../etcd/pause.ts";
import { ABSENT, type Comparison, MetadataRefusedError, type MetadataStore, type Transaction } from "../store/store.ts";
import type { StoreFollower } from "../store/store_follower.ts";
import type { CreationRefusal } from "../topic_creation.ts";
import type { SharedTopics } from "./shared_topics.ts";

/** How often a store is asked for the outcome of a transaction that it did not answer. Each time takes it seconds. */
const RESOLVES_MAX = 3;
/** How long a change that was committed, or what was in its way, may take to arrive and to be applied by every shard. */
const ARRIVAL_MS_MAX = 10_000;

/** The answer when a change was made, or others' was in its way, and does not arrive here in time. */
export const ARRIVES_LATE: CreationRefusal = {
  errorCode: errorCode.REQUEST_TIMED_OUT,
  errorMessage: "This broker does not hear of changes of the metadata in time; the change may have been made.",
};

/** How a commit ended. */
export type CommitOutcome =
  | { readonly outcome: "committed"; readonly version: number }
  /** Nothing changed: these keys had other versions. */
  | { readonly outcome: "conflict"; readonly keys: readonly string[] }
  /** The store did not answer, or refuses changes. */
  | { readonly outcome: "refused"; readonly refusal: CreationRefusal };

/** What the commits use. */
export interface SharedCommitsParts {
  readonly store: MetadataStore;
  readonly follower: StoreFollower;
  readonly topics: SharedTopics;
}

/** The commits of one broker. */
export class SharedCommits {
  readonly #parts: SharedCommitsParts;

  /** @param parts the store, and what follows it */
  constructor(parts: SharedCommitsParts) {
    this.#parts = parts;
  }

  /** Commits a change. @throws MetadataStoreError when the store cannot answer any more */
  async commit(transaction: Transaction): Promise<CommitOutcome> {
    const { store } = this.#parts;
    try {
      let result = await store.transact(transaction);
      if (result.outcome === "refused") return { outcome: "conflict", keys: result.conflicts };
      for (let asked = 0; result.outcome === "unknown"; asked++) {
        if (asked === RESOLVES_MAX) return refused("The metadata store does not say whether the change was made.");
        result = await store.resolve(result.id);
      }
      if (result.outcome === "committed") return result;
      return refused("The metadata store did not answer in time, and did not make the change.");
    } catch (error) {
      if (error instanceof MetadataRefusedError) return refused(error.message);
      throw error;
    }
  }

  /** Settles when every shard of this broker has applied a committed change. @returns false when that takes too long */
  applied(version: number): Promise<boolean> {
    return this.#inTime(() => this.#parts.topics.applied(version));
  }

  /**
   * Settles when what was in the way of a change has arrived here, and was applied.
   * @param transaction that was refused @param keys that had other versions @returns false when that takes too long
   */
  caughtUp(transaction: Transaction, keys: readonly string[]): Promise<boolean> {
    return this.#inTime(async (ended) => {
      await this.#hasArrived(transaction, keys, ended);
      await this.#parts.topics.settled();
    });
  }

  /** Settles when what was in the way of a change has arrived here, applied or not. @returns false when that takes too long */
  arrived(transaction: Transaction, keys: readonly string[]): Promise<boolean> {
    return this.#inTime((ended) => this.#hasArrived(transaction, keys, ended));
  }

  async #hasArrived({ compare = [] }: Transaction, keys: readonly string[], ended: AbortSignal): Promise<void> {
    const compared = compare.filter(({ key }) => keys.includes(key));
    const { follower } = this.#parts;
    // What was compared may be a version that this broker has written, and that has not arrived here yet.
    const isNewer = ({ key, version }: Comparison) => {
      const row = follower.rows.get(key);
      return row === undefined ? version !== ABSENT && follower.version >= version : row.version > version;
    };
    if (compared.every(isNewer)) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    using _following = follower.follow(() => compared.every(isNewer) ? resolve() : undefined);
    ended.addEventListener("abort", () => resolve());
    await promise;
  }

  async #inTime(work: (ended: AbortSignal) => Promise<void>): Promise<boolean> {
    const ended = new AbortController();
    const isDone = work(ended.signal).then(() => true);
    const isLate = pause(ARRIVAL_MS_MAX, ended.signal).then(() => false);
    const isOver = this.#parts.topics.ended.then(() => false);
    try {
      return await Promise.race([isDone, isLate, isOver]);
    } finally {
      ended.abort();
    }
  }
}

function refused(errorMessage: string): CommitOutcome {
  return { outcome: "refused", refusal: { errorCode: errorCode.REQUEST_TIMED_OUT, errorMessage } };
}
