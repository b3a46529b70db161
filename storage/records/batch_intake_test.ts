import { strict as assert } from "node:assert";
import { buildBatch, inMemory, sealBatch, TEST_TIMESTAMP, type TestRecord } from "../../tests/record_batch_builder.ts";
import { checkBytes, defaultRules } from "../../tests/produced_batch.ts";
import { allocateNative, allocateShared } from "../sys/memory.ts";
import { transcodeBatch, transcodeUs } from "./batch_intake.ts";
import { type BatchRules, type CompressionType, CONTENT_BYTES_MAX } from "./batch_rules.ts";
import { BatchRecordReader } from "./batch_record_reader.ts";
import { compress, decompress } from "./compression/compression.ts";
import { defaultLevels } from "./compression/levels.ts";
import * as batches from "./record_batch.ts";
import { codecNames } from "./record_batch.ts";

const records: TestRecord[] = Array.from({ length: 40 }, (_, index) => ({
  key: index % 3 === 0 ? null : `key-${index}`,
  value: index % 7 === 0 ? null : `value ${index} `.repeat(index),
  timestamp: TEST_TIMESTAMP + ((index * 37) % 50),
  headers: index % 5 === 0 ? [["trace", `${index}`], ["", null]] as const : [],
}));
const typeOf = (codec: number) => codec === 0 ? "uncompressed" : codecNames[codec] as CompressionType;
const codecs = codecNames.map((_, index) => index);

interface ReadRecord {
  offset: number;
  timestamp: number;
  key: string | null;
  value: string | null;
  headers: string;
}

/** The records of a stored batch, by the reader that consumers' searches use. */
function recordsOf(batch: Uint8Array): ReadRecord[] {
  const { memory, start } = inMemory(batch);
  const reader = BatchRecordReader.open(memory, start);
  assert.ok(typeof reader !== "string", String(reader));
  const text = (bytes: Uint8Array | null) => bytes === null ? null : new TextDecoder().decode(bytes.slice());
  const found: ReadRecord[] = [];
  while (reader.next()) {
    const { offset, timestamp } = reader;
    const headers = JSON.stringify(reader.headers().map(({ key, value }) => [text(key), text(value)]));
    found.push({ offset, timestamp, key: text(reader.key()), value: text(reader.value()), headers });
  }
  assert.equal(reader.damaged, false);
  return found;
}

const viewOf = (batch: Uint8Array) => new DataView(batch.buffer, batch.byteOffset, batch.byteLength);

for (const source of codecs) {
  for (const target of codecs) {
    Deno.test(`transcodeBatch() stores ${codecNames[source]} as ${codecNames[target]}, with the records and the header's other fields`, () => {
      const options = {
        codec: codecNames[source],
        producerId: 77,
        producerEpoch: 3,
        baseSequence: 2_147_483_600,
        partitionLeaderEpoch: 9,
        transactional: true,
        maxTimestamp: -1,
      };
      const batch = buildBatch(records, options);
      const result = checkBytes(batch, { ...defaultRules, compressionType: typeOf(target), transactionsAllowed: true });
      assert.equal(result.refusal, null, result.message);
      assert.equal(result.isRebuilt, source !== target);
      assert.deepEqual(recordsOf(result.stored), recordsOf(batch));
      const view = viewOf(result.stored);
      assert.equal(batches.codec(view, 0), target);
      assert.equal(batches.batchBytes(view, 0), result.stored.length);
      assert.equal(batches.maxTimestamp(view, 0), TEST_TIMESTAMP + 49);
      assert.equal(batches.isTransactional(view, 0), true);
      assert.equal(batches.producerId(view, 0), 77);
      assert.equal(batches.producerEpoch(view, 0), 3);
      assert.equal(batches.baseSequence(view, 0), 2_147_483_600);
      assert.equal(batches.partitionLeaderEpoch(view, 0), 9);
      assert.equal(batches.lastOffsetDelta(view, 0), records.length - 1);
      assert.deepEqual(sealBatch(result.stored.slice()), result.stored, "the CRC is correct");
    });
  }

  Deno.test(`transcodeBatch() gives records of ${codecNames[source]} consecutive offsets where a client's have gaps`, () => {
    for (
      const deltas of [(index: number) => index * 1000, (index: number) => 500 - index, () => -1, () => 2 ** 31 - 1]
    ) {
      const gaps = records.map((record, index) => ({ ...record, offsetDelta: deltas(index) }));
      const options = { codec: codecNames[source], lastOffsetDelta: records.length - 1 };
      const result = checkBytes(buildBatch(gaps, options));
      assert.deepEqual([result.refusal, result.isRebuilt], [null, true], result.message);
      assert.deepEqual(recordsOf(result.stored), recordsOf(buildBatch(records)));
      assert.equal(batches.codec(viewOf(result.stored), 0), source);
    }
  });

  Deno.test(`transcodeBatch() stamps LogAppendTime on a rebuilt batch of ${codecNames[source]}`, () => {
    const target = source === 0 ? 1 : 0;
    const rules: BatchRules = {
      ...defaultRules,
      compressionType: typeOf(target),
      messageTimestampType: "LogAppendTime",
    };
    const { refusal, stored, isRebuilt } = checkBytes(buildBatch(records, { codec: codecNames[source] }), rules);
    assert.deepEqual([refusal, isRebuilt], [null, true]);
    assert.equal(batches.isLogAppendTime(viewOf(stored), 0), true);
    assert.equal(batches.maxTimestamp(viewOf(stored), 0), defaultRules.nowMs);
    assert.equal(batches.baseTimestamp(viewOf(stored), 0), records[0]!.timestamp);
  });
}

Deno.test("transcodeBatch() refuses a rebuilt batch that is larger than max.message.bytes or segment.bytes", () => {
  const batch = buildBatch([{ value: "x".repeat(5000) }], { codec: "gzip" });
  const refusalBy = (changes: Partial<BatchRules>) =>
    checkBytes(batch, { ...defaultRules, compressionType: "uncompressed", ...changes }).refusal;
  assert.equal(refusalBy({ maxMessageBytes: 5000 }), "too-large");
  assert.equal(refusalBy({ segmentBytes: 5000 }), "larger-than-segment");
  assert.equal(refusalBy({ maxMessageBytes: 5200, segmentBytes: 5200 }), null);
});

Deno.test("transcodeBatch() defers a batch whose records take more than this isolate's limit, and does not change it", () => {
  for (const codec of codecNames.slice(1)) {
    const batch = buildBatch(records, { codec, maxTimestamp: 5 });
    const { memory, start, length } = inMemory(batch, 37);
    const contentBytes =
      (decompress(codecNames.indexOf(codec), batch.subarray(61), { outputBytesMax: 1e6 }) as Uint8Array).length;
    const transcode = (contentBytesMax: number) =>
      transcodeBatch({ memory, start }, defaultRules, { contentBytesMax, allocate: allocateShared });
    for (const limit of [1, 1000, contentBytes - 1]) {
      assert.deepEqual([transcode(limit).refusal, transcode(limit).isPending], [null, true], `${codec} ${limit}`);
    }
    assert.deepEqual(memory.bytes.slice(start, start + length), batch);
    assert.deepEqual([transcode(contentBytes).refusal, transcode(contentBytes).isPending], [null, false], codec);
  }
});

Deno.test("transcodeBatch() refuses more content than the limit of every isolate", () => {
  const zeros = new Uint8Array(CONTENT_BYTES_MAX + 1);
  for (const codec of codecs.slice(1)) {
    const options = { codec: codecNames[codec], rawRecords: compress(codec, zeros) };
    const result = checkBytes(buildBatch([{ value: "x" }], options), { ...defaultRules, maxMessageBytes: 1e8 });
    assert.equal(result.refusal, "content-too-large", codecNames[codec]);
    assert.equal(result.message, "Cannot append a batch: its records take more than 104857600 bytes");
  }
});

Deno.test("transcodeBatch() gives short and long records consecutive offsets, also where they grow by that", () => {
  const sizes = [0, 1, 50, 63, 64, 65, 100, 127, 128, 8191, 8192, 65_000, 65_536, 70_000, 300_000];
  const long: TestRecord[] = Array.from({ length: 300 }, (_, index) => {
    const value = new Uint8Array(index % 3 === 0 ? sizes[index % sizes.length]! : index % 70).fill(index);
    return {
      key: index % 2 === 0 ? null : "k",
      value,
      offsetDelta: -1,
      timestamp: TEST_TIMESTAMP + (index << (index % 20)),
    };
  });
  const expected = recordsOf(buildBatch(long.map((record, offsetDelta) => ({ ...record, offsetDelta }))));
  for (const codec of codecNames) {
    const batch = buildBatch(long, { codec, lastOffsetDelta: long.length - 1 });
    const rules = { ...defaultRules, maxMessageBytes: 1e8, messageTimestampAfterMaxMs: Infinity };
    const result = checkBytes(batch, rules);
    assert.deepEqual([result.refusal, result.isRebuilt], [null, true], result.message);
    assert.deepEqual(recordsOf(result.stored), expected, codec);
  }
});

Deno.test("transcodeBatch() defers a batch whose records turn out to take long to compress, and does not change it", () => {
  const zeros = buildBatch([{ value: new Uint8Array(2_000_000) }], { codec: "zstd", maxTimestamp: 5 });
  assert.ok(zeros.length < 1000);
  const limits = { contentBytesMax: 1 << 21, packUsMax: 1000, allocate: allocateNative };
  for (const [compressionType, level] of [["gzip", { gzip: 9 }], ["gzip", {}], ["zstd", { zstd: 19 }]] as const) {
    const rules = { ...defaultRules, compressionType, compressionLevels: { ...defaultLevels, ...level } };
    for (const batch of [zeros, buildBatch([{ value: "x".repeat(900_000) }])]) {
      const { memory, start, length } = inMemory(batch, 37);
      if (compressionType === "zstd" && batch !== zeros) assert.ok(transcodeUs(memory.view, start, rules) > 1000);
      const { isPending, refusal } = transcodeBatch({ memory, start }, rules, limits);
      const isSameCodec = batch === zeros && compressionType === "zstd";
      assert.deepEqual([refusal, isPending], [null, !isSameCodec]);
      if (!isSameCodec) assert.deepEqual(memory.bytes.slice(start, start + length), batch);
      const elsewhere = transcodeBatch({ memory, start }, rules, { ...limits, packUsMax: Infinity });
      assert.deepEqual([elsewhere.refusal, elsewhere.isPending], [null, false]);
    }
  }
});

Deno.test("transcodeUs() grows with the batch and with a codec to compress in", () => {
  for (const codec of codecNames) {
    const [small, large] = [records.slice(0, 2), records].map((some) => viewOf(buildBatch(some, { codec })));
    assert.ok(transcodeUs(small!, 0, defaultRules) < transcodeUs(large!, 0, defaultRules), codec);
    const other = { ...defaultRules, compressionType: codec === "zstd" ? "gzip" : "zstd" } as const;
    assert.ok(transcodeUs(large!, 0, defaultRules) < transcodeUs(large!, 0, other), codec);
  }
});
