/** Appends that wait for a codec worker, or behind one that does. */
import { strict as assert } from "node:assert";
import { type BatchOptions, buildBatch } from "../../../tests/record_batch_builder.ts";
import type { TopicImage } from "../../metadata/image.ts";
import type { AppendOutcome } from "../../requests/outcomes.ts";
import { emptyWatermarks, partitionState } from "../../shared/watermarks.ts";
import { Answers, batchOf, flushGroups, readFrom, smallLogs, TestShards, topicOn } from "../partition_testing.ts";

/** One partition on the asking shard, one on another. */
const [OWN, OTHER] = [{ shard: 0, slot: 0 }, { shard: 1, slot: 1 }];
const PLACES = [OWN, OTHER];

/** Takes more memory than a shard unpacks itself. */
const LARGE_VALUE = "x".repeat(3 << 20);
const largeBatch = (options: BatchOptions = {}) => buildBatch([{ value: LARGE_VALUE }], { codec: "zstd", ...options });
/** A large batch whose records do not fill it as its header says. */
const wrongBatch = (options: BatchOptions = {}) => largeBatch({ recordsCount: 2, lastOffsetDelta: 1, ...options });
const producerAt = (baseSequence: number) => ({ producerId: 7, producerEpoch: 0, baseSequence });

class Scene implements Disposable {
  readonly world = new TestShards(2);
  readonly answers = new Answers();
  readonly topic: TopicImage;
  #tag = 0;

  constructor(config = smallLogs) {
    this.topic = topicOn([0, 1], { config });
    assert.deepEqual(this.world.apply(this.topic), []);
    this.world.holdsCodecs = true;
  }

  /** @returns whether the append was answered at once */
  append(place: typeof OWN, batch: Uint8Array, acks = 1): boolean {
    const isAnswered = this.world.at(0).partitions.append(
      place,
      { ...this.world.putBatch(0, batch), acks },
      this.answers,
      this.#tag++,
    );
    this.world.pump();
    return isAnswered;
  }

  /** Does the oldest batches for codec workers of the shard of a partition. */
  transcode({ shard }: typeof OWN, countMax = Infinity): void {
    this.world.transcode(this.world.at(shard), countMax);
    this.world.pump();
  }

  /** @returns tag, refusal and base offset of each answer, in the order of the answers */
  get answered() {
    return this.answers.appended.map(({ tag, refusal, baseOffset }: AppendOutcome & { tag: number }) =>
      [tag, refusal, baseOffset] as const
    );
  }

  row({ slot }: typeof OWN) {
    return this.world.table.read(slot, emptyWatermarks());
  }

  [Symbol.dispose](): void {
    while (this.world.shards.some(({ codecWork }) => codecWork.length > 0)) for (const at of PLACES) this.transcode(at);
    for (const { partitions, rebuilt } of this.world.shards) {
      assert.deepEqual([partitions.inFlight, rebuilt.bytes], [0, 0], "every batch that was rebuilt is released once");
    }
    this.world[Symbol.dispose]();
  }
}

for (const place of PLACES) {
  const name = place === OWN ? "its own shard" : "another shard";

  Deno.test(`an append whose batch a codec worker has is written when the worker is done, and later ones behind it, on ${name}`, () => {
    using scene = new Scene();
    assert.equal(scene.append(place, batchOf("a")), place === OWN);
    assert.equal(scene.append(place, largeBatch()), false);
    assert.equal(scene.append(place, batchOf("b")), false);
    scene.append(place, buildBatch([{ value: "c" }], { codec: "gzip" }));
    assert.deepEqual([scene.answered.length, scene.row(place).logEndOffset], [1, 1]);
    assert.equal(scene.world.at(place.shard).codecWork.length, 1, "small ones are unpacked by the shard");
    scene.transcode(place);
    assert.deepEqual(scene.answered, [[0, null, 0], [1, null, 1], [2, null, 2], [3, null, 3]]);
    assert.equal(scene.row(place).highWatermark, 4);
    assert.equal(scene.append(place, batchOf("d")), place === OWN, "nothing waits any more");
  });

  Deno.test(`codec workers may end in any order, and appends are written in theirs, on ${name}`, () => {
    using scene = new Scene();
    for (let batch = 0; batch < 4; batch++) scene.append(place, largeBatch());
    const { codecWork } = scene.world.at(place.shard);
    assert.equal(codecWork.length, 4);
    codecWork.reverse();
    for (const count of [0, 0, 0, 4]) {
      scene.transcode(place, 1);
      assert.equal(scene.answered.length, count);
    }
    assert.deepEqual(scene.answered, [0, 1, 2, 3].map((index) => [index, null, index]));
  });

  Deno.test(`a duplicate of a batch that a codec worker has is answered as its duplicate, on ${name}`, () => {
    using scene = new Scene();
    for (const sequence of [0, 0, 1]) scene.append(place, largeBatch(producerAt(sequence)));
    scene.append(place, batchOf("other"));
    scene.transcode(place);
    assert.deepEqual(scene.answered, [[0, null, 0], [1, null, 0], [2, null, 1], [3, null, 2]]);
    assert.equal(scene.row(place).logEndOffset, 3);
  });

  Deno.test(`a batch that a codec worker refuses is not written, and neither is what follows it from an unknown producer, until its retry, on ${name}`, () => {
    using scene = new Scene();
    scene.append(place, wrongBatch(producerAt(0)));
    scene.append(place, buildBatch([{ value: "behind" }], producerAt(2)));
    scene.append(place, largeBatch({ producerId: 8, producerEpoch: 0, baseSequence: 4 }));
    scene.append(place, largeBatch(producerAt(0)));
    scene.append(place, buildBatch([{ value: "behind the retry" }], producerAt(1)));
    scene.transcode(place);
    assert.deepEqual(scene.answered, [
      [0, "invalid-record", -1],
      [1, "out-of-order-sequence", -1],
      [2, null, 0],
      [3, null, 1],
      [4, null, 2],
    ]);
    assert.equal(scene.answers.appended[0]?.recordIndex, 1);
  });

  Deno.test(`a refused batch of a producer that the log knows leaves its followers to the log, on ${name}`, () => {
    using scene = new Scene();
    scene.append(place, buildBatch([{ value: "a" }], producerAt(0)));
    for (const batch of [wrongBatch(producerAt(5)), largeBatch(producerAt(1)), largeBatch(producerAt(3))]) {
      scene.append(place, batch);
    }
    scene.transcode(place);
    const refusals = [null, "invalid-record", null, "out-of-order-sequence"];
    assert.deepEqual(scene.answered.map(([, refusal]) => refusal), refusals);
  });

  Deno.test(`a batch is rebuilt by a codec worker in the topic's codec, and its bytes below the high watermark are those stored, on ${name}`, () => {
    using scene = new Scene({ ...smallLogs, compressionType: "gzip" });
    scene.append(place, largeBatch(), -1);
    scene.transcode(place);
    assert.deepEqual(scene.answered, [[0, null, 0]]);
    const stored = scene.world.at(place.shard).files.files().find(([path]) => path.endsWith(".log"))?.[1];
    assert.equal(stored?.[22], 1, "gzip");
    assert.equal(scene.row(place).highWatermarkBytes, stored?.length);
    assert.notEqual(stored?.length, largeBatch().length);
  });

  Deno.test(`appends that wait are refused when their partition is deleted, those at a codec worker when it is done with them, on ${name}`, () => {
    using scene = new Scene();
    for (let count = 0; count < 2; count++) scene.append(place, largeBatch());
    scene.append(place, batchOf("a"));
    scene.world.remove(scene.topic);
    scene.world.pump();
    assert.deepEqual(scene.answered, [[2, "unknown-partition", -1]]);
    scene.transcode(place, 1);
    scene.transcode(place, 1);
    assert.deepEqual(scene.answered.map(([tag, refusal]) => [tag, refusal]).slice(1), [
      [0, "unknown-partition"],
      [1, "unknown-partition"],
    ]);
  });

  Deno.test(`appends that wait are refused as not led here when their partition is handed over, and nothing of them is written, on ${name}`, () => {
    using scene = new Scene();
    scene.append(place, batchOf("a"));
    scene.append(place, largeBatch());
    scene.append(place, batchOf("b"));
    scene.world.at(place.shard).partitions.owned.handOver(place.slot);
    scene.world.pump();
    assert.equal(scene.row(place).state, partitionState.handedOver);
    assert.deepEqual(scene.answered.slice(1), [[2, "not-leader-or-follower", -1]]);
    scene.transcode(place);
    assert.deepEqual(scene.answered.slice(2), [[1, "not-leader-or-follower", -1]]);
    assert.equal(scene.row(place).logEndOffset, 1);
  });

  Deno.test(`appends that wait are refused with log-offline when a flush fails meanwhile, on ${name}`, () => {
    using scene = new Scene({ ...smallLogs, flushMessages: 1 });
    scene.world.holdsGroups = true;
    scene.append(place, batchOf("a"));
    scene.append(place, largeBatch());
    scene.append(place, batchOf("b"));
    scene.world.at(place.shard).files.flushFails = true;
    assert.equal(flushGroups(scene.world.at(place.shard)), 1);
    scene.transcode(place);
    assert.deepEqual(scene.answered, [[0, null, 0], [1, "log-offline", -1], [2, "log-offline", -1]]);
    assert.equal(scene.row(place).highWatermark, 0);
  });
}

Deno.test("a corrupt batch behind one at a codec worker is refused at once", () => {
  using scene = new Scene();
  scene.append(OWN, largeBatch());
  const damaged = batchOf("a");
  damaged[66]! ^= 1;
  assert.equal(scene.append(OWN, damaged), true);
  assert.deepEqual(scene.answered, [[1, "corrupt-batch", -1]]);
  assert.equal(scene.append(OWN, batchOf("a")), false);
});

Deno.test("a partition whose appends wait for a codec worker is read, and another partition is written, meanwhile", () => {
  using scene = new Scene();
  assert.deepEqual(scene.world.apply(topicOn([0], { name: "u", id: "YWFhYWFhYWFhYWFhYWFhYQ", slots: [9] })), []);
  scene.append(OWN, batchOf("a"));
  scene.append(OWN, largeBatch());
  assert.equal(scene.append({ shard: 0, slot: 9 }, batchOf("b")), true);
  scene.world.at(0).partitions.read(OWN, readFrom(0), scene.answers, 0);
  assert.equal(scene.answers.read[0]?.length, batchOf("a").length);
});

Deno.test("at most eight batches of a shard are with codec workers or wait to be written; a ninth follows when the first is", () => {
  using scene = new Scene();
  for (let batch = 0; batch < 12; batch++) scene.append(OWN, largeBatch());
  const { codecWork } = scene.world.at(0);
  assert.equal(codecWork.length, 8);
  const [first] = codecWork.splice(0, 1);
  codecWork.reverse();
  scene.transcode(OWN, 7);
  assert.deepEqual([codecWork.length, scene.answered.length], [0, 0], "seven wait for the first");
  codecWork.push(first!);
  scene.transcode(OWN, 1);
  assert.deepEqual([codecWork.length, scene.answered.length], [4, 8]);
});

Deno.test("what waits behind a batch is written sixteen at a time, the rest in later turns", () => {
  using scene = new Scene();
  scene.append(OWN, largeBatch());
  for (let batch = 0; batch < 40; batch++) scene.append(OWN, batchOf("a"));
  const { partitions } = scene.world.at(0);
  scene.transcode(OWN);
  for (const count of [16, 32, 41]) {
    assert.equal(scene.answered.length, count);
    assert.equal(partitions.nextDeadlineMs === 0, count < 41);
    partitions.maintain(0);
  }
  assert.deepEqual(
    scene.answered.map(([tag, , offset]) => [tag, offset]),
    Array.from({ length: 41 }, (_, i) => [i, i]),
  );
});

Deno.test("appends that wait for a codec worker, while their partition is deleted, are answered once and never begin", () => {
  using scene = new Scene();
  for (let batch = 0; batch < 12; batch++) scene.append(OWN, largeBatch());
  const { codecWork } = scene.world.at(0);
  const [first] = codecWork.splice(0, 1);
  scene.transcode(OWN, 7); // seven are ready, and wait for the first
  scene.world.remove(scene.topic);
  assert.deepEqual([codecWork.length, scene.answered.length], [0, 11]);
  codecWork.push(first!);
  scene.transcode(OWN);
  const tags = scene.answered.map(([tag]) => tag);
  assert.deepEqual([codecWork.length, tags.length, new Set(tags).size], [0, 12, 12]);
});

Deno.test("a batch that a worker rebuilt is released when it is written, refused by the log, or its partition has gone", () => {
  const config = { ...smallLogs, compressionType: "gzip" } as const;
  using scene = new Scene(config);
  scene.append(OWN, largeBatch(producerAt(0)));
  scene.append(OWN, largeBatch(producerAt(5))); // out of order
  scene.append(OWN, largeBatch());
  const { rebuilt } = scene.world.at(OWN.shard);
  scene.transcode(OWN, 2);
  assert.equal(rebuilt.bytes, 0);
  assert.deepEqual(scene.answered.map(([tag, refusal]) => [tag, refusal]), [[0, null], [1, "out-of-order-sequence"]]);
  scene.append(OWN, largeBatch());
  scene.world.transcode(scene.world.at(OWN.shard), 2);
  assert.equal(rebuilt.bytes, 0, "written as soon as their turn comes");
  assert.equal(scene.row(OWN).logEndOffset, 3);
});
