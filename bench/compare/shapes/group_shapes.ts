/**
 * Shapes of consumer groups: many small ones, one large one, commits at a fixed rate, and latencies of others beside them. Main isolate.
 */
import { processMemory } from "../../peer/processes.ts";
import { beside, BESIDE_SECONDS } from "./adversity_shapes.ts";
import { takenFigure } from "../saturation.ts";
import type { Figure } from "../figure.ts";
import { percentileFigures, type Percentiles } from "../percentiles.ts";
import type { RunContext, Shape } from "../shape.ts";
import { generate, withTopic } from "./throughput_shapes.ts";

interface SteadyPrinted {
  readonly errors: number;
  readonly joinSeconds: number;
  readonly commits: number;
  readonly commitsPerSecond: number;
  readonly brokerCpuSeconds: number;
  readonly clientCpuSeconds: number;
  readonly joinMs: Percentiles;
  readonly syncMs: Percentiles;
  readonly commitMs: Percentiles;
  readonly heartbeatMs: Percentiles;
}

interface RebalancePrinted {
  readonly errors: number;
  readonly brokerCpuSeconds: number;
  readonly joinedMs: Percentiles;
  readonly synchronisedMs: Percentiles;
  readonly rebalanceMs: Percentiles;
  readonly clientCpuMs: Percentiles;
}

/** One heartbeat in three seconds, the default of clients. */
const HEARTBEATS_PER_MEMBER = 1 / 3;
/** Rebalances of a run; each takes about ten milliseconds. */
const ROUNDS = 20;

/** The group shapes of the report. */
export const groupShapes: readonly Shape[] = [
  {
    name: "groups-1000",
    title:
      "1,000 groups of one member: 500 come a second, then each commits once a second and beats every three; then 1,000 at once",
    quick: false,
    warmRunsMax: 5,
    run: (context) => withTopic(context, 1, (topic) => manyGroups(context, topic)),
  },
  {
    name: "rebalance-1000",
    title: "One group of 1,000 members that rebalances: from the last JoinGroup sent to the last SyncGroup answered",
    quick: true,
    warmRunsMax: 5,
    run: (context) => withTopic(context, 1, (topic) => rebalance(context, topic)),
  },
  {
    name: "commits-20000",
    title: "20,000 commits/s of 200 groups, one offset each",
    quick: true,
    warmRunsMax: 5,
    run: (context) => withTopic(context, 1, (topic) => commitsAtRate(context, topic)),
  },
  beside(
    "commits-beside",
    "1,000 groups that commit 20,000 offsets a second and beat every three seconds",
    (context, measure) =>
      withTopic(context, 1, (topic) =>
        measure(() =>
          steady(context, topic, {
            groups: 1000,
            joinsPerSecond: 1000,
            commitsPerSecond: 20_000,
            seconds: (BESIDE_SECONDS - 2) * context.scale,
          })
        )),
  ),
];

interface Steady {
  readonly groups: number;
  /** Absent: all at once. */
  readonly joinsPerSecond?: number;
  readonly commitsPerSecond: number;
  readonly seconds: number;
}

function steady(context: RunContext, topic: string, load: Steady): Promise<SteadyPrinted> {
  return generate<SteadyPrinted>("group_load", [
    ...["steady", ...common(context, topic), "-n", String(load.groups), "-j", String(load.joinsPerSecond ?? 0)],
    ...["-f", String(load.commitsPerSecond), "-d", load.seconds.toFixed(2)],
    ...["-h", (load.commitsPerSecond === 0 ? 0 : load.groups * HEARTBEATS_PER_MEMBER).toFixed(2)],
  ]);
}

function common({ target }: RunContext, topic: string): string[] {
  return [
    "-b",
    String(target.port),
    "-t",
    topic,
    "-g",
    `${topic}-${crypto.randomUUID().slice(0, 8)}`,
    "-P",
    `${target.pid}`,
  ];
}

async function manyGroups(context: RunContext, topic: string): Promise<Figure[]> {
  const groups = 1000;
  const spread = await steady(context, topic, {
    groups,
    joinsPerSecond: 500,
    commitsPerSecond: groups,
    seconds: 8 * context.scale,
  });
  const atOnce = await steady(context, topic, { groups, commitsPerSecond: 0, seconds: 0 });
  return [
    ...percentileFigures("JoinGroup", spread.joinMs, ["p50", "p99"]),
    ...percentileFigures("SyncGroup", spread.syncMs, ["p50", "p99"]),
    ...percentileFigures("heartbeat", spread.heartbeatMs, ["p50", "p99"]),
    ...percentileFigures("commit", spread.commitMs, ["p50", "p99"]),
    takenFigure({ rate: groups, takenRate: spread.commitsPerSecond, p50Ms: spread.commitMs.p50 }),
    { name: "1,000 at once, s until all are stable", value: atOnce.joinSeconds, better: "lower" },
  ];
}

async function rebalance(context: RunContext, topic: string): Promise<Figure[]> {
  const rounds = Math.max(2, Math.round(ROUNDS * context.scale));
  const printed = await generate<RebalancePrinted>("group_load", [
    ...["rebalance", ...common(context, topic), "-n", "1000", "-r", String(rounds)],
  ]);
  return [
    { name: "last JoinGroup to last SyncGroup answered, p50 ms", value: printed.rebalanceMs.p50, better: "lower" },
    { name: "the same, slowest ms", value: printed.rebalanceMs.max, better: "lower" },
    { name: "last JoinGroup to last JoinGroup answered, p50 ms", value: printed.joinedMs.p50, better: "lower" },
    {
      name: "leader's SyncGroup to last SyncGroup answered, p50 ms",
      value: printed.synchronisedMs.p50,
      better: "lower",
    },
    { name: "CPU of the load generator in it, p50 ms", value: printed.clientCpuMs.p50, better: "lower" },
    { name: "broker CPU-ms per rebalance", value: printed.brokerCpuSeconds * 1e3 / rounds, better: "lower" },
  ];
}

async function commitsAtRate(context: RunContext, topic: string): Promise<Figure[]> {
  const rate = 20_000;
  const printed = await steady(context, topic, {
    groups: 200,
    commitsPerSecond: rate,
    seconds: 10 * context.scale,
  });
  return [
    { name: "commits/s", value: printed.commitsPerSecond, better: "higher", binding: true },
    takenFigure({ rate, takenRate: printed.commitsPerSecond, p50Ms: printed.commitMs.p50 }),
    ...percentileFigures("commit", printed.commitMs),
    {
      name: "broker CPU-s per 100,000 commits",
      value: printed.brokerCpuSeconds * 1e5 / printed.commits,
      better: "lower",
      binding: true,
    },
    {
      name: "RSS MB after",
      value: processMemory(context.target.pid).residentBytes / 1e6,
      better: "lower",
      binding: true,
    },
  ];
}
