import { strict as assert } from "node:assert";
import { ManualClock } from "../../storage/base/clock.ts";
import { IsolateTable } from "./mail.ts";
import { TurnCounter } from "./turn_times.ts";
import { TurnWatch } from "./turn_watch.ts";
import { ISOLATE } from "./words.ts";

Deno.test("TurnWatch.allTurn() says that a shard hangs which neither waits nor ends a turn for two seconds", () => {
  const isolates = new IsolateTable(IsolateTable.allocate(2));
  const clock = new ManualClock();
  const watch = new TurnWatch(isolates, 2, clock);
  const counter = new TurnCounter(isolates, 1);
  isolates.set(0, ISOLATE.parked, 1);
  const looks = (count: number, each: () => void) =>
    Array.from({ length: count }, () => {
      clock.advance(100);
      each();
      return watch.allTurn();
    });
  assert.ok(looks(50, () => counter.count(3)).every((turns) => turns), "one waits, the other one turns");
  assert.deepEqual(looks(21, () => {}), [...Array(20).fill(true), false], "the other one hangs");
  counter.count(2100);
  assert.equal(watch.allTurn(), true, "it has ended its turn");
  isolates.set(1, ISOLATE.parked, 1);
  assert.ok(looks(50, () => {}).every((turns) => turns), "both wait");
  isolates.set(0, ISOLATE.parked, 0);
  assert.equal(looks(30, () => {}).at(-1), false, "a shard that was woken has to turn");
});
