/**
 * The settings of the broker: Kafka's names, types, defaults and ranges, unless a comment says otherwise, and this broker's own settings,
 * whose names begin with "barnabas.". Pure data; any isolate.
 *
 * Source: KafkaConfig of Apache Kafka 4.3.1; the test compares every row with a list dumped from its jars.
 */
import { brokerClusterDefinitions } from "./broker_cluster_definitions.ts";
import { brokerGroupDefinitions } from "./broker_group_definitions.ts";
import { brokerHttpDefinitions } from "./broker_http_settings.ts";
import { brokerQuotaDefinitions } from "./broker_quota_definitions.ts";
import { type ConfigDefinition, setting, settingTable } from "../config_definitions.ts";
import {
  atLeast,
  between,
  type ConfigCheck,
  type ConfigType,
  type ConfigValue,
  oneOf,
  requirement,
} from "../config_values.ts";
import { connectionOverridesCheck } from "./connection_overrides.ts";
import { logLevelsCheck } from "../log_lines.ts";
import { topicDefinitions } from "../topics/topic_definitions.ts";

/** Most shards. Every pair of shards has rings in shared memory, so their number grows with the square of this. */
const SHARDS_MAX = 64;

/** Most logs that are compacted at a time: each takes a worker of about 30 MB, and its share of the buffer. */
const CLEANER_THREADS_MAX = 16;
/** Kafka's Double.MAX_VALUE: no limit. */
const DOUBLE_MAX = "1.7976931348623157E308";

/** Settings that topics inherit, but that change at a start only. */
const READ_ONLY_INHERITED: ReadonlySet<string> = new Set([
  ...["log.flush.scheduler.interval.ms", "log.retention.hours", "log.retention.minutes"],
  ...["log.roll.hours", "log.roll.jitter.hours"],
]);

/** Settings of the broker. */
export const brokerDefinitions: ReadonlyMap<string, ConfigDefinition> = settingTable([
  ...inheritedByTopics(),
  ...brokerGroupDefinitions,
  ...brokerClusterDefinitions,
  ...brokerHttpDefinitions,
  ...brokerQuotaDefinitions,
  setting(
    "advertised.listeners",
    "LIST",
    null,
    "Addresses that clients get; unset, each gets the broker's end of its own connection.",
  ),
  setting("auto.create.topics.enable", "BOOLEAN", "true", "Whether asking for an unknown topic creates it."),
  setting("barnabas.cluster.id", "STRING", null, "Cluster id for a new data directory; unset, a random one.", {
    check: ({ name, text }) =>
      /^[A-Za-z0-9_-]{1,64}$/.test(text) ? null : `${name} takes 1 to 64 letters, digits, '-' and '_'; it is "${text}"`,
  }),
  setting("barnabas.log.append.mode", "STRING", "pwrite", "How the active segment is written.", {
    check: oneOf("pwrite", "mapped"),
  }),
  setting("barnabas.log.format", "STRING", "text", "Form of the log: text, or json for an object a line.", {
    check: oneOf("text", "json"),
  }),
  setting(
    "barnabas.log.levels",
    "STRING",
    "barnabas=info",
    "What the log has: of each category the lines of a level (debug, info, warning, error, off), and more severe ones.",
    { check: logLevelsCheck },
  ),
  setting(
    "barnabas.recovery.interval.bytes",
    "LONG",
    "67108864",
    "Bytes appended to a partition before they are flushed in the background, at most every 30 s: a start after a loss of " +
      "power checks about as many of each, or what arrived in 30 s.",
    { check: atLeast(1_048_576) },
  ),
  setting(
    "barnabas.recovery.trust.page.cache",
    "BOOLEAN",
    "true",
    "Whether a start after a kill checks only the ends of the logs, if the machine and its local disk went on running: " +
      "false where volumes may be detached, repaired or set back meanwhile.",
  ),
  setting("barnabas.shards", "INT", "0", "Worker threads that own partitions and connections; 0 is one per core.", {
    check: between(0, SHARDS_MAX),
  }),
  setting("broker.id", "INT", "-1", "Older name of node.id, which counts when both are set.", { check: atLeast(-1) }),
  setting(
    "connections.max.idle.ms",
    "LONG",
    "600000",
    "Idle time after which a connection is closed; negative is never.",
  ),
  setting(
    "controller.listener.names",
    "LIST",
    null,
    "Listeners of Kafka's controllers: ignored, because this broker needs none.",
  ),
  setting("default.replication.factor", "INT", "1", "Replicas of a topic that is created without saying how many.", {
    check: atLeast(1),
  }),
  setting("delete.topic.enable", "BOOLEAN", "true", "Whether topics can be deleted."),
  setting("fetch.max.bytes", "INT", "57671680", "Most bytes that one fetch answers with.", { check: atLeast(1024) }),
  setting(
    "listener.security.protocol.map",
    "STRING",
    "SASL_SSL:SASL_SSL,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT",
    "Security protocol of each listener name; only PLAINTEXT is served.",
    { update: "per-broker" },
  ),
  setting(
    "listeners",
    "LIST",
    "PLAINTEXT://127.0.0.1:9092",
    "Addresses to listen on (Kafka's default is all interfaces).",
    { update: "per-broker" },
  ),
  setting(
    "log.cleaner.backoff.ms",
    "LONG",
    "15000",
    "How often logs to compact are looked for while there is none.",
    { check: atLeast(0), update: "cluster-wide" },
  ),
  setting(
    "log.cleaner.dedupe.buffer.size",
    "LONG",
    "134217728",
    "Most bytes for the keys of compactions under way, 24 for a key; more keys take several compactions.",
    { update: "cluster-wide" },
  ),
  setting("log.cleaner.enable", "BOOLEAN", "true", "Whether topics are compacted."),
  setting(
    "log.cleaner.io.buffer.load.factor",
    "DOUBLE",
    "0.9",
    "Share of log.cleaner.dedupe.buffer.size that may be in use.",
    { check: between(0.1, 0.99), update: "cluster-wide" },
  ),
  setting(
    "log.cleaner.io.max.bytes.per.second",
    "DOUBLE",
    DOUBLE_MAX,
    "Most bytes that compactions read and write a second.",
    { check: atLeast(1), update: "cluster-wide" },
  ),
  setting(
    "log.cleaner.threads",
    "INT",
    "1",
    "Most logs that are compacted at a time, each by a worker that runs only meanwhile; 0 compacts none.",
    { check: between(0, CLEANER_THREADS_MAX), update: "cluster-wide" },
  ),
  setting("log.dir", "LIST", null, "Other name of log.dirs, which counts when both are set."),
  setting(
    "log.dirs",
    "LIST",
    "./barnabas-data",
    "The data directories, separated by commas (Kafka's default is /tmp/kafka-logs).",
  ),
  setting("log.flush.offset.checkpoint.interval.ms", "INT", "60000", "How often recovery points are written down.", {
    check: atLeast(0),
  }),
  setting(
    "log.flush.start.offset.checkpoint.interval.ms",
    "INT",
    "60000",
    "How often log start offsets are written down.",
    {
      check: atLeast(0),
    },
  ),
  setting(
    "log.initial.task.delay.ms",
    "LONG",
    "30000",
    "Time after the start at which old segments are first looked for.",
    {
      check: atLeast(0),
    },
  ),
  setting("log.retention.check.interval.ms", "LONG", "300000", "How often old segments are looked for.", {
    check: atLeast(1),
  }),
  setting(
    "max.connections",
    "INT",
    "2147483647",
    "Most connections at a time; further ones wait, but not at a listener for brokers alone.",
    {
      check: atLeast(0),
      update: "cluster-wide",
    },
  ),
  setting("max.connections.per.ip", "INT", "2147483647", "Most connections of one address; further ones are closed.", {
    check: atLeast(0),
    update: "cluster-wide",
  }),
  setting(
    "max.connections.per.ip.overrides",
    "STRING",
    "",
    'Other limits for some addresses: "10.0.0.7:200,::1:50".',
    { check: connectionOverridesCheck, update: "cluster-wide" },
  ),
  setting(
    "metadata.log.dir",
    "STRING",
    null,
    "Directory of the topics and settings; the first of log.dirs where absent.",
  ),
  setting("max.incremental.fetch.session.cache.slots", "INT", "1000", "Most incremental fetch sessions.", {
    check: atLeast(0),
  }),
  setting(
    "max.request.partition.size.limit",
    "INT",
    "2000",
    "Most partitions in one answer to DescribeTopicPartitions.",
    {
      check: atLeast(1),
    },
  ),
  setting("node.id", "INT", "1", "Number of this broker (Kafka: no default); with etcd it has to be set.", {
    check: atLeast(0),
  }),
  setting("num.partitions", "INT", "1", "Partitions of a topic that is created without saying how many.", {
    check: atLeast(1),
  }),
  setting("producer.id.expiration.ms", "INT", "86400000", "Idle time after which a producer's sequence is forgotten.", {
    check: atLeast(1),
    update: "cluster-wide",
  }),
  setting(
    "queued.max.request.bytes",
    "LONG",
    "-1",
    "Most memory for requests that are arriving; reading pauses there. -1 is what fits, about 400 MiB a shard.",
  ),
  setting(
    "replica.high.watermark.checkpoint.interval.ms",
    "LONG",
    "5000",
    "How often high watermarks are written down.",
    {
      check: atLeast(1),
    },
  ),
  setting(
    "socket.receive.buffer.bytes",
    "INT",
    "-1",
    "Receive buffer of a socket; -1: the system fits it to the connection (Kafka: 102400).",
    { check: atLeast(-1) },
  ),
  setting("socket.request.max.bytes", "INT", "104857600", "Largest request.", { check: atLeast(1) }),
  setting(
    "socket.send.buffer.bytes",
    "INT",
    "-1",
    "Send buffer of a socket; -1: the system fits it to the connection (Kafka: 102400).",
    { check: atLeast(-1) },
  ),
]);

/** Broker settings that topics inherit: type, default and range are those of the topic setting, unless given here. */
function inheritedByTopics(): ConfigDefinition[] {
  const own = new Map<string, [ConfigType, string | null, ConfigCheck | null]>([
    ["log.flush.interval.ms", ["LONG", null, atLeast(0)]],
    ["log.retention.hours", ["INT", "168", null]],
    ["log.retention.minutes", ["INT", null, null]],
    ["log.retention.ms", ["LONG", null, null]],
    ["log.roll.hours", ["INT", "168", atLeast(1)]],
    ["log.roll.jitter.hours", ["INT", "0", atLeast(0)]],
    ["log.roll.jitter.ms", ["LONG", null, atLeast(0)]],
    ["log.roll.ms", ["LONG", null, rollMs]],
  ]);
  return [...topicDefinitions.values()].flatMap((topic) =>
    topic.synonyms.map(({ name }) => {
      const [type, defaultText, check] = own.get(name) ?? [topic.type, topic.defaultText, topic.check];
      const unit = name.endsWith(".hours") ? " In hours." : name.endsWith(".minutes") ? " In minutes." : "";
      const documentation = `${topic.documentation} For topics that do not set ${topic.name}.${unit}`;
      const update = READ_ONLY_INHERITED.has(name) ? "read-only" : "cluster-wide";
      return { ...topic, name, type, defaultText, check, documentation, synonyms: [], update };
    })
  );
}

/** Kafka checks it as a requirement of all settings together. */
function rollMs({ name, value }: { name: string; value: ConfigValue }): string | null {
  return typeof value === "number" && value < 1 ? requirement(`${name} must be greater than or equal to 1`) : null;
}
