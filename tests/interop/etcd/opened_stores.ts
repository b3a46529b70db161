/**
 * Stores on an etcd of a test, which are closed when it ends. Main isolate of a test.
 */
import { EtcdStore, type EtcdStoreOptions } from "../../../partitions/metadata/etcd/etcd_store.ts";
import type { MetadataStoreError } from "../../../partitions/metadata/store/store.ts";

/** Times for a machine that runs other tests too. An attempt is short enough for a test that loses answers. */
export const testLimits = { attemptMs: 400, requestMs: 20_000 };

/** The stores of a test. */
export class OpenedStores implements AsyncDisposable {
  /** Failures of stores, by owner. */
  readonly failures = new Map<string, MetadataStoreError>();
  readonly #stores: EtcdStore[] = [];

  /** Opens a store. */
  async open(
    owner: string,
    options: Omit<EtcdStoreOptions, "owner" | "prefix" | "failed"> & { prefix?: string },
  ): Promise<EtcdStore> {
    const store = await EtcdStore.open({
      prefix: "/test/",
      limits: testLimits,
      ...options,
      owner,
      failed: (error) => this.failures.set(owner, error),
    });
    this.#stores.push(store);
    return store;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#stores.map((store) => store.close()));
  }
}
