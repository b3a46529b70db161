/**
 * How long a start takes until everything is writable: with many partitions after a clean stop, and with much data after a kill. Main
 * isolate of the benchmark.
 */
import { wireBatch } from "../../peer/wire_bytes.ts";
import { NONE, WireClient } from "../../peer/wire_client.ts";
import { waitFor } from "../../peer/processes.ts";
import type { Figure } from "../figure.ts";
import { waitForWriteBack } from "../machine.ts";
import type { RunContext } from "../shape.ts";
import { generate } from "../shapes/throughput_shapes.ts";
import type { Target } from "../targets.ts";
import { answers, secondsSince, withOwnBroker } from "./own_broker.ts";

const TOPIC = "t";
/** Partitions of a start after a clean stop. */
const MANY_PARTITIONS = 1000;
/** Partitions and bytes of a start after a kill. */
const [KILLED_PARTITIONS, KILLED_BYTES] = [20, 20e9] as const;
const RECORD_BYTES = 1024;
const RECORDS_PER_BATCH = 100;
const FIRST_START_MS = 120_000;
/** Apache Kafka checks 1 GB in some seconds. */
const WRITABLE_MAX_MS = 900_000;

/** A start with 1,000 partitions that have records, after a clean stop. */
export function startWithManyPartitions(context: RunContext): Promise<Figure[]> {
  const partitions = Math.max(20, MANY_PARTITIONS * context.scale);
  return withOwnBroker(context, async ({ run }) => {
    const stop = await run({}, async (target) => {
      await answers(target);
      await createTopic(target, partitions);
      await untilWritable(target, partitions, FIRST_START_MS);
      return stopSeconds(target);
    });
    return await run({}, async (target) => [
      ...await startFigures(target, partitions),
      { name: "clean stop, s", value: stop, better: "lower" },
    ]);
  });
}

/** A start after kill -9 with much data. */
export function startAfterKill(context: RunContext): Promise<Figure[]> {
  const bytes = KILLED_BYTES * context.scale;
  return withOwnBroker(context, async ({ run }) => {
    await run({}, async (target) => {
      await answers(target);
      await createTopic(target, KILLED_PARTITIONS);
      await generate("wire_load", [
        ...["produce", "-b", String(target.port), "-t", TOPIC, "-p", String(KILLED_PARTITIONS), "-n", "4"],
        ...[
          "-s",
          String(RECORD_BYTES),
          "-r",
          String(RECORDS_PER_BATCH),
          "-c",
          String(Math.floor(bytes / RECORD_BYTES)),
        ],
      ]);
      // The disk is still when the next process starts, as it is after most kills.
      await waitForWriteBack();
      await target.process.kill();
    });
    return await run({}, (target) => startFigures(target, KILLED_PARTITIONS));
  });
}

async function startFigures(target: Target, partitions: number): Promise<Figure[]> {
  const ready = await answers(target);
  await untilWritable(target, partitions, WRITABLE_MAX_MS);
  return [
    { name: "start until all partitions are writable, s", value: secondsSince(target.launchedAtMs), better: "lower" },
    { name: "start until the first answer, s", value: ready, better: "lower" },
  ];
}

async function createTopic(target: Target, partitions: number): Promise<void> {
  using client = await WireClient.connect(target.port);
  await client.createTopic(TOPIC, partitions);
}

async function stopSeconds(target: Target): Promise<number> {
  const startedMs = performance.now();
  await target.process.stop();
  return secondsSince(startedMs);
}

/** Writes a record to each partition, and again to those that refused it. Settles when each has taken one. */
async function untilWritable(target: Target, partitions: number, timeoutMs: number): Promise<void> {
  const batch = wireBatch([{ value: new Uint8Array(RECORD_BYTES) }]);
  let left = Array.from({ length: partitions }, (_, partition) => partition);
  await waitFor(`all ${partitions} partitions are writable`, async () => {
    using client = await WireClient.connect(target.port);
    const refused: number[] = [];
    const answered = (async () => {
      for (const partition of left) {
        const answer = await client.receiveProduced();
        if (answer === null) throw new Error("Cannot write: the broker closed the connection");
        if (answer.errorCode !== NONE) refused.push(partition);
      }
    })();
    const sent = (async () => {
      for (const partition of left) await client.sendProduce({ topic: TOPIC, partition }, batch, 1);
    })();
    await Promise.all([answered, sent]);
    left = refused;
    return left.length === 0 || undefined;
  }, timeoutMs);
}
