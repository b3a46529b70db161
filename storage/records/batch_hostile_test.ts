/** Batches that lie: damage, cuts, bombs, counts and timestamps, in every codec and both forms of snappy. */
import { strict as assert } from "node:assert";
import { compressSync as compressBareSnappy } from "npm:snappy@7.4.3";
import { checkBytes, defaultRules } from "../../tests/produced_batch.ts";
import {
  buildBatch,
  concatBytes,
  inMemory,
  sealBatch,
  TEST_TIMESTAMP,
  type TestRecord,
} from "../../tests/record_batch_builder.ts";
import { createRandom } from "../base/random.ts";
import { BatchRecordReader } from "./batch_record_reader.ts";
import type { BatchRules, CompressionType } from "./batch_rules.ts";
import { compress } from "./compression/compression.ts";
import { codecNames } from "./record_batch.ts";

type NativeBytes = Parameters<typeof compressBareSnappy>[0];

const seed = Number(Deno.env.get("BARNABAS_SEED") ?? Date.now() % 1_000_000);
const records: TestRecord[] = Array.from({ length: 30 }, (_, index) => ({
  key: `key-${index}`,
  value: "value ".repeat(index % 9),
  timestamp: TEST_TIMESTAMP + index,
  headers: index % 4 === 0 ? [["h", "x"]] as const : [],
}));

/** The forms in which clients compress. */
const forms: [name: string, codec: number, pack: (plain: Uint8Array) => Uint8Array][] = [
  ...codecNames.map((name, codec): (typeof forms)[number] => [name, codec, (plain) => compress(codec, plain)]),
  ["bare snappy", 2, (plain) => compressBareSnappy(plain as NativeBytes) as Uint8Array],
];

const plainOf = (some: readonly TestRecord[]) => buildBatch(some).slice(61);

for (const [name, codec, pack] of forms) {
  const codecName = codecNames[codec]!;
  const batchOf = (rawRecords: Uint8Array, count = records.length) =>
    buildBatch(records, { codec: codecName, rawRecords, recordsCount: count, lastOffsetDelta: count - 1 });
  const packed = pack(plainOf(records));

  Deno.test(`a batch whose records are cut anywhere is refused (${name})`, () => {
    assert.equal(checkBytes(batchOf(packed)).refusal, null);
    for (let length = 0; length < packed.length; length++) {
      const { refusal } = checkBytes(batchOf(packed.subarray(0, length)));
      const expected = codec === 0 ? ["invalid-record"] : ["invalid-record", "broken-compression"];
      assert.ok(expected.includes(`${refusal}`), `${length} bytes: ${refusal}`);
    }
  });

  Deno.test(`a batch with any flipped bit is refused, or every reader reads what was checked (${name})`, () => {
    for (let bit = 0; bit < packed.length * 8; bit++) {
      const damaged = Uint8Array.from(packed);
      damaged[bit >> 3]! ^= 1 << (bit & 7);
      const { refusal, stored } = checkBytes(batchOf(damaged));
      if (refusal !== null) continue;
      const { memory, start } = inMemory(stored);
      const reader = BatchRecordReader.open(memory, start);
      assert.ok(typeof reader !== "string", `bit ${bit}: ${reader}`);
      let count = 0;
      let largest = -1;
      for (; reader.next(); count++) largest = Math.max(largest, reader.timestamp);
      assert.deepEqual([reader.damaged, count], [false, records.length], `bit ${bit}`);
      assert.equal(memory.view.getBigInt64(35), BigInt(largest), `bit ${bit}`);
    }
  });

  Deno.test(`a batch that holds more or fewer records than it says is refused, and so are bytes after them (${name})`, () => {
    const countedAs = (count: number) => checkBytes(batchOf(packed, count)).refusal;
    for (const count of [1, 29, 31, 1000, 2 ** 31 - 1]) assert.equal(countedAs(count), "invalid-record", `${count}`);
    for (const tail of [[0], [1], [0x80], new Array(100).fill(0), [...plainOf(records.slice(0, 1))]]) {
      const longer = pack(concatBytes([plainOf(records), tail]));
      assert.equal(checkBytes(batchOf(longer)).refusal, "invalid-record", `${tail.length} bytes`);
    }
  });

  Deno.test(`a header without a key, and records within records, are refused (${name})`, () => {
    const headless = plainOf([{ key: "k", value: "v", headers: [["a", "b"]] }]);
    headless[headless.length - 4] = 1; // the key's length: -1
    assert.equal(checkBytes(batchOf(pack(headless), 1)).refusal, "invalid-record");
  });

  Deno.test(`a bomb is refused within its limit (${name})`, () => {
    const bomb = pack(new Uint8Array(110 * 1024 * 1024));
    const rules = { ...defaultRules, maxMessageBytes: 2 ** 31 - 1, segmentBytes: 2 ** 31 - 1 };
    const { refusal } = checkBytes(batchOf(bomb), rules);
    assert.equal(refusal, codec === 0 ? "invalid-record" : "content-too-large");
  });

  Deno.test(`timestamps at the ends of 64 bits are refused, or the broker's (${name})`, () => {
    const ends = [2n ** 63n - 1n, -(2n ** 63n), 2n ** 62n, -(2n ** 62n), 2n ** 53n, -(2n ** 53n)];
    for (const base of ends) {
      const batch = batchOf(packed);
      new DataView(batch.buffer).setBigInt64(27, base);
      sealBatch(batch);
      assert.equal(checkBytes(batch).refusal, "invalid-timestamp", `${base}`);
      const { refusal, stored } = checkBytes(batch, { ...defaultRules, messageTimestampType: "LogAppendTime" });
      assert.equal(refusal, null, `${base}`);
      assert.equal(new DataView(stored.buffer).getBigInt64(35), BigInt(defaultRules.nowMs));
      assert.equal(new DataView(stored.buffer).getBigInt64(27), base, "clients ignore it");
    }
    for (const maxTimestamp of ends) {
      const batch = batchOf(packed);
      new DataView(batch.buffer).setBigInt64(35, maxTimestamp);
      const { refusal, stored } = checkBytes(sealBatch(batch));
      assert.equal(refusal, null, `the header's largest timestamp ${maxTimestamp} is not believed`);
      assert.equal(new DataView(stored.buffer).getBigInt64(35), BigInt(TEST_TIMESTAMP + 29));
      assert.deepEqual(sealBatch(stored.slice()), stored, "the CRC is correct");
    }
    const far = plainOf([{ key: "k", value: "v", timestamp: 2 ** 52 }]);
    const unlimited = { ...defaultRules, messageTimestampAfterMaxMs: Infinity };
    for (const baseTimestamp of [2 ** 52, -(2 ** 52)]) {
      const options = { codec: codecName, rawRecords: pack(far), baseTimestamp, recordsCount: 1, lastOffsetDelta: 0 };
      assert.equal(checkBytes(buildBatch(records, options), unlimited).refusal, null);
      assert.equal(checkBytes(buildBatch(records, options)).refusal, baseTimestamp > 0 ? "invalid-timestamp" : null);
    }
  });
}

Deno.test("a check agrees with a plain reading of the records, for random batches, rules and targets (seeded)", () => {
  const random = createRandom(seed);
  const below = (limit: number) => Math.floor(random() * limit);
  const pick = <Item>(items: readonly Item[]) => items[below(items.length)]!;
  for (let round = 0; round < 2000; round++) {
    const some: TestRecord[] = Array.from({ length: 1 + below(12) }, () => ({
      key: below(12) === 0 ? null : "k",
      value: "v".repeat(below(60)),
      timestamp: TEST_TIMESTAMP + pick([0, 5, -7, 100, 100, below(14) === 0 ? 2000 : 1, below(14) === 0 ? -2000 : 0]),
    }));
    const rules: BatchRules = {
      ...defaultRules,
      keysRequired: below(2) === 0,
      messageTimestampBeforeMaxMs: pick([Infinity, 1000]),
      messageTimestampAfterMaxMs: 1000,
      messageTimestampType: pick(["CreateTime", "CreateTime", "LogAppendTime"]),
      compressionType: pick<CompressionType>(["producer", "producer", "uncompressed", "gzip", "snappy", "lz4", "zstd"]),
    };
    const which = `BARNABAS_SEED=${seed}, round ${round}`;
    const isCreateTime = rules.messageTimestampType === "CreateTime";
    const keyless = some.map(({ key }) => rules.keysRequired && key === null);
    const untimely = some.map(({ timestamp = 0 }, index) => {
      const ahead = timestamp - TEST_TIMESTAMP;
      return isCreateTime && !keyless[index] && (ahead > 1000 || -ahead > rules.messageTimestampBeforeMaxMs);
    });
    const first = some.findIndex((_, index) => keyless[index] || untimely[index]);
    const expected = untimely.includes(true) ? "invalid-timestamp" : first >= 0 ? "invalid-record" : null;
    const batch = buildBatch(some, { codec: pick(codecNames), maxTimestamp: pick([undefined, -1, TEST_TIMESTAMP]) });
    const { refusal, recordIndex, stored } = checkBytes(batch, rules);
    assert.deepEqual([refusal, recordIndex], [expected, first], which);
    if (refusal !== null) continue;
    const largest = isCreateTime ? Math.max(...some.map(({ timestamp = 0 }) => timestamp)) : rules.nowMs;
    assert.equal(new DataView(stored.buffer).getBigInt64(35), BigInt(largest), which);
    assert.deepEqual(sealBatch(stored.slice()), stored, which);
  }
});
