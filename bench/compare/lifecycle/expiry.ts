/**
 * How long others wait while many closed segments of one partition expire at once, and how long the turns of this broker take then. Main
 * isolate of the benchmark.
 */
import { waitFor } from "../../peer/processes.ts";
import { WireClient } from "../../peer/wire_client.ts";
import type { Figure } from "../figure.ts";
import { waitForWriteBack } from "../machine.ts";
import { percentileFigures } from "../percentiles.ts";
import type { RunContext } from "../shape.ts";
import { generate, type Printed } from "../shapes/throughput_shapes.ts";
import { apacheKafka, type Target } from "../targets.ts";
import type { TurnTimes } from "../../../partitions/shared/turn_times.ts";
import { honestClient, prepareHonestClient } from "./honest_client.ts";
import { answers, secondsSince, withOwnBroker } from "./own_broker.ts";
import { turnsBetween } from "./turn_span.ts";

const SEGMENTS = 10_000;
/** Segments that one call of the load generator writes: Apache Kafka took up to 90 ms for one on a busy machine. */
const SEGMENTS_PER_LOAD = 1000;
const TOPIC = "t";
const RECORD_BYTES = 1024;
/** Room for one batch of one record, not for two. */
const SEGMENT_BYTES = 1536;
/** How long another client is measured: retention begins within a second, and the files are removed within some more. */
const CLIENT_SECONDS = 10;
const EXPIRED_MAX_MS = 120_000;
const EARLIEST = -2;

const settings = { "log.retention.check.interval.ms": "500", "log.initial.task.delay.ms": "100" };
const topicConfigs = {
  "internal.segment.bytes": String(SEGMENT_BYTES),
  "retention.ms": "-1",
  "file.delete.delay.ms": "1000",
};

/** The figures of a run. */
export function measureExpiry(context: RunContext): Promise<Figure[]> {
  const segments = SEGMENTS * context.scale;
  return withOwnBroker(context, (own) => {
    const turnTimesFile = `${own.directory}/turns.json`;
    const hasTurns = context.target.contender !== apacheKafka;
    return own.run({ properties: settings, turnTimesFile }, async (target) => {
      await answers(target);
      using client = await WireClient.connect(target.port);
      await prepareHonestClient(target);
      await client.createTopic(TOPIC, 1, topicConfigs);
      for (let left = segments + 1; left > 0; left -= SEGMENTS_PER_LOAD) {
        await writeSegments(target, Math.min(left, SEGMENTS_PER_LOAD));
      }
      await waitForWriteBack();
      const alone = await honestClient(target, CLIENT_SECONDS);
      const before = hasTurns ? await turnTimes(target, turnTimesFile) : [];
      const [beside, seconds] = await Promise.all([
        honestClient(target, CLIENT_SECONDS),
        expire(client, `${own.directory}/data`, segments),
      ]);
      const after = hasTurns ? await turnTimes(target, turnTimesFile) : [];
      const { longTurns, longestMs } = turnsBetween(before, after);
      const turns: Figure[] = [
        { name: "longest turn at most, ms", value: longestMs, better: "lower" },
        { name: "turns above 10 ms", value: longTurns, better: "lower" },
      ];
      return [
        ...(hasTurns ? turns : []),
        { name: "until the log start has moved, s", value: seconds.moved, better: "lower" },
        { name: "until the files are gone, s", value: seconds.gone, better: "lower" },
        ...percentileFigures("client alone", alone.latencyMs, ["p50", "p99", "max"]),
        ...percentileFigures("client meanwhile", beside.latencyMs, ["p50", "p99", "max"]),
      ];
    });
  });
}

function writeSegments(target: Target, count: number): Promise<Printed> {
  return generate<Printed>("wire_load", [
    ...["produce", "-b", String(target.port), "-t", TOPIC, "-p", "1", "-n", "1", "-s", String(RECORD_BYTES)],
    ...["-r", "1", "-c", String(count)],
  ]);
}

/** Lets all closed segments expire. @returns seconds since then */
async function expire(client: WireClient, dataDir: string, segments: number): Promise<{ moved: number; gone: number }> {
  const startedMs = performance.now();
  await client.configureTopic(TOPIC, { "retention.ms": "1" });
  const moved = await waitFor("the log start has moved", async () => {
    const start = await client.listOffset({ topic: TOPIC, partition: 0 }, EARLIEST);
    return start >= segments ? secondsSince(startedMs) : undefined;
  }, EXPIRED_MAX_MS);
  const gone = await waitFor("the files are gone", () => {
    const files = [...Deno.readDirSync(`${dataDir}/${TOPIC}-0`)];
    return files.length < FILES_LEFT ? secondsSince(startedMs) : undefined;
  }, EXPIRED_MAX_MS);
  return { moved, gone };
}

/** More than a partition without closed segments has: a few segments that have just been rolled, and its own files. */
const FILES_LEFT = 20;

/** Asks a broker that timed_broker.ts runs for the times of its turns. */
async function turnTimes(target: Target, file: string): Promise<TurnTimes[]> {
  target.process.signal("SIGUSR2");
  const text = await waitFor("the broker has written its turn times", () => Deno.readTextFile(file));
  await Deno.remove(file);
  return JSON.parse(text);
}
