/**
 * Shapes that measure how long others wait during hostile requests, which cause far more work than they have bytes, and, as a control,
 * during a harmless load of as many bytes. Main isolate.
 *
 * Each run has a new broker, so that what such a load leaves (a full heap, a queue of minutes) does not affect later shapes. Before
 * turns and memory had limits, these two loads made others wait for 30 s and ended the process.
 */
import { processMemory } from "../../peer/processes.ts";
import { WireClient } from "../../peer/wire_client.ts";
import type { Figure } from "../figure.ts";
import { percentileFigures, type ProbePrinted } from "../percentiles.ts";
import type { RunContext, Shape } from "../shape.ts";
import { explainFailure, start, type Target } from "../targets.ts";
import { generate } from "./throughput_shapes.ts";

/** Waves of DescribeConfigs requests; each wave waits until the one before it is answered. */
interface Hostility {
  readonly connections: number;
  /** How often each request names the topic: 8 bytes each time. */
  readonly elements: number;
  readonly wavesPerSecond: number;
}

interface WavesPrinted {
  readonly errors: number;
  readonly waves: number;
  readonly answered: number;
  readonly closed: number;
}

/** New connections per second of `first-request`. */
const ARRIVALS = 300;
/** Topics of the honest clients, of the harmless load, and of the hostile requests, whose name is one byte. */
const [HONEST, HARMLESS, NAMED] = ["honest", "harmless", "t"] as const;
const ELEMENT_BYTES = 8;
/** Number of names in the largest request that the broker serves (net/protocol/api.ts); with more it closes the connection. */
const REQUEST_ELEMENTS_MAX = 16_000;
/** Honest clients: connections to partitions on every shard, and requests per second of all together. */
const HONEST_CLIENTS = { partitions: 4, connections: 8, rate: 500 };
/** Duration of the warming, and of each of the three measurements. */
const [WARM_SECONDS, PHASE_SECONDS] = [4, 10] as const;

/** The hostile shapes of the report, and the first request of a new connection. */
export const hostileShapes: readonly Shape[] = [
  {
    name: "first-request",
    title: `A new connection, ${ARRIVALS} a second: from connecting to the answer of its first request (ApiVersions)`,
    quick: true,
    warmRunsMax: 5,
    run: firstRequest,
  },
  hostileShape(
    "hostile-wedge",
    "260 connections that send one DescribeConfigs of 22 KB each, at most every 5 s",
    { connections: 260, elements: 2800, wavesPerSecond: 0.2 },
  ),
  hostileShape(
    "hostile-largest",
    "60 DescribeConfigs of 128 KB each that name a topic 16,000 times, as often as the broker takes from one request, at most once a second",
    { connections: 60, elements: REQUEST_ELEMENTS_MAX, wavesPerSecond: 1 },
  ),
];

async function firstRequest({ target, scale }: RunContext): Promise<Figure[]> {
  const printed = await generate<ProbePrinted>("probe_load", [
    ...["connect", "-b", String(target.port), "-f", String(ARRIVALS), "-d", String(20 * scale)],
  ]);
  return waits("first answer", printed);
}

function hostileShape(name: string, what: string, hostility: Hostility): Shape {
  return {
    name,
    title: `How long others wait beside ${what}; and beside produce requests of as many bytes`,
    quick: false,
    warmRunsMax: 0,
    run: (context) => besideHostility(context, hostility),
  };
}

async function besideHostility(context: RunContext, hostility: Hostility): Promise<Figure[]> {
  const directory = `${context.scratch}/hostile-${context.id}`;
  try {
    await using target = await start(context.target.contender, { directory, gcTrace: false });
    return await measure(target, hostility, context.scale).catch((error) => explainFailure(error, [target]));
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

async function measure(target: Target, hostility: Hostility, scale: number): Promise<Figure[]> {
  using client = await WireClient.connect(target.port);
  await client.createTopic(HONEST, HONEST_CLIENTS.partitions);
  for (const topic of [HARMLESS, NAMED]) await client.createTopic(topic, 1);
  const seconds = PHASE_SECONDS * scale;
  const common = [
    "-b",
    String(target.port),
    "-n",
    String(hostility.connections),
    "-f",
    String(hostility.wavesPerSecond),
  ];
  const bytes = String(hostility.elements * ELEMENT_BYTES);
  const waves = (mode: "harmless" | "describe", length: number) =>
    generate<WavesPrinted>("wave_load", [
      ...[mode, ...common, "-d", String(length)],
      ...(mode === "harmless" ? ["-t", HARMLESS, "-r", bytes] : ["-t", NAMED, "-e", String(hostility.elements)]),
    ]);
  // Warmed by the same requests, except the hostile ones: those come last, because a broker may not recover from them soon.
  await Promise.all([probe(target, WARM_SECONDS), waves("harmless", WARM_SECONDS)]);
  const alone = await probe(target, seconds);
  const [control, harmless] = await Promise.all([probe(target, seconds), waves("harmless", seconds)]);
  const [during, hostile] = await Promise.all([probe(target, seconds), waves("describe", seconds)]);
  return [
    ...waits("alone", alone),
    ...waits("beside a harmless load", control),
    ...waits("beside it", during),
    { name: "beside it: not answered for 30 s", value: during.missing, better: "lower" },
    { name: "harmless requests answered", value: harmless.answered, better: "higher" },
    { name: "hostile requests answered", value: hostile.answered, better: "higher" },
    { name: "hostile connections closed", value: hostile.closed, better: "lower" },
    { name: "RSS at most, MB", value: processMemory(target.pid).peakResidentBytes / 1e6, better: "lower" },
  ];
}

/** The honest clients, which send single records of 1 KB at a fixed rate. */
function probe(target: Target, seconds: number): Promise<ProbePrinted> {
  const { partitions, connections, rate } = HONEST_CLIENTS;
  return generate<ProbePrinted>("probe_load", [
    ...["acks", "-b", String(target.port), "-t", HONEST, "-p", String(partitions), "-n", String(connections)],
    ...["-f", String(rate), "-d", String(seconds)],
  ]);
}

function waits(prefix: string, { latencyMs }: ProbePrinted): Figure[] {
  return percentileFigures(prefix, latencyMs, ["p50", "p99", "max"]);
}
