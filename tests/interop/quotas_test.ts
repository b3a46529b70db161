/**
 * Quotas as client libraries feel them: a producer and a consumer that do all they can are held to 1 MB/s, measured over 30 s after a first
 * burst of 15 s, and a client with another quota is served as before.
 */
import assert from "node:assert/strict";
import { kafkaToolArguments } from "../../bench/peer/apache_kafka.ts";
import { produceRequest, produceResponse } from "../../net/protocol/messages/00_produce.ts";
import { setQuotas } from "../client_settings.ts";
import { KafkaClient } from "../kafka_client.ts";
import { buildBatch } from "../record_batch_builder.ts";
import { appendBatch, create, LATEST, listOffset, produceTo } from "../topic_requests.ts";
import { startTestBroker, temporaryDirectory } from "./broker.ts";
import { interopTest, locations } from "./toolchain.ts";

const RATE = 1_000_000;
const BURST_MS = 15_000;
const MEASURED_MS = 30_000;
/** How long the other client is measured alone. */
const ALONE_MS = 5000;
const LINE = `${"x".repeat(999)}\n`;
/** What consumers read: more than they may in the test. */
const STORED_BYTES = 80_000_000;

/** How a library writes the lines of its standard input, and prints those of a topic. */
interface Library {
  readonly name: string;
  readonly producer: (bootstrap: string, topic: string) => readonly [string, readonly string[]];
  readonly consumer: (bootstrap: string, topic: string) => readonly [string, readonly string[]];
}

const libraries: readonly Library[] = [
  {
    name: "Java",
    producer: (
      bootstrap,
      topic,
    ) => ["java", consoleTool("ConsoleProducer", bootstrap, topic, ["--compression-codec", "none"])],
    consumer: (bootstrap, topic) => [
      "java",
      consoleTool("consumer.ConsoleConsumer", bootstrap, topic, ["--partition", "0", "--offset", "earliest"]),
    ],
  },
  {
    name: "librdkafka",
    producer: (bootstrap, topic) => ["kcat", ["-P", "-b", bootstrap, "-t", topic, "-p", "0"]],
    consumer: (
      bootstrap,
      topic,
    ) => ["kcat", ["-C", "-b", bootstrap, "-t", topic, "-p", "0", "-o", "beginning", "-q", "-u"]],
  },
  {
    name: "franz-go",
    producer: (bootstrap, topic) => [locations.go, ["franz-go", "write-lines", bootstrap, topic]],
    consumer: (bootstrap, topic) => [locations.go, ["franz-go", "read-lines", bootstrap, topic]],
  },
];

function consoleTool(className: string, bootstrap: string, topic: string, args: readonly string[]): string[] {
  return kafkaToolArguments(className, ["--bootstrap-server", bootstrap, "--topic", topic, ...args]);
}

interopTest({
  name: "quotas: a producer and a consumer of each library are held to 1 MB/s, and others are served as before",
  needs: ["kafka", "kcat", "go"],
  slow: true,
  async fn(context) {
    using directory = temporaryDirectory();
    await using broker = await startTestBroker({ dataDir: directory.path });
    using client = await KafkaClient.connect(broker);
    for (const topic of ["read", "other"]) await create(client, topic);
    const values = Array.from({ length: 100 }, () => ({ value: LINE.trimEnd() }));
    const batch = buildBatch(values, { baseTimestamp: Date.now() }); // older ones would be removed
    for (let bytes = 0; bytes < STORED_BYTES; bytes += batch.length) await appendBatch(client, ["read", 0], batch);
    await setQuotas(client, { user: null }, bothRates(RATE));
    await setQuotas(client, { user: null, "client-id": "test" }, bothRates(1e12));
    const alone = await p99Ms(broker, AbortSignal.timeout(ALONE_MS));
    say(`another client alone: p99 ${alone.toFixed(1)} ms`);
    for (const [index, library] of libraries.entries()) {
      await context.step(library.name, async () => {
        const topic = `written-${index}`;
        await create(client, topic);
        const [producer, consumer] = [
          start(library.producer(broker.bootstrapServers, topic), { writes: true }),
          start(library.consumer(broker.bootstrapServers, "read"), { writes: false }),
        ];
        try {
          const others = p99Ms(broker, AbortSignal.timeout(BURST_MS + MEASURED_MS));
          await passed(BURST_MS);
          const end = async () => (await listOffset(client, [topic, 0], LATEST))[1];
          const [beganMs, writtenBefore, readBefore] = [performance.now(), await end(), consumer.readBytes];
          await passed(MEASURED_MS);
          const seconds = (performance.now() - beganMs) / 1000;
          const written = (await end() - writtenBefore) * LINE.length / seconds;
          const read = (consumer.readBytes - readBefore) / seconds;
          const during = await others;
          say(
            `${library.name}: produced ${(written / RATE).toFixed(3)} MB/s, consumed ${
              (read / RATE).toFixed(3)
            } MB/s; ` +
              `another client's p99 ${during.toFixed(1)} ms`,
          );
          for (const bytes of [written, read]) {
            assert(bytes > 0.95 * RATE && bytes < 1.05 * RATE, `${bytes} bytes a second`);
          }
          assert(during < 2 * alone + 10, `p99 of another client: ${during} ms instead of ${alone}`);
        } finally {
          await Promise.all([producer.stop(), consumer.stop()]);
        }
      });
    }
  },
});

function say(figures: string): void {
  // deno-lint-ignore no-console -- the figures are what the run is for
  console.log(figures);
}

function passed(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function bothRates(rate: number): Record<string, number> {
  return { producer_byte_rate: rate, consumer_byte_rate: rate };
}

/** Writes a small record every 10 ms. @returns how long 99 of 100 take at most */
async function p99Ms(broker: { readonly port: number }, signal: AbortSignal): Promise<number> {
  using client = await KafkaClient.connect(broker);
  const batch = buildBatch([{ value: "a small record" }]);
  const tookMs: number[] = [];
  while (!signal.aborted) {
    const beganMs = performance.now();
    const value = produceTo("other", 0, batch, 1);
    const answer = await client.call(produceRequest, produceResponse, { apiVersion: 9, value });
    assert.equal(answer.throttleTimeMs, 0);
    tookMs.push(performance.now() - beganMs);
    await passed(10);
  }
  return tookMs.sort((a, b) => a - b)[Math.floor(tookMs.length * 0.99)] ?? Infinity;
}

/** Starts a client that writes all the lines that it can take, or whose output is counted. */
function start([command, args]: readonly [string, readonly string[]], { writes }: { writes: boolean }) {
  const child = new Deno.Command(command, {
    args: [...args],
    ...{ stdin: writes ? "piped" : "null", stdout: writes ? "null" : "piped", stderr: "null" },
  }).spawn();
  const running = { readBytes: 0, stop };
  let isStopped = false;
  const work = (writes ? feed() : count()).catch((error) => {
    if (!isStopped) throw error;
  });
  return running;

  async function feed(): Promise<void> {
    const lines = new TextEncoder().encode(LINE.repeat(64));
    const writer = child.stdin.getWriter();
    for (;;) await writer.write(lines);
  }

  async function count(): Promise<void> {
    for await (const chunk of child.stdout) running.readBytes += chunk.length;
  }

  async function stop(): Promise<void> {
    isStopped = true;
    child.kill("SIGKILL");
    await child.status;
    await work;
  }
}
