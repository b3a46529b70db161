/**
 * What every shard starts with, from what the main isolate found at the start. Main isolate.
 */
import type { BrokerConfig } from "../../partitions/config/broker/broker_config.ts";
import type { LoadedMetadata, LogDirectories } from "../../partitions/control.ts";
import type { DescriptorBudget } from "../accept/descriptor_budget.ts";
import { shareLogs } from "../accept/partition_slots.ts";
import type { ShardSettings } from "./shard_pool.ts";

/**
 * Makes the settings of all shards.
 * @param loaded metadata of the start, what the shards share of the process's limits, and what reports logs for which no descriptors are left
 */
export function shardSettings(
  config: BrokerConfig,
  directories: Pick<LogDirectories, "opened" | "clusterId" | "unmarked" | "hasRetention">,
  { delta, adopted, resources, report }: Pick<LoadedMetadata, "delta" | "adopted"> & {
    resources: { descriptors: DescriptorBudget; mappingsMax: number; shardsCount: number };
    report: (text: string) => void;
  },
): ShardSettings {
  const { descriptors, mappingsMax, shardsCount } = resources;
  return {
    config: { ...config, logDirectories: directories.opened.map(({ path }) => path) },
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
