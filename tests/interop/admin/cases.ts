/**
 * Requests of the admin APIs, most of them misuse, in the order in which they are sent to one broker. Plain data of a test.
 *
 * Not here: AlterConfigs that names a resource twice, which Apache Kafka 4.3.1 never answers.
 */

import type { AdminCase } from "./admin_case.ts";
import { clientCases } from "./client_cases.ts";
import { clusterCases } from "./cluster_cases.ts";

const [TOPIC, BROKER, LOGGER, GROUP] = [2, 4, 8, 32];
const [SET, DELETE, APPEND, SUBTRACT] = [0, 1, 2, 3];
const SESSION = "consumer.session.timeout.ms";

type Change = readonly [name: string, operation: number, value?: string];

function resource(resourceType: number, resourceName: string, ...changes: Change[]) {
  const configs = changes.map(([name, configOperation, value = null]) => ({ name, configOperation, value }));
  return { resourceType, resourceName, configs };
}

function incremental(name: string, ...resources: unknown[]): AdminCase {
  return { name: `IncrementalAlterConfigs: ${name}`, api: [44, 1], request: { resources, validateOnly: false } };
}

function legacy(name: string, ...resources: unknown[]): AdminCase {
  return { name: `AlterConfigs: ${name}`, api: [33, 2], request: { resources, validateOnly: false } };
}

const topicConfigs: readonly [what: string, topic: string, ...changes: Change[]][] = [
  ["unknown topic", "nope", ["retention.ms", SET, "1"]],
  ["unknown topic and bad value", "nope", ["retention.ms", SET, "x"]],
  ["unknown topic and nothing", "nope"],
  ["no topic", "", ["retention.ms", SET, "1"]],
  ["impossible topic", "a/b", ["retention.ms", SET, "1"]],
  ["unknown config", "t", ["no.such", SET, "1"]],
  ["deletes unknown config", "t", ["no.such", DELETE]],
  ["no number", "t", ["retention.ms", SET, "x"]],
  ["too small", "t", ["segment.bytes", SET, "1"]],
  ["one key twice", "t", ["retention.ms", SET, "1"], ["retention.ms", DELETE]],
  ["null values", "t", ["retention.ms", SET], ["segment.ms", SET]],
  ["appends to a number", "t", ["retention.ms", APPEND, "1"]],
  ["appends to an unknown config", "t", ["no.such", APPEND, "1"]],
  ["subtracts from an unknown config", "t", ["no.such", SUBTRACT, "1"]],
  ["appends an unknown word", "t", ["cleanup.policy", APPEND, "keep"]],
  ["appends nothing", "t", ["cleanup.policy", APPEND, ""]],
  ["appends with a comma at the end", "t", ["cleanup.policy", APPEND, "compact,"]],
  ["deletes the policy", "t", ["cleanup.policy", DELETE]],
  ["values that do not fit", "t", ["min.compaction.lag.ms", SET, "9"], ["max.compaction.lag.ms", SET, "8"]],
  ["value beyond a string", "t", ["leader.replication.throttled.replicas", SET, `${"0:1,".repeat(8191)}0:1`]],
  ["nothing", "t"],
  ["sets", "t", ["retention.ms", SET, "5"], ["segment.ms", SET, "6"]],
];

const groupConfigs: readonly [name: string, value: string][] = [
  [SESSION, "1"],
  [SESSION, "0"],
  [SESSION, "60001"],
  [SESSION, "x"],
  ["consumer.heartbeat.interval.ms", "4999"],
  ["consumer.heartbeat.interval.ms", "15001"],
  ["consumer.assignment.interval.ms", "-1"],
  ["consumer.assignment.interval.ms", "15001"],
  ["share.auto.offset.reset", "none"],
  ["share.auto.offset.reset", "by_duration:PT1H"],
  ["share.isolation.level", "READ"],
  ["share.delivery.count.limit", "1"],
  ["share.delivery.count.limit", "11"],
  ["share.record.lock.duration.ms", "14999"],
  ["streams.num.standby.replicas", "3"],
  ["streams.session.timeout.ms", "44999"],
  ["share.renew.acknowledge.enable", "maybe"],
  ["retention.ms", "1"],
];

const brokerConfigs: readonly [what: string, broker: string, ...changes: Change[]][] = [
  ["static", "1", ["num.partitions", SET, "3"]],
  ["static, of all brokers", "", ["num.partitions", SET, "3"]],
  ["deletes static", "1", ["num.partitions", DELETE]],
  ["appends to a number", "1", ["num.partitions", APPEND, "3"]],
  ["appends to an unknown config", "1", ["no.such", APPEND, "3"]],
  ["another broker", "7", ["num.partitions", SET, "3"]],
  ["no number", "one", ["num.partitions", SET, "3"]],
  ["negative", "-1", ["num.partitions", SET, "3"]],
];

function described(name: string, ...resources: [type: number, name: string, ...keys: string[]][]): AdminCase {
  const request = {
    resources: resources.map(([resourceType, resourceName, ...configurationKeys]) => ({
      resourceType,
      resourceName,
      configurationKeys,
    })),
    includeSynonyms: true,
  };
  return { name: `DescribeConfigs: ${name}`, api: [32, 4], request };
}

type Wanted = readonly [name: string, count: number, assignments?: number[][]];

function partitions(what: string, wanted: readonly Wanted[], rest: Record<string, unknown> = {}): AdminCase {
  const topics = wanted.map(([name, count, assignments]) => ({
    name,
    count,
    assignments: assignments?.map((brokerIds) => ({ brokerIds })) ?? null,
  }));
  const request = { topics, timeoutMs: 5000, validateOnly: false, ...rest };
  return { name: `CreatePartitions: ${what}`, api: [37, 3], request };
}

type Deleted = readonly [topic: string, ...offsets: [partition: number, offset: number][]];

function deletion(what: string, ...deleted: Deleted[]): AdminCase {
  const topics = deleted.map(([name, ...offsets]) => ({
    name,
    partitions: offsets.map(([partitionIndex, offset]) => ({ partitionIndex, offset })),
  }));
  return { name: `DeleteRecords: ${what}`, api: [21, 2], request: { topics, timeoutMs: 5000 } };
}

function page(what: string, names: string[], rest: Record<string, unknown> = {}): AdminCase {
  const topics = names.map((name) => ({ name }));
  const request = { topics, responsePartitionLimit: 2000, cursor: null, ...rest };
  return { name: `DescribeTopicPartitions: ${what}`, api: [75, 0], request };
}

function logDirs(what: string, topics: readonly [topic: string, ...partitions: number[]][] | null): AdminCase {
  const asked = topics?.map(([topic, ...partitions]) => ({ topic, partitions })) ?? null;
  return { name: `DescribeLogDirs: ${what}`, api: [35, 5], request: { topics: asked } };
}

function moves(what: string, path: string, ...topics: readonly [topic: string, ...partitions: number[]][]): AdminCase {
  const asked = topics.map(([name, ...partitions]) => ({ name, partitions }));
  return { name: `AlterReplicaLogDirs: ${what}`, api: [34, 2], request: { dirs: [{ path, topics: asked }] } };
}

function producers(what: string, ...asked: readonly [topic: string, ...partitions: number[]][]): AdminCase {
  const topics = asked.map(([name, ...partitionIndexes]) => ({ name, partitionIndexes }));
  return { name: `DescribeProducers: ${what}`, api: [61, 0], request: { topics } };
}

type Reassigned = readonly [topic: string, ...partitions: [partition: number, replicas: number[] | null][]];

function reassignments(what: string, reassigned: readonly Reassigned[], rest: Record<string, unknown> = {}): AdminCase {
  const topics = reassigned.map(([name, ...partitions]) => ({
    name,
    partitions: partitions.map(([partitionIndex, replicas]) => ({ partitionIndex, replicas })),
  }));
  const request = { timeoutMs: 5000, topics, ...rest };
  return { name: `AlterPartitionReassignments: ${what}`, api: [45, 1], request };
}

function elections(
  what: string,
  topics: readonly [topic: string, ...partitions: number[]][] | null,
  type = 0,
): AdminCase {
  const topicPartitions = topics?.map(([topic, ...partitions]) => ({ topic, partitions })) ?? null;
  const request = { electionType: type, topicPartitions, timeoutMs: 5000 };
  return { name: `ElectLeaders: ${what}`, api: [43, 2], request };
}

function reassigning(what: string, topics: readonly [topic: string, ...partitions: number[]][] | null): AdminCase {
  const asked = topics?.map(([name, ...partitionIndexes]) => ({ name, partitionIndexes })) ?? null;
  return { name: `ListPartitionReassignments: ${what}`, api: [46, 0], request: { timeoutMs: 5000, topics: asked } };
}

const cursor = (topicName: string, partitionIndex: number) => ({ cursor: { topicName, partitionIndex } });

/** Topics: "t" with two partitions of three records, "compacted", "kept" (cleanup.policy empty) with records of two producers. */
export const adminCases: readonly AdminCase[] = [
  ...topicConfigs.map(([what, name, ...changes]) => incremental(what, resource(TOPIC, name, ...changes))),
  incremental("a resource twice", resource(TOPIC, "t", ["segment.ms", SET, "1"]), resource(TOPIC, "t")),
  incremental("unknown kind", resource(77, "t")),
  incremental("kind 0", resource(0, "t")),
  incremental("nothing at all"),
  incremental(
    "one of three is wrong",
    resource(TOPIC, "t", ["segment.ms", SET, "8"]),
    resource(TOPIC, "nope", ["segment.ms", SET, "8"]),
    resource(GROUP, "g", [SESSION, SET, "50000"]),
  ),
  incremental("no group", resource(GROUP, "", [SESSION, SET, "50000"])),
  incremental("appends to a group's number", resource(GROUP, "g", [SESSION, APPEND, "1"])),
  ...groupConfigs.map(([name, value]) =>
    incremental(`group ${name}=${value}`, resource(GROUP, "bounds", [name, SET, value]))
  ),
  ...brokerConfigs.map(([what, name, ...changes]) =>
    incremental(`broker, ${what}`, resource(BROKER, name, ...changes))
  ),
  legacy("unknown topic", resource(TOPIC, "nope", ["segment.ms", SET, "1"])),
  legacy("unknown config", resource(TOPIC, "t", ["no.such", SET, "1"])),
  legacy("null value", resource(TOPIC, "t", ["segment.ms", SET])),
  legacy("one key twice", resource(TOPIC, "t", ["segment.ms", SET, "1"], ["segment.ms", SET, "2"])),
  legacy("loggers", resource(LOGGER, "1", ["root", SET, "INFO"])),
  legacy("a static config of a broker", resource(BROKER, "1", ["num.partitions", SET, "1"])),
  legacy("a group beyond its bounds", resource(GROUP, "legacy", [SESSION, SET, "5"])),
  legacy("a group", resource(GROUP, "legacy", [SESSION, SET, "55000"])),
  legacy("replaces all of a topic", resource(TOPIC, "t", ["segment.ms", SET, "5000"])),
  legacy("unknown kind", resource(99, "t")),
  described("topics", [TOPIC, "t", "cleanup.policy", "max.message.bytes"], [TOPIC, "compacted", "cleanup.policy"]),
  described("groups", [GROUP, "g", SESSION, "share.isolation.level"], [GROUP, "legacy", SESSION], [
    GROUP,
    "other",
    SESSION,
  ]),
  described("nothing", [TOPIC, "nope"], [TOPIC, "a/b"], [GROUP, ""], [BROKER, "7"], [BROKER, "one"]),
  ...[[TOPIC], [BROKER], [LOGGER], [16], [GROUP], [TOPIC, GROUP], [], [1], [TOPIC, 77]].map((
    resourceTypes,
  ): AdminCase => ({
    name: `ListConfigResources: [${resourceTypes}]`,
    api: [74, 1],
    request: { resourceTypes },
  })),
  { name: "ListConfigResources v0", api: [74, 0], request: {} },
  partitions("unknown topic", [["nope", 3]]),
  partitions("impossible topic", [["a/b", 3]]),
  partitions("as many", [["t", 2]]),
  partitions("fewer", [["t", 1]]),
  partitions("negative", [["t", -1]]),
  partitions("too few assignments", [["t", 4, [[1]]]]),
  partitions("too many assignments", [["t", 3, [[1], [1]]]]),
  partitions("no assignments", [["t", 3, []]]),
  partitions("empty assignment", [["t", 3, [[]]]]),
  partitions("another broker", [["t", 3, [[9]]]]),
  partitions("a broker twice", [["t", 3, [[1, 1]]]]),
  partitions("a topic twice", [["t", 3], ["t", 4]]),
  partitions("dry run", [["t", 3]], { validateOnly: true }),
  partitions("dry run that is refused", [["t", 2]], { validateOnly: true }),
  partitions("no time", [["compacted", 2]], { timeoutMs: -1 }),
  partitions("one of two is wrong", [["t", 3], ["nope", 3]]),
  partitions("nothing", []),
  deletion("unknown ones", ["nope", [0, 1]], ["t", [9, 1], [-1, 1]]),
  deletion("above the high watermark", ["t", [0, 4]]),
  deletion("-2", ["t", [0, -2]]),
  deletion("compacted", ["compacted", [0, 0]]),
  deletion("no policy", ["kept", [0, 0]]),
  deletion("some and all", ["t", [0, 2], [1, -1]]),
  deletion("below the log start", ["t", [0, 1], [1, 0]]),
  deletion("a partition twice", ["t", [0, 2], [0, 3]], ["t", [1, 0]]),
  deletion("nothing"),
  deletion("no partitions", ["t"]),
  page("one topic", ["t"]),
  page("pages of 1", ["t", "compacted"], { responsePartitionLimit: 1 }),
  page("pages of 2, then an unknown topic", ["t", "compacted", "nope"], { responsePartitionLimit: 2 }),
  page("pages of 0", ["t"], { responsePartitionLimit: 0 }),
  page("unknown topics", ["nope", "a/b", "t"]),
  page("a topic twice", ["t", "t"]),
  page("a cursor that is not listed", ["t"], cursor("z", 0)),
  page("a negative cursor", ["t"], cursor("t", -1)),
  page("a cursor beyond the end", ["t"], cursor("t", 50)),
  page("a cursor in the middle", ["compacted", "t"], cursor("t", 1)),
  page("a cursor at an unknown topic", ["nope", "t"], cursor("nope", 1)),
  page("all, from a cursor on", [], cursor("d", 0)),
  page("all, negative cursor", [], cursor("d", -1)),
  logDirs("all", null),
  logDirs("nothing", []),
  logDirs("no partitions", [["t"]]),
  logDirs("unknown ones", [["nope", 0], ["a/b", 0], ["", 0], ["t", 9, -1]]),
  logDirs("one of a topic", [["t", 1]]),
  logDirs("some twice", [["t", 0, 0], ["compacted", 0], ["t", 1, 0]]),
  moves("unknown directory", "/nowhere", ["t", 0, 1, 9], ["nope", 0], ["", 0], ["__consumer_offsets", 0]),
  moves("no path", "", ["t", 0]),
  moves("relative path", "data", ["t", 0]),
  moves("a name that is too long", "/nowhere", ["x".repeat(249), 0]),
  moves("nothing", "/nowhere"),
  producers("some", ["kept", 0], ["t", 1, 0]),
  producers("unknown ones", ["nope", 0], ["a/b", 0, 1], ["", 0], ["t", 9, -1]),
  producers("a partition twice", ["kept", 0, 0], ["t", 0], ["kept", 0]),
  producers("no partitions", ["kept"], ["nope"]),
  producers("nothing"),
  reassignments("where they are", [["t", [0, [1]], [1, [1]]], ["kept", [0, [1]]]]),
  reassignments("unknown ones", [["nope", [0, [1]]], ["a/b", [0, null]], ["", [0, []]], ["t", [9, [1]], [-1, null]]]),
  reassignments("other brokers", [["t", [0, [9]], [1, [1, 9]]], ["kept", [0, [-1]]]]),
  reassignments("no brokers", [["t", [0, []]]]),
  reassignments("a broker twice", [["t", [0, [1, 1]]]]),
  reassignments("cancels what is not under way", [["t", [0, null], [1, [1]]]]),
  reassignments("a partition twice", [["t", [0, [1]], [0, null]], ["t", [0, [1]]]]),
  reassignments("as many replicas", [["t", [0, [1]], [1, [1, 1]]]], { allowReplicationFactorChange: false }),
  reassignments("nothing", []),
  reassignments("nothing, as many replicas", [], { allowReplicationFactorChange: false }),
  reassignments("no partitions", [["t"], ["nope"]]),
  elections("preferred leaders of some", [["t", 0, 1], ["kept", 0]]),
  elections("unclean of some", [["t", 0, 1]], 1),
  elections("unknown ones", [["nope", 0], ["a/b", 0, -1], ["", 0], ["t", 9, -1]]),
  elections("a partition twice", [["t", 0, 0], ["t", 0]]),
  elections("of an unknown type", [["t", 0], ["nope", 1]], 2),
  elections("of an unknown type, all", null, -1),
  elections("of an unknown type, nothing", [], 7),
  elections("nothing", []),
  elections("no partitions", [["t"], ["nope"]]),
  reassigning("all", null),
  reassigning("nothing", []),
  reassigning("some", [["t", 0, 1, 9, -1], ["nope", 0], ["a/b", 0], ["", 0]]),
  reassigning("no partitions", [["t"]]),
  ...clientCases,
  ...clusterCases,
];
