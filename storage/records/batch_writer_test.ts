/** Compares batches with those of the tests' own builder, and passes them to the check of produced batches. */
import { strict as assert } from "node:assert";
import { defaultRules } from "../../tests/produced_batch.ts";
import { buildBatch, TEST_TIMESTAMP } from "../../tests/record_batch_builder.ts";
import { checkProducedBatch } from "./batch_validation.ts";
import { bytesOfBatch, type PlainRecord, writeBatch } from "./batch_writer.ts";
import { allocateShared } from "../sys/memory.ts";

const bytes = (length: number) => Uint8Array.from({ length }, (_, index) => index * 7);

const cases: readonly (readonly PlainRecord[])[] = [
  [{ key: bytes(1), value: null }],
  [{ key: new Uint8Array(0), value: new Uint8Array(0) }, { key: bytes(3), value: bytes(2) }],
  [{ key: bytes(63), value: bytes(64) }, { key: bytes(8191), value: bytes(8192) }, {
    key: bytes(9),
    value: bytes(70000),
  }],
  Array.from({ length: 300 }, (_, index) => ({ key: bytes(index), value: index % 3 === 0 ? null : bytes(5) })),
];

Deno.test("writeBatch() writes the same bytes as the tests' builder, bytesOfBatch() of them, at any index", () => {
  for (const records of cases) {
    const expected = buildBatch(records.map(({ key, value }) => ({ key, value })));
    assert.equal(bytesOfBatch(records), expected.length);
    for (const at of [0, 77]) {
      const memory = allocateShared(expected.length + 200);
      memory.bytes.fill(0xee);
      assert.equal(writeBatch(memory, at, records, TEST_TIMESTAMP), at + expected.length);
      assert.equal(memory.bytes.slice(at, at + expected.length).toHex(), expected.toHex());
      assert.ok(memory.bytes.slice(0, at).every((byte) => byte === 0xee), "nothing before it");
      assert.ok(memory.bytes.slice(at + expected.length).every((byte) => byte === 0xee), "nothing after it");
    }
  }
});

Deno.test("writeBatch() writes batches that a compacted topic accepts", () => {
  const rules = {
    ...defaultRules,
    maxMessageBytes: 1 << 20,
    messageTimestampBeforeMaxMs: 1000,
    messageTimestampAfterMaxMs: 1000,
    keysRequired: true,
  };
  for (const records of cases) {
    const length = bytesOfBatch(records);
    const memory = allocateShared(length + 128);
    writeBatch(memory, 5, records, TEST_TIMESTAMP);
    const { refusal, message } = checkProducedBatch(memory, 5, length, rules);
    assert.equal(refusal, null, message);
  }
});

Deno.test("writeBatch() refuses too little memory, and an empty list of records", () => {
  const memory = allocateShared(256);
  assert.throws(() => writeBatch(memory, 200, [{ key: null, value: null }], 0));
  assert.throws(() => writeBatch(memory, 0, [], 0));
});
