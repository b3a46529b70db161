/**
 * Configs of topics: checks the configs that a client sets, resolves the settings of a log, and lists what DescribeConfigs shows of topics.
 * A topic's value is its own config, else the strongest broker property it inherits from, else the default. Pure; the main
 * isolate runs it.
 *
 * Source: LogConfig.validate of Apache Kafka 4.3.1, with its messages.
 */
import type { LogConfig } from "../../../storage/log/log_config.ts";
import { assert } from "../../../storage/base/assert.ts";
import type { BrokerConfig } from "../broker/broker_config.ts";
import { brokerDefinitions } from "../broker/broker_definitions.ts";
import {
  type BrokerProperties,
  type ConfigEntry,
  configSources,
  describeResource,
  resolveConfig,
  type ShownBroker,
} from "../config_entries.ts";
import { type ConfigValue, parseConfigValue } from "../config_values.ts";
import { topicDefinitions } from "./topic_definitions.ts";

/** How much of an unknown name an answer repeats, in characters. */
const NAME_CHARACTERS_MAX = 200;

/** Kafka's DescribeConfigs does not show internal configs (ConfigDef.defineInternal). */
const INTERNAL_PREFIX = "internal.";

/** A setting of the broker that every log follows. */
const RECOVERY_INTERVAL = "barnabas.recovery.interval.bytes";

/**
 * Checks the configs of a topic.
 * @param configs by Kafka's names
 * @returns null, or the message of Kafka's INVALID_CONFIG
 */
export function validateTopicConfigs(configs: Readonly<Record<string, string>>): string | null {
  const values = new Map<string, ConfigValue>();
  for (const [name, text] of Object.entries(configs)) {
    const definition = topicDefinitions.get(name);
    if (definition === undefined) return `Unknown topic config name: ${name.slice(0, NAME_CHARACTERS_MAX)}`;
    const parsed = parseConfigValue(definition, text);
    if ("refused" in parsed) return parsed.refused;
    values.set(name, parsed.value);
  }
  const minLag = Number(values.get("min.compaction.lag.ms") ?? 0);
  const maxLag = Number(values.get("max.compaction.lag.ms") ?? Infinity);
  return minLag > maxLag
    ? `conflict topic config setting min.compaction.lag.ms (${minLag}) > max.compaction.lag.ms (${maxLag})`
    : null;
}

/**
 * Resolves the settings of a log.
 * @param topicConfigs configs of the topic, checked by `validateTopicConfigs`
 * @param broker the broker's settings; `brokerConfigFrom` has checked its properties
 */
export function resolveLogConfig(
  topicConfigs: Readonly<Record<string, string>>,
  broker: Pick<BrokerConfig, "properties" | "appendMode">,
): LogConfig {
  const value = (name: string) => resolve(name, topicConfigs, broker.properties).value;
  const number = (name: string) => Number(value(name));
  const policies = value("cleanup.policy") as readonly string[];
  const internalBytes = topicConfigs["internal.segment.bytes"];
  return {
    segmentBytes: internalBytes === undefined ? number("segment.bytes") : number("internal.segment.bytes"),
    segmentMs: number("segment.ms"),
    segmentJitterMs: number("segment.jitter.ms"),
    segmentIndexBytes: number("segment.index.bytes"),
    indexIntervalBytes: number("index.interval.bytes"),
    maxMessageBytes: number("max.message.bytes"),
    messageTimestampType: value("message.timestamp.type") === "LogAppendTime" ? "LogAppendTime" : "CreateTime",
    messageTimestampBeforeMaxMs: number("message.timestamp.before.max.ms"),
    messageTimestampAfterMaxMs: number("message.timestamp.after.max.ms"),
    flushMessages: number("flush.messages"),
    flushMs: number("flush.ms"),
    compressionType: value("compression.type") as LogConfig["compressionType"],
    compressionLevels: {
      gzip: number("compression.gzip.level"),
      lz4: number("compression.lz4.level"),
      zstd: number("compression.zstd.level"),
    },
    compact: policies.includes("compact"),
    delete: policies.includes("delete"),
    retentionMs: number("retention.ms"),
    retentionBytes: number("retention.bytes"),
    maxCompactionLagMs: number("max.compaction.lag.ms"),
    minCompactionLagMs: number("min.compaction.lag.ms"),
    minCleanableDirtyRatio: number("min.cleanable.dirty.ratio"),
    deleteRetentionMs: number("delete.retention.ms"),
    preallocate: value("preallocate") === true,
    fileDeleteDelayMs: number("file.delete.delay.ms"),
    appendMode: broker.appendMode,
    recoveryIntervalBytes: Number(
      broker.properties[RECOVERY_INTERVAL] ?? brokerDefinitions.get(RECOVERY_INTERVAL)?.defaultText,
    ),
  };
}

/** Least in-sync replicas for acks=all: `min.insync.replicas` of the topic or the broker. */
export function resolveMinInsyncReplicas(
  topicConfigs: Readonly<Record<string, string>>,
  broker: Pick<BrokerConfig, "properties">,
): number {
  return Number(resolve("min.insync.replicas", topicConfigs, broker.properties).value);
}

/** `unclean.leader.election.enable` of the topic or the broker. */
export function isUncleanElectionEnabled(
  topicConfigs: Readonly<Record<string, string>>,
  broker: Pick<BrokerConfig, "properties">,
): boolean {
  return resolve("unclean.leader.election.enable", topicConfigs, broker.properties).value === true;
}

/** Whether `cleanup.policy` of the topic or the broker contains a policy. */
export function hasCleanupPolicy(
  policy: "compact" | "delete",
  topicConfigs: Readonly<Record<string, string>>,
  broker: Pick<BrokerConfig, "properties">,
): boolean {
  return (resolve("cleanup.policy", topicConfigs, broker.properties).value as readonly string[]).includes(policy);
}

/** What DescribeConfigs shows of a topic: every config, ordered by name. */
export function describeTopicConfigs(
  topicConfigs: Readonly<Record<string, string>>,
  broker: ShownBroker,
): ConfigEntry[] {
  const shown = [...topicDefinitions.values()].filter(({ name }) => !name.startsWith(INTERNAL_PREFIX));
  return describeResource(shown, topicConfigs, { broker, source: configSources.topic });
}

function resolve(name: string, topicConfigs: Readonly<Record<string, string>>, properties: BrokerProperties) {
  const definition = topicDefinitions.get(name);
  assert(definition !== undefined, `${name} is a topic config`);
  return resolveConfig(definition, topicConfigs[name], properties);
}
