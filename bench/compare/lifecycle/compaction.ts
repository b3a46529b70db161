/**
 * What a compaction takes, and how long another client waits meanwhile. Main isolate of the benchmark.
 *
 * A topic is written with cleanup.policy=delete, so that no compaction begins before all is there, and then gets cleanup.policy=compact. Its
 * compaction ends when cleaner-offset-checkpoint has reached the active segment. Two such topics are compacted: one alone, for the time and
 * the CPU, and one beside a client. The same client is measured beside produce requests of as many bytes a second as the first compaction
 * took from its log.
 */
import { processCpuSeconds, processMemory } from "../../peer/processes.ts";
import { NONE, WireClient } from "../../peer/wire_client.ts";
import type { Figure } from "../figure.ts";
import { waitForWriteBack } from "../machine.ts";
import { percentileFigures, type ProbePrinted } from "../percentiles.ts";
import type { RunContext } from "../shape.ts";
import { generate, type Printed } from "../shapes/throughput_shapes.ts";
import type { Target } from "../targets.ts";
import { honestClient, prepareHonestClient } from "./honest_client.ts";
import { partitionFiles, untilCompacted } from "./log_files.ts";
import { answers, secondsSince, withOwnBroker } from "./own_broker.ts";
import { UpsertBatches } from "./upsert_batches.ts";

/** Bytes of a full run. */
const LOG_BYTES = 2e9;
/** Fewest bytes of a short one: a compaction of less ends before it can be measured. */
const LOG_BYTES_MIN = 256e6;
/** Bytes and number of the compactions that warm a new broker. */
const [WARM_BYTES, WARM_COMPACTIONS] = [128e6, 3] as const;
const RECORD_BYTES = 1024;
const RECORDS_PER_BATCH = 16;
/** Share of the records that a compaction keeps. */
const LIVE = 0.1;
/** Unanswered batches: together less than the 100 KB that Apache Kafka's sockets receive, beyond which each one waits for a timer of TCP. */
const IN_FLIGHT = 5;
const HARMLESS = "harmless";
/** Records in a batch of the harmless load: a client that writes at the rate of a compaction has large ones. */
const HARMLESS_RECORDS = 1000;
/** More than any broker takes: the time ends the load. */
const ENDLESS_RECORDS = 1e9;
/** Shortest measurement of the other client. */
const CLIENT_SECONDS_MIN = 1;

const settings = { "log.cleaner.backoff.ms": "100", "log.cleaner.dedupe.buffer.size": String(128 << 20) };
/** Segments of a topic; the active one is not compacted. */
const SEGMENTS = 32;

function topicConfigs(bytes: number): Record<string, string> {
  return {
    "cleanup.policy": "delete",
    "segment.bytes": String(Math.floor(bytes / SEGMENTS)),
    "min.cleanable.dirty.ratio": "0.01",
  };
}

/** One compaction. */
interface Compaction {
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly bytesBefore: number;
  readonly bytesAfter: number;
}

/** The figures of a run. */
export function measureCompaction(context: RunContext): Promise<Figure[]> {
  const bytes = Math.max(LOG_BYTES * context.scale, LOG_BYTES_MIN);
  return withOwnBroker(context, (own) =>
    own.run({ properties: settings }, async (target) => {
      await answers(target);
      const dataDir = `${own.directory}/data`;
      await prepareNeighbours(target);
      for (let i = 0; i < WARM_COMPACTIONS; i++) {
        await writeUpserts(target, `warm-${i}`, WARM_BYTES);
        await Promise.all([compact(target, dataDir, `warm-${i}`), honestClient(target, CLIENT_SECONDS_MIN)]);
      }
      await writeUpserts(target, "first", bytes);
      const compaction = await compact(target, dataDir, "first");
      const { seconds, cpuSeconds, bytesBefore, bytesAfter } = compaction;
      await writeUpserts(target, "second", bytes);
      const clientSeconds = Math.max(CLIENT_SECONDS_MIN, seconds);
      const alone = await honestClient(target, clientSeconds);
      const [beside, second] = await Promise.all([
        honestClient(target, clientSeconds),
        compact(target, dataDir, "second"),
      ]);
      const [harmless, load] = await Promise.all([
        honestClient(target, clientSeconds),
        produceHarmlessly(target, bytesBefore / seconds, clientSeconds),
      ]);
      return [
        { name: "compaction, s", value: seconds, better: "lower" },
        { name: "compaction, MB/s of its log", value: bytesBefore / seconds / 1e6, better: "higher", binding: true },
        { name: "compaction, CPU-s per GB", value: cpuSeconds / bytesBefore * 1e9, better: "lower", binding: true },
        { name: "bytes kept, %", value: bytesAfter / bytesBefore * 100, better: "lower" },
        { name: "compaction beside a client, s", value: second.seconds, better: "lower" },
        { name: "compaction / harmless: p99 ms", value: ratio(beside, harmless), better: "lower" },
        ...percentileFigures("client alone", alone.latencyMs, ["p50", "p99"]),
        ...percentileFigures("client beside a compaction", beside.latencyMs, ["p50", "p99", "max"]),
        ...percentileFigures("client beside a harmless load", harmless.latencyMs, ["p50", "p99", "max"]),
        { name: "harmless load, MB/s", value: load.bytes / load.seconds / 1e6, better: "higher" },
        { name: "RSS at most, MB", value: processMemory(target.pid).peakResidentBytes / 1e6, better: "lower" },
      ];
    }));
}

function ratio(one: ProbePrinted, other: ProbePrinted): number {
  return one.latencyMs.p99 / other.latencyMs.p99;
}

async function prepareNeighbours(target: Target): Promise<void> {
  await prepareHonestClient(target);
  using client = await WireClient.connect(target.port);
  await client.createTopic(HARMLESS, 1);
}

/** Creates a topic and writes upserts to it, with as many distinct keys as a compaction shall keep records. */
async function writeUpserts(target: Target, topic: string, bytes: number): Promise<void> {
  using client = await WireClient.connect(target.port);
  await client.createTopic(topic, 1, topicConfigs(bytes));
  const batchCount = Math.floor(bytes / RECORD_BYTES / RECORDS_PER_BATCH);
  const batches = new UpsertBatches({
    recordBytes: RECORD_BYTES,
    recordsPerBatch: RECORDS_PER_BATCH,
    distinctKeys: Math.floor(batchCount * RECORDS_PER_BATCH * LIVE),
    seed: bytes, // every run of every side has the same keys
  });
  const take = async () => {
    const answer = await client.receiveProduced();
    if (answer?.errorCode !== NONE) throw new Error(`Cannot write upserts: error code ${answer?.errorCode}`);
  };
  for (let sent = 0; sent < batchCount; sent++) {
    if (sent >= IN_FLIGHT) await take();
    await client.sendProduce({ topic, partition: 0 }, batches.next(), 1);
  }
  for (let left = Math.min(IN_FLIGHT, batchCount); left > 0; left--) await take();
  await waitForWriteBack();
}

/** Lets a written topic be compacted. Settles when it is. */
async function compact(target: Target, dataDir: string, topic: string): Promise<Compaction> {
  using client = await WireClient.connect(target.port);
  const { logBytes } = await partitionFiles(`${dataDir}/${topic}-0`);
  const cpuBefore = processCpuSeconds(target.pid);
  const startedMs = performance.now();
  await client.configureTopic(topic, { "cleanup.policy": "compact" });
  const files = await untilCompacted(dataDir, topic);
  const compaction = {
    seconds: secondsSince(startedMs),
    cpuSeconds: processCpuSeconds(target.pid) - cpuBefore,
    bytesBefore: logBytes,
    bytesAfter: files.logBytes,
  };
  await client.deleteTopic(topic);
  return compaction;
}

function produceHarmlessly(target: Target, bytesPerSecond: number, seconds: number): Promise<Printed> {
  return generate<Printed>("wire_load", [
    ...["produce", "-b", String(target.port), "-t", HARMLESS, "-p", "1", "-n", "4", "-c", String(ENDLESS_RECORDS)],
    ...["-s", String(RECORD_BYTES), "-r", String(HARMLESS_RECORDS), "-d", seconds.toFixed(2)],
    ...["-f", (bytesPerSecond / RECORD_BYTES / HARMLESS_RECORDS).toFixed(1)],
  ]);
}
