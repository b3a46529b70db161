/** Batches that are built over several turns, compared with batches that are built at once. */
import { strict as assert } from "node:assert";
import { type GroupRecord, groupRecordCodec } from "../groups/records/group_record.ts";
import { BatchBuilder } from "./batch_builder.ts";
import type { Batch } from "./long_batch.ts";

const NOW_MS = 1_700_000_000_000;
const records = Array.from({ length: 9000 }, (_, partition): GroupRecord => ({
  kind: "offset-commit",
  key: { group: "g", topic: "t", partition },
  value: {
    offset: partition,
    leaderEpoch: 1,
    metadata: "m",
    commitTimestamp: NOW_MS,
    expireTimestamp: -1,
    topicId: "A".repeat(22),
  },
}));

function hexOf({ memory, start, length }: Batch): string {
  return memory.bytes.slice(start, start + length).toHex();
}

Deno.test("LongBatch builds what BatchBuilder.build() builds, while others are built, and uses its memory again", () => {
  const builder = new BatchBuilder(groupRecordCodec);
  const options = { timestampMs: NOW_MS, batchBytesMax: 1 << 20 };
  const expected = hexOf(new BatchBuilder(groupRecordCodec).build(records, options)!);
  for (let round = 0; round < 3; round++) {
    using first = builder.beginLong(1 << 20);
    using second = builder.beginLong(1 << 20);
    for (const record of records) {
      first.add(record);
      second.add(record);
      if (record === records[700]) builder.build(records.slice(0, 300), options);
    }
    const batch = first.complete(NOW_MS);
    assert.equal(hexOf(batch), expected);
    assert.equal(hexOf(second.complete(NOW_MS)), expected);
    assert.equal(
      new BatchBuilder(groupRecordCodec).build(records, { ...options, batchBytesMax: batch.length })?.length,
      batch.length,
    );
  }
});

Deno.test("LongBatch.isTooLarge is true from the first record that does not fit", () => {
  const options = { timestampMs: NOW_MS, batchBytesMax: 1 << 20 };
  const builder = new BatchBuilder(groupRecordCodec);
  const { length } = builder.build(records, options)!;
  for (const bytesMax of [length, length - 1, 100]) {
    using batch = builder.beginLong(bytesMax);
    for (const record of records) batch.add(record);
    assert.equal(batch.isTooLarge, bytesMax < length);
  }
});
