import { strict as assert } from "node:assert";
import { gzipSync } from "node:zlib";
import {
  buildBatch,
  inMemory,
  sealBatch,
  TEST_TIMESTAMP,
  type TestRecord,
  varint,
} from "../../tests/record_batch_builder.ts";
import { toOffset } from "../base/units.ts";
import { codecNames } from "./record_batch.ts";
import { BatchRecordReader } from "./batch_record_reader.ts";

const decoder = new TextDecoder();
const asText = (bytes: Uint8Array | null) => bytes === null ? null : decoder.decode(bytes.slice());

const records: TestRecord[] = [
  { key: "a", value: "1", timestamp: TEST_TIMESTAMP, offsetDelta: 0, headers: [] },
  {
    key: null,
    value: null,
    timestamp: TEST_TIMESTAMP + 5,
    offsetDelta: 1,
    headers: [["h", "x"], ["", null], ["k", ""]],
  },
  { key: "", value: "", timestamp: TEST_TIMESTAMP - 70, offsetDelta: 2, headers: [] },
  { key: "c".repeat(200), value: "3".repeat(9000), timestamp: 0, offsetDelta: 7, headers: [["long", "v".repeat(300)]] },
];

function open(batch: Uint8Array, start = 13): BatchRecordReader {
  const { memory } = inMemory(batch, start);
  const reader = BatchRecordReader.open(memory, start);
  assert.ok(typeof reader !== "string", String(reader));
  return reader;
}

/** The records of a batch, in the form that the builder takes. */
function readAll(reader: BatchRecordReader): TestRecord[] {
  const found: TestRecord[] = [];
  while (reader.next()) {
    found.push({
      key: asText(reader.key()),
      value: asText(reader.value()),
      timestamp: reader.timestamp,
      offsetDelta: reader.offset - 1000,
      headers: reader.headers().map(({ key, value }) => [asText(key)!, asText(value)] as const),
    });
  }
  return found;
}

Deno.test("BatchRecordReader reads keys, values, headers, timestamps and offsets with gaps, in every codec", () => {
  for (const codec of codecNames) {
    const reader = open(buildBatch(records, { codec, baseOffset: 1000 }));
    assert.deepEqual(readAll(reader), records, codec);
    assert.equal(reader.damaged, false);
    assert.equal(reader.next(), false, "it stays at the end");
  }
});

Deno.test("BatchRecordReader returns the time of the append for every record of a LogAppendTime batch", () => {
  const reader = open(buildBatch(records, { logAppendTime: true, maxTimestamp: 99 }));
  for (const _ of records) assert.ok(reader.next() && reader.timestamp === 99);
});

Deno.test("BatchRecordReader reads a batch without records, as compaction leaves it", () => {
  const reader = open(buildBatch([], { lastOffsetDelta: 4 }));
  assert.deepEqual([reader.next(), reader.damaged], [false, false]);
});

Deno.test("BatchRecordReader.open() says why records cannot be decompressed", () => {
  const openIn = (batch: Uint8Array, outputBytesMax: number) =>
    BatchRecordReader.open(inMemory(batch).memory, 0, { outputBytesMax });
  assert.equal(openIn(buildBatch(records, { attributes: 6 }), 1000), "unsupported-codec");
  assert.equal(openIn(buildBatch(records, { codec: "gzip", rawRecords: new Uint8Array(9) }), 1000), "corrupt-data");
  const bomb = gzipSync(new Uint8Array(1 << 20));
  assert.equal(openIn(buildBatch(records, { codec: "gzip", rawRecords: bomb }), 1000), "too-large");
});

Deno.test("BatchRecordReader.open() refuses wrong lengths", () => {
  for (const length of [-1, 0, 48, 100_000, 0x7fffffff]) {
    const batch = buildBatch(records);
    new DataView(batch.buffer).setInt32(8, length);
    assert.equal(BatchRecordReader.open(inMemory(batch).memory, 0), "corrupt-data", `${length}`);
  }
});

Deno.test("BatchRecordReader finds every truncation, and counts that do not fit", () => {
  const batch = buildBatch(records.slice(0, 3));
  for (let length = 61; length < batch.length; length++) {
    const cut = batch.slice(0, length);
    new DataView(cut.buffer).setInt32(8, length - 12);
    const reader = open(cut);
    readAll(reader);
    assert.equal(reader.damaged, true, `${length}`);
  }
  for (const recordsCount of [-1, 0, 2, 4, 0x7fffffff]) {
    const reader = open(buildBatch(records.slice(0, 3), { recordsCount }));
    readAll(reader);
    assert.equal(reader.damaged, true, `${recordsCount} records`);
  }
});

Deno.test("BatchRecordReader never throws or leaves the batch, for any flipped bit", () => {
  const batch = buildBatch(records.slice(0, 3), { baseOffset: 1000 });
  for (let bit = 61 * 8; bit < batch.length * 8; bit++) {
    const flipped = batch.slice();
    flipped[bit >> 3]! ^= 1 << (bit & 7);
    const reader = open(sealBatch(flipped), 13);
    while (reader.next()) {
      reader.headers();
      for (
        const [start, length] of [[reader.keyStart, reader.keyLength], [reader.valueStart, reader.valueLength]] as const
      ) {
        assert.ok(start > 13 && start + Math.max(0, length) < 13 + batch.length, `bit ${bit}`);
      }
    }
  }
});

Deno.test("BatchRecordReader refuses hostile lengths of keys, values and headers", () => {
  for (const length of [1, 100, 2 ** 20, 2 ** 31 - 1]) {
    const bodies = [
      [0, 0, 0, ...varint(length), 1, 0],
      [0, 0, 0, 1, ...varint(length), 0],
      [0, 0, 0, 1, 1, ...varint(length)],
      [0, 0, 0, 1, 1, 2, ...varint(length), 1],
    ];
    for (const body of bodies) {
      const rawRecords = new Uint8Array([...varint(body.length), ...body]);
      const reader = open(buildBatch([{ value: null }], { rawRecords }));
      assert.deepEqual([reader.next(), reader.damaged], [false, true], `${body}`);
    }
  }
});

Deno.test("BatchRecordReader refuses offsets that do not grow", () => {
  for (const second of [0, -1]) {
    const batch = buildBatch([{ value: "x" }, { value: "y", offsetDelta: second }], { lastOffsetDelta: 1 });
    const reader = open(batch);
    assert.equal(reader.next(), true);
    assert.equal(reader.offset, toOffset(0));
    assert.deepEqual([reader.next(), reader.damaged], [false, true]);
  }
});
