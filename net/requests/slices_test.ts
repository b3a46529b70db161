import { strict as assert } from "node:assert";
import { ManualClock } from "../../storage/mod.ts";
import type { Exchange } from "./handler.ts";
import { WireExchange } from "../handlers/handler_testing.ts";
import { Slices } from "./slices.ts";
import { STRETCH_MS, TurnBudget, turnPart } from "../reactor/turn_budget.ts";

/** Slices whose steps take a millisecond each. */
class Fixture {
  readonly clock = new ManualClock();
  readonly budget = new TurnBudget(this.clock);
  isCrowded = false;
  readonly slices = new Slices(this.budget, () => this.isCrowded);
  /** What was done, in order. */
  readonly done: string[] = [];
  /** How many requests have their bytes held. */
  keptCount = 0;

  /** Handles a request with this many steps. */
  handle(name: string, steps: number): void {
    let left = steps;
    this.budget.begin();
    this.budget.beginStretch();
    const exchange = new WireExchange(1, 4);
    exchange.beginSlices = () => {
      this.keptCount++;
      return () => void this.keptCount--;
    };
    const work = {
      step: () => {
        this.done.push(name);
        this.clock.advance(1);
        return --left > 0;
      },
      finish: () => void this.done.push(`${name} done`),
    };
    this.slices.run(work, exchange as Exchange<never>);
  }

  /** Runs one turn of the shard. @returns how long it took */
  turn(): number {
    const beganMs = this.budget.begin();
    this.budget.beginPart(turnPart.slices);
    this.slices.runWaiting();
    return this.clock.monotonicMs() - beganMs;
  }
}

Deno.test("Slices.run() does at once what fits into a stretch, and keeps nothing of it", () => {
  const fixture = new Fixture();
  fixture.handle("a", STRETCH_MS);
  assert.deepEqual([fixture.done.at(-1), fixture.keptCount, fixture.slices.isRunnable], ["a done", 0, false]);
});

Deno.test("Slices.runWaiting() continues one request after the other, and takes only its part of a turn", () => {
  const fixture = new Fixture();
  for (const name of ["a", "b"]) fixture.handle(name, 20);
  fixture.handle("small", 1);
  assert.equal(fixture.done.at(-1), "small done", "a small one waits for no large one");
  assert.equal(fixture.keptCount, 2);
  let turns = 0;
  for (; fixture.slices.isRunnable; turns++) {
    assert.ok(fixture.turn() <= turnPart.slices + STRETCH_MS);
    assert.ok(turns < 100);
  }
  assert.equal(turns, Math.ceil(2 * (20 - STRETCH_MS) / turnPart.slices));
  assert.ok(fixture.done.indexOf("a done") < fixture.done.lastIndexOf("b") - 17, "b continues when a is done");
  assert.deepEqual([fixture.done.at(-1), fixture.keptCount], ["b done", 0]);
});

Deno.test("Slices does no step while other shards owe too many answers, and continues when they have answered", () => {
  const fixture = new Fixture();
  fixture.isCrowded = true;
  fixture.handle("a", 1);
  fixture.turn();
  assert.deepEqual([fixture.done, fixture.slices.isRunnable, fixture.keptCount], [[], false, 1]);
  fixture.isCrowded = false;
  assert.ok(fixture.slices.isRunnable);
  fixture.turn();
  assert.deepEqual([fixture.done, fixture.keptCount], [["a", "a done"], 0]);
});

Deno.test("Slices.resumeLater() leaves work to the next turns, in its order", () => {
  const fixture = new Fixture();
  for (const name of ["a", "b"]) {
    let left = 10;
    fixture.slices.resumeLater({
      step: () => {
        fixture.clock.advance(1);
        return --left > 0;
      },
      finish: () => void fixture.done.push(name),
    }, new WireExchange(1, 4) as Exchange<never>);
  }
  assert.deepEqual([fixture.done, fixture.slices.isRunnable], [[], true]);
  while (fixture.slices.isRunnable) assert.ok(fixture.turn() <= turnPart.slices + STRETCH_MS);
  assert.deepEqual(fixture.done, ["a", "b"]);
});

Deno.test("Slices.resume() fails the request whose work throws, as runWaiting() does, and continues with the others", () => {
  const fixture = new Fixture();
  const failures: unknown[] = [];
  const exchange = new WireExchange(1, 4);
  exchange.fail = (error) => void failures.push(error);
  const work = {
    step: () => {
      throw new TypeError("a bug");
    },
    finish: () => assert.fail("it has failed"),
  };
  fixture.slices.resume(work, exchange as Exchange<never>);
  assert.deepEqual([failures.length, fixture.slices.isEmpty], [1, true]);
  fixture.slices.resumeLater(work, exchange as Exchange<never>);
  assert.equal(fixture.slices.isEmpty, false);
  fixture.turn();
  assert.deepEqual([failures.length, fixture.slices.isEmpty], [2, true]);
});
