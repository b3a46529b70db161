/**
 * This broker serves a data directory that Apache Kafka wrote: kcat and the console consumer read all of it, new records are appended,
 * and Apache Kafka's log tool still finds nothing wrong. Once after a clean stop of Kafka, once after it was killed.
 */
import assert from "node:assert/strict";
import { kafkaToolArguments, startApacheKafka } from "../../bench/peer/apache_kafka.ts";
import { run, runOrThrow } from "../../bench/peer/processes.ts";
import { WireClient } from "../../bench/peer/wire_client.ts";
import { startTestBroker, temporaryDirectory, type TestBroker, testsApacheKafka } from "./broker.ts";
import { verifyDirectory } from "../../storage/inspection/verified_directory.ts";
import { linuxFileSystem } from "../../storage/sys/file_system.ts";
import { dumpLogSegments } from "./dump_log.ts";
import { assertSameLines } from "./lines.ts";
import { interopTest } from "./toolchain.ts";

const TOPIC = "from-kafka";
const CODECS = ["none", "gzip", "snappy", "lz4", "zstd"] as const;
const LINES = 3000;

for (const [ending, signal] of [["stopped", "SIGTERM"], ["killed", "SIGKILL"]] as const) {
  interopTest({
    name: `kafka directory: written by Apache Kafka, which was ${ending}, served and continued here`,
    needs: ["kafka", "kcat"],
    async fn(context) {
      using directory = temporaryDirectory();
      await context.step("Apache Kafka writes", async () => {
        await using kafka = await startApacheKafka({ directory: directory.path });
        using client = await WireClient.connect(kafka.port);
        await client.createTopic(TOPIC, CODECS.length, { "segment.bytes": String(1 << 20) });
        await write(kafka.bootstrapServers, "kafka");
        kafka.process.signal(signal);
        await kafka.process.status;
      });
      // When Apache Kafka takes the place of the broker under test, it wants the directory above.
      const dataDir = testsApacheKafka ? directory.path : `${directory.path}/data`;
      await context.step(
        "main.ts verify finds no damage in what it left",
        () => expectNoDamage(`${directory.path}/data`),
      );
      const before = CODECS.map((codec) => linesOf("kafka", codec));
      const both = CODECS.map((codec) => [...linesOf("kafka", codec), ...linesOf("here", codec)]);
      await context.step("kcat and the console consumer read it, new records follow", async () => {
        await using broker = await startTestBroker({ dataDir });
        await expectLines(broker, before);
        await write(broker.bootstrapServers, "here");
        await expectLines(broker, both);
      });
      await context.step("the same after another start", async () => {
        await using broker = await startTestBroker({ dataDir });
        await expectLines(broker, both);
      });
      await context.step("DumpLogSegments has no complaint, main.ts verify neither", async () => {
        expectNoDamage(`${directory.path}/data`);
        assert.deepEqual((await dumpLogSegments(`${directory.path}/data`)).complaints, []);
      });
    },
  });
}

/** After a kill the directory has no mark of a clean stop, and what was not flushed counts as a tail that a start cuts off. */
function expectNoDamage(directory: string): void {
  const found: string[] = [];
  let partitions = 0;
  for (const report of verifyDirectory(linuxFileSystem, directory)) {
    if (report.kind === "damage") found.push(`${report.path}: ${report.text}`);
    if (report.kind === "partition") partitions++;
  }
  assert.deepEqual(found, []);
  assert(partitions >= CODECS.length, `${partitions} partitions were read`);
}

function linesOf(writer: string, codec: string): string[] {
  return Array.from({ length: LINES }, (_, i) => `${writer} ${codec} ${i} ${"Ω".repeat((i * 7919) % 600)}`);
}

/** Each codec writes to its own partition. */
async function write(bootstrapServers: string, writer: string): Promise<void> {
  for (const [partition, codec] of CODECS.entries()) {
    const stdin = new TextEncoder().encode(linesOf(writer, codec).map((line) => `${line}\n`).join(""));
    const result = await run("kcat", [
      ...["-P", "-b", bootstrapServers, "-t", TOPIC, "-p", String(partition), "-z", codec],
      ...["-X", "enable.idempotence=true", "-X", "batch.size=100000"],
    ], { stdin });
    assert.equal(result.code, 0, result.stderr);
  }
}

async function expectLines(broker: TestBroker, expected: readonly (readonly string[])[]): Promise<void> {
  for (const [partition, lines] of expected.entries()) {
    const where = ["-t", TOPIC, "-p", String(partition), "-o", "beginning", "-c", String(lines.length)];
    assertSameLines(await runOrThrow("kcat", ["-C", "-b", broker.bootstrapServers, ...where, "-q"]), lines);
  }
  const last = expected.length - 1;
  const args = ["--bootstrap-server", broker.bootstrapServers, "--topic", TOPIC, "--partition", String(last)];
  const all = ["--offset", "earliest", "--max-messages", String(expected[last]!.length)];
  assertSameLines(
    await runOrThrow("java", kafkaToolArguments("consumer.ConsoleConsumer", [...args, ...all])),
    expected[last]!,
  );
}
