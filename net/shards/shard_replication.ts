/** What the partitions of a shard need to be led with followers. Runs on shards. */
import type { BrokerConfig } from "../../partitions/config/broker/broker_config.ts";
import { resolveMinInsyncReplicas } from "../../partitions/config/topics/topic_configs.ts";
import type { ControlClient, MetadataImage, ShardPartitionsParts } from "../../partitions/mod.ts";
import { isFailure } from "./shard_messages.ts";

/** Connects them with the image and the control plane. */
export function shardReplication(
  config: BrokerConfig,
  { image, control }: { image: MetadataImage; control: ControlClient },
): NonNullable<ShardPartitionsParts["replication"]> {
  return {
    lagMaxMs: config.replicaLagTimeMaxMs,
    brokers: () => image.brokers,
    minIsrOf: ({ configs }) => resolveMinInsyncReplicas(configs, config),
    change: (proposals, done) =>
      control.call("changeRows", { proposals }, (result) => done(isFailure(result) ? [] : result.outcomes)),
  };
}
