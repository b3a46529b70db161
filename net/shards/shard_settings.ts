/**
 * What every shard starts with, from what the main isolate found at the start. Main isolate.
 */
import type { BrokerConfig } from "../../partitions/config/broker/broker_config.ts";
import type { LoadedMetadata, LogDirectory } from "../../partitions/control.ts";
import { partitionKey } from "../../storage/control.ts";
import type { DescriptorBudget } from "../accept/descriptor_budget.ts";
import { shareLogs } from "../accept/partition_slots.ts";
import type { ShardSettings } from "./shard_pool.ts";

/**
 * Makes the settings of all shards.
 * @param loaded metadata of the start, what the shards share of the process's limits, and what reports logs for which no descriptors are left
 */
export function shardSettings(
  config: BrokerConfig,
  directory: Pick<LogDirectory, "path" | "clusterId" | "wasCleanShutdown" | "wasClosedByKafka" | "hasRetention">,
  { delta, adopted, resources, report }: Pick<LoadedMetadata, "delta" | "adopted"> & {
    resources: { descriptors: DescriptorBudget; mappingsMax: number; shardsCount: number };
    report: (text: string) => void;
  },
): ShardSettings {
  const { descriptors, mappingsMax, shardsCount } = resources;
  return {
    config: { ...config, logDirectory: directory.path },
    clusterId: directory.clusterId,
    cleanShutdown: directory.wasCleanShutdown,
    unmarked: directory.wasClosedByKafka ? [] : adopted.map((found) => partitionKey(found.topic, found.partition)),
    warmSegmentsMax: descriptors.warmSegmentsMax,
    mappingsMax,
    announcesRetention: !directory.hasRetention || adopted.length > 0,
    logsMax: shareLogs(descriptors, delta, { shardsCount, report }),
    listenerNames: config.listeners.map(({ name }) => name),
    image: delta,
  };
}
