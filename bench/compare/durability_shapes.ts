/**
 * Shapes of topics with `flush.messages=1`, whose records are acknowledged when they are on the disk: latency at a low rate, throughput of
 * small batches, and what such a topic costs another one. Main isolate.
 */
import { beside, BESIDE_SECONDS } from "./adversity_shapes.ts";
import { atRate } from "./latency_shapes.ts";
import type { RunContext, Shape } from "./shape.ts";
import { generate, type WireLoad, wireRun, withTopic } from "./throughput_shapes.ts";

const FLUSHED = { "flush.messages": "1" };
/** Batches of 16 KB a second: 20 MB/s, which a disk that flushes each of them by itself still takes. */
const NEIGHBOUR_BATCHES = 1220;

/** The durability shapes of the report. */
export const durabilityShapes: readonly Shape[] = [
  {
    name: "flush-1000",
    title: "End to end through librdkafka at 1,000/s, 1 KB, linger 0, acks 1, flush.messages=1",
    quick: false,
    warmRunsMax: 5,
    run: (context) => withTopic(context, 1, (topic) => atRate(context, topic, 1000), FLUSHED),
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
];

function flushedShape(name: string, of: Pick<WireLoad, "recordsPerBatch" | "records">): Shape {
  const wire: WireLoad = { recordBytes: 1024, partitions: 4, connections: 4, ...of };
  return {
    name,
    title:
      `Pre-encoded produce with flush.messages=1: 1024 B × ${of.recordsPerBatch} per batch, 4 partitions, 4 connections`,
    quick: false,
    warmRunsMax: 10,
    run: (context) => withTopic(context, wire.partitions, (topic) => wireRun(context, topic, "produce", wire), FLUSHED),
  };
}

/** Appends to a topic at a fixed rate, and reads it, for as long as another measurement takes. */
async function grow(context: RunContext, topic: string): Promise<void> {
  await generate("tail_load", [
    ...["-b", String(context.target.port), "-t", topic, "-n", "1", "-s", "1024", "-r", "16"],
    ...["-f", String(NEIGHBOUR_BATCHES), "-d", String(BESIDE_SECONDS * context.scale)],
  ]);
}
