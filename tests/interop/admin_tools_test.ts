/**
 * Apache Kafka's command-line tools for topics, run against the broker: kafka-topics, kafka-configs,
 * kafka-delete-records, kafka-get-offsets, kafka-log-dirs, kafka-transactions, kafka-broker-api-versions, kafka-producer-perf-test.
 * (Client libraries' admin calls: clients_test.ts.)
 */
import assert from "node:assert/strict";
import { connect, startTestBroker, temporaryDirectory, type TestBroker } from "./broker.ts";
import { KafkaTools } from "./kafka_tools.ts";
import { interopTest } from "./toolchain.ts";

interopTest({
  name: "admin tools: topics are created, described, measured and deleted by Apache Kafka's own tools",
  needs: ["java"],
  proves: { tools: ["topics", "configs"] },
  async fn(context) {
    using directory = temporaryDirectory();
    await using broker = await startTestBroker({ dataDir: directory.path });
    await using tools = new KafkaTools();
    const steps: [string, (asked: Asked) => Promise<void>][] = [
      ["kafka-topics creates, and says when it exists", createTopic],
      ["kafka-topics describes", describeTopic],
      ["kafka-configs describes", describeConfigs],
      ["kafka-producer-perf-test writes, kafka-get-offsets counts", produceAndCount],
      ["kafka-transactions describes the producer that wrote", describeProducers],
      ["kafka-delete-records moves the log start", deleteRecords],
      ["kafka-topics adds partitions", addPartitions],
      ["kafka-log-dirs prints the sizes of the log files, of all topics or of those that are named", describeLogDirs],
      ["kafka-configs alters a topic", alterTopic],
      ["kafka-configs alters a group", alterGroup],
      ["kafka-configs is refused a broker's static setting", alterBroker],
      ["kafka-broker-api-versions lists", listApiVersions],
      ["what Kafka would do and this broker does not is refused with a sentence", refuseWhatIsAbsent],
      ["kafka-topics deletes", deleteTopic],
    ];
    for (const [name, step] of steps) await context.step(name, () => step({ broker, tools }));
  },
});

const TOPIC = "tools";
/** A directory id of Raft's voters. */
const CONTROLLER = "AAAAAAAAAAAAAAAAAAAAAQ";

/** The broker, and the JVM that asks it. */
interface Asked {
  readonly broker: TestBroker;
  readonly tools: KafkaTools;
}

/** Runs a tool. @param name below org.apache.kafka.tools, or in full @returns what it printed, errors included */
async function kafkaTool(
  { tools }: Asked,
  name: string,
  words: readonly string[],
): Promise<{ code: number; text: string }> {
  const { code, lines } = await tools.run(name, words);
  return { code, text: lines.filter((line) => !line.startsWith("SLF4J")).join("\n") };
}

async function topicCommand(asked: Asked, ...args: string[]) {
  return await kafkaTool(asked, "TopicCommand", ["--bootstrap-server", asked.broker.bootstrapServers, ...args]);
}

async function createTopic(asked: Asked): Promise<void> {
  const args = ["--create", "--topic", TOPIC, "--partitions", "4", "--replication-factor", "1"];
  const configs = ["--config", "segment.bytes=2097152", "--config", "retention.ms=86400000"];
  const first = await topicCommand(asked, ...args, ...configs);
  assert.match(first.text, /Created topic tools/);
  const again = await topicCommand(asked, ...args);
  assert.equal(again.code, 1);
  assert.match(again.text, /already exists/);
  const tooMany = await topicCommand(asked, "--create", "--topic", "x", "--replication-factor", "3");
  assert.match(tooMany.text, /replication factor|InvalidReplicationFactor/i);
  const badConfig = await topicCommand(asked, "--create", "--topic", "y", "--config", "segment.bytes=abc");
  assert.match(badConfig.text, /InvalidConfiguration|Invalid value|Not a number/i);
}

async function describeTopic(asked: Asked): Promise<void> {
  const { text } = await topicCommand(asked, "--describe", "--topic", TOPIC);
  assert.match(text, /PartitionCount: 4\s+ReplicationFactor: 1/);
  assert.match(text, /segment.bytes=2097152/);
  assert.match(text, /retention.ms=86400000/);
  for (const partition of [0, 1, 2, 3]) {
    assert.match(text, new RegExp(`Partition: ${partition}\\s+Leader: 1\\s+Replicas: 1\\s+Isr: 1`));
  }
  assert.equal((await topicCommand(asked, "--list")).text.trim(), TOPIC);
}

async function describeConfigs(asked: Asked): Promise<void> {
  const args = ["--bootstrap-server", asked.broker.bootstrapServers, "--describe", "--all"];
  const topic = await kafkaTool(asked, "kafka.admin.ConfigCommand", [
    ...args,
    "--entity-type",
    "topics",
    "--entity-name",
    TOPIC,
  ]);
  assert.match(topic.text, /segment.bytes=2097152 .*DYNAMIC_TOPIC_CONFIG/);
  assert.match(topic.text, /cleanup.policy=delete .*DEFAULT_CONFIG/);
  const node = await kafkaTool(asked, "kafka.admin.ConfigCommand", [
    ...args,
    "--entity-type",
    "brokers",
    "--entity-name",
    "1",
  ]);
  assert.match(node.text, /num.partitions=1 /);
}

/** By partition. */
async function offsetsOf(asked: Asked, time: string): Promise<number[]> {
  const args = ["--bootstrap-server", asked.broker.bootstrapServers, "--topic", TOPIC, "--time", time];
  const { text } = await kafkaTool(asked, "GetOffsetShell", args);
  return text.trim().split("\n").map((line) => Number(line.split(":")[2]));
}

async function produceAndCount(asked: Asked): Promise<void> {
  const produced = await kafkaTool(asked, "ProducerPerformance", [
    ...["--topic", TOPIC, "--num-records", "20000", "--record-size", "200", "--throughput", "-1"],
    ...["--producer-props", `bootstrap.servers=${asked.broker.bootstrapServers}`, "acks=all", "compression.type=lz4"],
  ]);
  assert.match(produced.text, /^20000 records sent/m);
  const latest = await offsetsOf(asked, "latest");
  assert.equal(latest.length, 4);
  assert.equal(latest.reduce((sum, offset) => sum + offset), 20_000);
  assert.deepEqual(await offsetsOf(asked, "earliest"), [0, 0, 0, 0]);
  const newest = await offsetsOf(asked, "max-timestamp");
  assert(
    newest.some((offset, partition) => offset >= 0 && offset < latest[partition]!),
    "records with the newest timestamp",
  );
}

/** The sticky partitioner of the producer may have written to some partitions only; its ids and sequences are those of one producer. */
async function describeProducers(asked: Asked): Promise<void> {
  const describe = async (topic: string, partition: number) => {
    const args = ["--bootstrap-server", asked.broker.bootstrapServers, "describe-producers"];
    const { text } = await kafkaTool(asked, "TransactionsCommand", [
      ...args,
      ...["--topic", topic, "--partition", `${partition}`],
    ]);
    const [head, ...rows] = text.trim().split("\n");
    assert.match(
      head ?? "",
      /^ProducerId\s+ProducerEpoch\s+LatestCoordinatorEpoch\s+LastSequence\s+LastTimestamp/,
    );
    return rows.map((row) => row.trim().split(/\s+/));
  };
  const ends = await offsetsOf(asked, "latest");
  const ids = new Set<string>();
  for (const [partition, end] of ends.entries()) {
    const rows = await describe(TOPIC, partition);
    if (end === 0) {
      assert.deepEqual(rows, []);
      continue;
    }
    const [producerId, producerEpoch, coordinatorEpoch, lastSequence, lastTimestamp, transactionStart] = rows[0]!;
    assert.equal(rows.length, 1);
    ids.add(producerId!);
    assert.deepEqual([producerEpoch, coordinatorEpoch, transactionStart], ["0", "-1", "None"]);
    assert.equal(Number(lastSequence), end - 1, "the producer counts the records of a partition from 0");
    assert.ok(Math.abs(Date.now() - Number(lastTimestamp)) < 600_000, lastTimestamp);
  }
  assert.equal(ids.size, 1);
}

async function deleteRecords(asked: Asked): Promise<void> {
  const remove = async (partitions: readonly { partition: number; offset: number }[]) => {
    const file = `${asked.broker.dataDir}-delete.json`;
    const named = partitions.map((each) => ({ topic: TOPIC, ...each }));
    await Deno.writeTextFile(file, JSON.stringify({ partitions: named, version: 1 }));
    const args = ["--bootstrap-server", asked.broker.bootstrapServers, "--offset-json-file", file];
    return await kafkaTool(asked, "DeleteRecordsCommand", args);
  };
  const ends = await offsetsOf(asked, "latest");
  const partition = ends.findIndex((end) => end > 2);
  const removed = await remove([{ partition, offset: 2 }, { partition: (partition + 1) % 4, offset: -1 }]);
  assert.match(removed.text, new RegExp(`partition: tools-${partition}\\s+low_watermark: 2`));
  const expected = [0, 0, 0, 0];
  expected[partition] = 2;
  expected[(partition + 1) % 4] = ends[(partition + 1) % 4]!;
  assert.deepEqual(await offsetsOf(asked, "earliest"), expected);
  assert.deepEqual(await offsetsOf(asked, "latest"), ends);
  const refused = await remove([{ partition, offset: 10 ** 9 }]);
  assert.match(refused.text, /OffsetOutOfRange/);
}

async function addPartitions(asked: Asked): Promise<void> {
  const grown = await topicCommand(asked, "--alter", "--topic", TOPIC, "--partitions", "6");
  assert.equal(grown.code, 0, grown.text);
  const chosen = await topicCommand(
    asked,
    ...["--alter", "--topic", TOPIC, "--partitions", "7"],
    ...["--replica-assignment", "1,1,1,1,1,1,1"],
  );
  assert.equal(chosen.code, 0, chosen.text);
  assert.match((await topicCommand(asked, "--describe", "--topic", TOPIC)).text, /PartitionCount: 7/);
  const fewer = await topicCommand(asked, "--alter", "--topic", TOPIC, "--partitions", "5");
  assert.match(fewer.text, /InvalidPartitions|would not be an increase/);
}

/** The JSON that kafka-log-dirs prints below two lines of text. */
interface PrintedLogDirs {
  readonly version: number;
  readonly brokers: readonly {
    readonly broker: number;
    readonly logDirs: readonly {
      readonly error: string | null;
      readonly logDir: string;
      readonly partitions: readonly { partition: string; size: number; offsetLag: number; isFuture: boolean }[];
    }[];
  }[];
}

async function logDirsCommand(asked: Asked, ...args: string[]): Promise<PrintedLogDirs> {
  const all = ["--bootstrap-server", asked.broker.bootstrapServers, "--describe", ...args];
  const { text } = await kafkaTool(asked, "LogDirsCommand", all);
  const json = text.split("\n").find((line) => line.startsWith("{"));
  assert(json !== undefined, text);
  return JSON.parse(json);
}

async function describeLogDirs(asked: Asked): Promise<void> {
  const bytesOf = (partition: number) => {
    const directory = `${asked.broker.dataDir}/${TOPIC}-${partition}`;
    const logs = [...Deno.readDirSync(directory)].filter(({ name }) => name.endsWith(".log"));
    return logs.reduce((sum, { name }) => sum + Deno.statSync(`${directory}/${name}`).size, 0);
  };
  const partitions = Array.from({ length: 7 }, (_, partition) => {
    return { partition: `${TOPIC}-${partition}`, size: bytesOf(partition), offsetLag: 0, isFuture: false };
  });
  assert(partitions.some(({ size }) => size > 0));
  const logDir = await Deno.realPath(asked.broker.dataDir);
  for (const args of [[], ["--topic-list", TOPIC], ["--topic-list", `absent,${TOPIC}`, "--broker-list", "1"]]) {
    const printed = await logDirsCommand(asked, ...args);
    const sorted = printed.brokers[0]?.logDirs[0]?.partitions.toSorted((a, b) => a.partition < b.partition ? -1 : 1);
    assert.deepEqual(sorted, partitions, args.join(" "));
    const rest = {
      broker: 1,
      logDirs: [{ error: null, logDir, partitions: printed.brokers[0]?.logDirs[0]?.partitions }],
    };
    assert.deepEqual(printed, { version: 1, brokers: [rest] });
  }
  const none = await logDirsCommand(asked, "--topic-list", "absent");
  assert.deepEqual(none.brokers[0]?.logDirs, [{ error: null, logDir, partitions: [] }]);
}

/** kafka-configs on one entity. */
function configCommand(asked: Asked, [type, name]: [string, string], ...args: string[]) {
  const entity = ["--entity-type", type, "--entity-name", name];
  return kafkaTool(asked, "kafka.admin.ConfigCommand", [
    "--bootstrap-server",
    asked.broker.bootstrapServers,
    ...entity,
    ...args,
  ]);
}

async function alterTopic(asked: Asked): Promise<void> {
  const topic: [string, string] = ["topics", TOPIC];
  const add = "retention.ms=3600000,cleanup.policy=[delete,compact]";
  const altered = await configCommand(asked, topic, "--alter", "--add-config", add);
  assert.match(altered.text, /Completed updating config for topic tools/);
  const { text } = await configCommand(asked, topic, "--describe");
  assert.match(text, /retention.ms=3600000 .*DYNAMIC_TOPIC_CONFIG:retention.ms=3600000/);
  assert.match(text, /cleanup.policy=delete,compact /);
  assert.match(text, /segment.bytes=2097152 /, "what was not named stays");
  const removed = await configCommand(asked, topic, "--alter", "--delete-config", "retention.ms,cleanup.policy");
  assert.match(removed.text, /Completed updating/);
  assert.doesNotMatch((await configCommand(asked, topic, "--describe")).text, /retention.ms|cleanup.policy/);
  const wrong = await configCommand(asked, topic, "--alter", "--add-config", "segment.bytes=abc");
  assert.match(wrong.text, /InvalidConfiguration|Invalid value abc/);
  const unknown = await configCommand(asked, ["topics", "no-such"], "--alter", "--add-config", "segment.ms=1");
  assert.match(unknown.text, /no-such|UnknownTopicOrPartition/);
}

async function alterGroup(asked: Asked): Promise<void> {
  const group: [string, string] = ["groups", "a group"];
  const altered = await configCommand(asked, group, "--alter", "--add-config", "consumer.session.timeout.ms=50000");
  assert.match(altered.text, /Completed updating config for group a group/);
  assert.match(
    (await configCommand(asked, group, "--describe")).text,
    /consumer.session.timeout.ms=50000 .*DYNAMIC_GROUP_CONFIG:.*DEFAULT_CONFIG:group.consumer.session.timeout.ms=45000/,
  );
  const beyond = await configCommand(asked, group, "--alter", "--add-config", "consumer.session.timeout.ms=90000");
  assert.match(beyond.text, /less than or equal to group.consumer.max.session.timeout.ms/);
  const removed = await configCommand(asked, group, "--alter", "--delete-config", "consumer.session.timeout.ms");
  assert.match(removed.text, /Completed updating/);
}

async function alterBroker(asked: Asked): Promise<void> {
  const refused = await configCommand(asked, ["brokers", "1"], "--alter", "--add-config", "num.partitions=3");
  assert.match(refused.text, /Cannot update these configs dynamically/);
}

async function listApiVersions(asked: Asked): Promise<void> {
  const tool = "BrokerApiVersionsCommand";
  const { text } = await kafkaTool(asked, tool, ["--bootstrap-server", asked.broker.bootstrapServers]);
  assert.match(text, /Produce\(0\): 0 to \d+ \[usable: /);
  using wire = await connect(asked.broker);
  for (const key of (await wire.apiVersions()).keys()) assert.match(text, new RegExp(`\\(${key}\\): `));
}

/** What Kafka does as well: tools/cluster_sessions.ts. */
async function refuseWhatIsAbsent(asked: Asked): Promise<void> {
  const at = ["--bootstrap-server", asked.broker.bootstrapServers];
  const refusals: [tool: string, words: string[], sentence: RegExp][] = [
    ["ClusterTool", ["unregister", ...at, "--id", "1"], /Broker 1 is running: stop it first, and unregister it when/],
    [
      "FeatureCommand",
      [...at, "disable", "--feature", "group.version"],
      /Local controller 1 only supports versions 1$/m,
    ],
    ["FeatureCommand", [...at, "downgrade", "--metadata", "4.0"], /Local controller 1 only supports versions 30$/m],
    ["TransactionsCommand", [...at, "describe", "--transactional-id", "t"], /failed due to authorization failure/],
    [
      "MetadataQuorumCommand",
      [...at, "remove-controller", "-i", "1", "-d", CONTROLLER],
      /does not support REMOVE_RAFT/,
    ],
  ];
  for (const [tool, words, sentence] of refusals) {
    const { code, text } = await kafkaTool(asked, tool, words);
    assert.match(text, sentence);
    assert.equal(code, 1, text);
  }
}

async function deleteTopic(asked: Asked): Promise<void> {
  assert.equal((await topicCommand(asked, "--delete", "--topic", TOPIC)).code, 0);
  assert.equal((await topicCommand(asked, "--list")).text.trim(), "");
  const gone = await topicCommand(asked, "--describe", "--topic", TOPIC);
  assert.equal(gone.code, 1);
  assert.match(gone.text, /does not exist/);
}
