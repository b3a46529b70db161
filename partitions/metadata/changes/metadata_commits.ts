/**
 * Commits the controller's changes to the store. Main isolate.
 *
 * Always: a commit that the store refuses changes nothing, here and in the store.
 */
import { MetadataRefusedError, type MetadataStore, MetadataStoreError, type Transaction } from "../store/store.ts";

/** How often a store is asked for the outcome of a transaction that it did not answer. Each time takes it seconds. */
const RESOLVES_MAX = 3;

/** The commits of one controller. */
export class MetadataCommits {
  readonly #store: MetadataStore;
  #forgotten: string[] = [];

  /** @param store open */
  constructor(store: MetadataStore) {
    this.#store = store;
  }

  /** Lets the next commit delete a row too: one that nothing needs any more. */
  forget(key: string): void {
    this.#forgotten.push(key);
  }

  /**
   * Commits a change.
   * @returns its version, when it is durable
   * @throws MetadataRefusedError when the store refuses it @throws MetadataStoreError when another process changed the store, or it stays
   * unknown whether it holds the change
   */
  async commit(transaction: Transaction): Promise<number> {
    let result = await this.#store.transact({
      ...transaction,
      delete: [...transaction.delete ?? [], ...this.#forgotten],
    });
    for (let asked = 0; result.outcome === "unknown"; asked++) {
      if (asked === RESOLVES_MAX) {
        throw new MetadataStoreError("The metadata store does not say whether a change was made");
      }
      result = await this.#store.resolve(result.id);
      if (result.outcome === "refused") {
        throw new MetadataRefusedError("The metadata store did not answer in time, and did not make the change");
      }
    }
    if (result.outcome === "refused") {
      throw new MetadataStoreError(`The metadata store was changed by somebody else: ${result.conflicts.join(", ")}`);
    }
    this.#forgotten = [];
    return result.version;
  }
}
