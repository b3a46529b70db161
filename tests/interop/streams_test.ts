/**
 * Kafka Streams and Kafka Connect compute the right result on the broker: two instances of a word count, one of which is killed, and a
 * standalone worker that copies a file through a topic into another file. Both need more than groups: internal topics with configs,
 * deletion of records that a repartition topic no longer needs, changes and descriptions of configs.
 */
import assert from "node:assert/strict";
import { freePort, RunningProcess, waitFor } from "../../bench/peer/processes.ts";
import { batchesOf, recordsOfBatch, wireBatch } from "../../bench/peer/wire_bytes.ts";
import { NONE, WireClient } from "../../bench/peer/wire_client.ts";
import { KafkaClient } from "../kafka_client.ts";
import { configure } from "../topic_requests.ts";
import { compactedConfigs } from "../upserts.ts";
import { startTestBroker, temporaryDirectory, type TestBroker } from "./broker.ts";
import { interopTest, smallJvm } from "./toolchain.ts";
import { committedOffsets } from "./wire_groups.ts";

const PARTITIONS = 4;
const WORDS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"];

interopTest({
  name: "streams: a word count with two instances, one of them killed, counts every word",
  needs: ["java"],
  proves: { streams: ["produce", "consume", "classic", "topics"] },
  async fn() {
    using directory = temporaryDirectory();
    const overrides = { "group.min.session.timeout.ms": "6000" };
    await using broker = await startTestBroker({ dataDir: directory.path, overrides });
    using client = await WireClient.connect(broker.port);
    await client.createTopic("lines", PARTITIONS);
    await client.createTopic("counts", PARTITIONS);
    await writeLines(client, 100);
    const start = (name: string) =>
      startJava(`${directory.path}-${name}`, "WordCount", [
        ...[broker.bootstrapServers, "word-count", "lines", "counts"],
        `${directory.path}-${name}.state`,
      ]);
    await using first = start("first");
    await untilCounted(client, 100, first);
    await using second = start("second");
    await waitFor("the second instance runs", () => second.outputTail(1000).includes("state RUNNING") || undefined);
    await writeLines(client, 50);
    await untilCounted(client, 150, second);
    // It is killed after a commit: records after its last commit would be counted twice (at-least-once).
    await untilCommitted(client, "word-count");
    first.signal("SIGKILL");
    await writeLines(client, 50);
    await untilCounted(client, 200, second);
    await second.stop();
  },
});

interopTest({
  name: "streams: a table is restored from its compacted changelog, from zero, and counts on",
  needs: ["java"],
  async fn() {
    using directory = temporaryDirectory();
    const overrides = { "group.min.session.timeout.ms": "6000", "log.cleaner.backoff.ms": "100" };
    await using broker = await startTestBroker({ dataDir: directory.path, overrides });
    using client = await WireClient.connect(broker.port);
    await client.createTopic("lines", PARTITIONS);
    await client.createTopic("counts", PARTITIONS);
    const start = (name: string) =>
      startJava(`${directory.path}-${name}`, "WordCount", [
        ...[broker.bootstrapServers, "word-count", "lines", "counts"],
        `${directory.path}-${name}.state`,
      ]);
    {
      await using first = start("first");
      await writeLines(client, 50);
      await untilCounted(client, 50, first);
      const changelog = await compactChangelog(broker);
      await writeLines(client, 250);
      await untilCounted(client, 300, first);
      await untilCompacted(broker, changelog);
      await first.stop();
    }
    await using second = start("second");
    await writeLines(client, 50);
    await untilCounted(client, 350, second);
    await second.stop();
  },
});

/** Lets the changelog of the counts be compacted whenever a segment is full that takes a batch of a client. @returns its name */
async function compactChangelog(broker: TestBroker): Promise<string> {
  const names = [...Deno.readDirSync(broker.dataDir)].map(({ name }) => name);
  const changelog = names.find((name) => /-changelog-\d+$/.test(name))?.replace(/-\d+$/, "");
  assert(changelog !== undefined, "Streams made a changelog");
  using client = await KafkaClient.connect(broker);
  await configure(client, changelog, { ...compactedConfigs, "internal.segment.bytes": "20000" });
  return changelog;
}

/** Waits until partitions of a topic were compacted beyond their first records. */
async function untilCompacted(broker: TestBroker, topic: string): Promise<void> {
  await waitFor(`${topic} is compacted`, async () => {
    const text = await Deno.readTextFile(`${broker.dataDir}/cleaner-offset-checkpoint`).catch(() => "");
    return text.split("\n").some((line) => line.startsWith(`${topic} `) && Number(line.split(" ")[2]) > 50) ||
      undefined;
  });
}

/** Starts a program of clients/java or of the jars. */
function startJava(outputFile: string, program: string, args: readonly string[]): RunningProcess {
  const flags = ["-Xmx256m", "-Djava.awt.headless=true"];
  return new RunningProcess("java", smallJvm(...flags, program, ...args), {
    outputFile: `${outputFile}.txt`,
  });
}

/** Writes lines to each partition; line n of a partition has the first n % 10 + 1 words. */
async function writeLines(client: WireClient, count: number): Promise<void> {
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const records = Array.from({ length: count }, (_, n) => ({ value: bytesOf(WORDS.slice(0, n % 10 + 1).join(" ")) }));
    assert.equal((await client.produce({ topic: "lines", partition }, wireBatch(records))).errorCode, NONE);
  }
}

/** Waits until the last count of every word is right for this many lines per partition; with a lost or doubled line it never is. */
async function untilCounted(client: WireClient, lines: number, instance: RunningProcess): Promise<void> {
  const expected = Object.fromEntries(WORDS.map((word, at) => [word, lines / 10 * (10 - at) * PARTITIONS]));
  let found: Record<string, number> = {};
  try {
    await waitFor(`counts of ${lines} lines`, async () => {
      found = await lastCounts(client);
      return WORDS.every((word) => found[word] === expected[word]) ? true : undefined;
    });
  } catch (error) {
    throw new Error(
      `counted ${JSON.stringify(found)}, expected ${JSON.stringify(expected)}\n${instance.outputTail()}`,
      {
        cause: error,
      },
    );
  }
}

/** Waits until a group has committed the ends of the topics that it reads. */
async function untilCommitted(client: WireClient, group: string): Promise<void> {
  await waitFor(`${group} has committed everything`, async () => {
    const committed = await committedOffsets(client, group, null);
    for (const { topic, partition, offset } of committed) {
      if (await client.listOffset({ topic, partition }, -1) !== offset) return undefined;
    }
    return committed.length >= PARTITIONS ? true : undefined;
  });
}

async function lastCounts(client: WireClient): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (let partition = 0; partition < PARTITIONS; partition++) {
    for (const { key, value } of await recordsOf(client, "counts", partition)) counts[key] = Number(value);
  }
  return counts;
}

interopTest({
  name: "connect: a standalone worker copies a file through a topic into a file, line by line",
  needs: ["java"],
  proves: { connect: ["produce", "consume", "classic"] },
  async fn() {
    using directory = temporaryDirectory();
    await using broker = await startTestBroker({ dataDir: directory.path });
    const base = `${directory.path}-connect`;
    // Plain ASCII, because the file source counts characters and skips as many bytes when it starts again.
    const lines = Array.from({ length: 500 }, (_, n) => `line ${n} of the file`);
    await Deno.writeTextFile(`${base}-in.txt`, lines.slice(0, 300).join("\n") + "\n");
    const files = await connectFiles(base, broker);
    await using worker = startJava(base, "org.apache.kafka.connect.cli.ConnectStandalone", files);
    await untilCopied(base, lines.slice(0, 300), worker);
    await Deno.writeTextFile(`${base}-in.txt`, lines.slice(300).join("\n") + "\n", { append: true });
    await untilCopied(base, lines, worker);
    await worker.stop();
    // The sink commits its offsets as a group; a worker that starts again continues there.
    await Deno.writeTextFile(`${base}-in.txt`, "the last line\n", { append: true });
    await using again = startJava(base, "org.apache.kafka.connect.cli.ConnectStandalone", files);
    await untilCopied(base, [...lines, "the last line"], again);
    await again.stop();
  },
});

/** Settings of the worker and the two connectors. */
async function connectFiles(base: string, broker: TestBroker): Promise<string[]> {
  const settings: Record<string, Record<string, string>> = {
    worker: {
      "bootstrap.servers": broker.bootstrapServers,
      "key.converter": "org.apache.kafka.connect.storage.StringConverter",
      "value.converter": "org.apache.kafka.connect.storage.StringConverter",
      "offset.storage.file.filename": `${base}.offsets`,
      "offset.flush.interval.ms": "500",
      "listeners": `http://127.0.0.1:${freePort()}`,
      // The jars are on the class path; a search for plug-ins elsewhere takes seconds.
      "plugin.discovery": "service_load",
    },
    source: {
      "name": "source",
      "connector.class": "org.apache.kafka.connect.file.FileStreamSourceConnector",
      "tasks.max": "1",
      "file": `${base}-in.txt`,
      "topic": "connect",
    },
    sink: {
      "name": "sink",
      "connector.class": "org.apache.kafka.connect.file.FileStreamSinkConnector",
      "tasks.max": "1",
      "file": `${base}-out.txt`,
      "topics": "connect",
    },
  };
  return await Promise.all(
    Object.entries(settings).map(async ([name, values]) => {
      const path = `${base}-${name}.properties`;
      await Deno.writeTextFile(path, Object.entries(values).map(([key, value]) => `${key}=${value}\n`).join(""));
      return path;
    }),
  );
}

async function untilCopied(base: string, lines: readonly string[], worker: RunningProcess): Promise<void> {
  let copied = "";
  try {
    await waitFor(`${lines.length} lines are copied`, async () => {
      assert(worker.running, "the worker runs");
      copied = await Deno.readTextFile(`${base}-out.txt`);
      return copied.split("\n").length > lines.length ? true : undefined;
    });
  } catch (error) {
    throw new Error(`${(error as Error).message}\n${worker.outputTail()}`, { cause: error });
  }
  assert.equal(copied, lines.map((line) => `${line}\n`).join(""));
}

/** Keys and values of a partition, as text. */
async function recordsOf(client: WireClient, topic: string, partition: number) {
  const found: { key: string; value: string }[] = [];
  for (let next = 0;;) {
    const { errorCode, highWatermark, records } = await client.fetch({ topic, partition }, next);
    assert.equal(errorCode, NONE);
    for (const batch of batchesOf(records)) {
      const texts = recordsOfBatch(batch).map(({ key, value }) => ({ key: textOf(key), value: textOf(value) }));
      found.push(...texts);
      next = batch.baseOffset + batch.recordsCount;
    }
    if (next >= highWatermark) return found;
  }
}

function textOf(bytes: Uint8Array | null | undefined): string {
  return new TextDecoder().decode(bytes ?? new Uint8Array());
}

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
