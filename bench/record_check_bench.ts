/**
 * The cost of checking produced batches (storage/records/batch_validation.ts), in shared memory as on a shard: the walk over the
 * records, the CRC, both together; and what decompressing, checking and compressing a batch costs (batch_intake.ts). Run:
 * deno bench -A bench/record_check_bench.ts
 *
 * The iterations take the batches of `TOUCHED_BYTES` of memory in turn, so that the records are in the second-level cache, as they are
 * after a receive. Records per second = records per batch / time per iteration.
 */
import type { BatchRules } from "../storage/records/batch_rules.ts";
import { transcodeBatch, transcodeUs } from "../storage/records/batch_intake.ts";
import { checkProducedBatch } from "../storage/records/batch_validation.ts";
import { crc32c } from "../storage/records/crc32c.ts";
import { checkRecords, newRecordCheck } from "../storage/records/record_check.ts";
import { allocateShared } from "../storage/sys/memory.ts";
import { codecNames } from "../storage/records/record_batch.ts";
import { jsonText } from "./batch_texts.ts";
import { defaultRules } from "../tests/produced_batch.ts";
import { buildBatch, inMemory, TEST_TIMESTAMP, type TestRecord } from "../tests/record_batch_builder.ts";

const TOUCHED_BYTES = 512 * 1024;

const rules: BatchRules = { ...defaultRules, maxMessageBytes: 10_000_000, segmentBytes: 1_000_000_000 };

interface Shape {
  name: string;
  count: number;
  record: (index: number) => TestRecord;
}

const value = (bytes: number) => new Uint8Array(bytes).fill(120);
const shapes: Shape[] = [
  { name: "100 B × 1000", count: 1000, record: (i) => ({ value: value(100), timestamp: TEST_TIMESTAMP + i }) },
  { name: "100 B × 1000, keys", count: 1000, record: (i) => ({ key: `key-${i}`, value: value(90) }) },
  {
    name: "100 B × 1000, header",
    count: 1000,
    record: () => ({ value: value(80), headers: [["trace", "0123456789"]] as const }),
  },
  { name: "100 B × 10", count: 10, record: () => ({ value: value(100) }) },
  { name: "1 KB × 16", count: 16, record: () => ({ value: value(1024) }) },
  { name: "10 B × 1", count: 1, record: () => ({ value: value(10) }) },
];

for (const { name, count, record } of shapes) {
  const batch = buildBatch(Array.from({ length: count }, (_, index) => record(index)), {
    producerId: 1,
    producerEpoch: 0,
    baseSequence: 0,
  });
  const copies = Math.max(1, Math.floor(TOUCHED_BYTES / batch.length));
  const memory = allocateShared(copies * batch.length + 128);
  for (let copy = 0; copy < copies; copy++) memory.bytes.set(batch, copy * batch.length);
  const walk = { ...newRecordCheck(), count };
  let turn = 0;
  const next = () => (turn = turn + 1 < copies ? turn + 1 : 0) * batch.length;
  const group = `${name} (${batch.length} bytes)`;
  Deno.bench("checkRecords()", { group, baseline: true }, () => {
    const at = next();
    if (checkRecords(memory.bytes, at + 61, at + batch.length, walk) !== null) throw new Error("refused");
  });
  Deno.bench("crc32c()", { group }, () => {
    crc32c(memory.bytes, next() + 21, batch.length - 21);
  });
  Deno.bench("checkProducedBatch()", { group }, () => {
    if (checkProducedBatch(memory, next(), batch.length, rules).refusal !== null) throw new Error("refused");
  });
}

// 1 KB × 100 of text, stored as the client compressed it, and in another codec. "Estimated" is what the broker expects of it.
const target = allocateShared(200_000);
const limits = { contentBytesMax: Infinity, allocate: () => target };
const text = jsonText(102_400);
const texts = Array.from({ length: 100 }, (_, index) => ({ value: text.slice(index * 1024, (index + 1) * 1024) }));
for (const codec of codecNames) {
  const batch = buildBatch(texts, { codec });
  const { memory, start, length } = inMemory(batch);
  for (const compressionType of ["producer", "uncompressed", "gzip", "snappy", "lz4", "zstd"] as const) {
    const topic = { ...rules, compressionType };
    if (codec === compressionType || !checkProducedBatch(memory, start, length, topic).isPending) continue;
    const estimate = transcodeUs(memory.view, start, topic).toFixed(0);
    Deno.bench(
      `${codec} to ${compressionType}, estimated ${estimate} µs`,
      { group: `transcodeBatch(), ${codec}` },
      () => {
        if (transcodeBatch({ memory, start }, topic, limits).refusal !== null) throw new Error("refused");
      },
    );
  }
}
