import { strict as assert } from "node:assert";
import { ManualClock } from "../../storage/mod.ts";
import { RepeatedLines } from "./repeated_lines.ts";

Deno.test("RepeatedLines.report() writes the same sentence once a minute, with the number of those that were left out", () => {
  const clock = new ManualClock();
  const said: string[] = [];
  const lines = new RepeatedLines(clock, (text) => said.push(text));
  for (let second = 0; second < 61; second++) {
    lines.report("broker 2 does not listen");
    if (second === 30) lines.report("broker 3 does not listen");
    clock.advance(1000);
  }
  const first = ["broker 2 does not listen", "broker 3 does not listen"];
  assert.deepEqual(said, [...first, "broker 2 does not listen (as 59 times before)"]);
});

Deno.test("RepeatedLines remembers the latest sentences alone", () => {
  const said: string[] = [];
  const lines = new RepeatedLines(new ManualClock(), (text) => said.push(text));
  for (let round = 0; round < 2; round++) {
    for (let number = 0; number < 65; number++) lines.report(`sentence ${number}`);
  }
  assert.equal(said.length, 130);
  lines.report("sentence 64");
  assert.equal(said.length, 130);
});
