import assert from "node:assert/strict";
import { AGAINST_SHAPES, type Options, parseOptions } from "./options.ts";
import type { Shape } from "./shape.ts";
import { SHAPES } from "./shapes/shapes.ts";

function shapeOf(name: string, quick: boolean): Shape {
  return { name, title: name, quick, warmRunsMax: 0, run: () => Promise.resolve([]) };
}

const shapes = [shapeOf("fast", true), shapeOf("slow", false), ...AGAINST_SHAPES.map((name) => shapeOf(name, false))];

function optionsOf(...args: string[]): Options {
  const options = parseOptions(args, shapes, "/results");
  if (typeof options === "string") throw new Error(`Cannot test: ${options}`);
  return options;
}

const namesOf = (options: Options) => options.shapes.map(({ name }) => name);

Deno.test("parseOptions() takes every shape, writes the report and compares with Apache Kafka by default", () => {
  const options = optionsOf();
  assert.deepEqual(options, {
    ...{ shapes, rounds: 2, scale: 1, against: null, pairsMax: 16, gcTrace: true, output: "/results", scratch: null },
  });
});

Deno.test("parseOptions() writes no report about a part of the shapes unless --output names a file", () => {
  assert.deepEqual(namesOf(optionsOf("--quick")), ["fast"]);
  assert.deepEqual([optionsOf("--quick").output, optionsOf("--only", "slow").output], [null, null]);
  assert.equal(optionsOf("--only=slow", "--output=/here=there").output, "/here=there");
  assert.deepEqual(namesOf(optionsOf("--only", "slow,fast", "--quick")), ["slow", "fast"]);
  assert.deepEqual([optionsOf("--quick").scale, optionsOf("--quick").rounds], [0.1, 1]);
});

Deno.test("parseOptions() with --against takes its default shapes or the named ones, and pairs instead of rounds", () => {
  const options = optionsOf("--against", "../before");
  assert.deepEqual([options.against, options.output, namesOf(options)], ["../before", null, AGAINST_SHAPES]);
  assert.deepEqual(namesOf(optionsOf("--against", "x", "--only", "slow")), ["slow"]);
  assert.equal(optionsOf("--against", "x", "--pairs", "4").pairsMax, 4);
});

Deno.test("AGAINST_SHAPES are existing shapes", () => {
  assert.deepEqual(AGAINST_SHAPES.filter((name) => !SHAPES.some((shape) => shape.name === name)), []);
});

Deno.test("parseOptions() answers --help and --list before anything else", () => {
  assert.equal(parseOptions(["--list", "--quick"], shapes, ""), "list");
  assert.equal(parseOptions(["--list", "--help"], shapes, ""), "help");
});

Deno.test("parseOptions() refuses wrong flags with a sentence", () => {
  const wrong: readonly (readonly [args: readonly string[], message: RegExp])[] = [
    [["--fast"], /there is no --fast/],
    [["fast"], /there is no fast/],
    [["--only"], /--only needs a value/],
    [["--only", "none"], /Cannot run none: the shapes are fast, slow/],
    [["--rounds", "0"], /--rounds needs a count of 1 or more/],
    [["--rounds", "x"], /--rounds needs a count/],
    [["--against", "x", "--pairs", "3"], /--pairs needs a count of 4 or more/],
    [["--against", "x", "--rounds", "2"], /--against takes --pairs/],
    [["--pairs", "8"], /--pairs goes with --against only/],
  ];
  for (const [args, message] of wrong) assert.throws(() => parseOptions(args, shapes, ""), { message }, args.join(" "));
});
