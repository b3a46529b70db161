/**
 * Loads the etcd store for the brokers that use it. Main isolate: without this step every start would load it.
 */
import type { CheckpointKind } from "../../directory/checkpoint_writer.ts";
import { ETCD_POSITION_FILE } from "../../directory/log_directory.ts";
import type { EtcdConfig } from "../../config/broker/broker_config.ts";
import type { EtcdAccess } from "../etcd/etcd_client.ts";
import type { EtcdStore, EtcdStoreOptions } from "../etcd/etcd_store.ts";
import type { ManagedEtcd, ManagedEtcdOptions } from "../etcd/managed/managed_etcd.ts";
import type { AntiEntropy, AntiEntropyParts } from "./anti_entropy.ts";

/** The store of a broker. */
export interface OpenedEtcd {
  readonly store: EtcdStore;
  /** Keeps in each log directory how far the broker has seen its etcd: one of the broker's `Checkpoints`. */
  readonly position: CheckpointKind;
}

/** How a broker reaches its etcd, as `etcdAccess()` finds it. @throws MetadataStoreError as it does */
export async function readEtcdAccess(config: EtcdConfig, endpoints: readonly string[]): Promise<EtcdAccess> {
  const { etcdAccess } = await import("../etcd/etcd_settings.ts");
  return await etcdAccess(config, endpoints);
}

/**
 * Opens the store in an etcd. The log directories then have its position (etcd/etcd_position_file.ts).
 * @param logDirectories paths of those that are online
 * @throws MetadataStoreError when no etcd answers, this one cannot be used or is not the one that the log directories know, or when a disk
 *         refuses to keep its position
 */
export async function openEtcdStore(
  options: Omit<EtcdStoreOptions, "memory">,
  logDirectories: readonly string[],
): Promise<OpenedEtcd> {
  const { EtcdStore } = await import("../etcd/etcd_store.ts");
  const file = await import("../etcd/etcd_position_file.ts");
  const store = await EtcdStore.open({ ...options, memory: await file.loadEtcdPosition(logDirectories) });
  try {
    await file.saveEtcdPosition(logDirectories, store.memory);
  } catch (error) {
    await store.close();
    throw error;
  }
  const content = () => file.encodeEtcdPosition(store.memory);
  return { store, position: { name: ETCD_POSITION_FILE, intervalMs: file.POSITION_INTERVAL_MS, content } };
}

/** Starts an etcd for development, as `ManagedEtcd.start()` does. @throws as it does */
export async function startManagedEtcd(options: ManagedEtcdOptions): Promise<ManagedEtcd> {
  const { ManagedEtcd } = await import("../etcd/managed/managed_etcd.ts");
  return ManagedEtcd.start(options);
}

/** Compares from now on what a follower knows with what the store has (anti_entropy.ts). */
export async function startAntiEntropy(parts: AntiEntropyParts): Promise<AntiEntropy> {
  const { AntiEntropy } = await import("./anti_entropy.ts");
  return new AntiEntropy(parts);
}
