/**
 * What the metrics are read from. All of it is on the main isolate, or in memory that it shares with the shards: who asks costs them nothing.
 */
import type { BrokerConfig } from "../../../partitions/config/broker/broker_config.ts";
import type { MetadataImage, ReplicationCounters, WatermarkTable } from "../../../partitions/control.ts";
import type { ShardPool } from "../../shards/shard_pool.ts";

/** The parts of a running broker. */
export interface MetricSources {
  readonly config: BrokerConfig;
  readonly image: MetadataImage;
  readonly watermarks: WatermarkTable;
  readonly pool: Pick<ShardPool, "turnTimes" | "handlerFailures" | "followerLags" | "connectionsCount" | "isolates">;
  /** Of a broker in a cluster. */
  readonly replication: ReplicationCounters | null;
}
