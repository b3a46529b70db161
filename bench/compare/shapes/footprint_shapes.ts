/** Shapes that start new brokers: time from the start to the first acknowledged record, memory when idle and after load. */
import { loadGenerator } from "../../peer/install.ts";
import { processMemory, runOrThrow, waitFor } from "../../peer/processes.ts";
import { wireBatch } from "../../peer/wire_bytes.ts";
import { NONE, WireClient } from "../../peer/wire_client.ts";
import type { Figure } from "../figure.ts";
import type { RunContext, Shape } from "../shape.ts";
import type { Target } from "../targets.ts";

/** The footprint shapes of the report. */
export const footprintShapes: readonly Shape[] = [
  {
    name: "footprint",
    title:
      "A fresh broker: start to first acknowledged record, memory idle, memory after 5 GB in 1 MB batches from 100 connections",
    quick: true,
    warmRunsMax: 0,
    run: measureFootprint,
  },
];

/** Time to release memory: either broker gives memory back some seconds after a load. */
const QUIET_MS = 8000;

async function measureFootprint(context: RunContext): Promise<Figure[]> {
  const directory = `${context.scratch}/footprint-${context.id}`;
  try {
    await using target = await context.target.contender.launch({ directory, gcTrace: false });
    const firstAcknowledged = await untilAcknowledged(target);
    await new Promise((resolve) => setTimeout(resolve, 3000)); // work that a start leaves is done by then
    const idle = processMemory(target.pid).residentBytes;
    await loadHeavily(target, 5e9 * context.scale);
    const loaded = processMemory(target.pid);
    await new Promise((resolve) => setTimeout(resolve, QUIET_MS));
    const quiet = processMemory(target.pid).residentBytes;
    return [
      { name: "start to first acknowledged record, s", value: firstAcknowledged, better: "lower" },
      { name: "RSS idle, MB", value: idle / 1e6, better: "lower", binding: true },
      { name: "RSS when the load ends, MB", value: loaded.residentBytes / 1e6, better: "lower", binding: true },
      { name: "RSS 8 s later, MB", value: quiet / 1e6, better: "lower", binding: true },
      { name: "RSS at most, MB", value: loaded.peakResidentBytes / 1e6, better: "lower", binding: true },
    ];
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** Creates a topic and appends a record as soon as the broker accepts it. @returns seconds since the process was started */
async function untilAcknowledged(target: Target): Promise<number> {
  return await waitFor("a first record is acknowledged", async () => {
    using client = await WireClient.connect(target.port);
    await client.createTopic("first", 1);
    const { errorCode } = await client.produce(
      { topic: "first", partition: 0 },
      wireBatch([{ value: new Uint8Array(100) }]),
    );
    return errorCode === NONE ? (performance.now() - target.launchedAtMs) / 1000 : undefined;
  });
}

async function loadHeavily(target: Target, bytes: number): Promise<void> {
  using client = await WireClient.connect(target.port);
  await client.createTopic("heavy", 4);
  await runOrThrow(loadGenerator("wire_load"), [
    ...["produce", "-b", String(target.port), "-t", "heavy", "-p", "4", "-n", "100", "-k", "5"],
    ...["-s", "1024", "-r", "1000", "-c", String(Math.floor(bytes / 1024))],
  ]);
}
