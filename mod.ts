/**
 * Barnabas as a library: a Kafka-protocol broker inside this process, the same engine that `main.ts` runs.
 *
 * ```ts
 * await using broker = await startBroker({ port: 0 });
 * console.log(broker.bootstrapServers); // 127.0.0.1:41234
 * ```
 *
 * Several brokers of one cluster, for tests of programs that use more than one:
 *
 * ```ts
 * await using cluster = await startCluster({ brokers: 3 });
 * ```
 *
 * Runs on the main isolate of the embedding program; the work is done by workers that the broker starts.
 *
 * @module
 */
export {
  type Broker,
  type BrokerOptions,
  type Cluster,
  ClusterFailure,
  type ClusterOptions,
  DiskFailure,
  startBroker,
  startCluster,
  StartupError,
  type TopicOptions,
} from "./net/mod.ts";
export { type ReloadedSettings, TURN_TIME_BOUNDS_MS, type TurnTimes } from "./partitions/control.ts";
