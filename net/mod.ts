/**
 * The folder's only door: bytes on sockets, requests, and the shards that serve them.
 */
export { Acceptor } from "./accept/acceptor.ts";
export { ConnectionLimits } from "./accept/connection_limits.ts";
export type { DescriptorBudget } from "./accept/descriptor_budget.ts";
export { bootstrapServers, listenOn } from "./accept/listening.ts";
export { roomForPartitions } from "./accept/partition_slots.ts";
export { DiskFailure, runFailure, StartupError, startupFailure } from "./shards/broker_failures.ts";
export { Compaction } from "./shards/compaction.ts";
export { openLogs } from "./shards/log_opening.ts";
export { ShardPool } from "./shards/shard_pool.ts";
export { shardResources, shardSettings } from "./shards/shard_settings.ts";
