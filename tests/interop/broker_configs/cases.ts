/**
 * Requests that describe and change the dynamic settings of a broker, in the order in which they are sent to one broker whose node id is
 * 1. Plain data of a test.
 *
 * Not here, because Apache Kafka's answers are accidents or about what this broker does not have: settings that only Kafka has (threads,
 * TLS); names that no broker has, which it stores for its plugins; the numbers "+1" and "01", under which it stores what no broker reads;
 * no threads of the cleaner ("/ by zero"); overrides of connections that cannot be read (Java's words); a least compaction lag above the
 * largest, which it takes; the end of min.insync.replicas of all brokers, which it refuses because its format writes that row.
 */
import type { AdminCase } from "../admin/admin_case.ts";

const [TOPIC, BROKER] = [2, 4];
const [SET, DELETE, APPEND, SUBTRACT] = [0, 1, 2, 3];

type Change = readonly [name: string, operation: number, value?: string];

/** Settings whose rows are compared after each change. */
const SHOWN = [
  ...["log.retention.ms", "log.retention.minutes", "log.retention.hours", "log.roll.ms", "log.flush.interval.ms"],
  ...["log.cleanup.policy", "log.cleaner.threads", "num.partitions", "message.max.bytes", "max.connections.per.ip"],
];

function incremental(name: string, broker: string, ...changes: Change[]): AdminCase {
  return altered(name, { broker, changes, validateOnly: false });
}

function altered(
  name: string,
  { broker, changes, validateOnly }: { broker: string; changes: readonly Change[]; validateOnly: boolean },
): AdminCase {
  const configs = changes.map(([name, configOperation, value = null]) => ({ name, configOperation, value }));
  const resources = [{ resourceType: BROKER, resourceName: broker, configs }];
  return {
    name: `IncrementalAlterConfigs of "${broker}": ${name}`,
    api: [44, 1],
    request: { resources, validateOnly },
  };
}

function legacy(
  name: string,
  broker: string,
  ...changes: (readonly [name: string, value: string | null])[]
): AdminCase {
  const configs = changes.map(([name, value]) => ({ name, value }));
  const resources = [{ resourceType: BROKER, resourceName: broker, configs }];
  return { name: `AlterConfigs of "${broker}": ${name}`, api: [33, 2], request: { resources, validateOnly: false } };
}

function described(name: string): AdminCase {
  const resources = [
    { resourceType: BROKER, resourceName: "1", configurationKeys: SHOWN },
    { resourceType: BROKER, resourceName: "", configurationKeys: null },
    {
      resourceType: TOPIC,
      resourceName: "plain",
      configurationKeys: ["retention.ms", "cleanup.policy", "segment.ms", "flush.ms"],
    },
    { resourceType: TOPIC, resourceName: "own", configurationKeys: ["retention.ms", "cleanup.policy"] },
  ];
  return { name: `DescribeConfigs: ${name}`, api: [32, 4], request: { resources, includeSynonyms: true } };
}

/** Values that are refused, of one broker and of all. */
const refusedValues: readonly [name: string, value: string][] = [
  ["log.retention.ms", "x"],
  ["log.retention.ms", ""],
  ["log.retention.ms", "0"],
  ["log.retention.ms", "-2"],
  ["log.segment.bytes", "1"],
  ["log.roll.ms", "0"],
  ["log.cleanup.policy", "keep"],
  ["compression.type", "lzma"],
  ["compression.gzip.level", "10"],
  ["log.message.timestamp.type", "Never"],
  ["unclean.leader.election.enable", "perhaps"],
  ["min.insync.replicas", "0"],
  ["message.max.bytes", "-1"],
  ["max.connections", "-1"],
  ["max.connections.per.ip", "-1"],
  ["max.connections.per.ip", "0"],
  ["log.cleaner.threads", "3"],
  ["log.cleaner.threads", "-1"],
  ["log.cleaner.dedupe.buffer.size", "1000"],
  ["log.cleaner.io.buffer.load.factor", "x"],
  ["log.cleaner.min.cleanable.ratio", "2"],
  ["log.cleaner.backoff.ms", "-1"],
  ["log.cleaner.min.compaction.lag.ms", "-1"],
  ["producer.id.expiration.ms", "0"],
  ["group.consumer.assignment.interval.ms", "15001"],
  ["group.consumer.assignment.interval.ms", "-1"],
];

const readOnly: readonly [name: string, value: string][] = [
  ["num.partitions", "3"],
  ["log.retention.hours", "3"],
  ["log.retention.minutes", "3"],
  ["log.roll.hours", "3"],
  ["log.flush.scheduler.interval.ms", "3"],
  ["log.dirs", "/tmp"],
  ["node.id", "7"],
  ["auto.create.topics.enable", "false"],
  ["log.cleaner.enable", "false"],
  ["log.retention.check.interval.ms", "1"],
  ["replica.lag.time.max.ms", "1"],
  ["group.consumer.session.timeout.ms", "50000"],
];

/** Topics: "plain" without configs, "own" with retention.ms=7. */
export const brokerConfigCases: readonly AdminCase[] = [
  described("nothing is set"),
  incremental("sets", "1", ["log.retention.ms", SET, "86400000"]),
  described("one of the broker"),
  incremental("sets", "", ["log.retention.ms", SET, "1000000"], ["log.roll.ms", SET, " 5000000 "]),
  described("one of the broker, two of all"),
  incremental("deletes", "1", ["log.retention.ms", DELETE]),
  described("two of all"),
  incremental("sets what is set", "", ["log.retention.ms", SET, "1000000"]),
  incremental("deletes what is not set", "1", ["log.retention.ms", DELETE], ["num.partitions", DELETE], [
    "no.such",
    DELETE,
  ]),
  incremental("deletes all", "", ["log.retention.ms", DELETE], ["log.roll.ms", DELETE]),
  described("nothing is set any more"),
  ...refusedValues.flatMap(([name, value]) => [
    incremental(`${name}=${value}`, "1", [name, SET, value]),
    incremental(`${name}=${value}`, "", [name, SET, value]),
  ]),
  ...readOnly.flatMap(([name, value]) => [
    incremental(`${name}=${value}`, "1", [name, SET, value]),
    incremental(`${name}=${value}`, "", [name, SET, value]),
  ]),
  described("nothing was set"),
  incremental("two that are read-only", "1", ["num.partitions", SET, "3"], ["node.id", SET, "7"]),
  incremental("one is read-only", "1", ["log.retention.ms", SET, "5"], ["num.partitions", SET, "7"]),
  incremental("one is wrong", "1", ["log.retention.ms", SET, "5"], ["log.roll.ms", SET, "x"]),
  incremental("read-only and wrong", "1", ["num.partitions", SET, "x"]),
  incremental("listeners of all", "", ["listeners", SET, "PLAINTEXT://127.0.0.1:1"]),
  incremental("a read-only one, and listeners of all", "", ["listeners", SET, "PLAINTEXT://127.0.0.1:1"], [
    "node.id",
    SET,
    "1",
  ]),
  incremental("a wrong one, and listeners of all", "", ["listeners", SET, "PLAINTEXT://127.0.0.1:1"], [
    "log.roll.ms",
    SET,
    "x",
  ]),
  incremental("min.insync.replicas", "1", ["min.insync.replicas", SET, "2"]),
  incremental("min.insync.replicas", "", ["min.insync.replicas", SET, "2"]),
  incremental("min.insync.replicas again", "", ["min.insync.replicas", SET, "1"]),
  described("after min.insync.replicas"),
  incremental("unclean elections", "", ["unclean.leader.election.enable", SET, "true"]),
  incremental("no unclean elections", "", ["unclean.leader.election.enable", DELETE]),
  incremental("appends to the policy", "1", ["log.cleanup.policy", APPEND, "compact"]),
  described("delete and compact"),
  incremental("appends it again", "1", ["log.cleanup.policy", APPEND, "compact,delete"]),
  incremental("subtracts", "1", ["log.cleanup.policy", SUBTRACT, "delete"]),
  described("compact"),
  incremental("subtracts the rest", "1", ["log.cleanup.policy", SUBTRACT, "compact"]),
  described("no policy"),
  incremental("appends nothing", "1", ["log.cleanup.policy", APPEND, ""]),
  incremental("appends an unknown word", "1", ["log.cleanup.policy", APPEND, "keep"]),
  incremental("deletes the policy", "1", ["log.cleanup.policy", DELETE]),
  incremental("appends to a number", "1", ["log.retention.ms", APPEND, "5"]),
  incremental("subtracts from a word", "", ["compression.type", SUBTRACT, "gzip"]),
  incremental("appends to what is unknown", "", ["no.such", APPEND, "gzip"]),
  incremental("a name twice", "1", ["log.retention.ms", SET, "5"], ["log.retention.ms", DELETE]),
  incremental("no value", "1", ["log.retention.ms", SET]),
  incremental("unknown operation", "1", ["log.retention.ms", 9, "1"]),
  incremental("nothing", "1"),
  incremental("nothing", ""),
  incremental("another broker", "7", ["log.retention.ms", SET, "5"]),
  incremental("no number", "one", ["log.retention.ms", SET, "5"]),
  incremental("a number with a space", " 1", ["log.roll.ms", SET, "7000"]),
  described("after odd numbers"),
  altered("validated only", { broker: "1", changes: [["log.retention.ms", SET, "5"]], validateOnly: true }),
  altered("validated only, and refused", { broker: "", changes: [["log.retention.ms", SET, "x"]], validateOnly: true }),
  described("after a validation"),
  legacy("one", "1", ["log.retention.ms", "77000"]),
  described("after AlterConfigs"),
  legacy("another one instead", "1", ["message.max.bytes", "2000000"]),
  described("after another AlterConfigs"),
  legacy("read-only", "1", ["num.partitions", "2"]),
  legacy("wrong", "", ["log.retention.ms", "x"]),
  legacy("no value", "", ["log.retention.ms", null]),
  legacy("a name twice", "1", ["log.retention.ms", "1"], ["log.retention.ms", "2"]),
  legacy("another broker", "2", ["log.retention.ms", "1"]),
  described("after what was refused"),
  legacy("nothing", "1"),
  described("after nothing"),
  incremental("more threads", "", ["log.cleaner.threads", SET, "2"]),
  incremental("twice as many threads", "", ["log.cleaner.threads", SET, "4"]),
  incremental("too few threads", "", ["log.cleaner.threads", SET, "1"]),
  incremental("one thread for this broker", "1", ["log.cleaner.threads", SET, "2"]),
  described("threads"),
  incremental("the default number of threads", "1", ["log.cleaner.threads", DELETE]),
  incremental("the default number of threads again", "", ["log.cleaner.threads", DELETE]),
  incremental("some connections", "", ["max.connections.per.ip.overrides", SET, "127.0.0.9:5"], [
    "max.connections",
    SET,
    "1000",
  ]),
  incremental("no connections but some", "", ["max.connections.per.ip", SET, "0"], [
    "max.connections.per.ip.overrides",
    SET,
    "127.0.0.1:100",
  ]),
  described("connections"),
  incremental("the overrides go alone", "", ["max.connections.per.ip.overrides", DELETE]),
  incremental("the limits go", "", ["max.connections.per.ip", DELETE], ["max.connections.per.ip.overrides", DELETE], [
    "max.connections",
    DELETE,
  ]),
  incremental(
    "many",
    "",
    ["log.segment.bytes", SET, "2097152"],
    ["log.preallocate", SET, "TRUE"],
    ["log.cleaner.min.cleanable.ratio", SET, "0.25"],
    ["compression.type", SET, "zstd"],
    ["log.message.timestamp.type", SET, "LogAppendTime"],
    ["log.flush.interval.messages", SET, "+7"],
  ),
  described("many"),
  incremental(
    "none",
    "",
    ["log.segment.bytes", DELETE],
    ["log.preallocate", DELETE],
    ["log.cleaner.min.cleanable.ratio", DELETE],
    ["compression.type", DELETE],
    ["log.message.timestamp.type", DELETE],
    ["log.flush.interval.messages", DELETE],
    ["log.cleaner.min.compaction.lag.ms", DELETE],
    ["log.cleaner.max.compaction.lag.ms", DELETE],
  ),
  described("the end"),
];
