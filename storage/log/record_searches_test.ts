import { strict as assert } from "node:assert";
import { openLog, testConfig, TestDirectory } from "../../tests/log_fixture.ts";
import { buildBatch, inMemory, TEST_TIMESTAMP } from "../../tests/record_batch_builder.ts";
import { toOffset } from "../base/units.ts";
import { codecNames } from "../records/record_batch.ts";
import { findInBatch, type FoundRecord, type RecordSearch } from "../records/timestamp_search.ts";
import { linuxFileSystem } from "../sys/file_system.ts";
import { LogResources } from "./log_resources.ts";
import type { Log } from "./log.ts";

const far = toOffset(2 ** 50);

/** A log whose searches in large batches wait for the test. */
class Scene implements Disposable {
  readonly waiting: { batch: ArrayBuffer; search: RecordSearch; done: (record: FoundRecord) => void }[] = [];
  readonly #directory = new TestDirectory();
  readonly log: Log;

  constructor() {
    const resources = new LogResources(linuxFileSystem, {
      search: (batch, search, done) =>
        void this.waiting.push({ batch: structuredClone(batch, { transfer: [batch] }), search, done }),
    });
    const config = { ...testConfig, maxMessageBytes: 1e8, segmentBytes: 1e9 };
    this.log = openLog(this.#directory.partition, { config, resources });
  }

  /** Appends three records of a size, at 10, 30 and 20 ms after the tests' time. */
  append(codec: typeof codecNames[number], valueBytes: number): void {
    const records = [10, 30, 20].map((ms) => ({ value: new Uint8Array(valueBytes), timestamp: TEST_TIMESTAMP + ms }));
    const { memory, start, length } = inMemory(buildBatch(records, { codec }));
    const { refusal } = this.log.appendAsLeader(memory, start, length, { leaderEpoch: 1, nowMs: TEST_TIMESTAMP });
    assert.equal(refusal, null);
  }

  find(ms: number | "largest") {
    const found = ms === "largest"
      ? this.log.maxTimestampOffset(far)
      : this.log.offsetForTimestamp(TEST_TIMESTAMP + ms, { maxOffset: far });
    return found === null || found === "unfinished" ? found : found.offset;
  }

  /** Does what a codec worker does. */
  search(): void {
    for (const { batch, search, done } of this.waiting.splice(0)) {
      done(findInBatch(new Uint8Array(batch), search) as FoundRecord);
    }
  }

  [Symbol.dispose](): void {
    this.log.close({ clean: false });
    this.#directory[Symbol.dispose]();
  }
}

Deno.test("Log.offsetForTimestamp() leaves a large batch of any codec to a codec worker, and has its result the next time", () => {
  for (const codec of codecNames) {
    using scene = new Scene();
    scene.append(codec, 1000);
    scene.append(codec, 1_000_000);
    assert.deepEqual([scene.find(10), scene.find(11), scene.waiting.length], [0, 1, 0], "small ones are read at once");
    scene.log.incrementLogStartOffset(toOffset(3));
    assert.deepEqual([scene.find(15), scene.find(15), scene.waiting.length], ["unfinished", "unfinished", 1], codec);
    scene.search();
    assert.deepEqual([scene.find(15), scene.find(15), scene.waiting.length], [4, 4, 0], codec);
    assert.equal(scene.find(10), "unfinished", "another search");
    scene.search();
    assert.equal(scene.find(10), 3);
  }
});

Deno.test("Log.maxTimestampOffset() leaves a large batch that straddles the log start to a codec worker", () => {
  using scene = new Scene();
  scene.append("zstd", 1_000_000);
  scene.log.incrementLogStartOffset(toOffset(2));
  assert.equal(scene.find("largest"), "unfinished");
  scene.search(); // the largest timestamp
  assert.equal(scene.find("largest"), "unfinished");
  scene.search(); // the record with it
  assert.equal(scene.find("largest"), 2);
});

Deno.test("RecordSearches lets workers have few bytes of batches at a time, and forgets old results", () => {
  using scene = new Scene();
  for (let count = 0; count < 4; count++) scene.append("none", 1_000_000);
  const ask = () =>
    [0, 3, 6, 9].map((offset) => {
      scene.log.incrementLogStartOffset(toOffset(offset));
      return scene.find(30);
    });
  assert.deepEqual([scene.find(30), scene.waiting.length], ["unfinished", 1]);
  scene.log.incrementLogStartOffset(toOffset(3));
  assert.deepEqual([scene.find(30), scene.waiting.length], ["unfinished", 1], "3 MB and 3 MB are too many");
  scene.search();
  assert.deepEqual([scene.find(30), scene.waiting.length], ["unfinished", 1]);
  scene.search();
  assert.equal(scene.find(30), 4);
  for (let ms = 100; ms < 200; ms++) {
    scene.log.incrementLogStartOffset(toOffset(9));
    scene.find(-ms);
    scene.search();
    assert.equal(scene.find(-ms), 9);
  }
  assert.deepEqual(ask().at(-1), "unfinished");
});

Deno.test("a batch whose few bytes are many pieces is left to a codec worker", () => {
  using scene = new Scene();
  const piece = [0x28, 0xb5, 0x2f, 0xfd, 0x20, 1, 9, 0, 0, 0];
  const record = [...new Uint8Array(7)];
  record.splice(0, 7, 12, 0, 0, 0, 1, 1, 0);
  const frames = record.flatMap((byte) => [...piece.slice(0, 9), byte]);
  const empty = [0x28, 0xb5, 0x2f, 0xfd, 0x20, 0, 1, 0, 0];
  const rawRecords = new Uint8Array([...frames, ...Array.from({ length: 400 }, () => empty).flat()]);
  const batch = buildBatch([{ value: null, timestamp: TEST_TIMESTAMP }], { codec: "zstd", rawRecords });
  const { memory, start, length } = inMemory(batch);
  assert.equal(
    scene.log.appendAsLeader(memory, start, length, { leaderEpoch: 1, nowMs: TEST_TIMESTAMP }).refusal,
    null,
  );
  assert.equal(scene.find(0), "unfinished");
  scene.search();
  assert.equal(scene.find(0), 0);
});
