/**
 * What every shard starts with, from what the main isolate found at the start. Main isolate.
 */
import type { BrokerConfig } from "../../partitions/config/broker/broker_config.ts";
import type { LoadedMetadata, LogDirectories } from "../../partitions/control.ts";
import type { ScramCredential } from "../protocol/scram/scram.ts";
import { type DescriptorBudget, descriptorBudget } from "../accept/descriptor_budget.ts";
import { mappingsPerShard } from "../accept/mapping_budget.ts";
import { shareLogs } from "../accept/partition_slots.ts";
import type { ShardSettings } from "./shard_pool.ts";

/** What the shards share. */
export interface ShardResources {
  readonly shardsCount: number;
  readonly directoriesCount: number;
  readonly descriptors: DescriptorBudget;
  /** Memory mappings of each shard. */
  readonly mappingsMax: number;
}

/** Counts what the shards share, and divides the limits of the process. */
export async function shardResources(config: BrokerConfig): Promise<ShardResources> {
  const shardsCount = config.shards || navigator.hardwareConcurrency;
  const counts = { shardsCount, directoriesCount: config.logDirectories.length };
  const hasHttp = config.http !== null;
  const [descriptors, mappingsMax] = await Promise.all([
    descriptorBudget({ ...counts, hasHttp }),
    mappingsPerShard(shardsCount),
  ]);
  return { ...counts, descriptors, mappingsMax };
}

/**
 * Makes the settings of all shards.
 * @param loaded metadata of the start, what the shards share of the process's limits, and what reports logs for which no descriptors are left
 */
export async function shardSettings(
  config: BrokerConfig,
  directories: Pick<LogDirectories, "opened" | "clusterId" | "unmarked" | "hasRetention">,
  { delta, adopted, resources, report }: Pick<LoadedMetadata, "delta" | "adopted"> & {
    resources: ShardResources;
    report: (text: string) => void;
  },
): Promise<ShardSettings> {
  const { descriptors, mappingsMax, shardsCount } = resources;
  return {
    config: { ...config, logDirectories: directories.opened.map(({ path }) => path) },
    brokerCredential: await credentialOf(config),
    clusterId: directories.clusterId,
    directories: directories.opened,
    unmarked: directories.unmarked(adopted),
    warmSegmentsMax: descriptors.warmSegmentsMax,
    mappingsMax,
    announcesRetention: !directories.hasRetention,
    logsMax: shareLogs(descriptors, delta, { shardsCount, report }),
    listenerNames: config.listeners.map(({ name }) => name),
    image: delta,
  };
}

async function credentialOf({ interBrokerSecret }: BrokerConfig): Promise<ScramCredential | null> {
  if (interBrokerSecret === null) return null;
  const { brokerCredential } = await import("../../partitions/authentication/salted_secret.ts");
  return await brokerCredential(interBrokerSecret);
}
