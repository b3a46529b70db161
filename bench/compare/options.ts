/** The flags of `deno task bench:compare`. Pure. */
import type { Shape } from "./shape.ts";
import { PAIRS_MAX, PAIRS_MIN } from "./verdict.ts";

/** The text of --help. */
export const USAGE = `Usage: deno task bench:compare [flags]
  --quick             a short run of a few shapes, to see that everything works: its figures mean little
  --only NAME,NAME    these shapes only
  --rounds N          A B B A that many times (default 2: four pairs of runs)
  --against CHECKOUT  another checkout of this broker in the place of Apache Kafka, to see that this tree is no worse. Exit
                      code 1: a bound is broken; 2: none is, but the runs are too noisy to tell for all
  --pairs N           with --against: at most that many pairs of runs (default ${PAIRS_MAX}, at least ${PAIRS_MIN})
  --no-gc-trace       the brokers' engines do not write down their collections: to see that this costs nothing
  --list              names the shapes
  --output FILE       where the report goes (default bench/RESULTS.md; --quick, --only and --against: nowhere)
  --scratch DIRECTORY data directories of the brokers (default: a temporary one); needs 25 GB
`;

/** Shapes that --against runs unless --only names others: they show changes to the broker's hot paths. */
export const AGAINST_SHAPES: readonly string[] = [
  "produce-100x1000",
  "produce-100x160",
  "produce-1k-16",
  "produce-1k-16-p100",
  "commits-20000",
  "footprint",
];

/** A quick run divides amounts by ten. */
const QUICK_SCALE = 0.1;

/** The options. */
export interface Options {
  readonly shapes: readonly Shape[];
  /** How often A B B A runs; not with `against`. */
  readonly rounds: number;
  /** Multiplies amounts and lengths. */
  readonly scale: number;
  /** The other checkout's directory; null: the other side is Apache Kafka. */
  readonly against: string | null;
  /** Most pairs of runs; with `against`. */
  readonly pairsMax: number;
  readonly gcTrace: boolean;
  /** File of the report; null: none is written. */
  readonly output: string | null;
  readonly scratch: string | null;
}

/** Values of flags by name. */
interface Flags {
  readonly words: Readonly<Record<string, string>>;
  readonly switches: ReadonlySet<string>;
}

const SWITCHES = ["--quick", "--no-gc-trace", "--list", "--help"];
const WORDS = ["--only", "--rounds", "--against", "--pairs", "--output", "--scratch"];

/**
 * Reads the flags.
 * @param args of the command line
 * @param all names of all shapes
 * @param defaultOutput file of the report of a whole comparison with Apache Kafka
 * @throws Error with a sentence for people when a flag is wrong
 */
export function parseOptions(
  args: readonly string[],
  all: readonly Shape[],
  defaultOutput: string,
): Options | "list" | "help" {
  const { words, switches } = readFlags(args);
  if (switches.has("--help")) return "help";
  if (switches.has("--list")) return "list";
  const against = words["--against"] ?? null;
  if (against !== null && "--rounds" in words) {
    throw new Error("Cannot read the flags: --against takes --pairs, not --rounds");
  }
  if (against === null && "--pairs" in words) {
    throw new Error("Cannot read the flags: --pairs goes with --against only");
  }
  const quick = switches.has("--quick");
  const only = words["--only"]?.split(",") ?? (against === null ? null : AGAINST_SHAPES);
  const partial = quick || only !== null;
  return {
    shapes: chooseShapes(all, only, quick),
    rounds: countOf(words, "--rounds", 1) ?? (quick ? 1 : 2),
    scale: quick ? QUICK_SCALE : 1,
    against,
    pairsMax: countOf(words, "--pairs", PAIRS_MIN) ?? PAIRS_MAX,
    gcTrace: !switches.has("--no-gc-trace"),
    output: words["--output"] ?? (partial ? null : defaultOutput),
    scratch: words["--scratch"] ?? null,
  };
}

function readFlags(args: readonly string[]): Flags {
  const given = args.flatMap((word) => /^--\w+=/.test(word) ? word.split(/=(.*)/s).slice(0, 2) : [word]);
  const words: Record<string, string> = {};
  const switches = new Set<string>();
  for (let i = 0; i < given.length; i++) {
    const flag = given[i]!;
    if (SWITCHES.includes(flag)) switches.add(flag);
    else if (WORDS.includes(flag)) {
      const value = given[++i];
      if (value === undefined) throw new Error(`Cannot read the flags: ${flag} needs a value`);
      words[flag] = value;
    } else throw new Error(`Cannot read the flags: there is no ${flag}`);
  }
  return { words, switches };
}

function countOf(words: Flags["words"], flag: string, least: number): number | null {
  const word = words[flag];
  if (word === undefined) return null;
  const count = Number(word);
  if (!(Number.isInteger(count) && count >= least)) {
    throw new Error(`Cannot read the flags: ${flag} needs a count of ${least} or more`);
  }
  return count;
}

function chooseShapes(all: readonly Shape[], only: readonly string[] | null, quick: boolean): readonly Shape[] {
  if (only === null) return all.filter((shape) => !quick || shape.quick);
  return only.map((name) => {
    const shape = all.find((each) => each.name === name);
    if (shape === undefined) {
      throw new Error(`Cannot run ${name}: the shapes are ${all.map((each) => each.name).join(", ")}`);
    }
    return shape;
  });
}
