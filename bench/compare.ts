// deno-lint-ignore-file no-console -- the program's own words
/**
 * Compares this broker with Apache Kafka on this machine: both run side by side, memory and brokers are warmed, every shape of
 * load runs A B B A, and the figures go to the terminal and to bench/RESULTS.md with the machine's description. Main isolate.
 *
 *    deno task bench:compare [--quick] [--only NAME[,NAME]] [--rounds N] [--no-gc-trace] [--list] [--output FILE]
 *                            [--scratch DIRECTORY]
 *
 * How it measures, and why so: bench/README.md.
 */
import { describeMachine, latencyFloorMs, settle, warmMemory } from "./compare/machine.ts";
import { adversityShapes } from "./compare/adversity_shapes.ts";
import { footprintShapes } from "./compare/footprint_shapes.ts";
import { groupShapes } from "./compare/group_shapes.ts";
import { latencyShapes } from "./compare/latency_shapes.ts";
import { markdownReport, textSummary } from "./compare/report.ts";
import type { Figure, RunContext, Shape, ShapeResult } from "./compare/shape.ts";
import { type Side, SIDES, start, type Target } from "./compare/targets.ts";
import { throughputShapes } from "./compare/throughput_shapes.ts";
import { buildLoadGenerators, installKafka } from "./peer/install.ts";
import { stopAll } from "./peer/processes.ts";

const USAGE = `Usage: deno task bench:compare [flags]
  --quick             a short run of a few shapes, to see that everything works: its figures mean little
  --only NAME,NAME    these shapes only
  --rounds N          A B B A that many times (default 2: four pairs of runs)
  --no-gc-trace       the brokers' engines do not write down their collections: to see that this costs nothing
  --list              names the shapes
  --output FILE       where the report goes (default bench/RESULTS.md; --quick and --only: nowhere)
  --scratch DIRECTORY data directories of the brokers (default: a temporary one); needs 20 GB
`;

const SHAPES: readonly Shape[] = [
  ...throughputShapes,
  ...latencyShapes,
  ...groupShapes,
  ...footprintShapes,
  ...adversityShapes,
];

/** Full amounts are divided by ten in a quick run. */
const QUICK_SCALE = 0.1;

interface Options {
  readonly shapes: readonly Shape[];
  readonly rounds: number;
  readonly scale: number;
  readonly gcTrace: boolean;
  readonly output: string | null;
  readonly scratch: string | null;
}

/** @throws Error with a sentence for people when a flag is wrong */
function parseOptions(args: readonly string[]): Options | "list" | "help" {
  let only: string[] | null = null;
  let quick = false;
  let gcTrace = true;
  let rounds: number | null = null;
  let output: string | null = null;
  let scratch: string | null = null;
  const words = args.flatMap((word) => /^--\w+=/.test(word) ? word.split(/=(.*)/s).slice(0, 2) : [word]);
  for (let i = 0; i < words.length; i++) {
    const valueOf = (flag: string) => {
      const value = words[++i];
      if (value === undefined) throw new Error(`Cannot read the flags: ${flag} needs a value`);
      return value;
    };
    const flag = words[i]!;
    if (flag === "--help") return "help";
    else if (flag === "--list") return "list";
    else if (flag === "--quick") quick = true;
    else if (flag === "--only") only = valueOf(flag).split(",");
    else if (flag === "--no-gc-trace") gcTrace = false;
    else if (flag === "--rounds") rounds = Number(valueOf(flag));
    else if (flag === "--output") output = valueOf(flag);
    else if (flag === "--scratch") scratch = valueOf(flag);
    else throw new Error(`Cannot read the flags: there is no ${flag}`);
  }
  if (rounds !== null && !(Number.isInteger(rounds) && rounds > 0)) {
    throw new Error("Cannot read the flags: --rounds needs a count");
  }
  const partial = quick || only !== null;
  return {
    shapes: chooseShapes(only, quick),
    rounds: rounds ?? (quick ? 1 : 2),
    scale: quick ? QUICK_SCALE : 1,
    gcTrace,
    output: output ?? (partial ? null : new URL("RESULTS.md", import.meta.url).pathname),
    scratch,
  };
}

function chooseShapes(only: readonly string[] | null, quick: boolean): readonly Shape[] {
  if (only === null) return SHAPES.filter((shape) => !quick || shape.quick);
  return only.map((name) => {
    const shape = SHAPES.find((each) => each.name === name);
    if (shape === undefined) {
      throw new Error(`Cannot run ${name}: the shapes are ${SHAPES.map((each) => each.name).join(", ")}`);
    }
    return shape;
  });
}

const startedAt = performance.now();

function say(line: string): void {
  const seconds = Math.floor((performance.now() - startedAt) / 1000);
  const clock = `${String(Math.floor(seconds / 60)).padStart(3)}:${String(seconds % 60).padStart(2, "0")}`;
  console.log(`${clock}  ${line}`);
}

async function compare(options: Options): Promise<void> {
  say("installing Apache Kafka and building the load generators, unless that was done before");
  await installKafka();
  await buildLoadGenerators();
  const scratch = options.scratch ?? await Deno.makeTempDir({ prefix: "barnabas-compare-" });
  await Deno.mkdir(scratch, { recursive: true });
  const cleanUp = async () => {
    if (options.scratch === null) await Deno.remove(scratch, { recursive: true });
  };
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => void stopAll().then(cleanUp).then(() => Deno.exit(130)));
  }
  try {
    await compareIn(scratch, options);
  } finally {
    await cleanUp();
  }
}

async function compareIn(scratch: string, options: Options): Promise<void> {
  const freshRate = await warmMemory(scratch, say);
  const machine = [
    ...await describeMachine(scratch),
    ["fresh 1 GiB file", `${(freshRate / 1e9).toFixed(1)} GB/s`],
    ["loopback round trip of 100 B, p50", `${(await latencyFloorMs()).toFixed(3)} ms`],
  ] as const;
  for (const [name, value] of machine) say(`${name}: ${value}`);
  const { gcTrace } = options;
  await using kafka = await start("kafka", { directory: `${scratch}/kafka`, gcTrace });
  await using barnabas = await start("barnabas", { directory: `${scratch}/barnabas`, gcTrace });
  const targets = { kafka, barnabas };
  const results: ShapeResult[] = [];
  for (const shape of options.shapes) {
    const result = await runShape(shape, targets, { ...options, scratch }).catch((error) => explain(error, targets));
    results.push(result);
    console.log(`  ${"".padEnd(42)}${"Apache Kafka".padStart(24)}${"Barnabas".padStart(24)}   ratio`);
    for (const line of textSummary(result)) console.log(line);
    // After each shape, so that a run that is stopped leaves what it has.
    if (options.output !== null) await Deno.writeTextFile(options.output, markdownReport(machine, results));
  }
  if (options.output !== null) say(`written to ${options.output}`);
}

/** A broker that has died is told as that, not as the refused connection that showed it. */
function explain(error: unknown, targets: Readonly<Record<Side, Target>>): never {
  for (const side of SIDES) {
    const { process } = targets[side];
    if (!process.running) {
      throw new Error(`Cannot go on: ${side} has ended by itself:\n${process.outputTail()}`, { cause: error });
    }
  }
  throw error;
}

async function runShape(
  shape: Shape,
  targets: Readonly<Record<Side, Target>>,
  options: Pick<Options, "rounds" | "scale"> & { scratch: string },
): Promise<ShapeResult> {
  say(`${shape.name}: ${shape.title}`);
  const contextOf = (side: Side, id: string, scale: number): RunContext => ({
    target: targets[side],
    scratch: options.scratch,
    scale,
    id: `${shape.name}-${id}`,
  });
  for (const side of SIDES) {
    await warmUp(side, shape.warmRunsMax, (run) => shape.run(contextOf(side, `warm-${run}`, options.scale / 2)));
  }
  const runs: Record<Side, Figure[][]> = { kafka: [], barnabas: [] };
  const order: Side[] = Array.from({ length: options.rounds }, () => [...SIDES, ...SIDES.toReversed()]).flat();
  for (const [index, side] of order.entries()) {
    const figures = await shape.run(contextOf(side, String(index), options.scale));
    runs[side].push(figures);
    say(`  ${side}: ${figures.map((figure) => `${figure.name} ${Number(figure.value.toPrecision(3))}`).join(" · ")}`);
    await settle();
  }
  return { shape, runs };
}

/** A virtual machine compiles what it sees often: a broker counts as warm when a run gains less than this on the best before. */
const WARM_GAIN = 1.05;

/** Runs a shape until its first figure stops getting better. */
async function warmUp(side: Side, runsMax: number, run: (index: number) => Promise<Figure[]>): Promise<void> {
  let best: number | null = null;
  for (let index = 0; index < runsMax; index++) {
    const [figure] = await run(index);
    await settle();
    if (figure === undefined) return;
    say(`  warming ${side}: ${figure.name} ${Number(figure.value.toPrecision(3))}`);
    const gain: number = best === null
      ? Infinity
      : figure.better === "higher"
      ? figure.value / best
      : best / figure.value;
    if (gain < WARM_GAIN) return;
    best = figure.value;
  }
}

if (import.meta.main) {
  try {
    const options = parseOptions(Deno.args);
    if (options === "help") console.log(USAGE);
    else if (options === "list") {
      for (const shape of SHAPES) console.log(`${shape.name.padEnd(22)} ${shape.title}`);
    } else await compare(options);
    Deno.exit(0); // the signal listeners would keep it alive
  } catch (error) {
    console.error(`bench:compare: ${error instanceof Error ? error.message : error}`);
    Deno.exit(1);
  }
}
