/**
 * The part of a broker's settings that changes while it runs (dynamic_settings.ts): each field's comment names the Kafka property and the
 * default. Plain data, which travels between isolates.
 */
import type { LogConfig } from "../../../storage/log/log_config.ts";
import type { ConfigLayers } from "../config_layers.ts";

/** The fields that dynamic settings decide, and nothing else of a broker's settings. */
export interface DynamicSettings {
  /** `min.insync.replicas`, 1 */
  readonly minInsyncReplicas: number;
  /** `max.connections`, 2147483647 */
  readonly maxConnections: number;
  /** `max.connections.per.ip`, 2147483647 */
  readonly maxConnectionsPerIp: number;
  /** `max.connections.per.ip.overrides`, by address; none */
  readonly maxConnectionsPerIpOverrides: Readonly<Record<string, number>>;
  /** `max.connection.creation.rate`, 2147483647 */
  readonly maxConnectionCreationRate: number;
  /** `producer.id.expiration.ms`, 86400000 */
  readonly producerIdExpirationMs: number;
  /** `log.cleaner.threads`, 1 */
  readonly logCleanerThreads: number;
  /** `log.cleaner.backoff.ms`, 15000 */
  readonly logCleanerBackoffMs: number;
  /** `log.cleaner.io.max.bytes.per.second`, no limit: Infinity */
  readonly logCleanerIoMaxBytesPerSecond: number;
  /** `log.cleaner.dedupe.buffer.size`, 134217728: for all threads together */
  readonly logCleanerDedupeBufferSize: number;
  /** `log.cleaner.io.buffer.load.factor`, 0.9 */
  readonly logCleanerIoBufferLoadFactor: number;
  /** The settings of a topic without configs: `log.segment.bytes`, `message.max.bytes` and so on, resolved. */
  readonly logDefaults: LogConfig;
  /** The properties that are set and in force, by Kafka's names, but "[hidden]" for passwords: topics inherit from them. */
  readonly properties: Readonly<Record<string, string>>;
  /** Where they come from: DescribeConfigs shows it. */
  readonly layers: ConfigLayers;
}
