import { strict as assert } from "node:assert";
import { defaultRules } from "../../tests/produced_batch.ts";
import { buildBatch, TEST_TIMESTAMP } from "../../tests/record_batch_builder.ts";
import { toOffset } from "../base/units.ts";
import { allocateShared } from "../sys/memory.ts";
import type { BatchRules } from "../records/batch_rules.ts";
import { codec } from "../records/record_batch.ts";
import { CodecPool } from "./codec_pool.ts";

/** A pool over two arenas, with a clock that the test moves. */
class Fixture implements Disposable {
  readonly arenas = [allocateShared(1 << 17), allocateShared(1 << 17)] as const;
  readonly timers = new Set<() => void>();
  readonly pool: CodecPool;

  constructor(coresCount = 2) {
    this.pool = new CodecPool({
      arenas: this.arenas.map(({ buffer }) => buffer),
      coresCount,
      after: (_ms, callback) => {
        this.timers.add(callback);
        return () => void this.timers.delete(callback);
      },
    });
  }

  /** Lets a worker do a batch that lies in an arena. */
  transcode(arena: 0 | 1, batch: Uint8Array, rules: Partial<BatchRules> = {}) {
    this.arenas[arena].bytes.set(batch, 100);
    const work = { arena, start: 100, length: batch.length, rules: { ...defaultRules, ...rules } };
    return this.pool.transcode(work);
  }

  [Symbol.dispose](): void {
    this.pool[Symbol.dispose]();
    assert.deepEqual([this.pool.workersCount, this.timers.size], [0, 0]);
  }
}

const records = [{ value: "a".repeat(200) }, { value: "b".repeat(200) }];

Deno.test("CodecPool.transcode() stamps a batch in the arena where it lies", async () => {
  using fixture = new Fixture();
  const sent = buildBatch(records, { codec: "zstd", maxTimestamp: -1 });
  const answer = await fixture.transcode(1, sent);
  assert.deepEqual(answer, { refusal: null, message: "", recordIndex: -1, rebuilt: null });
  const stored = fixture.arenas[1].bytes.slice(100, 100 + sent.length);
  assert.deepEqual(stored, buildBatch(records, { codec: "zstd" }));
  assert.ok(fixture.arenas[0].bytes.every((byte) => byte === 0));
});

Deno.test("CodecPool.transcode() answers with a batch in the topic's codec, or with a refusal", async () => {
  using fixture = new Fixture();
  const { rebuilt } = await fixture.transcode(0, buildBatch(records, { codec: "lz4" }), { compressionType: "gzip" });
  assert.ok(rebuilt !== null);
  assert.equal(fixture.pool.resultBytes, rebuilt.byteLength);
  assert.equal(codec(new DataView(rebuilt), 0), 1);
  const refused = await fixture.transcode(
    0,
    buildBatch(records, { codec: "lz4", recordsCount: 3, lastOffsetDelta: 2 }),
  );
  assert.deepEqual([refused.refusal, refused.recordIndex, refused.rebuilt], ["invalid-record", 2, null]);
});

Deno.test("CodecPool starts a worker when a batch has to wait, as many as there are cores, and ends each when it has been idle", async () => {
  using fixture = new Fixture(2);
  assert.equal(fixture.pool.workersCount, 0, "a fresh broker has none");
  const batch = buildBatch(records, { codec: "snappy" });
  const answers = [0, 1, 0, 1, 0].map((arena) => fixture.transcode(arena as 0 | 1, batch));
  assert.equal(fixture.pool.workersCount, 2);
  for (const { refusal } of await Promise.all(answers)) assert.equal(refusal, null);
  assert.equal(fixture.timers.size, 2);
  await fixture.transcode(0, batch);
  assert.deepEqual([fixture.pool.workersCount, fixture.timers.size], [2, 2]);
  for (const callback of [...fixture.timers]) callback();
  assert.equal(fixture.pool.workersCount, 0);
  assert.equal((await fixture.transcode(0, batch)).refusal, null, "it starts again");
});

Deno.test("CodecPool.transcode() throws when a worker fails, and another worker does the next batch", async () => {
  using fixture = new Fixture(1);
  const work = { arena: 7, start: 0, length: 1, rules: defaultRules };
  await assert.rejects(fixture.pool.transcode(work), /A codec worker failed: .*a batch lies in the arena of a shard/);
  assert.equal(fixture.pool.workersCount, 0);
  assert.equal((await fixture.transcode(0, buildBatch(records, { codec: "gzip" }))).refusal, null);
});

/** Takes far more memory than workers unpack side by side. */
const large = buildBatch([{ value: new Uint8Array(20_000_000) }], { codec: "zstd" });
const SMALL = { maxMessageBytes: 1 << 20 };

Deno.test("CodecPool.transcode() unpacks batches of all sizes, large ones among small ones", async () => {
  using fixture = new Fixture(2);
  const batches = [large, buildBatch(records, { codec: "gzip" }), large, buildBatch(records, { codec: "lz4" }), large];
  const answers = batches.map((batch, index) => {
    fixture.arenas[0].bytes.set(batch, index * 20_000);
    const rules = { ...defaultRules, ...SMALL, compressionType: "snappy" as const };
    return fixture.pool.transcode({ arena: 0, start: index * 20_000, length: batch.length, rules });
  });
  const refusals = (await Promise.all(answers)).map(({ refusal, rebuilt }) => refusal ?? (rebuilt !== null));
  assert.deepEqual(refusals, [true, true, true, true, true]);
  for (const { rebuilt } of await Promise.all(answers)) fixture.pool.release(rebuilt!.byteLength);
  assert.equal(fixture.pool.resultBytes, 0);
});

Deno.test("CodecPool begins no batch while the rebuilt ones that are not released, and what it may become, exceed their limit", async () => {
  using fixture = new Fixture(1);
  const rules = { compressionType: "uncompressed", maxMessageBytes: 21_000_000 } as const;
  const first = await fixture.transcode(0, large, rules);
  assert.ok(first.rebuilt !== null);
  assert.equal(fixture.pool.resultBytes, first.rebuilt.byteLength);
  let isAnswered = false;
  const second = fixture.transcode(0, large, rules).finally(() => isAnswered = true);
  const search = { type: "first", target: { timestamp: TEST_TIMESTAMP, offset: toOffset(0) } } as const;
  for (let count = 0; count < 3; count++) {
    const { offset, timestamp } = await fixture.pool.search({ batch: large.slice().buffer, search });
    assert.deepEqual([offset, timestamp, isAnswered], [0, TEST_TIMESTAMP, false], "searches have no results to hold");
  }
  fixture.pool.release(first.rebuilt.byteLength);
  const { rebuilt } = await second;
  assert.ok(rebuilt !== null);
  const third = fixture.transcode(0, large, { ...rules, maxMessageBytes: 1e8 });
  fixture.pool.release(rebuilt.byteLength);
  assert.ok((await third).rebuilt !== null, "one batch may exceed the limit");
  assert.equal((await fixture.transcode(1, buildBatch(records, { codec: "gzip" }), SMALL)).refusal, null);
});

Deno.test("CodecPool counts nothing for batches that are stored as they are, refused, or whose worker fails", async () => {
  using fixture = new Fixture(2);
  assert.equal((await fixture.transcode(0, buildBatch(records, { codec: "gzip" }))).rebuilt, null);
  const wrong = buildBatch(records, { codec: "lz4", recordsCount: 3, lastOffsetDelta: 2 });
  assert.equal((await fixture.transcode(0, wrong, { compressionType: "gzip" })).refusal, "invalid-record");
  await assert.rejects(fixture.pool.transcode({ arena: 7, start: 0, length: 1, rules: defaultRules }));
  assert.equal(fixture.pool.resultBytes, 0);
});
