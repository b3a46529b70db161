/**
 * The folder's only door: bytes on sockets, requests, and the shards that serve them.
 */
export { Acceptor } from "./acceptor.ts";
export { ConnectionLimits } from "./connection_limits.ts";
export { type DescriptorBudget, descriptorBudget } from "./descriptor_budget.ts";
export { HandoffError } from "./handoff_check.ts";
export { mappingsPerShard } from "./mapping_budget.ts";
export { roomForPartitions, shareLogs } from "./partition_slots.ts";
export { ShardPool } from "./shard_pool.ts";
