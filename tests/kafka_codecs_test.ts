/**
 * Record batches that Apache Kafka 4.3.1 wrote with each codec (golden/kafka_partition: one segment for each codec, by the Java client)
 * pass validation and are read record by record.
 */
import { strict as assert } from "node:assert";
import type { BatchRules } from "../storage/records/batch_rules.ts";
import { codec, codecNames, recordsCount } from "../storage/records/record_batch.ts";
import { BatchRecordReader } from "../storage/records/batch_record_reader.ts";
import { batchesIn } from "./log_fixture.ts";
import { checkInMemory, defaultRules } from "./produced_batch.ts";
import { inMemory, sealBatch } from "./record_batch_builder.ts";

const golden = new URL("./golden/kafka_partition/", import.meta.url).pathname;
const stored = [...Deno.readDirSync(golden)].filter(({ name }) => name.endsWith(".log")).flatMap(({ name }) =>
  batchesIn(Deno.readFileSync(golden + name))
);

const rules: BatchRules = { ...defaultRules, nowMs: 0, messageTimestampAfterMaxMs: Infinity, keysRequired: true };

Deno.test("BatchRecordReader reads all records that the Java client compressed, up to the last offset and the largest timestamp", () => {
  const codecsSeen = new Set<string>();
  for (const batch of stored) {
    const { memory, start } = inMemory(batch.bytes, 9);
    codecsSeen.add(codecNames[codec(memory.view, start)]!);
    const reader = BatchRecordReader.open(memory, start);
    assert.ok(typeof reader !== "string", `batch at ${batch.baseOffset}: ${reader}`);
    let next = batch.baseOffset;
    let largest = -1;
    while (reader.next()) {
      assert.equal(reader.offset, next++);
      assert.ok(reader.value() !== null);
      largest = Math.max(largest, reader.timestamp);
    }
    assert.equal(reader.damaged, false);
    assert.deepEqual([next - 1, largest], [batch.lastOffset, batch.maxTimestamp]);
    assert.equal(next - batch.baseOffset, recordsCount(memory.view, start));
  }
  assert.deepEqual([...codecsSeen].sort(), [...codecNames].sort());
});

Deno.test("checkProducedBatch() decompresses the batches of the Java client and finds that they have no keys", () => {
  for (const batch of stored) {
    new DataView(batch.bytes.buffer).setBigInt64(0, 0n);
    const { memory, start, length } = inMemory(sealBatch(batch.bytes));
    const result = checkInMemory({ memory, start, length }, rules);
    const firstKey = BatchRecordReader.open(memory, start);
    assert.ok(typeof firstKey !== "string" && firstKey.next());
    assert.equal(result.refusal, firstKey.keyLength < 0 ? "invalid-record" : null, result.message);
    const whole = checkInMemory({ memory, start, length }, { ...rules, keysRequired: false });
    assert.equal(whole.refusal, null);
    assert.deepEqual(whole.stored, batch.bytes, "nothing of it is changed");
  }
});
