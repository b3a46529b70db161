/**
 * Real text, line by line, through both large client families: the console consumer of Apache Kafka prints what kcat (librdkafka) wrote
 * in each codec, byte for byte, and the reverse. The corpus is the Unicode character database of Debian's
 * package unicode-data: 29 MB, 830,000 lines, all scripts (see install.ts).
 */
import assert from "node:assert/strict";
import { kafkaToolArguments } from "../../bench/peer/apache_kafka.ts";
import { runForBytes, type RunOptions } from "../../bench/peer/processes.ts";
import { batchesOf } from "../../bench/peer/wire_bytes.ts";
import { connect, partitionFiles, startTestBroker, temporaryDirectory, type TestBroker } from "./broker.ts";
import { assertSameBytes } from "./lines.ts";
import { interopTest, locations } from "./toolchain.ts";

/** Codecs by their number in a batch's attributes. */
const CODECS = ["none", "gzip", "snappy", "lz4", "zstd"] as const;

const SMALL_BATCH_BYTES = 4000;

interopTest({
  name: "corpus: kcat writes it in each codec, the console consumer prints the same bytes",
  needs: ["kafka", "kcat", "corpus"],
  proves: { kcat: ["produce", "gzip", "snappy", "lz4", "zstd"], tools: ["consume"] },
  async fn(context) {
    await withCorpus(async ({ broker, corpus, lines }) => {
      for (const [codec, name] of CODECS.entries()) {
        const topic = `kcat-${name}`;
        await context.step(name, async () => {
          await createTopic(broker, topic);
          await bytesFrom("kcat", [
            ...["-P", "-b", broker.bootstrapServers, "-t", topic, "-p", "0", "-z", name],
            ...["-X", "acks=all", "-X", "linger.ms=50", "-l", locations.corpus],
          ]);
          assertStored(broker, topic, { codec, records: lines });
          const args = ["--bootstrap-server", broker.bootstrapServers, "--topic", topic];
          const printed = await bytesFrom("java", [
            ...kafkaToolArguments("consumer.ConsoleConsumer", args),
            ...["--partition", "0", "--offset", "earliest", "--max-messages", String(lines)],
          ]);
          assertSameBytes(printed, corpus);
        });
      }
    });
  },
});

interopTest({
  name: "corpus: the console producer writes it in each codec, kcat prints the same bytes",
  needs: ["kafka", "kcat", "corpus"],
  proves: { tools: ["produce", "gzip", "snappy", "lz4", "zstd"], kcat: ["consume"] },
  async fn(context) {
    await withCorpus(async ({ broker, corpus, lines }) => {
      for (const [codec, name] of CODECS.entries()) {
        const topic = `console-${name}`;
        await context.step(name, async () => {
          await createTopic(broker, topic);
          const args = ["--bootstrap-server", broker.bootstrapServers, "--topic", topic, "--compression-codec", name];
          await bytesFrom("java", kafkaToolArguments("ConsoleProducer", args), { stdin: corpus });
          assertStored(broker, topic, { codec, records: lines });
          const printed = await bytesFrom("kcat", [
            ...["-C", "-b", broker.bootstrapServers, "-t", topic, "-p", "0"],
            ...["-o", "beginning", "-c", String(lines), "-q"],
          ]);
          assertSameBytes(printed, corpus);
        });
      }
    });
  },
});

async function withCorpus(
  body: (given: { broker: TestBroker; corpus: Uint8Array; lines: number }) => Promise<void>,
): Promise<void> {
  using directory = temporaryDirectory();
  const corpus = await Deno.readFile(locations.corpus);
  const lines = corpus.reduce((count, byte) => byte === 10 ? count + 1 : count, 0);
  assert(corpus.length > 20e6, "the corpus is large");
  await using broker = await startTestBroker({ dataDir: directory.path });
  await body({ broker, corpus, lines });
}

async function createTopic(broker: TestBroker, topic: string): Promise<void> {
  using wire = await connect(broker);
  await wire.createTopic(topic, 1);
}

/**
 * Checks that the files hold as many records as lines were sent, in batches of the requested codec. librdkafka does not compress a batch
 * that would not get smaller, which is so for small ones only.
 */
function assertStored(broker: TestBroker, topic: string, expected: { codec: number; records: number }): void {
  const batches = partitionFiles(broker.dataDir, `${topic}-0`, ".log").flatMap(({ bytes }) => batchesOf(bytes));
  const compressible = batches.filter((batch) => batch.bytes.length > SMALL_BATCH_BYTES);
  assert.deepEqual(
    [...new Set(compressible.map((batch) => batch.codec))],
    [expected.codec],
    "codec bits of the batches",
  );
  assert(compressible.length > 10, "most batches are large");
  assert.equal(batches.reduce((sum, batch) => sum + batch.recordsCount, 0), expected.records, "records stored");
  assert(batches.every((batch) => batch.crcMatches), "CRC-32C of the stored batches");
}

async function bytesFrom(command: string, args: readonly string[], options: RunOptions = {}): Promise<Uint8Array> {
  const result = await runForBytes(command, args, options);
  assert.equal(result.code, 0, `${command} ends well:\n${result.stderr.slice(-2000)}`);
  return result.stdout;
}
