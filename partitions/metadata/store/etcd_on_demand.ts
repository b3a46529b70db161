/**
 * Loads the etcd store for the brokers that use it. Main isolate: without this step every start would load it.
 */
import type { EtcdStore, EtcdStoreOptions } from "../etcd/etcd_store.ts";

/**
 * Opens the store in an etcd.
 * @throws MetadataStoreError when no etcd answers, or this one cannot be used
 */
export async function openEtcdStore(options: EtcdStoreOptions): Promise<EtcdStore> {
  const { EtcdStore } = await import("../etcd/etcd_store.ts");
  return EtcdStore.open(options);
}
