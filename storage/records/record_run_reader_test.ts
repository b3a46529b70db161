/** Tests with whole, cut and damaged runs of batches. */
import { strict as assert } from "node:assert";
import { buildBatch, concatBytes, inMemory, sealBatch, TEST_TIMESTAMP } from "../../tests/record_batch_builder.ts";
import { codecNames } from "./record_batch.ts";
import { RecordRunReader } from "./record_run_reader.ts";

const decoder = new TextDecoder();
const text = (bytes: Uint8Array | null) => bytes === null ? null : decoder.decode(bytes.slice());

/** A batch of two records for every codec, at offsets 0, 10, 20, ... */
const batches = codecNames.map((codec, index) =>
  buildBatch([
    { key: `k${index}`, value: codec.repeat(20), timestamp: TEST_TIMESTAMP },
    { key: null, value: null, timestamp: TEST_TIMESTAMP + 3 },
  ], { codec, baseOffset: index * 10 })
);
const expected = codecNames.flatMap((codec, index) => [
  [index * 10, TEST_TIMESTAMP, `k${index}`, codec.repeat(20)],
  [index * 10 + 1, TEST_TIMESTAMP + 3, null, null],
]);

function open(bytes: Uint8Array, length = bytes.length): RecordRunReader {
  const { memory, start } = inMemory(bytes, 9);
  return new RecordRunReader(memory, start, start + length);
}

function readAll(reader: RecordRunReader): unknown[] {
  const found: unknown[] = [];
  while (reader.next()) found.push([reader.offset, reader.timestamp, text(reader.key()), text(reader.value())]);
  assert.equal(reader.next(), false, "the end stays the end");
  return found;
}

Deno.test("RecordRunReader reads the records of all batches in every codec", () => {
  const run = concatBytes(batches);
  const reader = open(run);
  assert.deepEqual(readAll(reader), expected);
  assert.equal(reader.damage, null);
  assert.equal(reader.position, 9 + run.length);
});

Deno.test("RecordRunReader returns only whole batches for every cut of the run", () => {
  const run = concatBytes(batches.slice(0, 2));
  for (let length = 0; length < run.length; length++) {
    const reader = open(run, length);
    const whole = length < batches[0]!.length ? 0 : 1;
    assert.deepEqual(readAll(reader), expected.slice(0, 2 * whole), `cut at ${length}`);
    assert.equal(reader.damage, null, `cut at ${length}`);
    assert.equal(reader.position, 9 + (whole === 0 ? 0 : batches[0]!.length));
  }
});

Deno.test("RecordRunReader returns no record of a batch with a flipped bit", () => {
  for (const [index, batch] of batches.entries()) {
    for (let at = 16; at < batch.length; at++) {
      const damaged = batch.slice();
      damaged[at]! ^= 1 << (at & 7);
      const reader = open(concatBytes([batches[0]!, damaged]));
      assert.deepEqual(readAll(reader), expected.slice(0, 2), `codec ${index}, byte ${at}`);
      assert.notEqual(reader.damage, null, `codec ${index}, byte ${at}`);
      assert.equal(reader.position, 9 + batches[0]!.length);
    }
  }
});

Deno.test("RecordRunReader returns no record of a batch whose records do not fit, even with a correct CRC", () => {
  const body = batches[0]!;
  for (let at = 57; at < body.length; at++) {
    for (const byte of [0x00, 0x7f, 0x80, 0xff]) {
      const batch = body.slice();
      if (batch[at] === byte) continue;
      batch[at] = byte;
      const reader = open(sealBatch(batch));
      const found = readAll(reader);
      if (reader.damage === null) assert.equal(found.length, 2, `byte ${at}`);
      else assert.deepEqual(found, [], `byte ${at}`);
    }
  }
});

Deno.test("RecordRunReader refuses impossible lengths and formats", () => {
  for (const [at, value] of [[8, -1], [8, 0], [8, 48], [8, -0x80000000]] as const) {
    const batch = batches[0]!.slice();
    new DataView(batch.buffer).setInt32(at, value);
    const reader = open(batch);
    assert.deepEqual(readAll(reader), []);
    assert.match(reader.damage!, /a length of/);
  }
  for (const magic of [0, 1, 3, -1]) {
    const reader = open(buildBatch([{ value: "x" }], { magic }));
    assert.deepEqual(readAll(reader), []);
    assert.match(reader.damage!, /format v/);
  }
});

Deno.test("RecordRunReader identifies control batches, transactions and producers", () => {
  const reader = open(concatBytes([
    buildBatch([{ value: "plain" }]),
    buildBatch([{ value: "in a transaction" }], {
      transactional: true,
      producerId: 7,
      producerEpoch: 0,
      baseSequence: 0,
    }),
    buildBatch([{ key: "\0\0\0\x01", value: "marker" }], { transactional: true, control: true, producerId: 7 }),
  ]));
  const facts: unknown[] = [];
  while (reader.next()) facts.push([reader.isTransactional, reader.isControl, reader.producerId]);
  assert.deepEqual(facts, [[false, false, -1], [true, false, 7], [true, true, 7]]);
});
