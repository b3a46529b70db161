/** What the partitions of a shard need to be led with followers. Runs on shards. */
import { resolveMinInsyncReplicas } from "../../partitions/config/topics/topic_configs.ts";
import {
  type ControlClient,
  ISOLATE,
  type IsolateTable,
  type MetadataImage,
  type ShardPartitionsParts,
} from "../../partitions/mod.ts";
import { isFailure, type ShardStart } from "./shard_messages.ts";

/** Largest number of a shared word. */
const LAG_MAX = 0x7fff_ffff;

/** Connects them with the image and the control plane. */
export function shardReplication(
  { shard, config }: Pick<ShardStart, "shard" | "config">,
  isolates: IsolateTable,
  { image, control }: { image: MetadataImage; control: ControlClient },
): NonNullable<ShardPartitionsParts["replication"]> {
  return {
    lagMaxMs: config.replicaLagTimeMaxMs,
    brokers: () => image.brokers,
    minIsrOf: ({ configs }) => resolveMinInsyncReplicas(configs, config),
    publishLag: (records) => isolates.set(shard, ISOLATE.followerLag, Math.min(records, LAG_MAX)),
    change: (proposals, done) =>
      control.call("changeRows", { proposals }, (result) => done(isFailure(result) ? [] : result.outcomes)),
  };
}
