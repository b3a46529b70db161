/**
 * Shapes of topics with `flush.messages=1`, whose records are acknowledged when they are on the disk: latency at a low rate and
 * throughput of small batches, both beside the disk's own figures, and what such a topic costs another one. Main isolate.
 */
import { beside, BESIDE_SECONDS } from "./adversity_shapes.ts";
import { atRate } from "./latency_shapes.ts";
import type { Figure } from "../figure.ts";
import { percentileFigures, type ProbePrinted } from "../percentiles.ts";
import { takenFigure } from "../saturation.ts";
import type { RunContext, Shape } from "../shape.ts";
import { generate, type Printed, type WireLoad, wireRun, withTopic } from "./throughput_shapes.ts";

const FLUSHED = { "flush.messages": "1" };
/** Batches of 16 KB a second: 20 MB/s, which a disk that flushes each of them by itself still takes. */
const NEIGHBOUR_BATCHES = 1220;
/** Records or requests a second of the latency shapes. */
const RATE = 1000;
/** How long `flush-neighbour-full` measures another topic. */
const FULL_SECONDS = 10;
/** How long its load runs, which starts before. */
const FULL_LOAD_SECONDS = 13;
/** Records of its batches, of 1 KB each. */
const RECORDS_PER_BATCH = 16;
/** More than any broker takes: the time ends the load. */
const ENDLESS_RECORDS = 1e9;

/** The durability shapes of the report. */
export const durabilityShapes: readonly Shape[] = [
  {
    name: "flush-1000",
    title: "End to end through librdkafka at 1,000/s, 1 KB, linger 0, acks 1, flush.messages=1",
    quick: false,
    warmRunsMax: 5,
    run: (context) => flushed(context, 1, (topic) => atRate(context, topic, { rate: RATE })),
  },
  {
    name: "flush-1000-16",
    title: "Requests of one record of 1 KB at 1,000/s, 16 connections, 4 partitions, acks 1, flush.messages=1",
    quick: false,
    warmRunsMax: 5,
    run: (context) => flushed(context, 4, (topic) => acknowledged(context, topic)),
  },
  flushedShape("flush-1k-16", { recordsPerBatch: 16, records: 200_000 }),
  flushedShape("flush-1k-1000", { recordsPerBatch: 1000, records: 2_000_000 }),
  beside(
    "flush-neighbour",
    "20 MB/s in batches of 16 KB to another topic, first without and then with flush.messages=1",
    async (context, measure) => [
      ...await withTopic(context, 4, (topic) => measure(() => grow(context, topic), "beside it, without flushes")),
      ...await withTopic(
        context,
        4,
        (topic) => measure(() => grow(context, topic), "beside it, with flushes"),
        FLUSHED,
      ),
    ],
  ),
  {
    name: "flush-neighbour-full",
    title:
      "1,000/s end to end beside batches of 16 KB to another topic with flush.messages=1 at full speed, and beside as " +
      "many to one without it",
    quick: false,
    warmRunsMax: 3,
    run: besideFullSpeed,
  },
];

function flushedShape(name: string, of: Pick<WireLoad, "recordsPerBatch" | "records">): Shape {
  const wire: WireLoad = { recordBytes: 1024, partitions: 4, connections: 4, ...of };
  return {
    name,
    title:
      `Pre-encoded produce with flush.messages=1: 1024 B × ${of.recordsPerBatch} per batch, 4 partitions, 4 connections`,
    quick: false,
    warmRunsMax: 10,
    run: (context) => flushed(context, wire.partitions, (topic) => wireRun(context, topic, "produce", wire)),
  };
}

/** A run with a topic that flushes, and then the disk alone. */
async function flushed(
  context: RunContext,
  partitions: number,
  measure: (topic: string) => Promise<Figure[]>,
): Promise<Figure[]> {
  const figures = await withTopic(context, partitions, measure, FLUSHED);
  return [...figures, ...await disk(context)];
}

/** Appends to a topic at a fixed rate, and reads it, for as long as another measurement takes. */
async function grow(context: RunContext, topic: string): Promise<void> {
  await generate("tail_load", [
    ...["-b", String(context.target.port), "-t", topic, "-n", "1", "-s", "1024", "-r", "16"],
    ...["-f", String(NEIGHBOUR_BATCHES), "-d", String(BESIDE_SECONDS * context.scale)],
  ]);
}

async function acknowledged(context: RunContext, topic: string): Promise<Figure[]> {
  const { requests, seconds, latencyMs } = await generate<ProbePrinted>("probe_load", [
    ...["acks", "-b", String(context.target.port), "-t", topic, "-p", "4", "-n", "16"],
    ...["-f", String(RATE), "-d", String(20 * context.scale)],
  ]);
  return [
    ...percentileFigures("acknowledged", latencyMs),
    takenFigure({ rate: RATE, takenRate: requests / seconds, p50Ms: latencyMs.p50 }),
  ];
}

/** The lower bound for every broker: 1 KB is appended to a file and flushed at the same rate. */
async function disk({ target, scale }: RunContext): Promise<Figure[]> {
  const { latencyMs } = await generate<ProbePrinted>("probe_load", [
    ...["disk", "-D", target.directory, "-f", String(RATE), "-d", String(5 * scale)],
  ]);
  return percentileFigures("the disk alone: append and fdatasync", latencyMs);
}

async function besideFullSpeed(context: RunContext): Promise<Figure[]> {
  const during = await besideLoad(context, "beside flushes", { configs: FLUSHED, batchesPerSecond: null });
  const harmless = await besideLoad(context, "beside no flushes", {
    configs: {},
    batchesPerSecond: during.batchesPerSecond,
  });
  const ratio = (name: string): Figure => {
    const [worse, usual] = [during, harmless].map(({ figures }) =>
      figures.find((figure) => figure.name.endsWith(name))!.value
    );
    return { name: `flushes / no flushes: ${name}`, value: worse! / usual!, better: "lower" };
  };
  return [
    ratio("end to end, p99 ms"),
    ratio("acknowledged, p99 ms"),
    ...during.figures,
    ...harmless.figures,
  ];
}

/** Measures a topic while another one is written to. @param load its topic, and its rate: null for as many as it takes */
async function besideLoad(
  context: RunContext,
  prefix: string,
  load: { readonly configs: Readonly<Record<string, string>>; readonly batchesPerSecond: number | null },
): Promise<{ figures: Figure[]; batchesPerSecond: number }> {
  const { scale, target } = context;
  const written = (topic: string) =>
    generate<Printed>("wire_load", [
      ...["produce", "-b", String(target.port), "-t", topic, "-p", "4", "-n", "4", "-c", String(ENDLESS_RECORDS)],
      ...["-s", "1024", "-r", String(RECORDS_PER_BATCH), "-d", String(FULL_LOAD_SECONDS * scale)],
      ...(load.batchesPerSecond === null ? [] : ["-f", load.batchesPerSecond.toFixed(1)]),
    ]);
  const probed = (topic: string) => atRate(context, topic, { rate: RATE, seconds: FULL_SECONDS });
  const [figures, { bytes, records, seconds }] = await Promise.all([
    withTopic(context, 1, probed),
    withTopic(context, 4, written, load.configs),
  ]);
  const named = figures.map((figure) => ({ ...figure, name: `${prefix}: ${figure.name}` }));
  return {
    figures: [...named, { name: `${prefix}: load, MB/s`, value: bytes / seconds / 1e6, better: "higher" }],
    batchesPerSecond: records / RECORDS_PER_BATCH / seconds,
  };
}
