/**
 * Every setting that this broker uses, resolved to numbers, strings and booleans. Plain data: the main isolate builds it
 * (`brokerConfigFrom`), and each shard gets a structured clone. The fields of DynamicSettings change while the broker runs, by
 * `applySettings()`: keep the object, not such a value. Each field is used by some code; its comment names the Kafka property and
 * the default. Durations are milliseconds. "No limit" (Kafka's Long.MAX_VALUE) is Infinity, which structured clone keeps.
 */
import type { HttpSettings } from "./broker_http_settings.ts";
import type { DynamicSettings } from "./dynamic_fields.ts";
import type { Listener } from "./listeners.ts";
import type { LogLevels } from "../log_lines.ts";
import type { GroupSettings } from "../../coordinators/groups/group_ports.ts";

/** How this broker fetches what it follows. */
export interface ReplicaFetchSettings {
  /** `replica.fetch.max.bytes`, 1 MiB: of one partition, in one answer. */
  readonly maxBytes: number;
  /** `replica.fetch.response.max.bytes`, 10 MiB */
  readonly responseMaxBytes: number;
  /** `replica.fetch.wait.max.ms`, 500 */
  readonly waitMaxMs: number;
  /** `replica.fetch.min.bytes`, 1 */
  readonly minBytes: number;
  /** `replica.fetch.backoff.ms`, 1000 */
  readonly backoffMs: number;
  /** `replica.socket.timeout.ms`, 30000 */
  readonly socketTimeoutMs: number;
  /** `replica.socket.receive.buffer.bytes`; -1 (Kafka: 64 KiB): the system fits it to the connection. */
  readonly receiveBufferBytes: number;
}

/** How a broker of a cluster reaches the etcd that has the cluster's metadata. Files are paths; what opens the etcd reads them. */
export interface EtcdConfig {
  /** `barnabas.etcd.endpoints`: "http://127.0.0.1:2379" for each member, without a path; empty if the broker starts the etcd. */
  readonly endpoints: readonly string[];
  /** The endpoints are "managed". */
  readonly managed: boolean;
  /** `barnabas.etcd.prefix`, /barnabas/ */
  readonly prefix: string;
  /** `barnabas.etcd.username`; null: etcd asks for none. With it either the password or the file is given. */
  readonly username: string | null;
  /** `barnabas.etcd.password` */
  readonly password: string | null;
  /** `barnabas.etcd.password.file` */
  readonly passwordFile: string | null;
  /** `barnabas.etcd.tls.ca.file`, `.certificate.file` and `.key.file`, where one of them is set; then all endpoints are https. */
  readonly tls: { readonly ca: string | null; readonly cert: string | null; readonly key: string | null } | null;
}

/** Settings of one broker. */
export interface BrokerConfig extends DynamicSettings {
  /** `node.id`, 1 */
  readonly nodeId: number;
  /** `broker.rack`; null: none is named. */
  readonly rack: string | null;
  /** Settings of `barnabas.etcd`; null: the broker runs alone. */
  readonly etcd: EtcdConfig | null;
  /** `inter.broker.listener.name`; with etcd always a listener that is advertised, else perhaps the name of none. */
  readonly interBrokerListenerName: string;
  /** `barnabas.inter.broker.secret`; null: the one that the cluster's metadata has. Never logged. */
  readonly interBrokerSecret: string | null;
  /** `replica.lag.time.max.ms`, 30000 */
  readonly replicaLagTimeMaxMs: number;
  readonly replicaFetch: ReplicaFetchSettings;
  /** `broker.session.timeout.ms`, 700 (Kafka: 9000) */
  readonly brokerSessionTimeoutMs: number;
  /** `broker.heartbeat.interval.ms`, 100 (Kafka: 2000) */
  readonly brokerHeartbeatIntervalMs: number;
  /** `initial.broker.registration.timeout.ms`, 60000 */
  readonly initialBrokerRegistrationTimeoutMs: number;
  /** `controlled.shutdown.enable`, true */
  readonly controlledShutdownEnable: boolean;
  /** `leader.imbalance.check.interval.seconds` in ms, 300000; null without `auto.leader.rebalance.enable`, which is on */
  readonly leaderRebalanceIntervalMs: number | null;
  /** `barnabas.cluster.id`: cluster id for a new data directory; null for a random one. A directory that has an id keeps it. */
  readonly clusterId: string | null;
  /** Host of the first listener, 127.0.0.1. */
  readonly host: string;
  /** Port of the first listener, 9092. */
  readonly port: number;
  /** `listeners`, PLAINTEXT://127.0.0.1:9092 (Kafka: all interfaces), never empty; without controller listeners. */
  readonly listeners: readonly Listener[];
  /** `advertised.listeners`; null: each client gets the broker's address of its own connection. */
  readonly advertisedListeners: readonly Listener[] | null;
  /**
   * `log.dirs` (or `log.dir`), ./barnabas-data; at least one directory. On shards these are absolute paths without symbolic links, except
   * those of directories that are offline.
   */
  readonly logDirectories: readonly string[];
  /** `metadata.log.dir`, the first of `log.dirs`: where the metadata store lies. */
  readonly metadataLogDirectory: string;
  /** `barnabas.recovery.trust.page.cache`, true */
  readonly recoveryTrustsPageCache: boolean;

  /** `num.partitions`, 1 */
  readonly numPartitions: number;
  /** `default.replication.factor`, 1 */
  readonly defaultReplicationFactor: number;
  /** `auto.create.topics.enable`, true */
  readonly autoCreateTopicsEnable: boolean;
  /** `delete.topic.enable`, true */
  readonly deleteTopicEnable: boolean;

  /** `socket.request.max.bytes`, 104857600 */
  readonly socketRequestMaxBytes: number;
  /** `socket.send.buffer.bytes`, -1: left to the system */
  readonly socketSendBufferBytes: number;
  /** `socket.receive.buffer.bytes`, -1: left to the system */
  readonly socketReceiveBufferBytes: number;
  /**
   * `queued.max.request.bytes`, -1: Infinity. Each shard gets an equal share, but at least room for one request of the largest size and
   * 16 MiB of others.
   */
  readonly queuedMaxRequestBytes: number;
  /** `connections.max.idle.ms`, 600000; Infinity when negative */
  readonly connectionsMaxIdleMs: number;

  /** `listener.name.<name>.max.connection.creation.rate`, by name in lower case; none */
  readonly listenerConnectionCreationRates: ReadonlyMap<string, number>;
  /** `quota.window.num`, 11 */
  readonly quotaWindowNum: number;
  /** `quota.window.size.seconds` in ms, 1000 */
  readonly quotaWindowMs: number;
  /** `controller.quota.window.num`, 11 */
  readonly controllerQuotaWindowNum: number;
  /** `controller.quota.window.size.seconds` in ms, 1000 */
  readonly controllerQuotaWindowMs: number;

  /** `fetch.max.bytes`, 57671680 */
  readonly fetchMaxBytes: number;
  /** `max.incremental.fetch.session.cache.slots`, 1000 */
  readonly maxIncrementalFetchSessionCacheSlots: number;
  /** `max.request.partition.size.limit`, 2000 */
  readonly maxRequestPartitionSizeLimit: number;

  /** Settings of all groups; group_configs.ts resolves those that a single group can override. */
  readonly groups: GroupSettings;
  /** `group.coordinator.rebalance.protocols`, classic,consumer,streams */
  readonly groupProtocols: readonly string[];
  /** `offsets.topic.num.partitions`, 50 */
  readonly offsetsTopicNumPartitions: number;
  /** `offsets.topic.replication.factor`, 3 */
  readonly offsetsTopicReplicationFactor: number;
  /** `offsets.topic.segment.bytes`, 104857600 */
  readonly offsetsTopicSegmentBytes: number;
  /** `offsets.commit.timeout.ms`, 5000 */
  readonly offsetsCommitTimeoutMs: number;

  /** `replica.high.watermark.checkpoint.interval.ms`, 5000 */
  readonly replicaHighWatermarkCheckpointIntervalMs: number;
  /** `log.flush.offset.checkpoint.interval.ms`, 60000 */
  readonly logFlushOffsetCheckpointIntervalMs: number;
  /** `log.flush.start.offset.checkpoint.interval.ms`, 60000 */
  readonly logFlushStartOffsetCheckpointIntervalMs: number;
  /** `log.initial.task.delay.ms`, 30000 */
  readonly logInitialTaskDelayMs: number;
  /** `log.retention.check.interval.ms`, 300000 */
  readonly logRetentionCheckIntervalMs: number;
  /** `log.flush.scheduler.interval.ms`, Infinity */
  readonly logFlushSchedulerIntervalMs: number;

  /** `log.cleaner.enable`, true */
  readonly logCleanerEnable: boolean;

  /** The HTTP listener; null: there is none. */
  readonly http: HttpSettings | null;
  /** `barnabas.shards`, 0: one per core */
  readonly shards: number;
  /** `barnabas.log.format`, text */
  readonly logFormat: "text" | "json";
  /** `barnabas.log.levels`, info for all categories */
  readonly logLevels: LogLevels;
  /** `barnabas.log.append.mode`, pwrite */
  readonly appendMode: "pwrite" | "mapped";
}
