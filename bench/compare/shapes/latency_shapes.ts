/** Shapes that measure latencies under a fixed rate, with idle connections and under fan-out. Main isolate. */
import { processMemory } from "../../peer/processes.ts";
import { pauseFigures } from "../gc_trace.ts";
import { takenFigure } from "../saturation.ts";
import type { Figure } from "../figure.ts";
import { percentileFigures, type Percentiles } from "../percentiles.ts";
import type { RunContext, Shape } from "../shape.ts";
import { type Stretch, withPauses } from "../targets.ts";
import { generate, withTopic } from "./throughput_shapes.ts";

interface LatencyPrinted {
  readonly records: number;
  readonly bytes: number;
  readonly seconds: number;
  readonly errors: number;
  readonly missing?: number;
  readonly countedMs: Stretch;
  readonly ackMs: Percentiles;
  readonly endToEndMs: Percentiles;
}

/** The latency shapes of the report. */
export const latencyShapes: readonly Shape[] = [
  rateShape(1000, true),
  rateShape(5000, false),
  rateShape(10_000, false),
  {
    name: "fan-out-64",
    title:
      "64 consumers at the end of one topic that grows by 50 MB/s (16 KB batches; the records are read and dropped)",
    quick: false,
    warmRunsMax: 5,
    run: (context) => withTopic(context, 1, (topic) => tail(context, topic, { consumers: 64, megabytesPerSecond: 50 })),
  },
  {
    name: "idle-connections",
    title: "1,000/s end to end beside 10,000 idle connections",
    quick: false,
    warmRunsMax: 3,
    run: besideIdleConnections,
  },
];

function rateShape(rate: number, quick: boolean): Shape {
  return {
    name: `latency-${rate}`,
    title: `End to end through librdkafka at ${rate}/s, 1 KB, linger 0, acks 1`,
    quick,
    warmRunsMax: 5,
    run: (context) => withTopic(context, 1, (topic) => atRate(context, topic, { rate })),
  };
}

/** End to end through librdkafka at a fixed rate. @param load records per second, and for how long */
export async function atRate(
  context: RunContext,
  topic: string,
  load: { readonly rate: number; readonly seconds?: number },
): Promise<Figure[]> {
  const { rate, seconds = 20 } = load;
  const { figures } = await latencies(context, "client_load", {
    args: ["latency", "-t", topic, "-s", "1024"],
    rate,
    seconds: seconds * context.scale,
  });
  return figures;
}

/** A load at a fixed rate. */
interface OpenLoop {
  readonly args: readonly string[];
  /** Records or batches per second. */
  readonly rate: number;
  readonly seconds: number;
}

/** Both generators leave out the first fifth of the time. */
const COUNTED_SHARE = 4 / 5;

async function latencies(
  context: RunContext,
  generator: "client_load" | "tail_load",
  { args, rate, seconds }: OpenLoop,
): Promise<{ printed: LatencyPrinted; figures: Figure[] }> {
  const { value: printed, collected } = await withPauses(
    context.target,
    () =>
      generate<LatencyPrinted>(generator, [
        ...[...args, "-b", String(context.target.port), "-f", rate.toFixed(1), "-d", String(seconds)],
      ]),
  );
  const { from, to } = printed.countedMs;
  const takenRate = rate * seconds * COUNTED_SHARE / ((to - from) / 1000);
  const figures = [
    ...percentileFigures("acknowledged", printed.ackMs),
    ...percentileFigures("end to end", printed.endToEndMs),
    takenFigure({ rate, takenRate, p50Ms: printed.ackMs.p50 }),
    ...(collected === null ? [] : pauseFigures(collected.pauses, collected.seconds)),
  ];
  return { printed, figures };
}

async function tail(
  context: RunContext,
  topic: string,
  load: { consumers: number; megabytesPerSecond: number },
): Promise<Figure[]> {
  const batches = load.megabytesPerSecond * 1e6 / (16 * 1024);
  const { printed, figures } = await latencies(context, "tail_load", {
    args: ["-t", topic, "-n", String(load.consumers), "-s", "1024", "-r", "16"],
    rate: batches,
    seconds: 10 * context.scale,
  });
  return [...figures, { name: "batches not delivered within 10 s", value: printed.missing ?? 0, better: "lower" }];
}

async function besideIdleConnections(context: RunContext): Promise<Figure[]> {
  const wanted = 10_000;
  const before = processMemory(context.target.pid).residentBytes;
  const idle: Deno.TcpConn[] = [];
  try {
    for (let i = 0; i < wanted; i++) {
      idle.push(await Deno.connect({ hostname: "127.0.0.1", port: context.target.port }));
    }
    const figures = await withTopic(context, 1, (topic) => atRate(context, topic, { rate: 1000 }));
    const grown = processMemory(context.target.pid).residentBytes - before;
    return [...figures, { name: "RSS MB more than before", value: grown / 1e6, better: "lower" }];
  } finally {
    for (const connection of idle) connection.close();
  }
}
