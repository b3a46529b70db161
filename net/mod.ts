/**
 * The folder's only door: bytes on sockets, requests, and the shards that serve them.
 */
export type { Broker, BrokerOptions, TopicOptions } from "./broker/broker.ts";
export { type Cluster, type ClusterOptions, startCluster } from "./broker/cluster.ts";
export { startLog } from "./broker/log_output.ts";
export { log } from "./broker/operator_log.ts";
export { ServiceManager } from "./broker/service_manager.ts";
export { startBroker } from "./broker/start.ts";
export { ClusterFailure, DiskFailure, StartupError } from "./shards/broker_failures.ts";
