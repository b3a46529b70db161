import { strict as assert } from "node:assert";
import type { FlushOutcome, FlushRequest } from "../../storage/mod.ts";
import { FlushGate } from "./flush_gate.ts";

const REQUEST = {} as FlushRequest;
const nothing = () => {};

/** A gate whose partitions begin when they may, and the calls that it made. */
function create() {
  const running: ((outcome: FlushOutcome) => void)[] = [];
  const begun: number[] = [];
  const gate = new FlushGate((_request, done) => void running.push(done), (slot) => begin(slot));
  const begin = (slot: number) => {
    if (!gate.mayBegin(slot)) return;
    begun.push(slot);
    gate.begin(REQUEST, nothing);
  };
  return { gate, begin, begun, running };
}

Deno.test("FlushGate allows four flushes at a time, and the others begin in order of arrival", () => {
  const { begin, begun, running } = create();
  for (const slot of [1, 2, 3, 4, 5, 6, 7, 5]) begin(slot);
  assert.deepEqual(begun, [1, 2, 3, 4]);
  running.shift()?.("flushed");
  assert.deepEqual(begun, [1, 2, 3, 4, 5]);
  for (const outcome of ["failed", "postponed"] as const) running.shift()?.(outcome);
  assert.deepEqual(begun, [1, 2, 3, 4, 5, 6, 7], "whatever became of the one before, and each once");
  while (running.length > 0) running.shift()?.("flushed");
  assert.equal(begun.length, 7);
});

Deno.test("after FlushGate.stop() neither a new nor a waiting flush begins", () => {
  const { gate, begin, begun, running } = create();
  for (const slot of [1, 2, 3, 4, 5]) begin(slot);
  gate.stop();
  while (running.length > 0) running.shift()?.("flushed");
  begin(6);
  assert.deepEqual(begun, [1, 2, 3, 4]);
});
