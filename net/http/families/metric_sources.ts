/**
 * What the metrics are read from: the main isolate, memory that it shares with the shards, and what the shards say of themselves, which they
 * are asked for once a second at most (net/shards/metrics/shard_surveys.ts).
 */
import type { BrokerConfig } from "../../../partitions/config/broker/broker_config.ts";
import type { MetadataImage, ReplicationCounters, WatermarkTable } from "../../../partitions/control.ts";
import type { ShardPool } from "../../shards/shard_pool.ts";

/** The parts of a running broker. */
export interface MetricSources {
  readonly config: BrokerConfig;
  readonly image: MetadataImage;
  readonly watermarks: WatermarkTable;
  readonly pool: Pick<
    ShardPool,
    "turnTimes" | "handlerFailures" | "followerLags" | "connectionsCount" | "isolates" | "counters" | "survey"
  >;
  /** Of a broker in a cluster. */
  readonly replication: ReplicationCounters | null;
}
