/**
 * Apache Kafka's command-line tools for topics, run against the broker: kafka-topics, kafka-configs,
 * kafka-delete-records, kafka-get-offsets, kafka-log-dirs, kafka-transactions, kafka-broker-api-versions, kafka-producer-perf-test.
 * (Client libraries' admin calls: clients_test.ts.)
 */
import assert from "node:assert/strict";
import { kafkaTool } from "../../bench/peer/apache_kafka.ts";
import { connect, startTestBroker, temporaryDirectory, type TestBroker } from "./broker.ts";
import { interopTest } from "./toolchain.ts";

interopTest({
  name: "admin tools: topics are created, described, measured and deleted by Apache Kafka's own tools",
  needs: ["kafka"],
  async fn(context) {
    using directory = temporaryDirectory();
    await using broker = await startTestBroker({ dataDir: directory.path });
    const steps: [string, (broker: TestBroker) => Promise<void>][] = [
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
      ["kafka-topics deletes", deleteTopic],
    ];
    for (const [name, step] of steps) await context.step(name, () => step(broker));
  },
});

const TOPIC = "tools";

async function topicCommand(broker: TestBroker, ...args: string[]) {
  return await kafkaTool("TopicCommand", ["--bootstrap-server", broker.bootstrapServers, ...args]);
}

async function createTopic(broker: TestBroker): Promise<void> {
  const args = ["--create", "--topic", TOPIC, "--partitions", "4", "--replication-factor", "1"];
  const configs = ["--config", "segment.bytes=2097152", "--config", "retention.ms=86400000"];
  const first = await topicCommand(broker, ...args, ...configs);
  assert.match(first.stdout, /Created topic tools/, first.stderr);
  const again = await topicCommand(broker, ...args);
  assert.equal(again.code, 1);
  assert.match(again.stdout + again.stderr, /already exists/);
  const tooMany = await topicCommand(broker, "--create", "--topic", "x", "--replication-factor", "3");
  assert.match(tooMany.stdout + tooMany.stderr, /replication factor|InvalidReplicationFactor/i);
  const badConfig = await topicCommand(broker, "--create", "--topic", "y", "--config", "segment.bytes=abc");
  assert.match(badConfig.stdout + badConfig.stderr, /InvalidConfiguration|Invalid value|Not a number/i);
}

async function describeTopic(broker: TestBroker): Promise<void> {
  const { stdout } = await topicCommand(broker, "--describe", "--topic", TOPIC);
  assert.match(stdout, /PartitionCount: 4\s+ReplicationFactor: 1/);
  assert.match(stdout, /segment.bytes=2097152/);
  assert.match(stdout, /retention.ms=86400000/);
  for (const partition of [0, 1, 2, 3]) {
    assert.match(stdout, new RegExp(`Partition: ${partition}\\s+Leader: 1\\s+Replicas: 1\\s+Isr: 1`));
  }
  assert.equal((await topicCommand(broker, "--list")).stdout.trim(), TOPIC);
}

async function describeConfigs(broker: TestBroker): Promise<void> {
  const args = ["--bootstrap-server", broker.bootstrapServers, "--describe", "--all"];
  const topic = await kafkaTool("kafka.admin.ConfigCommand", [
    ...args,
    "--entity-type",
    "topics",
    "--entity-name",
    TOPIC,
  ]);
  assert.match(topic.stdout, /segment.bytes=2097152 .*DYNAMIC_TOPIC_CONFIG/);
  assert.match(topic.stdout, /cleanup.policy=delete .*DEFAULT_CONFIG/);
  const node = await kafkaTool("kafka.admin.ConfigCommand", [
    ...args,
    "--entity-type",
    "brokers",
    "--entity-name",
    "1",
  ]);
  assert.match(node.stdout, /num.partitions=1 /);
}

/** By partition. */
async function offsetsOf(broker: TestBroker, time: string): Promise<number[]> {
  const args = ["--bootstrap-server", broker.bootstrapServers, "--topic", TOPIC, "--time", time];
  const { stdout } = await kafkaTool("GetOffsetShell", args);
  return stdout.trim().split("\n").map((line) => Number(line.split(":")[2]));
}

async function produceAndCount(broker: TestBroker): Promise<void> {
  const produced = await kafkaTool("ProducerPerformance", [
    ...["--topic", TOPIC, "--num-records", "20000", "--record-size", "200", "--throughput", "-1"],
    ...["--producer-props", `bootstrap.servers=${broker.bootstrapServers}`, "acks=all", "compression.type=lz4"],
  ]);
  assert.match(produced.stdout, /^20000 records sent/m, produced.stderr);
  const latest = await offsetsOf(broker, "latest");
  assert.equal(latest.length, 4);
  assert.equal(latest.reduce((sum, offset) => sum + offset), 20_000);
  assert.deepEqual(await offsetsOf(broker, "earliest"), [0, 0, 0, 0]);
  const newest = await offsetsOf(broker, "max-timestamp");
  assert(
    newest.some((offset, partition) => offset >= 0 && offset < latest[partition]!),
    "records with the newest timestamp",
  );
}

/** The sticky partitioner of the producer may have written to some partitions only; its ids and sequences are those of one producer. */
async function describeProducers(broker: TestBroker): Promise<void> {
  const describe = async (topic: string, partition: number) => {
    const args = ["--bootstrap-server", broker.bootstrapServers, "describe-producers"];
    const { stdout, stderr } = await kafkaTool("TransactionsCommand", [
      ...args,
      ...["--topic", topic, "--partition", `${partition}`],
    ]);
    const [head, ...rows] = stdout.trim().split("\n");
    assert.match(
      head ?? "",
      /^ProducerId\s+ProducerEpoch\s+LatestCoordinatorEpoch\s+LastSequence\s+LastTimestamp/,
      stderr,
    );
    return rows.map((row) => row.trim().split(/\s+/));
  };
  const ends = await offsetsOf(broker, "latest");
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

async function deleteRecords(broker: TestBroker): Promise<void> {
  const remove = async (partitions: readonly { partition: number; offset: number }[]) => {
    const file = `${broker.dataDir}-delete.json`;
    const named = partitions.map((each) => ({ topic: TOPIC, ...each }));
    await Deno.writeTextFile(file, JSON.stringify({ partitions: named, version: 1 }));
    const args = ["--bootstrap-server", broker.bootstrapServers, "--offset-json-file", file];
    return await kafkaTool("DeleteRecordsCommand", args);
  };
  const ends = await offsetsOf(broker, "latest");
  const partition = ends.findIndex((end) => end > 2);
  const removed = await remove([{ partition, offset: 2 }, { partition: (partition + 1) % 4, offset: -1 }]);
  assert.match(removed.stdout, new RegExp(`partition: tools-${partition}\\s+low_watermark: 2`), removed.stderr);
  const expected = [0, 0, 0, 0];
  expected[partition] = 2;
  expected[(partition + 1) % 4] = ends[(partition + 1) % 4]!;
  assert.deepEqual(await offsetsOf(broker, "earliest"), expected);
  assert.deepEqual(await offsetsOf(broker, "latest"), ends);
  const refused = await remove([{ partition, offset: 10 ** 9 }]);
  assert.match(refused.stdout + refused.stderr, /OffsetOutOfRange/);
}

async function addPartitions(broker: TestBroker): Promise<void> {
  const grown = await topicCommand(broker, "--alter", "--topic", TOPIC, "--partitions", "6");
  assert.equal(grown.code, 0, grown.stdout + grown.stderr);
  const chosen = await topicCommand(
    broker,
    ...["--alter", "--topic", TOPIC, "--partitions", "7"],
    ...["--replica-assignment", "1,1,1,1,1,1,1"],
  );
  assert.equal(chosen.code, 0, chosen.stdout + chosen.stderr);
  assert.match((await topicCommand(broker, "--describe", "--topic", TOPIC)).stdout, /PartitionCount: 7/);
  const fewer = await topicCommand(broker, "--alter", "--topic", TOPIC, "--partitions", "5");
  assert.match(fewer.stdout + fewer.stderr, /InvalidPartitions|would not be an increase/);
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

async function logDirsCommand(broker: TestBroker, ...args: string[]): Promise<PrintedLogDirs> {
  const all = ["--bootstrap-server", broker.bootstrapServers, "--describe", ...args];
  const { stdout, stderr } = await kafkaTool("LogDirsCommand", all);
  const json = stdout.split("\n").find((line) => line.startsWith("{"));
  assert(json !== undefined, stdout + stderr);
  return JSON.parse(json);
}

async function describeLogDirs(broker: TestBroker): Promise<void> {
  const bytesOf = (partition: number) => {
    const directory = `${broker.dataDir}/${TOPIC}-${partition}`;
    const logs = [...Deno.readDirSync(directory)].filter(({ name }) => name.endsWith(".log"));
    return logs.reduce((sum, { name }) => sum + Deno.statSync(`${directory}/${name}`).size, 0);
  };
  const partitions = Array.from({ length: 7 }, (_, partition) => {
    return { partition: `${TOPIC}-${partition}`, size: bytesOf(partition), offsetLag: 0, isFuture: false };
  });
  assert(partitions.some(({ size }) => size > 0));
  const logDir = await Deno.realPath(broker.dataDir);
  for (const args of [[], ["--topic-list", TOPIC], ["--topic-list", `absent,${TOPIC}`, "--broker-list", "1"]]) {
    const printed = await logDirsCommand(broker, ...args);
    const sorted = printed.brokers[0]?.logDirs[0]?.partitions.toSorted((a, b) => a.partition < b.partition ? -1 : 1);
    assert.deepEqual(sorted, partitions, args.join(" "));
    const rest = {
      broker: 1,
      logDirs: [{ error: null, logDir, partitions: printed.brokers[0]?.logDirs[0]?.partitions }],
    };
    assert.deepEqual(printed, { version: 1, brokers: [rest] });
  }
  const none = await logDirsCommand(broker, "--topic-list", "absent");
  assert.deepEqual(none.brokers[0]?.logDirs, [{ error: null, logDir, partitions: [] }]);
}

/** kafka-configs on one entity. */
function configCommand(broker: TestBroker, [type, name]: [string, string], ...args: string[]) {
  const entity = ["--entity-type", type, "--entity-name", name];
  return kafkaTool("kafka.admin.ConfigCommand", ["--bootstrap-server", broker.bootstrapServers, ...entity, ...args]);
}

async function alterTopic(broker: TestBroker): Promise<void> {
  const topic: [string, string] = ["topics", TOPIC];
  const add = "retention.ms=3600000,cleanup.policy=[delete,compact]";
  const altered = await configCommand(broker, topic, "--alter", "--add-config", add);
  assert.match(altered.stdout, /Completed updating config for topic tools/, altered.stderr);
  const { stdout } = await configCommand(broker, topic, "--describe");
  assert.match(stdout, /retention.ms=3600000 .*DYNAMIC_TOPIC_CONFIG:retention.ms=3600000/);
  assert.match(stdout, /cleanup.policy=delete,compact /);
  assert.match(stdout, /segment.bytes=2097152 /, "what was not named stays");
  const removed = await configCommand(broker, topic, "--alter", "--delete-config", "retention.ms,cleanup.policy");
  assert.match(removed.stdout, /Completed updating/, removed.stderr);
  assert.doesNotMatch((await configCommand(broker, topic, "--describe")).stdout, /retention.ms|cleanup.policy/);
  const wrong = await configCommand(broker, topic, "--alter", "--add-config", "segment.bytes=abc");
  assert.match(wrong.stdout + wrong.stderr, /InvalidConfiguration|Invalid value abc/);
  const unknown = await configCommand(broker, ["topics", "no-such"], "--alter", "--add-config", "segment.ms=1");
  assert.match(unknown.stdout + unknown.stderr, /no-such|UnknownTopicOrPartition/);
}

async function alterGroup(broker: TestBroker): Promise<void> {
  const group: [string, string] = ["groups", "a group"];
  const altered = await configCommand(broker, group, "--alter", "--add-config", "consumer.session.timeout.ms=50000");
  assert.match(altered.stdout, /Completed updating config for group a group/, altered.stderr);
  assert.match(
    (await configCommand(broker, group, "--describe")).stdout,
    /consumer.session.timeout.ms=50000 .*DYNAMIC_GROUP_CONFIG:.*DEFAULT_CONFIG:group.consumer.session.timeout.ms=45000/,
  );
  const beyond = await configCommand(broker, group, "--alter", "--add-config", "consumer.session.timeout.ms=90000");
  assert.match(beyond.stdout + beyond.stderr, /less than or equal to group.consumer.max.session.timeout.ms/);
  const removed = await configCommand(broker, group, "--alter", "--delete-config", "consumer.session.timeout.ms");
  assert.match(removed.stdout, /Completed updating/, removed.stderr);
}

async function alterBroker(broker: TestBroker): Promise<void> {
  const refused = await configCommand(broker, ["brokers", "1"], "--alter", "--add-config", "num.partitions=3");
  assert.match(refused.stdout + refused.stderr, /Cannot update these configs dynamically/);
}

async function listApiVersions(broker: TestBroker): Promise<void> {
  const tool = "BrokerApiVersionsCommand";
  const { stdout } = await kafkaTool(tool, ["--bootstrap-server", broker.bootstrapServers]);
  assert.match(stdout, /Produce\(0\): 0 to \d+ \[usable: /);
  using wire = await connect(broker);
  for (const key of (await wire.apiVersions()).keys()) assert.match(stdout, new RegExp(`\\(${key}\\): `));
}

async function deleteTopic(broker: TestBroker): Promise<void> {
  assert.equal((await topicCommand(broker, "--delete", "--topic", TOPIC)).code, 0);
  assert.equal((await topicCommand(broker, "--list")).stdout.trim(), "");
  const gone = await topicCommand(broker, "--describe", "--topic", TOPIC);
  assert.equal(gone.code, 1);
  assert.match(gone.stdout + gone.stderr, /does not exist/);
}
