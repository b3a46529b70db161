/** Calls of the tools that ask about topics, their records and their files. Plain data of a test. */
import { call, type ToolCall, type ToolSession, unorderedCall } from "./recorded_tools.ts";
import { createTopics, fillTopic } from "./session_topics.ts";

const offsets = (...words: string[]) => call("GetOffsetShell", ...words);
const deletion = (file: string) => unorderedCall("DeleteRecordsCommand", "--offset-json-file", `FILE(${file})`);

/** kafka-get-offsets, kafka-delete-records. */
export const offsetSession: ToolSession = {
  name: "offsets",
  prepare: async (broker) => {
    await createTopics(broker, { numbers: 3, compacted: 1 }, { compacted: { "cleanup.policy": "compact" } });
    for (const partition of [0, 1]) await fillTopic(broker, { topic: "numbers", partition });
  },
  files: {
    some: deletionFile(["numbers", 0, 2], ["numbers", 1, -1], ["numbers", 2, 0]),
    wrong: deletionFile(["numbers", 0, 99], ["compacted", 0, 0]),
    twice: deletionFile(["numbers", 0, 2], ["numbers", 0, 3]),
    broken: "{",
  },
  calls: [
    offsets(),
    offsets("--topic", "numbers"),
    offsets("--topic", "numbers", "--time", "earliest"),
    offsets("--topic", "numbers", "--time", "max-timestamp"),
    offsets("--topic", "numbers", "--time", "earliest-local"),
    offsets("--topic", "numbers", "--time", "latest-tiered"),
    offsets("--topic", "numbers", "--time", "1735693200000"),
    offsets("--topic", "numbers", "--partitions", "0,2"),
    offsets("--topic-partitions", "numbers:1-2,comp.*:0"),
    offsets("--topic", "nowhere"),
    offsets("--topic", "numbers", "--time", "soon"),
    deletion("some"),
    offsets("--topic", "numbers", "--time", "earliest"),
    deletion("wrong"),
    deletion("twice"),
    deletion("broken"),
  ],
};

/** kafka-log-dirs. */
export const logSession: ToolSession = {
  name: "log_dirs",
  prepare: async (broker) => {
    await createTopics(broker, { numbers: 2, other: 1 });
    await fillTopic(broker, { topic: "numbers", partition: 1 });
  },
  calls: [
    call("LogDirsCommand", "--describe", "--topic-list", "other"),
    call("LogDirsCommand", "--describe", "--topic-list", "other", "--broker-list", "1"),
    call("LogDirsCommand", "--describe", "--broker-list", "1,9"),
    call("LogDirsCommand", "--describe", "--topic-list", "nowhere"),
  ],
};

const configs = (type: string, name: string, ...words: string[]): ToolCall => {
  const entity = ["--entity-type", type, "--entity-name", name];
  return unorderedCall("kafka.admin.ConfigCommand", ...entity, ...words);
};

/** kafka-configs for topics and groups. */
export const configSession: ToolSession = {
  name: "configs",
  properties: { "log.retention.hours": "2" },
  prepare: (broker) => createTopics(broker, { numbers: 1 }),
  calls: [
    configs("topics", "numbers", "--describe"),
    configs("topics", "numbers", "--describe", "--all"),
    configs("topics", "numbers", "--alter", "--add-config", "retention.ms=3600000,cleanup.policy=[delete,compact]"),
    configs("topics", "numbers", "--describe"),
    call("kafka.admin.ConfigCommand", "--entity-type", "topics", "--describe"),
    configs("topics", "numbers", "--alter", "--delete-config", "retention.ms"),
    configs("topics", "numbers", "--alter", "--delete-config", "retention.ms"),
    configs("topics", "numbers", "--alter", "--add-config", "segment.bytes=many"),
    configs("topics", "numbers", "--alter", "--add-config", "no.such=1"),
    configs("topics", "numbers", "--alter", "--add-config", "min.insync.replicas=0"),
    configs("topics", "nowhere", "--describe"),
    configs("topics", "nowhere", "--alter", "--add-config", "segment.ms=1"),
    configs("groups", "readers", "--describe"),
    configs("groups", "readers", "--alter", "--add-config", "consumer.session.timeout.ms=50000"),
    configs("groups", "readers", "--describe"),
    configs("groups", "readers", "--alter", "--add-config", "consumer.session.timeout.ms=5"),
    configs("groups", "readers", "--alter", "--add-config", "no.such=5"),
    configs("groups", "readers", "--alter", "--delete-config", "consumer.session.timeout.ms"),
    configs("groups", "readers", "--describe", "--all"),
  ],
  // Kafka sets it for all brokers when it turns eligible leader replicas on (KIP-966).
  normal: [[/DYNAMIC_DEFAULT_BROKER_CONFIG:min.insync.replicas=1, /, ""]],
};

const reassign = (...words: string[]) => unorderedCall("reassign.ReassignPartitionsCommand", ...words);

/** kafka-reassign-partitions on a broker that is alone. */
export const reassignmentSession: ToolSession = {
  name: "reassignments",
  prepare: (broker) => createTopics(broker, { orders: 2 }),
  files: {
    topics: JSON.stringify({ topics: [{ topic: "orders" }], version: 1 }),
    same: reassignmentFile(["orders", 0, 1], ["orders", 1, 1]),
    elsewhere: reassignmentFile(["orders", 0, 9]),
    nowhere: reassignmentFile(["nowhere", 0, 1]),
    nothing: reassignmentFile(),
  },
  calls: [
    reassign("--list"),
    reassign("--generate", "--topics-to-move-json-file", "FILE(topics)", "--broker-list", "1"),
    reassign("--execute", "--reassignment-json-file", "FILE(same)"),
    reassign("--verify", "--reassignment-json-file", "FILE(same)"),
    reassign("--cancel", "--reassignment-json-file", "FILE(same)"),
    reassign("--execute", "--reassignment-json-file", "FILE(elsewhere)"),
    reassign("--execute", "--reassignment-json-file", "FILE(nowhere)"),
    reassign("--execute", "--reassignment-json-file", "FILE(nothing)"),
    reassign("--list"),
  ],
};

/** kafka-leader-election on a broker that is alone. */
export const electionSession: ToolSession = {
  name: "elections",
  prepare: (broker) => createTopics(broker, { orders: 3, other: 1 }),
  files: {
    partitions: JSON.stringify({
      partitions: [{ topic: "orders", partition: 0 }, { topic: "orders", partition: 2 }, {
        topic: "nowhere",
        partition: 0,
      }],
    }),
  },
  calls: [
    call("LeaderElectionCommand", "--election-type", "preferred", "--all-topic-partitions"),
    call("LeaderElectionCommand", "--election-type", "unclean", "--all-topic-partitions"),
    call("LeaderElectionCommand", "--election-type", "preferred", "--topic", "orders", "--partition", "1"),
    call("LeaderElectionCommand", "--election-type", "preferred", "--topic", "orders", "--partition", "9"),
    call("LeaderElectionCommand", "--election-type", "unclean", "--topic", "orders", "--partition", "1"),
    unorderedCall("LeaderElectionCommand", "--election-type", "preferred", "--path-to-json-file", "FILE(partitions)"),
  ],
};

function deletionFile(...deleted: readonly (readonly [topic: string, partition: number, offset: number])[]): string {
  const partitions = deleted.map(([topic, partition, offset]) => ({ topic, partition, offset }));
  return JSON.stringify({ partitions, version: 1 });
}

function reassignmentFile(...moved: readonly (readonly [topic: string, partition: number, ...replicas: number[]])[]) {
  const partitions = moved.map(([topic, partition, ...replicas]) => ({ topic, partition, replicas }));
  return JSON.stringify({ version: 1, partitions });
}
