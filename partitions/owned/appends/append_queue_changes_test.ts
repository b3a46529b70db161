/** A topic's settings change while appends wait for a codec worker, or for the flush behind it. */
import { strict as assert } from "node:assert";
import { CrashingFileSystem } from "../../../tests/crashing_file_system.ts";
import { type BatchOptions, buildBatch } from "../../../tests/record_batch_builder.ts";
import { codecNames } from "../../../storage/records/record_batch.ts";
import type { LogConfig } from "../../../storage/log/log_config.ts";
import { batchesIn } from "../../../tests/log_fixture.ts";
import { emptyWatermarks } from "../../shared/watermarks.ts";
import { Answers, batchOf, change, flushGroups, smallLogs, TestShards, topicOn } from "../partition_testing.ts";

/** One partition on the asking shard, one on another. */
const PLACES = [{ shard: 0, slot: 0 }, { shard: 1, slot: 1 }];

/** Takes more memory than a shard unpacks itself. */
const LARGE_VALUE = "x".repeat(3 << 20);
const largeBatch = (options: BatchOptions = {}) => buildBatch([{ value: LARGE_VALUE }], { codec: "zstd", ...options });

class Scene implements Disposable {
  readonly world = new TestShards(2);
  readonly answers = new Answers();
  readonly #place: typeof PLACES[number];
  #tag = 0;

  constructor(place: typeof PLACES[number], config: Partial<LogConfig> = {}) {
    this.#place = place;
    assert.deepEqual(this.world.apply(topicOn([0, 1], { config: { ...smallLogs, ...config } })), []);
    this.world.holdsCodecs = this.world.holdsGroups = true;
  }

  append(batch: Uint8Array): void {
    const options = { ...this.world.putBatch(0, batch), acks: -1 };
    this.world.at(0).partitions.append(this.#place, options, this.answers, this.#tag++);
    this.world.pump();
  }

  /** Changes settings of the topic. */
  configure(config: Partial<LogConfig>): void {
    const changed = [topicOn([0, 1], { config: { ...smallLogs, ...config } })];
    for (const shard of this.world.shards) assert.deepEqual(change(shard, { changed }), []);
    this.world.pump();
  }

  /** Codec workers do everything that they have. */
  transcode(): void {
    this.world.transcode(this.world.at(this.#place.shard), Infinity);
    this.world.pump();
  }

  /** Executes the flushes that appends wait for. @returns how many */
  flush(): number {
    const count = flushGroups(this.world.at(this.#place.shard));
    this.world.pump();
    return count;
  }

  /** Log end, and what is acknowledged. */
  get ends(): [number, number] {
    const { logEndOffset, highWatermark } = this.world.table.read(this.#place.slot, emptyWatermarks());
    return [logEndOffset, highWatermark];
  }

  /** Codecs of the stored batches. */
  get storedCodecs(): (string | undefined)[] {
    const files: CrashingFileSystem = this.world.at(this.#place.shard).files;
    const bytes = files.files().find(([path]) => path.endsWith(".log"))?.[1] ?? new Uint8Array();
    return batchesIn(bytes).map((batch) => codecNames[batch.bytes[22]! & 7]);
  }

  [Symbol.dispose](): void {
    while (this.world.shards.some(({ codecWork }) => codecWork.length > 0)) this.transcode();
    assert.deepEqual(this.answers.appended.map(({ tag }) => tag), Array.from({ length: this.#tag }, (_, tag) => tag));
    this.world[Symbol.dispose]();
  }
}

for (const place of PLACES) {
  const name = place.shard === 0 ? "its own shard" : "another shard";

  Deno.test(`appends that wait when flush.messages becomes 1 are acknowledged after a flush, on ${name}`, () => {
    using scene = new Scene(place);
    scene.append(batchOf("a"));
    for (const batch of [largeBatch(), batchOf("b")]) scene.append(batch);
    assert.deepEqual(scene.ends, [1, 1]);
    scene.configure({ flushMessages: 1 });
    scene.transcode();
    assert.deepEqual(scene.ends, [3, 1], "written, not acknowledged");
    assert.equal(scene.flush(), 1);
    assert.deepEqual(scene.ends, [3, 3]);
  });

  Deno.test(`appends that wait for a flush are acknowledged when flush.messages grows, and later ones need none, on ${name}`, () => {
    using scene = new Scene(place, { flushMessages: 1 });
    for (const batch of [batchOf("a"), largeBatch()]) scene.append(batch);
    assert.deepEqual(scene.ends, [1, 0]);
    scene.configure({ flushMessages: Infinity });
    assert.deepEqual(scene.ends, [1, 1]);
    scene.transcode();
    assert.deepEqual(scene.ends, [2, 2]);
    scene.configure({ flushMessages: 1 });
    scene.append(batchOf("b"));
    assert.deepEqual(scene.ends, [3, 2]);
    while (scene.flush() > 0);
    assert.deepEqual(scene.ends, [3, 3]);
  });

  Deno.test(`a batch that waits is stored in the codec that its topic had when it came, later ones in the new one, on ${name}`, () => {
    using scene = new Scene(place, { compressionType: "gzip" });
    for (const batch of [largeBatch(), batchOf("a")]) scene.append(batch);
    scene.configure({ compressionType: "lz4" });
    for (const batch of [largeBatch(), batchOf("b")]) scene.append(batch);
    scene.configure({ compressionType: "producer" });
    for (const batch of [largeBatch(), batchOf("c")]) scene.append(batch);
    assert.deepEqual(scene.ends, [0, 0]);
    scene.transcode();
    assert.deepEqual([scene.ends, scene.storedCodecs], [[6, 6], ["gzip", "gzip", "lz4", "lz4", "zstd", "none"]]);
  });

  Deno.test(`a batch that waits when max.message.bytes becomes smaller was allowed, later ones are refused, on ${name}`, () => {
    using scene = new Scene(place);
    scene.append(largeBatch());
    scene.configure({ maxMessageBytes: 100 });
    scene.append(largeBatch());
    scene.transcode();
    scene.answers.appended.sort((a, b) => a.tag - b.tag); // the refusal did not wait
    assert.deepEqual([scene.answers.appended.map(({ refusal }) => refusal), scene.ends], [[null, "too-large"], [1, 1]]);
  });
}
