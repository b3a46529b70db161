// deno-lint-ignore-file no-console -- the program's own words
/**
 * Compares this broker with Apache Kafka, or with another checkout of itself, on this machine. Both run side by side, memory and brokers
 * are warmed, and every shape of load runs A B B A. The figures go to the terminal and, with a description of the machine, to a file.
 * Main isolate.
 *
 *    deno task bench:compare [--quick] [--only NAME[,NAME]] [--rounds N] [--no-gc-trace] [--list] [--output FILE]
 *                            [--scratch DIRECTORY]
 *    deno task bench:compare --against CHECKOUT [--pairs N] [--only NAME[,NAME]] ...
 *
 * bench/README.md says how it measures, and why.
 */
import { runAgainst } from "./compare/against.ts";
import {
  describeCheckout,
  describeKafka,
  describeMachine,
  latencyFloorMs,
  waitForWriteBack,
  warmMemory,
} from "./compare/machine.ts";
import { type Options, parseOptions, USAGE } from "./compare/options.ts";
import { againstReport, againstSummary, markdownReport, textSummary } from "./compare/report.ts";
import type { Figure } from "./compare/figure.ts";
import type { Contenders, RunContext, Shape, ShapeResult } from "./compare/shape.ts";
import { SHAPES } from "./compare/shapes/shapes.ts";
import { apacheKafka, checkout, explainFailure, start, type Target, THIS_TREE, thisTree } from "./compare/targets.ts";
import { exitCodeOf, judge } from "./compare/verdict.ts";
import { isWarm } from "./compare/warming.ts";
import { buildLoadGenerators, installKafka } from "./peer/install.ts";
import { stopAll } from "./peer/processes.ts";

const startedAt = performance.now();

function say(line: string): void {
  const seconds = Math.floor((performance.now() - startedAt) / 1000);
  const clock = `${String(Math.floor(seconds / 60)).padStart(3)}:${String(seconds % 60).padStart(2, "0")}`;
  console.log(`${clock}  ${line}`);
}

/** @returns the exit code */
async function compare(options: Options): Promise<number> {
  if (options.against === null) {
    say("installing Apache Kafka, unless that was done before");
    await installKafka();
  }
  say("building the load generators, unless that was done before");
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
    if (options.against === null) return await compareWithKafka(scratch, options);
    return await compareCheckouts(scratch, options, await otherTree(options.against));
  } finally {
    await cleanUp();
  }
}

/** The broker of the checkout that --against names. */
async function otherTree(directory: string) {
  try {
    const real = await Deno.realPath(directory);
    await Deno.stat(`${real}/main.ts`);
    return checkout("before", "before", real);
  } catch (error) {
    throw new Error(`Cannot compare with ${directory}: it is no checkout, for it has no main.ts`, { cause: error });
  }
}

async function prepareMachine(scratch: string, about: readonly (readonly [name: string, value: string])[]) {
  const freshRate = await warmMemory(scratch, say);
  const machine = [
    ...await describeMachine(scratch),
    ...about,
    ["fresh 1 GiB file", `${(freshRate / 1e9).toFixed(1)} GB/s`],
    ["loopback round trip of 100 B, p50", `${(await latencyFloorMs()).toFixed(3)} ms`],
  ] as const;
  for (const [name, value] of machine) say(`${name}: ${value}`);
  return machine;
}

async function compareWithKafka(scratch: string, options: Options): Promise<number> {
  const machine = await prepareMachine(scratch, await describeKafka());
  const { gcTrace } = options;
  await using kafka = await start(apacheKafka, { directory: `${scratch}/${apacheKafka.name}`, gcTrace });
  await using barnabas = await start(thisTree, { directory: `${scratch}/${thisTree.name}`, gcTrace });
  const targets = [kafka, barnabas] as const;
  const results: ShapeResult[] = [];
  for (const shape of options.shapes) {
    const result = await runShape(shape, targets, { ...options, scratch }).catch((error) =>
      explainFailure(error, targets)
    );
    results.push(result);
    for (const line of textSummary(result)) console.log(line);
    // Written after each shape, so that an interrupted run leaves a report.
    if (options.output !== null) await Deno.writeTextFile(options.output, markdownReport(machine, results));
  }
  if (options.output !== null) say(`written to ${options.output}`);
  return 0;
}

async function compareCheckouts(scratch: string, options: Options, before: Target["contender"]): Promise<number> {
  const machine = await prepareMachine(scratch, [["before", await describeCheckout(options.against!)]]);
  const contenders: Contenders = [before, checkout("this", "this tree", THIS_TREE)];
  const results: { result: ShapeResult; judged: ReturnType<typeof judge> }[] = [];
  for (const shape of options.shapes) {
    const result = await runAgainst(shape, { ...options, contenders, scratch, say });
    const judged = judge(result);
    results.push({ result, judged });
    for (const line of againstSummary(result, judged)) console.log(line);
    if (options.output !== null) await Deno.writeTextFile(options.output, againstReport(machine, results));
  }
  const code = exitCodeOf(results.flatMap(({ judged }) => judged));
  say(
    [
      "every binding figure is within the bound",
      "a bound is broken",
      "no bound is broken, but not every figure is decided",
    ][code]!,
  );
  return code;
}

async function runShape(
  shape: Shape,
  targets: readonly [baseline: Target, candidate: Target],
  options: Pick<Options, "rounds" | "scale"> & { scratch: string },
): Promise<ShapeResult> {
  say(`${shape.name}: ${shape.title}`);
  const contextOf = (target: Target, id: string, scale: number): RunContext => ({
    target,
    scratch: options.scratch,
    scale,
    id: `${shape.name}-${id}`,
  });
  for (const target of targets) {
    const run = (index: number) => shape.run(contextOf(target, `warm-${index}`, options.scale / 2));
    await warmUp(target.contender.title, shape.warmRunsMax, run);
  }
  const runs: readonly [Figure[][], Figure[][]] = [[], []];
  for (const [index, side] of Array.from({ length: options.rounds }, () => [0, 1, 1, 0] as const).flat().entries()) {
    const figures = await shape.run(contextOf(targets[side], String(index), options.scale));
    runs[side].push(figures);
    const text = figures.map((figure) => `${figure.name} ${Number(figure.value.toPrecision(3))}`);
    say(`  ${targets[side].contender.name}: ${text.join(" · ")}`);
    await waitForWriteBack();
  }
  const contenders: Contenders = [targets[0].contender, targets[1].contender];
  return { shape, contenders, baseline: runs[0], candidate: runs[1] };
}

/** Runs a shape until its first figure does not improve any more. */
async function warmUp(title: string, runsMax: number, run: (index: number) => Promise<Figure[]>): Promise<void> {
  const values: number[] = [];
  while (values.length < runsMax) {
    const [figure] = await run(values.length);
    await waitForWriteBack();
    if (figure === undefined) return;
    say(`  warming ${title}: ${figure.name} ${Number(figure.value.toPrecision(3))}`);
    values.push(figure.value);
    if (isWarm(values, figure.better)) return;
  }
}

if (import.meta.main) {
  try {
    const options = parseOptions(Deno.args, SHAPES, new URL("RESULTS.md", import.meta.url).pathname);
    let code = 0;
    if (options === "help") console.log(USAGE);
    else if (options === "list") {
      for (const shape of SHAPES) console.log(`${shape.name.padEnd(22)} ${shape.title}`);
    } else code = await compare(options);
    Deno.exit(code); // the signal listeners keep the process alive
  } catch (error) {
    console.error(`bench:compare: ${error instanceof Error ? error.message : error}`);
    Deno.exit(1);
  }
}
