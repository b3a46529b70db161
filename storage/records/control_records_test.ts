import { strict as assert } from "node:assert";
import { buildBatch, inMemory } from "../../tests/record_batch_builder.ts";
import { readEndMarker } from "./control_records.ts";

function read(key: number[] | null, value: number[] | null) {
  const record = { key: key && new Uint8Array(key), value: value && new Uint8Array(value) };
  const { memory, start } = inMemory(buildBatch([record], { control: true, transactional: true }), 11);
  return readEndMarker(memory.view, start);
}

Deno.test("readEndMarker() reads commit and abort with the coordinator's epoch", () => {
  assert.deepEqual(read([0, 0, 0, 1], [0, 0, 0, 0, 1, 2]), { committed: true, coordinatorEpoch: 258 });
  assert.deepEqual(read([0, 0, 0, 0], [0, 0, 0, 0, 0, 0]), { committed: false, coordinatorEpoch: 0 });
  assert.deepEqual(read([0, 9, 0, 1, 7], [0, 9, 0, 0, 0, 3, 7, 7]), { committed: true, coordinatorEpoch: 3 });
});

Deno.test("readEndMarker() returns null for other types, short or missing fields, and an empty batch", () => {
  for (const type of [2, 3, 255]) assert.equal(read([0, 0, 0, type], [0, 0, 0, 0, 0, 0]), null);
  assert.equal(read([0, 0, 0], [0, 0, 0, 0, 0, 0]), null);
  assert.equal(read(null, [0, 0, 0, 0, 0, 0]), null);
  assert.equal(read([0, 0, 0, 1], [0, 0, 0, 0, 0]), null);
  assert.equal(read([0, 0, 0, 1], null), null);
  const empty = inMemory(buildBatch([], { control: true }));
  assert.equal(readEndMarker(empty.memory.view, 0), null);
});
