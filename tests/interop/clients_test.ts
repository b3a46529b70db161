/**
 * Every client library writes into one partition, and every client library reads all of it and gets the same records. Then each creates,
 * describes and deletes a topic, and some change one. The programs are in clients/.
 */
import assert from "node:assert/strict";
import { assertSameLines } from "./lines.ts";
import { dumpLogSegments } from "./dump_log.ts";
import { connect, startTestBroker, temporaryDirectory, type TestBroker } from "./broker.ts";
import { clientLibraries as clients, RECORDS_PER_CODEC, writtenLines } from "./client_libraries.ts";
import { eachProves, isFeature, together } from "./matrix/matrix.ts";
import { interopTest } from "./toolchain.ts";

const TOPIC = "all-clients";

interopTest({
  name: "clients: what each library writes in each codec, each library reads",
  needs: [...new Set(clients.map((each) => each.need))],
  proves: together(
    ...clients.map(({ name, codecs, consumes }) =>
      eachProves([name], [
        "produce",
        "idempotence",
        ...codecs.filter(isFeature),
        ...consumes ? ["consume"] as const : [],
      ])
    ),
  ),
  async fn(context) {
    using directory = temporaryDirectory();
    await using broker = await startTestBroker({ dataDir: directory.path });
    await createTopic(broker, TOPIC);
    const expected: string[] = [];
    for (const { name, codecs, run } of clients) {
      const written = await context.step(`${name} writes`, async () => {
        await run(["produce", broker.bootstrapServers, TOPIC, codecs.join(","), String(RECORDS_PER_CODEC)]);
        expected.push(...writtenLines(name, codecs));
        assert.equal(await logEnd(broker, TOPIC), expected.length);
      });
      if (!written) return; // the offsets of the others would not match
    }
    const numbered = expected.map((line, offset) => `${offset}\t${line}`);
    for (const { name, run } of clients.filter((each) => each.consumes)) {
      await context.step(`${name} reads`, async () => {
        const printed = await run(["consume", broker.bootstrapServers, TOPIC, String(expected.length)]);
        assertSameLines(printed, numbered);
      });
    }
  },
});

interopTest({
  name: "clients: each compression.type stores what libraries write in each codec, and each library reads it",
  needs: [...new Set(clients.map((each) => each.need))],
  async fn(context) {
    using directory = temporaryDirectory();
    await using broker = await startTestBroker({ dataDir: directory.path });
    // Java and franz-go write in place of all: one in xerial streams of snappy, the other in bare blocks.
    const writers = clients.filter(({ name }) => ["java", "franz-go"].includes(name));
    const expected = writers.flatMap(({ name, codecs }) => writtenLines(name, codecs));
    const numbered = expected.map((line, offset) => `${offset}\t${line}`);
    const types = ["uncompressed", "gzip", "snappy", "lz4", "zstd"];
    for (const type of types) {
      const topic = `as-${type}`;
      await context.step(type, async () => {
        await createTopic(broker, topic, { "compression.type": type });
        for (const { codecs, run } of writers) {
          await run(["produce", broker.bootstrapServers, topic, codecs.join(","), String(RECORDS_PER_CODEC)]);
        }
        assert.equal(await logEnd(broker, topic), expected.length);
        for (const { codecs, consumes, run } of clients) {
          if (!consumes || (type !== "uncompressed" && !codecs.includes(type))) continue;
          const printed = await run(["consume", broker.bootstrapServers, topic, String(expected.length)]);
          assertSameLines(printed, numbered);
        }
      });
    }
    await broker.close();
    await context.step("DumpLogSegments finds the codec in every batch, and nothing to complain about", async () => {
      const verdict = await dumpLogSegments(broker.dataDir);
      assert.deepEqual(verdict.complaints, []);
      for (const type of types) {
        assert.deepEqual([...verdict.codecs.get(`as-${type}-0`) ?? []], [type === "uncompressed" ? "none" : type]);
      }
    });
  },
});

interopTest({
  name: "clients: each library creates, describes and deletes a topic",
  needs: [...new Set(clients.map((each) => each.need))],
  proves: eachProves(clients.map(({ name }) => name), ["topics"]),
  async fn(context) {
    using directory = temporaryDirectory();
    await using broker = await startTestBroker({ dataDir: directory.path });
    for (const { name, run } of clients) {
      await context.step(name, async () => {
        const printed = await run(["admin", broker.bootstrapServers, `admin-${name}`]);
        const expected = ["created", "duplicate", "partitions 3", "retention.ms 12345678", "deleted"];
        assert.deepEqual(printed.trimEnd().split("\n"), expected);
      });
    }
    using wire = await connect(broker);
    assert.deepEqual(await wire.topicNames(), []);
  },
});

interopTest({
  name: "clients: libraries add partitions, alter configs and delete records",
  needs: ["python", "node"],
  proves: eachProves(["confluent-kafka", "kafkajs"], ["configs"]),
  async fn(context) {
    using directory = temporaryDirectory();
    await using broker = await startTestBroker({ dataDir: directory.path });
    for (const { name, run } of clients.filter((each) => ["confluent-kafka", "kafkajs"].includes(each.name))) {
      await context.step(name, async () => {
        const topic = `change-${name}`;
        await createTopic(broker, topic);
        await run(["produce", broker.bootstrapServers, topic, "none", "10"]);
        const printed = await run(["change", broker.bootstrapServers, topic]);
        assert.deepEqual(printed.trimEnd().split("\n"), [
          "partitions 5",
          "retention.ms 7654321",
          "cleanup.policy delete,compact",
          "low watermark 2",
          "earliest 2",
        ]);
      });
    }
  },
});

interopTest({
  name:
    "clients: of a batch with records that a compacted topic refuses, each record gets its own error (librdkafka's test 0011)",
  needs: ["kafka", "python"],
  async fn(context) {
    using directory = temporaryDirectory();
    await using broker = await startTestBroker({ dataDir: directory.path });
    await createTopic(broker, "compacted", { "cleanup.policy": "compact" });
    const names = {
      java: { refused: "InvalidRecordException", other: "KafkaException" },
      "confluent-kafka": { refused: "INVALID_RECORD", other: "_INVALID_DIFFERENT_RECORD" },
    };
    for (const [library, { refused, other }] of Object.entries(names)) {
      const { run } = clients.find(({ name }) => name === library)!;
      for (const numbers of [[3], [0, 2, 9], [1, 2, 3, 4, 5, 6, 7, 8]]) {
        await context.step(`${library}, records ${numbers} without a key`, async () => {
          const printed = await run(["keyless", broker.bootstrapServers, "compacted", numbers.join(","), "10"]);
          // librdkafka reports the error of one record for its whole batch, also with Apache Kafka.
          const isOneForAll = library === "confluent-kafka" && numbers.length === 1;
          const result = (i: number) => isOneForAll || numbers.includes(i) ? refused : other;
          const expected = Array.from({ length: 10 }, (_, i) => `${i} ${result(i)}`);
          assert.deepEqual(printed.trimEnd().split("\n"), expected);
        });
      }
    }
    assert.equal(await logEnd(broker, "compacted"), 0);
  },
});

async function createTopic(broker: TestBroker, topic: string, configs: Record<string, string> = {}): Promise<void> {
  using wire = await connect(broker);
  await wire.createTopic(topic, 1, configs);
}

async function logEnd(broker: TestBroker, topic: string): Promise<number> {
  using wire = await connect(broker);
  return await wire.listOffset({ topic, partition: 0 }, -1);
}
