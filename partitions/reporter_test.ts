import { strict as assert } from "node:assert";
import { ManualClock } from "../storage/mod.ts";
import { Reporter } from "./reporter.ts";

Deno.test("Reporter.report() passes five sentences a second and counts the rest", () => {
  const clock = new ManualClock();
  const sent: string[] = [];
  const reporter = new Reporter(clock, (text) => sent.push(text));
  for (let count = 0; count < 8; count++) reporter.report(`a${count}`);
  assert.deepEqual(sent, ["a0", "a1", "a2", "a3", "a4"]);
  clock.advance(1000);
  reporter.report("b");
  assert.deepEqual(sent.slice(5), ["… and 3 more of this kind", "b"]);
  clock.advance(1000);
  reporter.report("c");
  assert.deepEqual(sent.slice(7), ["c"]);
});
