import { strict as assert } from "node:assert";
import { toOffset } from "../base/units.ts";
import { dropsAllRecords, isLastOfProducer, keepsRecord, producersById } from "./compaction_rules.ts";

Deno.test("dropsAllRecords() takes aborted data at once, and a marker that nothing needs from its horizon on", () => {
  const data = { isControl: false, horizonMs: -1 };
  assert.equal(dropsAllRecords({ ...data, isDiscardable: true }, 0), true);
  assert.equal(dropsAllRecords({ ...data, isDiscardable: false, horizonMs: 5 }, 9), false);
  const control = { isControl: true, isDiscardable: true };
  assert.equal(dropsAllRecords({ ...control, horizonMs: -1 }, 9), false);
  assert.equal(dropsAllRecords({ ...control, horizonMs: 10 }, 9), false);
  assert.equal(dropsAllRecords({ ...control, horizonMs: 10 }, 10), true);
  assert.equal(dropsAllRecords({ ...control, isDiscardable: false, horizonMs: 10 }, 99), false);
});

Deno.test("isLastOfProducer() finds the batch from which a producer continues", () => {
  const columns = {
    producerIds: Float64Array.of(7, 8),
    epochs: Int16Array.of(3, 4),
    lastDataOffsets: Float64Array.of(20, -1),
  };
  const producers = producersById(columns);
  const batch = { lastOffset: toOffset(20), producerEpoch: 3, isControl: false };
  assert.equal(isLastOfProducer(batch, producers.get(7)), true);
  assert.equal(isLastOfProducer({ ...batch, lastOffset: toOffset(21) }, producers.get(7)), false);
  assert.equal(isLastOfProducer({ ...batch, lastOffset: toOffset(19), isControl: true }, producers.get(7)), false);
  assert.equal(isLastOfProducer(batch, producers.get(9)), false, "not known any more");
  // A producer without data in its epoch: its last marker has the epoch.
  assert.equal(isLastOfProducer({ ...batch, producerEpoch: 4, isControl: true }, producers.get(8)), true);
  assert.equal(isLastOfProducer({ ...batch, producerEpoch: 3, isControl: true }, producers.get(8)), false);
  assert.equal(isLastOfProducer({ ...batch, producerEpoch: 4 }, producers.get(8)), false);
});

Deno.test("keepsRecord() keeps the last record of a key, one whose key is not in the map, and no expired tombstone", () => {
  assert.equal(keepsRecord(5, 6, false), false);
  assert.equal(keepsRecord(5, 5, false), true);
  assert.equal(keepsRecord(5, -1, false), true);
  assert.equal(keepsRecord(5, 5, true), false);
});
