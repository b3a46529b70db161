/** Shapes that measure rates: pre-encoded produce and hot fetch, librdkafka, many partitions, many connections. Main isolate. */
import { type LoadGenerator, loadGenerator } from "../../peer/install.ts";
import { processMemory, runOrThrow } from "../../peer/processes.ts";
import { WireClient } from "../../peer/wire_client.ts";
import type { Figure } from "../figure.ts";
import type { RunContext, Shape } from "../shape.ts";
import { withUsage } from "../targets.ts";

/** A load of pre-encoded batches. */
export interface WireLoad {
  readonly recordBytes: number;
  readonly recordsPerBatch: number;
  readonly partitions: number;
  readonly connections: number;
  readonly records: number;
  /** File of the batches that are sent; absent: random letters, not compressed. */
  readonly batches?: string;
}

/** Printed by the load generators. */
export interface Printed {
  readonly records: number;
  readonly bytes: number;
  readonly seconds: number;
  readonly errors: number;
}

interface WirePrinted extends Printed {
  readonly brokerCpuSeconds: number;
}

/** The throughput shapes of the report. */
export const throughputShapes: readonly Shape[] = [
  wireShape("produce-100x1000", true, load(100, 1000, 4, 20e6)),
  wireShape("produce-100x160", true, load(100, 160, 4, 10e6)),
  wireShape("produce-1k-16", false, load(1024, 16, 4, 1.5e6)),
  wireShape("produce-1k-16-p100", false, { ...load(1024, 16, 100, 1.5e6), connections: 50 }),
  wireShape("produce-1k-1000", false, load(1024, 1000, 4, 3e6)),
  wireShape("produce-1k-1000-p1", false, { ...load(1024, 1000, 1, 3e6), connections: 1 }),
  clientShape("librdkafka-100", true, { recordBytes: 100, records: 10e6 }),
  clientShape("librdkafka-1k", false, { recordBytes: 1024, records: 3e6 }),
  spreadShape("partitions-1000", "1 and 1,000 partitions", [{ partitions: 1 }, { partitions: 1000 }]),
  spreadShape("connections-100", "1 and 100 connections", [{ connections: 1 }, { connections: 100 }]),
];

function load(recordBytes: number, recordsPerBatch: number, partitions: number, records: number): WireLoad {
  return { recordBytes, recordsPerBatch, partitions, connections: 4, records };
}

function wireShape(name: string, quick: boolean, wire: WireLoad): Shape {
  const { recordBytes, recordsPerBatch, partitions, connections } = wire;
  const what = `${recordBytes} B × ${recordsPerBatch} per batch, ${partitions} partitions, ${connections} connections`;
  return {
    name,
    title: `Pre-encoded produce, then hot fetch: ${what}`,
    quick,
    warmRunsMax: 10,
    run: (context) =>
      withTopic(context, partitions, async (topic) => [
        ...await wireRun(context, topic, "produce", wire),
        ...await wireRun(context, topic, "fetch", wire),
      ]),
  };
}

/** Produces or fetches a load of pre-encoded batches. */
export async function wireRun(
  context: RunContext,
  topic: string,
  mode: "produce" | "fetch",
  wire: WireLoad,
): Promise<Figure[]> {
  const { port, pid } = context.target;
  const printed = await generate<WirePrinted>("wire_load", [
    ...[mode, "-b", String(port), "-t", topic, "-p", String(wire.partitions), "-P", String(pid)],
    ...["-n", String(wire.connections), "-s", String(wire.recordBytes), "-r", String(wire.recordsPerBatch)],
    // Whole batches, so that the fetch finds as many records as it requests.
    ...["-c", String(Math.floor(wire.records * context.scale / wire.recordsPerBatch) * wire.recordsPerBatch)],
    ...(wire.batches === undefined ? [] : ["-B", wire.batches]),
  ]);
  return [
    ...rates(mode, printed, printed.brokerCpuSeconds),
    { name: `${mode}, RSS MB after`, value: processMemory(pid).residentBytes / 1e6, better: "lower", binding: true },
  ];
}

function rates(mode: string, printed: Printed, cpuSeconds: number): Figure[] {
  return [
    { name: `${mode}, M records/s`, value: printed.records / printed.seconds / 1e6, better: "higher" },
    { name: `${mode}, MB/s`, value: printed.bytes / printed.seconds / 1e6, better: "higher", binding: true },
    { name: `${mode}, broker CPU-s per GB`, value: cpuSeconds / (printed.bytes / 1e9), better: "lower", binding: true },
  ];
}

function clientShape(name: string, quick: boolean, client: { recordBytes: number; records: number }): Shape {
  return {
    name,
    title:
      `librdkafka, one producer, then one consumer: ${client.recordBytes} B, 1 partition, linger 5 ms, batches up to 1 MB`,
    quick,
    warmRunsMax: 10,
    run: (context) =>
      withTopic(context, 1, async (topic) => {
        const figures: Figure[] = [];
        for (const mode of ["produce", "consume"]) {
          const { value, cpuSeconds } = await withUsage(context.target, () =>
            generate("client_load", [
              ...[mode, "-b", String(context.target.port), "-t", topic],
              ...["-s", String(client.recordBytes), "-c", String(Math.floor(client.records * context.scale))],
            ]));
          figures.push(...rates(mode, value, cpuSeconds));
        }
        return figures;
      }),
  };
}

/** The same load twice, narrow and wide: what many partitions or connections cost. */
function spreadShape(name: string, title: string, ends: readonly [Partial<WireLoad>, Partial<WireLoad>]): Shape {
  const base = load(1024, 16, 4, 1e6);
  return {
    name,
    title: `Pre-encoded produce, 1024 B × 16 per batch, ${title}: what the breadth costs`,
    quick: false,
    warmRunsMax: 5,
    async run(context) {
      const rate: number[] = [];
      const figures: Figure[] = [];
      for (const [index, end] of ends.entries()) {
        const wire = { ...base, ...end };
        const label = index === 0 ? "narrow" : "wide";
        const found = await withTopic(context, wire.partitions, async (topic) => {
          // The first append to a partition opens its files, which is no lasting cost.
          await wireRun(context, topic, "produce", { ...wire, records: wire.partitions * 4 * wire.recordsPerBatch });
          return await wireRun(context, topic, "produce", wire);
        });
        const [, megabytes] = found;
        rate.push(megabytes!.value);
        figures.push({ ...megabytes!, name: `${label}, MB/s` });
      }
      return [...figures, { name: "wide / narrow", value: rate[1]! / rate[0]!, better: "higher" }];
    },
  };
}

/** Creates a topic for one run and deletes it. @param configs of the topic */
export async function withTopic<T>(
  context: RunContext,
  partitions: number,
  body: (topic: string) => Promise<T>,
  configs: Readonly<Record<string, string>> = {},
): Promise<T> {
  const topic = `bench-${context.id}-${partitions}-${crypto.randomUUID().slice(0, 8)}`;
  using client = await WireClient.connect(context.target.port);
  await client.createTopic(topic, partitions, configs);
  try {
    return await body(topic);
  } finally {
    using after = await WireClient.connect(context.target.port);
    await after.deleteTopic(topic);
  }
}

/** Runs a load generator. @returns what it printed */
export async function generate<T extends Pick<Printed, "errors"> = Printed>(
  name: LoadGenerator,
  args: readonly string[],
): Promise<T> {
  const printed = JSON.parse(await runOrThrow(loadGenerator(name), args)) as T;
  if (printed.errors > 0) throw new Error(`Cannot count a run of ${name}: ${printed.errors} requests failed`);
  return printed;
}
