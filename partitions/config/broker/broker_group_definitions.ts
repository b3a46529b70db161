/**
 * The broker's settings of groups and committed offsets: Kafka's names, types, ranges and, unless a comment says otherwise, defaults.
 * Pure data; any isolate.
 *
 * Kafka's settings for coordinator threads and buffers (`group.coordinator.threads`, `group.coordinator.append.linger.ms`,
 * `offsets.load.buffer.size`) are missing, because shards do not need them. Source: GroupCoordinatorConfig of Apache Kafka 4.3.1.
 */
import { type ConfigDefinition, setting } from "../config_definitions.ts";
import { allOf, atLeast, type ConfigCheck, type ConfigValue, invalid, oneOf, onlyFor } from "../config_values.ts";

const UNLIMITED = 2_147_483_647;

/** Settings of groups, ordered by name. */
export const brokerGroupDefinitions: readonly ConfigDefinition[] = [
  setting(
    "group.consumer.assignment.interval.ms",
    "INT",
    "1000",
    "Least time between two assignments of a consumer group.",
    { check: atLeast(0), update: "cluster-wide" },
  ),
  setting(
    "group.consumer.assignors",
    "LIST",
    "uniform,range",
    "This broker's assignors for consumer groups; the first one is used unless a member asks for another.",
    { check: allOf(someOf, oneOf("uniform", "range")) },
  ),
  int("group.consumer.heartbeat.interval.ms", 5000, "How often members of consumer groups send heartbeats.", 1),
  int("group.consumer.max.assignment.interval.ms", 15_000, "Largest assignment interval of a single group.", 0),
  int("group.consumer.max.heartbeat.interval.ms", 15_000, "Largest heartbeat interval of a single group.", 1),
  int("group.consumer.max.session.timeout.ms", 60_000, "Largest session timeout of a single consumer group.", 1),
  int("group.consumer.max.size", UNLIMITED, "Most members of a consumer group.", 1),
  setting(
    "group.consumer.migration.policy",
    "STRING",
    "bidirectional",
    "Which groups may change between the classic and the consumer protocol with their members in place.",
    { check: wordOf("DISABLED", "DOWNGRADE", "UPGRADE", "BIDIRECTIONAL") },
  ),
  int("group.consumer.min.assignment.interval.ms", 0, "Smallest assignment interval of a single group.", 0),
  int("group.consumer.min.heartbeat.interval.ms", 5000, "Smallest heartbeat interval of a single group.", 1),
  int("group.consumer.min.session.timeout.ms", 45_000, "Smallest session timeout of a single consumer group.", 1),
  int("group.consumer.regex.refresh.interval.ms", 600_000, "How often regular expressions are resolved again.", 10_000),
  int(
    "group.consumer.session.timeout.ms",
    45_000,
    "Time without a heartbeat after which a member of a consumer group is removed.",
    1,
  ),
  setting(
    "group.coordinator.rebalance.protocols",
    "LIST",
    "classic,consumer,streams",
    "Kinds of group that are served, classic always; share and streams groups are not so far.",
    { check: allOf(someOf, oneOf("consumer", "classic", "share", "streams"), withClassic) },
  ),
  int(
    "group.initial.rebalance.delay.ms",
    0,
    "How long the first rebalance of a classic group waits for members (Kafka: 3000, and 0 in the file that it ships).",
  ),
  int(
    "group.max.session.timeout.ms",
    1_800_000,
    "Longest session timeout that a member of a classic group may ask for.",
  ),
  int("group.max.size", UNLIMITED, "Most members of a classic group.", 1),
  int("group.min.session.timeout.ms", 6000, "Shortest session timeout that a member of a classic group may ask for."),
  int("offset.metadata.max.bytes", 4096, "Longest text that a client may keep with a committed offset."),
  int(
    "offsets.commit.timeout.ms",
    5000,
    "How long an answer waits until all replicas have the records that it confirms.",
    1,
  ),
  setting("offsets.retention.check.interval.ms", "LONG", "600000", "How often expired offsets are looked for.", {
    check: atLeast(1),
  }),
  int("offsets.retention.minutes", 10_080, "How long offsets are kept after their group lost its last member.", 1),
  setting("offsets.topic.compression.codec", "INT", "0", "Compression of the topic of committed offsets; 0 is none.", {
    check: onlyFor("0", "records of groups are not compressed"),
  }),
  int("offsets.topic.num.partitions", 50, "Partitions of the topic of committed offsets when it is created.", 1),
  setting(
    "offsets.topic.replication.factor",
    "SHORT",
    "3",
    "Replicas of the topic of committed offsets. Groups wait for as many brokers; one that is in no cluster has one.",
    { check: atLeast(1) },
  ),
  int("offsets.topic.segment.bytes", 104_857_600, "Segment size of the topic of committed offsets.", 1),
];

/** A setting of type INT. @param rest documentation, and the smallest allowed value */
function int(name: string, value: number, ...rest: [documentation: string, least?: number]): ConfigDefinition {
  const [documentation, least] = rest;
  return setting(name, "INT", String(value), documentation, least === undefined ? {} : { check: atLeast(least) });
}

/** Accepts a list with at least one item and no duplicates (ValidList.anyNonDuplicateValues). */
function someOf({ name, value }: { name: string; value: ConfigValue }): string | null {
  if (typeof value !== "object") return null;
  if (value.length === 0 || value.includes("")) return `Configuration '${name}' values must not be empty.`;
  return new Set(value).size === value.length ? null : `Configuration '${name}' values must not be duplicated.`;
}

function withClassic({ name, value }: { name: string; value: ConfigValue }): string | null {
  if (typeof value !== "object" || value.includes("classic")) return null;
  return `Disabling the 'classic' protocol is not supported: ${name}`;
}

/** Accepts one of some words, in upper or lower case. */
function wordOf(...words: string[]): ConfigCheck {
  return ({ name, text }) =>
    words.includes(text.toUpperCase())
      ? null
      : invalid(name, text, `String must be one of (case insensitive): ${words.join(", ")}`);
}
