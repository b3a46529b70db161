/**
 * Commits the controller's changes to the store. Main isolate.
 *
 * Always: a commit that the store refuses changes nothing, here and in the store.
 */
import { type MetadataStore, MetadataStoreError, type Transaction } from "../store/store.ts";

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
   * @throws MetadataRefusedError when the disk refuses it @throws MetadataStoreError when another process changed the store
   */
  async commit(transaction: Transaction): Promise<number> {
    const result = await this.#store.transact({
      ...transaction,
      delete: [...transaction.delete ?? [], ...this.#forgotten],
    });
    if (!result.committed) {
      throw new MetadataStoreError(`The metadata store was changed by somebody else: ${result.conflicts.join(", ")}`);
    }
    this.#forgotten = [];
    return result.version;
  }
}
