/**
 * The folder's only door: bytes on sockets, requests, and the shards that serve them.
 */
export { Acceptor } from "./acceptor.ts";
export { ShardPool } from "./shard_pool.ts";
