import assert from "node:assert/strict";
import { batchesOf, recordsOfBatch } from "../../peer/wire_bytes.ts";
import { UpsertBatches } from "./upsert_batches.ts";

const load = { recordBytes: 100, recordsPerBatch: 50, distinctKeys: 20, seed: 7 };

function keysOf(bytes: Uint8Array): string[] {
  const [batch] = batchesOf(bytes);
  assert.equal(batch?.crcMatches, true);
  return recordsOfBatch(batch!).map(({ key, value }) => {
    assert.equal(key!.length + value!.length, load.recordBytes);
    return new TextDecoder().decode(key!);
  });
}

Deno.test("UpsertBatches writes sound batches whose keys are below the number of distinct keys", () => {
  const batches = new UpsertBatches(load);
  const keys = Array.from({ length: 10 }, () => keysOf(batches.next())).flat();
  assert.equal(keys.length, 500);
  for (const key of keys) assert.match(key, /^0{14}[01]\d$/);
  assert.equal(new Set(keys).size, load.distinctKeys);
});

Deno.test("UpsertBatches gives other keys in each batch and the same ones from the same seed", () => {
  const [one, same, other] = [
    new UpsertBatches(load),
    new UpsertBatches(load),
    new UpsertBatches({ ...load, seed: 8 }),
  ];
  const first = keysOf(one.next());
  assert.deepEqual(keysOf(same.next()), first);
  assert.notDeepEqual(keysOf(one.next()), first);
  assert.notDeepEqual(keysOf(other.next()), first);
});
