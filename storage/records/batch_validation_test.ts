import { strict as assert } from "node:assert";
import { constants, gzipSync, zstdCompressSync } from "node:zlib";
import {
  buildBatch,
  concatBytes,
  inMemory,
  sealBatch,
  TEST_TIMESTAMP,
  type TestRecord,
  varint,
} from "../../tests/record_batch_builder.ts";
import { checkBytes, type CheckedBytes, checkInMemory, defaultRules as rules } from "../../tests/produced_batch.ts";
import type { BatchRules } from "./batch_rules.ts";
import { checkProducedBatch } from "./batch_validation.ts";
import { compress } from "./compression/compression.ts";
import { crc32c } from "./crc32c.ts";
import { codecNames } from "./record_batch.ts";

const records: TestRecord[] = [
  { key: "a", value: "1", timestamp: TEST_TIMESTAMP },
  { key: null, value: null, timestamp: TEST_TIMESTAMP + 5, headers: [["h", "x"], ["", null]] },
  { key: "c".repeat(200), value: "3".repeat(9000), timestamp: TEST_TIMESTAMP - 70 },
];

function check(batch: Uint8Array, changes: Partial<BatchRules> = {}): CheckedBytes {
  return checkBytes(batch, { ...rules, ...changes });
}

/** The bytes of an accepted batch after the check. */
function stamped(batch: Uint8Array, changes: Partial<BatchRules> = {}): Uint8Array {
  const { memory, start, length } = inMemory(batch, 37);
  const result = checkInMemory({ memory, start, length }, { ...rules, ...changes });
  assert.equal(result.refusal, null, result.message);
  assert.ok(memory.bytes.subarray(0, start).every((byte) => byte === 0xee), "nothing before the batch is written");
  assert.ok(memory.bytes.subarray(start + length).every((byte) => byte === 0xee), "nothing after it is written");
  return result.stored;
}

/** A batch of one record whose body (without its length) is given. */
function batchOfBody(body: Uint8Array, length = body.length): Uint8Array {
  return buildBatch([{ value: null }], { rawRecords: concatBytes([varint(length), body]) });
}

const plainBody = (tail: readonly number[]) => new Uint8Array([0, 0, 0, ...tail]);

Deno.test("checkProducedBatch() refuses more records than there are free offsets, also in compressed batches", () => {
  for (const codec of codecNames) {
    const batch = buildBatch(records, { codec });
    assert.equal(check(batch, { recordsMax: 3 }).refusal, null);
    const { refusal, message } = check(batch, { recordsMax: 2 });
    assert.equal(refusal, "invalid-record");
    assert.equal(message, "Cannot append 3 records: the log has 2 offsets left");
  }
});

/** The smallest possible records of a batch, each with its own offset. */
function emptyRecords(count: number): Uint8Array {
  const bytes = new Uint8Array(count * 10);
  let end = 0;
  for (let index = 0; index < count; index++) {
    const offset = varint(index);
    bytes.set([...varint(5 + offset.length), 0, 0, ...offset, 0, 0, 0], end);
    end += 6 + offset.length;
  }
  return bytes.subarray(0, end);
}

Deno.test("checkProducedBatch() accepts a hundred thousand empty records in every codec", () => {
  const count = 100_000;
  const content = emptyRecords(count);
  const closed = {
    gzip: gzipSync(content, { level: 9 }),
    snappy: compress(codecNames.indexOf("snappy"), content),
    lz4: compress(codecNames.indexOf("lz4"), content),
    zstd: zstdCompressSync(content, { params: { [constants.ZSTD_c_compressionLevel]: 19 } }),
  };
  for (const [codec, rawRecords] of Object.entries(closed) as [keyof typeof closed, Uint8Array][]) {
    const batch = buildBatch([], { codec, rawRecords, recordsCount: count, lastOffsetDelta: count - 1 });
    const result = check(batch, { maxMessageBytes: 1e8 });
    assert.equal(result.refusal, null, `${codec}: ${result.message}`);
  }
});

Deno.test("checkProducedBatch() refuses more records than a batch holds", () => {
  for (const codec of codecNames) {
    for (const value of ["x", "y".repeat(100)]) {
      const claim = (recordsCount: number) =>
        check(buildBatch([{ value }], { codec, recordsCount, lastOffsetDelta: recordsCount - 1 })).refusal;
      for (const count of [2, 15_000_000, 0x7fff_ffff]) assert.equal(claim(count), "invalid-record", codec);
      assert.equal(claim(1), null, codec);
    }
  }
});

Deno.test("checkProducedBatch() accepts every codec and does not change a correct batch", () => {
  for (const codec of codecNames) {
    const batch = buildBatch(records, { codec, producerId: 7, producerEpoch: 0, baseSequence: 0 });
    assert.deepEqual(stamped(batch), batch, codec);
  }
});

Deno.test("checkProducedBatch() allocates no result for an accepted batch", () => {
  const checkOf = (batch: Uint8Array) => {
    const { memory, start, length } = inMemory(batch);
    return checkProducedBatch(memory, start, length, rules);
  };
  assert.equal(checkOf(buildBatch(records)), checkOf(buildBatch([{ value: "x" }])));
  const [gzip, zstd] = [
    checkOf(buildBatch(records, { codec: "gzip" })),
    checkOf(buildBatch(records, { codec: "zstd" })),
  ];
  assert.equal(gzip, zstd);
  assert.deepEqual([gzip.refusal, gzip.isPending], [null, true]);
});

Deno.test("checkProducedBatch() refuses every truncation of a batch, with the old and with an adjusted length", () => {
  const batch = buildBatch(records.slice(0, 2));
  for (let length = 0; length < batch.length; length++) {
    const cut = batch.slice(0, length);
    assert.notEqual(check(cut).refusal, null, `${length} bytes`);
    if (length < 61) continue;
    new DataView(cut.buffer).setInt32(8, length - 12);
    assert.equal(check(cut).refusal, "corrupt-batch", `${length} bytes with their length`);
    assert.equal(check(sealBatch(cut)).refusal, "invalid-record", `${length} bytes with their CRC`);
  }
});

Deno.test("checkProducedBatch() refuses every flipped bit except those of the leader epoch", () => {
  const batch = buildBatch(records.slice(0, 2));
  for (let bit = 0; bit < batch.length * 8; bit++) {
    const flipped = batch.slice();
    flipped[bit >> 3]! ^= 1 << (bit & 7);
    const { refusal } = check(flipped);
    const at = bit >> 3;
    if (at >= 21) assert.equal(refusal, "corrupt-batch", `bit ${bit}`);
    else assert.equal(refusal === null, at >= 12 && at < 16, `bit ${bit}`);
  }
});

Deno.test("checkProducedBatch() finds every flipped bit that changes a record's structure, with a correct CRC", () => {
  const batch = buildBatch(records.slice(0, 2));
  let accepted = 0;
  for (let bit = 61 * 8; bit < batch.length * 8; bit++) {
    const flipped = batch.slice();
    flipped[bit >> 3]! ^= 1 << (bit & 7);
    const { refusal, message } = check(sealBatch(flipped));
    if (refusal === null) accepted++;
    else assert.ok(message.length > 0);
  }
  // Free are attributes, the contents of keys, values and headers, 7 bits of each timestamp delta that stays in range, and lengths
  // of null. Wrong offset deltas (8 bits of each record) are corrected. All other lengths and counts are checked.
  assert.ok(accepted > 0 && accepted < (batch.length - 61) * 4 + 2 * 8, `${accepted} of ${(batch.length - 61) * 8}`);
});

Deno.test("checkProducedBatch() refuses what is not exactly one batch", () => {
  const batch = buildBatch(records);
  assert.equal(check(concatBytes([batch, batch])).refusal, "invalid-record");
  assert.equal(check(concatBytes([batch, [0]])).refusal, "invalid-record");
  assert.equal(check(new Uint8Array(0)).refusal, "invalid-record");
  for (const length of [-1, -2147483648, 0, 48, 2147483647]) {
    const lying = batch.slice();
    new DataView(lying.buffer).setInt32(8, length);
    const expected = length + 12 < 61 ? "corrupt-batch" : "invalid-record";
    assert.equal(check(lying).refusal, expected, `length ${length}`);
  }
});

Deno.test("checkProducedBatch() refuses formats other than v2", () => {
  for (const magic of [0, 1]) assert.equal(check(buildBatch(records, { magic })).refusal, "unsupported-format");
  for (const magic of [3, 127, -1]) assert.equal(check(buildBatch(records, { magic })).refusal, "corrupt-batch");
});

Deno.test("checkProducedBatch() refuses sizes above the limits and accepts those at the limit", () => {
  const batch = buildBatch(records);
  const { length } = batch;
  assert.equal(check(batch, { maxMessageBytes: length, segmentBytes: length }).refusal, null);
  assert.equal(check(batch, { maxMessageBytes: length - 1 }).refusal, "too-large");
  assert.equal(check(batch, { segmentBytes: length - 1 }).refusal, "larger-than-segment");
});

Deno.test("checkProducedBatch() refuses headers that contradict themselves", () => {
  const header = (options: Parameters<typeof buildBatch>[1]) => check(buildBatch(records, options)).refusal;
  assert.equal(header({ attributes: 5 }), "unsupported-compression");
  assert.equal(header({ attributes: 7 }), "unsupported-compression");
  assert.equal(header({ baseOffset: 1 }), "invalid-record");
  assert.equal(header({ baseOffset: -1 }), "invalid-record");
  assert.equal(header({ recordsCount: 0, lastOffsetDelta: -1 }), "invalid-record");
  assert.equal(header({ recordsCount: -1, lastOffsetDelta: -2 }), "invalid-record");
  assert.equal(header({ recordsCount: 2 }), "invalid-record");
  assert.equal(header({ lastOffsetDelta: 3 }), "invalid-record");
  assert.equal(header({ control: true }), "invalid-record");
  assert.equal(header({ logAppendTime: true }), "invalid-timestamp");
  assert.equal(header({ producerId: 5, producerEpoch: 0 }), "invalid-record");
  assert.equal(header({ producerId: 5, baseSequence: 0 }), "invalid-record");
  assert.equal(header({ producerId: 2 ** 60, producerEpoch: 0, baseSequence: 0 }), "invalid-record");
  assert.equal(header({ producerId: 5, producerEpoch: 32767, baseSequence: 2147483647 }), null);
});

Deno.test("checkProducedBatch() accepts transactional batches only where they are allowed", () => {
  const batch = buildBatch(records, { transactional: true, producerId: 5, producerEpoch: 0, baseSequence: 0 });
  assert.equal(check(batch).refusal, "transactions-unsupported");
  assert.equal(check(batch, { transactionsAllowed: true }).refusal, null);
  assert.equal(
    check(buildBatch(records, { transactional: true }), { transactionsAllowed: true }).refusal,
    "invalid-record",
  );
});

Deno.test("checkProducedBatch() refuses more or fewer records than the header counts", () => {
  for (const codec of codecNames) {
    for (const recordsCount of [1, 2, 4, 1000, 2147483647]) {
      const batch = buildBatch(records.map((record) => ({ ...record, key: "k" })), {
        codec,
        recordsCount,
        lastOffsetDelta: recordsCount - 1,
      });
      assert.equal(check(batch, { keysRequired: true }).refusal, "invalid-record", `${codec} ${recordsCount}`);
    }
  }
});

Deno.test("checkProducedBatch() refuses hostile lengths, counts and varints of records", () => {
  const hostile = [2 ** 31 - 1, -(2 ** 31), 2 ** 20, 100, -5];
  for (const length of [...hostile, 0, 1, 5]) {
    assert.equal(check(batchOfBody(plainBody([1, 1, 0]), length)).refusal, "invalid-record");
  }
  for (const length of hostile.filter((value) => value > 0)) {
    assert.equal(check(batchOfBody(plainBody([...varint(length), 1, 0]))).refusal, "invalid-record", `key ${length}`);
    assert.equal(check(batchOfBody(plainBody([1, ...varint(length), 0]))).refusal, "invalid-record", `value ${length}`);
    assert.equal(
      check(batchOfBody(plainBody([1, 1, ...varint(length)]))).refusal,
      "invalid-record",
      `headers ${length}`,
    );
    const headerKey = [1, 1, ...varint(1), ...varint(length), 1];
    assert.equal(check(batchOfBody(plainBody(headerKey))).refusal, "invalid-record", `header key ${length}`);
    const headerValue = [1, 1, ...varint(1), 0, ...varint(length)];
    assert.equal(check(batchOfBody(plainBody(headerValue))).refusal, "invalid-record", `header value ${length}`);
  }
  assert.equal(check(batchOfBody(plainBody([1, 1, ...varint(-1)]))).refusal, "invalid-record", "headers -1");
  assert.equal(check(batchOfBody(plainBody([1, 1, ...varint(1), ...varint(-1), 1]))).refusal, "invalid-record");
  const endless = new Array(40).fill(0x80);
  for (let place = 0; place < 6; place++) {
    const body = [0, 0, 0, 1, 1, 0];
    body.splice(place, 1, ...endless);
    assert.equal(check(batchOfBody(new Uint8Array(body))).refusal, "invalid-record", `endless varint at ${place}`);
  }
  assert.equal(check(buildBatch([{ value: null }], { rawRecords: new Uint8Array(endless) })).refusal, "invalid-record");
});

Deno.test("checkProducedBatch() reads any negative key or value length as null, as Kafka does", () => {
  for (const length of [-1, -2, -(2 ** 31)]) {
    assert.equal(check(batchOfBody(plainBody([...varint(length), ...varint(length), 0]))).refusal, null, `${length}`);
  }
});

Deno.test("checkProducedBatch() reads nothing beyond the end of the memory", () => {
  const batch = batchOfBody(new Uint8Array([0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80]));
  const { memory } = inMemory(batch);
  const start = memory.bytes.length - batch.length;
  memory.bytes.set(batch, start);
  assert.equal(checkProducedBatch(memory, start, batch.length, rules).refusal, "invalid-record");
});

Deno.test("checkProducedBatch() requires keys in compacted topics, in compressed batches too", () => {
  for (const codec of codecNames) {
    const result = check(buildBatch(records, { codec }), { keysRequired: true });
    assert.deepEqual([result.refusal, result.recordIndex], ["invalid-record", 1], codec);
    const keyed = buildBatch(records.map((record) => ({ ...record, key: "" })), { codec });
    assert.equal(check(keyed, { keysRequired: true }).refusal, null, codec);
  }
});

Deno.test("transcodeBatch() refuses batches that do not decompress", () => {
  for (const codec of codecNames.slice(1)) {
    const garbage = buildBatch(records, { codec, rawRecords: new Uint8Array(100).fill(0x55) });
    assert.equal(check(garbage).refusal, "broken-compression", codec);
  }
});

Deno.test("transcodeBatch() does not decompress a bomb to its end", () => {
  const bomb = zstdCompressSync(new Uint8Array(150 << 20));
  const batch = buildBatch([{ key: "k", value: null }], { codec: "zstd", rawRecords: bomb });
  assert.equal(check(batch, { keysRequired: true }).refusal, "content-too-large");
});

Deno.test("checkProducedBatch() refuses timestamps outside the topic's limits, and names the record", () => {
  const at = (offsetMs: number) => buildBatch([{ value: "x" }, { value: "y", timestamp: TEST_TIMESTAMP + offsetMs }]);
  const limits = { messageTimestampBeforeMaxMs: 1000, messageTimestampAfterMaxMs: 500 };
  assert.equal(check(at(500), limits).refusal, null);
  assert.equal(check(at(-1000), limits).refusal, null);
  for (const offsetMs of [501, -1001, 2 ** 45, -(2 ** 45)]) {
    const result = check(at(offsetMs), limits);
    assert.deepEqual([result.refusal, result.recordIndex], ["invalid-timestamp", 1], `${offsetMs}`);
  }
  assert.equal(check(at(-TEST_TIMESTAMP - 1), limits).refusal, null, "a record without a timestamp (-1)");
  assert.equal(check(at(501), { ...limits, messageTimestampType: "LogAppendTime" }).refusal, null);
});

Deno.test("checkProducedBatch() corrects the largest timestamp and then the CRC", () => {
  for (const codec of codecNames) {
    for (const maxTimestamp of [12345, -1, TEST_TIMESTAMP + 7_200_000]) {
      const expected = buildBatch(records, { codec, maxTimestamp: TEST_TIMESTAMP + 5 });
      assert.deepEqual(stamped(buildBatch(records, { codec, maxTimestamp })), expected, `${codec} ${maxTimestamp}`);
    }
  }
  const none = buildBatch([{ value: "x", timestamp: -5 }], { maxTimestamp: -5 });
  assert.equal(Number(new DataView(stamped(none).buffer).getBigInt64(35)), -1, "below -1 there is no timestamp");
});

Deno.test("checkProducedBatch() stamps LogAppendTime and changes only attributes, timestamp and CRC", () => {
  for (const codec of codecNames) {
    const batch = buildBatch(records, { codec });
    const expected = batch.slice();
    const view = new DataView(expected.buffer);
    view.setInt16(21, codecNames.indexOf(codec) | 8);
    view.setBigInt64(35, BigInt(TEST_TIMESTAMP + 99));
    view.setUint32(17, crc32c(expected, 21, expected.length - 21));
    const changes = { messageTimestampType: "LogAppendTime", nowMs: TEST_TIMESTAMP + 99 } as const;
    assert.deepEqual(stamped(batch, changes), expected, codec);
  }
});

Deno.test("checkProducedBatch() does not change a refused batch", () => {
  const batch = buildBatch([{ value: "x" }, { value: "y" }], { maxTimestamp: 1 });
  const { memory, start, length } = inMemory(batch, 5);
  const strict = { ...rules, keysRequired: true, messageTimestampType: "LogAppendTime" } as const;
  assert.equal(checkProducedBatch(memory, start, length, strict).refusal, "invalid-record");
  assert.deepEqual(memory.bytes.slice(start, start + length), batch);
});

Deno.test("checkProducedBatch() accepts the smallest and largest value of every varint length", () => {
  for (const bytes of [0, 1, 63, 64, 65, 8191, 8192, 8193, 1_000_000]) {
    const value = new Uint8Array(bytes);
    const batch = buildBatch([{ key: value, value: "v" }, { key: "k", value }, {
      value: "x",
      headers: [["h", value]],
    }]);
    assert.equal(check(batch, { maxMessageBytes: 10_000_000 }).refusal, null, `${bytes}`);
  }
  const many = Array.from({ length: 20_000 }, (_, index) => ({ value: null, timestamp: TEST_TIMESTAMP + index * 97 }));
  assert.equal(check(buildBatch(many)).refusal, null);
});

Deno.test("checkProducedBatch() never throws on random bytes with a correct CRC (seeded)", () => {
  let state = Number(Deno.env.get("BARNABAS_SEED") ?? Date.now() % 1_000_000) | 1;
  const seed = state;
  const random = () => (state = Math.imul(state, 1664525) + 1013904223 | 0) >>> 0;
  for (let round = 0; round < 3000; round++) {
    const batch = buildBatch(records.slice(0, 2), { codec: codecNames[random() % 5]! });
    for (let change = random() % 6; change >= 0; change--) batch[21 + random() % (batch.length - 21)] = random();
    try {
      check(sealBatch(batch), { keysRequired: round % 2 === 0 });
    } catch (error) {
      throw new Error(`BARNABAS_SEED=${seed}`, { cause: error });
    }
  }
});
