/**
 * Retention of a running broker: by time and size, with settings that change at run time, on an older directory, under a fetch, and
 * over kills.
 */
import { strict as assert } from "node:assert";
import { join } from "node:path";
import { errorCode } from "../net/protocol/error_codes.ts";
import { fetchRequest, fetchResponse } from "../net/protocol/messages/01_fetch.ts";
import { BrokerProcess } from "./broker_process.ts";
import { KafkaClient } from "./kafka_client.ts";
import { buildBatch } from "./record_batch_builder.ts";
import { withDirectory } from "./temporary_directory.ts";
import { appendBatch, configure, create, EARLIEST, fetchOf, listOffset } from "./topic_requests.ts";

const CHECK_MS = 200;
/** Time after which something that does not happen is a failure. */
const PATIENCE_MS = 30_000;
const HOUR_MS = 3_600_000;

const overrides = {
  "log.initial.task.delay.ms": "0",
  "log.retention.check.interval.ms": String(CHECK_MS),
  "log.message.timestamp.before.max.ms": "9223372036854775807",
  "log.message.timestamp.after.max.ms": "9223372036854775807",
  "log.segment.delete.delay.ms": "0",
  "log.segment.bytes": "1048576",
};
/** Two records fill a segment. */
const RECORD_BYTES = 500_000;

/** Appends one large record. @returns its offset */
async function append(client: KafkaClient, topic: string, timestamp: number): Promise<number> {
  const records = buildBatch([{ value: "x".repeat(RECORD_BYTES), timestamp }], { baseTimestamp: timestamp });
  const [code, baseOffset] = await appendBatch(client, [topic, 0], records);
  assert.equal(code, errorCode.NONE);
  return baseOffset;
}

async function offsetAt(client: KafkaClient, topic: string, timestamp: number): Promise<number> {
  return (await listOffset(client, [topic, 0], timestamp))[1];
}

/** Waits until a condition holds; each look takes a round trip to the broker, which makes time pass. */
async function until(holds: () => Promise<boolean>, what: string): Promise<void> {
  for (const endMs = performance.now() + PATIENCE_MS; !await holds();) {
    if (performance.now() > endMs) throw new Error(`Waited too long: ${what}`);
  }
}

const startsAt = (client: KafkaClient, topic: string, offset: number) =>
  until(async () => await offsetAt(client, topic, EARLIEST) === offset, `${topic} starts at ${offset}`);

function filesOf(dataDir: string, topic: string): string[] {
  return [...Deno.readDirSync(join(dataDir, `${topic}-0`))].map(({ name }) => name).filter((name) =>
    name.includes(".log")
  ).sort();
}

Deno.test("a broker removes old segments by the topic's rules, which count as they are now, and unlinks their files", () =>
  withDirectory(async (dataDir) => {
    await using broker = await BrokerProcess.start({ dataDir, overrides });
    using client = await KafkaClient.connect(broker);
    // Nothing is removed while it is written: the log would roll in between, and the segments would be others.
    for (const topic of ["t", "forever"]) await create(client, topic, 1, { "retention.ms": "-1" });
    const now = Date.now();
    for (const age of [3, 3, 2, 2, 0.5, 0.5, 0.1]) {
      for (const topic of ["t", "forever"]) await append(client, topic, now - age * HOUR_MS);
    }
    await configure(client, "t", { "retention.ms": String(HOUR_MS) });
    await startsAt(client, "t", 4);
    assert.equal(await offsetAt(client, "forever", EARLIEST), 0);
    await until(
      () => Promise.resolve(filesOf(dataDir, "t").length === 2),
      "files of the removed segments are unlinked",
    );
    assert.equal(filesOf(dataDir, "forever").length, 4);

    await configure(client, "forever", { "retention.bytes": String(2 * RECORD_BYTES) });
    await startsAt(client, "forever", 4);
    await configure(client, "t", { "retention.ms": "0" });
    await startsAt(client, "t", 7);
    assert.equal(await append(client, "t", now + HOUR_MS), 7, "offsets continue");
    const words = await broker.stop();
    assert.match(
      words,
      /t-0: retention removes .* below offset 4, because their records are older than retention\.ms=3600000/,
    );
    assert.match(
      words,
      /forever-0: retention removes 2 segments below offset 4, because the log is larger than retention\.bytes=/,
    );
    assert.ok(!words.includes("To keep them"), "a new directory needs no announcement");
  }));

Deno.test("the first start on an older directory announces what goes, waits an interval, and does so again if it is stopped before", () =>
  withDirectory(async (dataDir) => {
    const keeping = { ...overrides, "log.initial.task.delay.ms": String(24 * HOUR_MS) };
    const old = Date.now() - 30 * 24 * HOUR_MS;
    {
      await using broker = await BrokerProcess.start({ dataDir, overrides: keeping });
      using client = await KafkaClient.connect(broker);
      await create(client, "orders");
      for (let count = 0; count < 5; count++) await append(client, "orders", old);
    }
    Deno.removeSync(join(dataDir, "barnabas-retention"));
    const slow = { ...overrides, "log.retention.check.interval.ms": String(HOUR_MS) };
    for (let start = 0; start < 2; start++) {
      const broker = await BrokerProcess.start({ dataDir, overrides: slow });
      {
        using client = await KafkaClient.connect(broker);
        await broker.hasSaid("Topic orders:");
        assert.equal(await offsetAt(client, "orders", EARLIEST), 0);
      }
      const words = await broker.stop();
      assert.match(
        words,
        /Topic orders: retention removes 3 segments \(2\.5 MB\) of 1 partition in 60 min \(retention\.ms=604800000\)\. To keep them: kafka-configs\.sh --bootstrap-server 127\.0\.0\.1:\d+ --alter --entity-type topics --entity-name orders --add-config retention\.ms=-1/,
      );
    }
    const broker = await BrokerProcess.start({ dataDir, overrides });
    {
      using client = await KafkaClient.connect(broker);
      await startsAt(client, "orders", 5);
    }
    assert.match(await broker.stop(), /Topic orders: retention removes 3 segments/);
    const last = await BrokerProcess.start({ dataDir, overrides });
    assert.ok(!(await last.stop()).includes("To keep them"), "announced once it was carried out");
  }));

Deno.test("a start that finds a copied partition directory announces what goes, and so does the next one, until it has gone", () =>
  withDirectory(async (dataDir) => {
    const source = join(dataDir, "source");
    const target = join(dataDir, "target");
    const slow = { ...overrides, "log.retention.check.interval.ms": String(HOUR_MS) };
    {
      const keeping = { ...overrides, "log.initial.task.delay.ms": String(24 * HOUR_MS) };
      await using broker = await BrokerProcess.start({ dataDir: source, overrides: keeping });
      using client = await KafkaClient.connect(broker);
      await create(client, "copied");
      for (let count = 0; count < 3; count++) await append(client, "copied", Date.now() - 30 * 24 * HOUR_MS);
    }
    assert.ok(
      !(await (await BrokerProcess.start({ dataDir: target, overrides: slow })).stop()).includes("To keep them"),
    );
    Deno.renameSync(join(source, "copied-0"), join(target, "copied-0"));
    for (let start = 0; start < 2; start++) {
      const broker = await BrokerProcess.start({ dataDir: target, overrides: slow });
      await broker.hasSaid("Topic copied:");
      assert.match(await broker.stop(), /Topic copied: retention removes 2 segments .* To keep them: /);
    }
    const broker = await BrokerProcess.start({ dataDir: target, overrides });
    {
      using client = await KafkaClient.connect(broker);
      await startsAt(client, "copied", 3);
    }
    await broker.stop();
    assert.ok(
      !(await (await BrokerProcess.start({ dataDir: target, overrides: slow })).stop()).includes("To keep them"),
    );
  }));

Deno.test("a fetch that began before its segment was removed gets the whole answer", () =>
  withDirectory(async (dataDir) => {
    await using broker = await BrokerProcess.start({ dataDir, overrides, shards: 1 });
    using client = await KafkaClient.connect(broker);
    using other = await KafkaClient.connect(broker);
    await create(client, "t", 1, { "retention.ms": "-1" });
    const old = Date.now() - 3 * HOUR_MS;
    for (let count = 0; count < 21; count++) await append(client, "t", old);
    // Answers that nobody reads: the broker holds leases on their segments.
    for (let offset = 0; offset < 20; offset += 2) {
      const fetch = fetchOf(["t", 0], offset, 2 * RECORD_BYTES + 200);
      await other.send(fetchRequest, 12, { ...fetch, maxBytes: 1 << 30 });
    }
    await configure(client, "t", { "retention.ms": "1000" });
    await startsAt(client, "t", 21);
    await until(() => Promise.resolve(filesOf(dataDir, "t").length === 1), "files are unlinked");
    for (let offset = 0; offset < 20; offset += 2) {
      const answer = await other.receive(fetchResponse, 12);
      const partition = answer?.response.responses[0]?.partitions[0];
      const isWhole = (partition?.records?.length ?? 0) > 2 * RECORD_BYTES;
      assert.ok(
        isWhole || partition?.errorCode === errorCode.OFFSET_OUT_OF_RANGE,
        `${offset}: ${partition?.errorCode}`,
      );
      if (offset === 0) assert.ok(isWhole, "the first fetch was served before");
    }
  }));
