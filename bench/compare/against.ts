/**
 * Compares this tree with another checkout of it, without Apache Kafka: is it no worse? Main isolate of the benchmark.
 *
 * Both brokers of each pair of runs are new processes, each warmed by the same number of runs. So no accident of one process (where its
 * memory lies, what was compiled when) affects several pairs, and both have the same history, on which memory depends. The first side
 * alternates: A B, B A, A B. Pairs are added until every binding figure of the shape is decided, up to a limit (verdict.ts).
 */
import { waitForWriteBack } from "./machine.ts";
import type { Figure } from "./figure.ts";
import type { Contenders, RunContext, Shape, ShapeResult } from "./shape.ts";
import { explainFailure, start, type Target } from "./targets.ts";
import { isDecided, judge, PAIRS_MIN } from "./verdict.ts";

/** How to compare two checkouts. */
export interface AgainstOptions {
  readonly contenders: Contenders;
  readonly pairsMax: number;
  readonly scale: number;
  readonly gcTrace: boolean;
  /** Holds the brokers' directories. */
  readonly scratch: string;
  /** Reports progress. */
  readonly say: (line: string) => void;
}

/** Runs before the one that counts, with half its amount: then V8 has compiled what a load needs (NOTES.md, 2026-11-28). */
const WARM_RUNS = 6;

/** Runs a shape in pairs until its binding figures are decided. */
export async function runAgainst(shape: Shape, options: AgainstOptions): Promise<ShapeResult> {
  const { contenders, pairsMax, say } = options;
  say(`${shape.name}: ${shape.title}`);
  const baseline: Figure[][] = [];
  const candidate: Figure[][] = [];
  for (let pair = 0; pair < pairsMax; pair++) {
    const figures = await runPair(shape, pair, options);
    baseline.push(figures[0]);
    candidate.push(figures[1]);
    const judged = judge({ baseline, candidate });
    const open = judged.filter(({ verdict }) => verdict === "undecided").map(({ name }) => name);
    say(
      `  pair ${pair + 1}: ${ratiosOf(figures)}${
        pair + 1 < PAIRS_MIN || open.length === 0 ? "" : `; open: ${open.join(", ")}`
      }`,
    );
    if (pair + 1 >= PAIRS_MIN && isDecided(judged)) break;
  }
  return { shape, contenders, baseline, candidate };
}

/** Starts both brokers and runs the shape on each. @returns the baseline's and the candidate's figures */
async function runPair(shape: Shape, pair: number, options: AgainstOptions): Promise<[Figure[], Figure[]]> {
  const { contenders, scale, scratch, gcTrace } = options;
  const order = pair % 2 === 0 ? [0, 1] as const : [1, 0] as const;
  await using stack = new AsyncDisposableStack();
  const targets: Target[] = [];
  for (const side of order) {
    const directory = `${scratch}/${contenders[side].name}-${shape.name}-${pair}`;
    stack.defer(() => Deno.remove(directory, { recursive: true })); // after the broker has stopped
    targets[side] = stack.use(await start(contenders[side], { directory, gcTrace }));
  }
  const run = async (side: 0 | 1, id: string, runScale: number) => {
    const context: RunContext = { target: targets[side]!, scratch, scale: runScale, id: `${shape.name}-${pair}-${id}` };
    const found = await shape.run(context).catch((error) => explainFailure(error, targets));
    await waitForWriteBack();
    return found;
  };
  for (let warm = 0; warm < Math.min(WARM_RUNS, shape.warmRunsMax); warm++) {
    for (const side of order) await run(side, `warm-${warm}`, scale / 2);
  }
  const figures: [Figure[], Figure[]] = [[], []];
  for (const side of order) figures[side] = await run(side, contenders[side].name, scale);
  return figures;
}

function ratiosOf(figures: readonly [Figure[], Figure[]]): string {
  return judge({ baseline: [figures[0]], candidate: [figures[1]] })
    .filter(({ verdict }) => verdict !== "reported")
    .map(({ name, ratio }) => `${name} × ${ratio.toFixed(3)}`).join(" · ");
}
