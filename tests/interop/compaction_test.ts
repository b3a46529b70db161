/**
 * Compaction here against Apache Kafka's own cleaner: the same input into both leaves the same records, DumpLogSegments finds nothing
 * wrong with the files, and each finishes what the other one left half-way. BARNABAS_SEED replays the input.
 */
import assert from "node:assert/strict";
import { type ApacheKafka, startApacheKafka } from "../../bench/peer/apache_kafka.ts";
import { waitFor } from "../../bench/peer/processes.ts";
import { cleaningOf, cleaningOrder } from "../../storage/cleaner/cleaning_orders.ts";
import { cleanLog } from "../../storage/cleaner/log_cleaning.ts";
import { startBroker } from "../../mod.ts";
import { linuxFileSystem as fs } from "../../storage/sys/file_system.ts";
import { KafkaClient } from "../kafka_client.ts";
import { errorCode } from "../../net/protocol/error_codes.ts";
import { openLog, testConfig } from "../log_fixture.ts";
import { configure, create, LATEST, listOffset } from "../topic_requests.ts";
import { compactedConfigs, type FoundRecord, readRecords, tableOf, upsert } from "../upserts.ts";
import { temporaryDirectory } from "./broker.ts";
import { dumpLogSegments } from "./dump_log.ts";
import { Random, withSeed } from "./random.ts";
import { interopTest } from "./toolchain.ts";

const TOPIC = "upserts";
const KEYS = 60;
const BATCHES = 250;
const codecs = ["none", "gzip", "snappy", "lz4", "zstd"] as const;
const configs = { ...compactedConfigs, "min.cleanable.dirty.ratio": "0", "internal.segment.bytes": "6000" };
const quick = { "log.cleaner.backoff.ms": "100", "log.initial.task.delay.ms": "100" };

/** The batches of a run, the same for every broker. */
function* input(seed: number) {
  const random = new Random(seed);
  for (let i = 0; i < BATCHES; i++) {
    const records = Array.from({ length: 1 + random.below(10) }, () => ({
      key: `key ${random.below(KEYS)}`,
      value: random.oneIn(12) ? null : `${i} `.repeat(1 + random.below(40)),
    }));
    yield { records, options: { codec: random.pick(codecs), baseTimestamp: Date.now() } };
  }
}

/** Writes the input. @returns the log end */
async function produce(port: number, seed: number): Promise<number> {
  using client = await KafkaClient.connect({ port });
  await create(client, TOPIC, 1, configs);
  // Apache Kafka answers before its broker leads the partition.
  await waitFor(
    "the topic is led",
    async () => (await listOffset(client, [TOPIC, 0], LATEST))[0] === errorCode.NONE || undefined,
  );
  for (const { records, options } of input(seed)) await upsert(client, TOPIC, records, options);
  const [code, end] = await listOffset(client, [TOPIC, 0], LATEST);
  assert.equal(code, errorCode.NONE);
  return end;
}

async function recordsAt(port: number): Promise<FoundRecord[]> {
  using client = await KafkaClient.connect({ port });
  return await readRecords(client, TOPIC);
}

const namesIn = (dataDir: string) => [...Deno.readDirSync(`${dataDir}/${TOPIC}-0`)].map(({ name }) => name).sort();

/** Waits until everything below the active segment is compacted. */
async function untilCompacted(dataDir: string): Promise<void> {
  await waitFor("the log is compacted", async () => {
    const active = Number(namesIn(dataDir).filter((name) => name.endsWith(".log")).at(-1)!.slice(0, 20));
    const text = await Deno.readTextFile(`${dataDir}/cleaner-offset-checkpoint`).catch(() => "");
    return text.includes(`${TOPIC} 0 ${active}\n`) || undefined;
  });
}

/** Every record is one that was written, and the table is as without compaction. */
function assertSubset(found: readonly FoundRecord[], written: readonly FoundRecord[]): void {
  const byOffset = new Map(written.map((record) => [record.offset, record]));
  for (const record of found) assert.deepEqual(record, byOffset.get(record.offset));
  assert.deepEqual(tableOf(found), tableOf(written));
}

/** Kafka keeps the log as it was produced until it is started with a cleaner. */
async function uncompacted(directory: string, seed: number): Promise<FoundRecord[]> {
  const properties = { "log.cleaner.enable": "false" };
  await using kafka = await startApacheKafka({ directory, properties });
  await produce(kafka.port, seed);
  return await recordsAt(kafka.port);
}

interopTest({
  name:
    "compaction: the same input leaves the same records in Apache Kafka and here, and its log tool has no complaint",
  needs: ["kafka"],
  fn: () =>
    withSeed(async (seed) => {
      using theirs = temporaryDirectory();
      using ours = temporaryDirectory();
      const kept: FoundRecord[][] = [];
      const directories: string[] = [];
      {
        await using kafka = await startApacheKafka({ directory: theirs.path, properties: quick });
        // Apache Kafka closes connections that read what it compacts at that moment.
        const end = await produce(kafka.port, seed);
        await untilCompacted(kafka.dataDir);
        kept.push(await recordsAt(kafka.port));
        directories.push(kafka.dataDir);
        assert.equal(kept[0]!.at(-1)!.offset, end - 1);
      }
      {
        await using broker = await startBroker({ port: 0, shards: 1, dataDir: ours.path, overrides: quick });
        await produce(broker.port, seed);
        assert.ok((await recordsAt(broker.port)).length > 0, "readers are served meanwhile");
        await untilCompacted(ours.path);
        kept.push(await recordsAt(broker.port));
        directories.push(ours.path);
      }
      assert.deepEqual(kept[1], kept[0]);
      assert.ok(kept[0]!.length < 5 * BATCHES * 0.6, `${kept[0]!.length} records are left`);
      for (const directory of directories) {
        assert.deepEqual((await dumpLogSegments(directory, { isCleaned: true })).complaints, []);
      }
    }),
});

interopTest({
  name: "compaction: what Apache Kafka left half-way is finished here",
  needs: ["kafka"],
  fn: (context) =>
    withSeed(async (seed) => {
      using directory = temporaryDirectory();
      const written = await uncompacted(directory.path, seed);
      const dataDir = `${directory.path}/data`;
      const before = `${directory.path}/before`;
      await copyDirectory(`${dataDir}/${TOPIC}-0`, before);
      const slow = { ...quick, "log.cleaner.io.max.bytes.per.second": "30000" };
      await context.step("killed while it wrote .cleaned files", async () => {
        await using kafka: ApacheKafka = await startApacheKafka({ directory: directory.path, properties: slow });
        await waitFor("a .cleaned file", () => namesIn(dataDir).some((name) => name.endsWith(".cleaned")) || undefined);
        await kafka.process.kill();
        assert.ok(namesIn(dataDir).some((name) => name.endsWith(".cleaned")), "the kill met the cleaner");
        await serveHalfWay(dataDir, written);
      });
      await context.step("killed after .swap files replaced the old ones in part", async () => {
        const after = `${directory.path}/after`;
        await copyDirectory(before, `${dataDir}/${TOPIC}-0`);
        {
          await using kafka = await startApacheKafka({ directory: directory.path, properties: quick });
          await untilCompacted(kafka.dataDir);
        }
        await copyDirectory(`${dataDir}/${TOPIC}-0`, after);
        for (const deletedBelow of [0, 3, 1000]) {
          await copyDirectory(before, `${dataDir}/${TOPIC}-0`);
          swapIn(`${dataDir}/${TOPIC}-0`, { after, deletedBelow });
          await serveHalfWay(dataDir, written);
        }
      });
    }),
});

/** Puts compacted segments beside the old ones, of which the first `deletedBelow` are renamed already, as Kafka's replaceSegments does. */
function swapIn(partition: string, { after, deletedBelow }: { after: string; deletedBelow: number }): void {
  const logs = (directory: string) =>
    [...Deno.readDirSync(directory)].map(({ name }) => name).filter((name) => name.endsWith(".log")).sort();
  const old = logs(partition).slice(0, -1);
  const active = logs(partition).at(-1)!;
  const isOf = (name: string, stem: string) => name.startsWith(stem) && /\.(log|index|timeindex|txnindex)$/.test(name);
  for (const name of old.slice(0, deletedBelow)) {
    for (const file of [...Deno.readDirSync(partition)].filter((file) => isOf(file.name, name.slice(0, 20)))) {
      Deno.renameSync(`${partition}/${file.name}`, `${partition}/${file.name}.deleted`);
    }
  }
  for (const name of logs(after).filter((name) => name < active)) {
    for (const file of [...Deno.readDirSync(after)].filter((file) => isOf(file.name, name.slice(0, 20)))) {
      Deno.copyFileSync(`${after}/${file.name}`, `${partition}/${file.name}.swap`);
    }
  }
}

/** Serves Kafka's directory here, and compacts it from its start. This broker does not read the configs that Kafka has stored. */
async function serveHalfWay(dataDir: string, written: readonly FoundRecord[]): Promise<void> {
  fs.remove(`${dataDir}/cleaner-offset-checkpoint`);
  await using broker = await startBroker({ port: 0, shards: 1, dataDir, overrides: quick });
  assert.deepEqual(namesIn(dataDir).filter((name) => /\.(swap|deleted)$/.test(name)), []);
  assertSubset(await recordsAt(broker.port), written);
  {
    using client = await KafkaClient.connect(broker);
    await configure(client, TOPIC, configs);
  }
  await untilCompacted(dataDir);
  assertSubset(await recordsAt(broker.port), written);
  await broker.close();
  assert.deepEqual((await dumpLogSegments(dataDir, { isCleaned: true })).complaints, []);
}

interopTest({
  name: "compaction: what was left half-way here is finished by Apache Kafka",
  needs: ["kafka"],
  fn: () =>
    withSeed(async (seed) => {
      using directory = temporaryDirectory();
      const written = await uncompacted(directory.path, seed);
      const partition = `${directory.path}/data/${TOPIC}-0`;
      const before = `${directory.path}/before`;
      await copyDirectory(partition, before);
      for (const steps of [0, 1, 3, 8, 20, 1000]) {
        await copyDirectory(before, partition);
        const isDone = compactHalfWay(partition, steps);
        assert.equal(isDone, steps === 1000);
        await using kafka = await startApacheKafka({
          directory: directory.path,
          properties: { "log.cleaner.enable": "false" },
        });
        const names = namesIn(kafka.dataDir).filter((name) => /\.(swap|cleaned)$/.test(name));
        assert.deepEqual(names, [], `after ${steps} steps`);
        assertSubset(await recordsAt(kafka.port), written);
      }
    }),
});

/** Compacts a log here, and stops after some steps of the swap. @returns whether it was done */
function compactHalfWay(partition: string, steps: number): boolean {
  const config = { ...testConfig, segmentBytes: 6000, compact: true, minCleanableDirtyRatio: 0 };
  using log = openLog(partition, { config, cleanShutdown: true });
  const terms = { config, lastStableOffset: log.logEndOffset, checkpointed: null, nowMs: Date.now() };
  const choice = cleaningOf(log.compacted, terms);
  assert.ok(choice !== null);
  const buffer = { dedupeBufferBytes: 1 << 21, dedupeLoadFactor: 0.9 };
  const order = cleaningOrder(log.compacted, choice, { ...terms, buffer });
  using cleaning = cleanLog({ ...order, segments: order.segments.map((s) => ({ ...s, modifiedMs: 0 })) }, { fs });
  while (cleaning.next());
  const swap = log.compacted.replaceSegments(cleaning.result.replacements, config);
  assert.ok(swap !== null);
  for (let step = 0; step < steps; step++) {
    const next = swap.next(1);
    if (next === "done") return true;
    if (next === "flush") fs.syncDirectory(partition);
  }
  return swap.isDone;
}

/** Makes a directory a copy of another. */
async function copyDirectory(from: string, to: string): Promise<void> {
  fs.remove(to);
  await Deno.mkdir(to);
  for await (const { name, isFile } of Deno.readDir(from)) {
    if (isFile) await Deno.copyFile(`${from}/${name}`, `${to}/${name}`);
  }
}
