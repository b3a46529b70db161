/**
 * The command-line tools that people of Apache Kafka use on topics, run against the broker: kafka-topics, kafka-configs,
 * kafka-get-offsets, kafka-broker-api-versions, kafka-producer-perf-test. (Client libraries' admin calls: clients_test.ts.)
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

async function produceAndCount(broker: TestBroker): Promise<void> {
  const produced = await kafkaTool("ProducerPerformance", [
    ...["--topic", TOPIC, "--num-records", "20000", "--record-size", "200", "--throughput", "-1"],
    ...["--producer-props", `bootstrap.servers=${broker.bootstrapServers}`, "acks=all", "compression.type=lz4"],
  ]);
  assert.match(produced.stdout, /^20000 records sent/m, produced.stderr);
  const offsets = async (time: string) => {
    const args = ["--bootstrap-server", broker.bootstrapServers, "--topic", TOPIC, "--time", time];
    const { stdout } = await kafkaTool("GetOffsetShell", args);
    return stdout.trim().split("\n").map((line) => Number(line.split(":")[2]));
  };
  const latest = await offsets("latest");
  assert.equal(latest.length, 4);
  assert.equal(latest.reduce((sum, offset) => sum + offset), 20_000);
  assert.deepEqual(await offsets("earliest"), [0, 0, 0, 0]);
  const newest = await offsets("max-timestamp");
  assert(
    newest.some((offset, partition) => offset >= 0 && offset < latest[partition]!),
    "records with the newest timestamp",
  );
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
