import { strict as assert } from "node:assert";
import {
  type BatchOptions,
  buildBatch,
  inMemory,
  TEST_TIMESTAMP,
  type TestRecord,
} from "../../tests/record_batch_builder.ts";
import { checkInMemory, defaultRules } from "../../tests/produced_batch.ts";
import type { BatchRules } from "./batch_rules.ts";
import { compress } from "./compression/compression.ts";
import { codecNames } from "./record_batch.ts";
import { listRecordErrors, type RecordErrors } from "./record_errors.ts";

const rules: BatchRules = { ...defaultRules, keysRequired: true };

const keyed: TestRecord = { key: "k", value: "x", timestamp: TEST_TIMESTAMP };
const keyless: TestRecord = { value: "x", timestamp: TEST_TIMESTAMP };
const late: TestRecord = { ...keyed, timestamp: TEST_TIMESTAMP + 3_600_001 };
const keylessText = "Compacted topic cannot accept message without key in topic partition t-4";
const budgetOf = (records = 100, bytes = 100_000, reads = 10_000) => ({ records, bytes, reads });

interface Listing {
  readonly options?: BatchOptions;
  readonly rules?: Partial<BatchRules>;
  readonly budget?: ReturnType<typeof budgetOf>;
}

function list(records: readonly TestRecord[], listing: Listing = {}): RecordErrors | null {
  const { memory, start } = inMemory(buildBatch(records, listing.options), 37);
  const by = { partition: "t-4", budget: listing.budget ?? budgetOf() };
  return listRecordErrors({ memory, start }, { ...rules, ...listing.rules }, by);
}

const indices = (errors: RecordErrors | null) => errors?.errors.map(({ recordIndex }) => recordIndex);

for (const codec of codecNames) {
  Deno.test(`listRecordErrors() names every record without a key, in Kafka's words (${codec})`, () => {
    const errors = list([keyed, keyless, keyed, keyless], { options: { codec } });
    assert.equal(errors?.refusal, "invalid-record");
    assert.deepEqual(errors.errors, [
      { recordIndex: 1, message: keylessText },
      { recordIndex: 3, message: keylessText },
    ]);
    assert.equal(
      errors.message,
      "One or more records have been rejected due to 2 record errors in total, and only showing the first three errors at most: " +
        `[RecordError(batchIndex=1, message='${keylessText}'), RecordError(batchIndex=3, message='${keylessText}')]`,
    );
  });

  Deno.test(`listRecordErrors() names every record whose timestamp is out of range, and one such record decides the refusal (${codec})`, () => {
    const early = { ...keyed, timestamp: TEST_TIMESTAMP - 1001 };
    const none = { ...keyed, timestamp: -1 };
    const changes = { messageTimestampBeforeMaxMs: 1000 };
    const errors = list([late, keyed, none, early, keyless], { options: { codec }, rules: changes });
    assert.equal(errors?.refusal, "invalid-timestamp");
    assert.equal(errors.message, "One or more records have been rejected due to invalid timestamp");
    assert.deepEqual(indices(errors), [0, 3, 4]);
    assert.equal(
      errors.errors[1]?.message,
      "Timestamp 1699999998999 of message with offset 3 is out of range. " +
        "The timestamp should be within [1699999999000, 1700003600000]",
    );
    assert.equal(errors.errors[2]?.message, keylessText);
  });
}

Deno.test("listRecordErrors() writes the times of a topic without a limit as Kafka does", () => {
  const [error] = list([late])?.errors ?? [];
  assert.match(error?.message ?? "", /within \[-9223370336854775807, 1700003600000\]$/);
});

Deno.test("listRecordErrors() checks no timestamp for a LogAppendTime topic, unless the batch claims LogAppendTime", () => {
  const changes = { messageTimestampType: "LogAppendTime" } as const;
  assert.equal(list([late, keyed], { rules: changes }), null);
  for (const messageTimestampType of ["LogAppendTime", "CreateTime"] as const) {
    const errors = list([keyed, keyed], { options: { logAppendTime: true }, rules: { messageTimestampType } });
    assert.deepEqual([errors?.refusal, indices(errors)], ["invalid-timestamp", [0, 1]]);
  }
});

Deno.test("listRecordErrors() ends with the record that breaks the format, and the batch is then invalid", () => {
  for (const codec of codecNames) {
    const errors = list([late, keyless], { options: { codec, recordsCount: 3, lastOffsetDelta: 2 } });
    assert.deepEqual([errors?.refusal, indices(errors)], ["invalid-record", [0, 1, 2]]);
    const gap = list([keyed, { ...keyed, offsetDelta: 2 }, { ...keyless, offsetDelta: 3 }], { options: { codec } });
    assert.deepEqual([gap?.refusal, indices(gap)], ["invalid-record", [2]], "gaps of offsets are no error");
  }
});

Deno.test("listRecordErrors() returns null for a batch whose records are correct or cannot be decompressed", () => {
  assert.equal(list([keyed, keyed]), null);
  for (const codec of codecNames.slice(1)) {
    assert.equal(list([keyless], { options: { codec, rawRecords: new Uint8Array([1, 2, 3]) } }), null);
  }
});

Deno.test("listRecordErrors() stays within its budget of records and bytes, over all batches of a request", () => {
  const budget = budgetOf(5);
  assert.deepEqual(indices(list([keyless, keyless, keyed], { budget })), [0, 1]);
  const cut = list([keyless, keyless, keyless, keyless], { budget });
  assert.deepEqual(indices(cut), [0, 1, 2]);
  assert.match(cut?.message ?? "", /due to at least 3 record errors/);
  assert.equal(list([keyless], { budget }), null);
  for (const codec of codecNames) {
    const large = { value: "x".repeat(10_000) };
    const bytes = budgetOf(100, 25_000);
    assert.deepEqual(indices(list([large], { options: { codec }, budget: bytes })), [0], codec);
    assert.deepEqual(indices(list([large], { options: { codec }, budget: bytes })), [0], codec);
    assert.equal(list([large], { options: { codec }, budget: bytes }), null, codec);
    assert.ok(bytes.bytes >= 0 && bytes.bytes < 10_000, codec);
  }
});

Deno.test("listRecordErrors() decompresses nothing more for a request after a failed decompression", () => {
  const large = compress(codecNames.indexOf("gzip"), new Uint8Array(90_000));
  const cut = { codec: "gzip", rawRecords: large.subarray(0, large.length - 4) } as const;
  const bomb = { codec: "gzip", rawRecords: compress(codecNames.indexOf("gzip"), new Uint8Array(200_000)) } as const;
  for (const options of [cut, bomb]) {
    const budget = budgetOf();
    assert.equal(list([keyless], { options, budget }), null);
    assert.equal(budget.bytes, 0);
  }
});

Deno.test("listRecordErrors() reads no more records than its budget has, over all batches of a request", () => {
  const budget = budgetOf(100, 100_000, 5);
  assert.deepEqual(indices(list([keyless, keyed, keyed], { budget })), [0]);
  const cut = list([keyless, keyed, keyless], { budget });
  assert.deepEqual([indices(cut), budget.reads], [[0], 0]);
  assert.match(cut?.message ?? "", /due to at least 1 record errors/);
  assert.equal(list([keyless], { budget }), null);
  const exact = budgetOf(100, 100_000, 2);
  assert.match(list([keyless, keyed], { budget: exact })?.message ?? "", /due to 1 record errors/);
  assert.equal(list([keyed, keyed, keyless], { budget: budgetOf(100, 100_000, 2) }), null);
});

Deno.test("listRecordErrors() reads no batch of very many pieces", () => {
  const plain = buildBatch([keyless]).subarray(61);
  const empty = [0x28, 0xb5, 0x2f, 0xfd, 0x20, 0, 1, 0, 0];
  const piecesOf = (count: number) => {
    const frames = Array.from({ length: count - 1 }, () => empty).flat();
    return { codec: "zstd", rawRecords: new Uint8Array([...frames, ...compress(4, plain)]) } as const;
  };
  assert.deepEqual(indices(list([keyless], { options: piecesOf(256) })), [0]);
  const budget = budgetOf();
  assert.equal(list([keyless], { options: piecesOf(257), budget }), null);
  assert.equal(budget.bytes, 0, "nor others of the request");
});

Deno.test("listRecordErrors() names the record that checkProducedBatch() refuses first", () => {
  for (const codec of codecNames) {
    for (const records of [[keyed, keyless, late], [keyed, keyed, late], [keyless]]) {
      const { memory, start, length } = inMemory(buildBatch(records, { codec }), 37);
      const check = checkInMemory({ memory, start, length }, rules);
      assert.equal(list(records, { options: { codec } })?.errors[0]?.recordIndex, check.recordIndex);
    }
  }
});
