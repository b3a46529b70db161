import assert from "node:assert/strict";
import { writeCompacted } from "../../tests/compacted_segments.ts";
import { readAll } from "../../tests/log_fixture.ts";
import { buildBatch, inMemory } from "../../tests/record_batch_builder.ts";
import type { CleaningAnswer, CleaningRequest } from "../cleaning/cleaning_calls.ts";
import { partitionState } from "../shared/watermarks.ts";
import type { Partition } from "./partition.ts";
import { change, flushOn, smallLogs, type TestShard, TestShards, topicOn } from "./partition_testing.ts";

const config = { ...smallLogs, segmentBytes: 200, compact: true, minCleanableDirtyRatio: 0.1, fileDeleteDelayMs: 1000 };
const buffer = { dedupeBufferBytes: 1000, dedupeLoadFactor: 0.5 };
const SEGMENTS = 4;
/** Time of the first record, when a test's clock begins. */
const BEGAN_MS = 1_700_000_000_000;

/** A shard with one compacted partition of closed segments, each with one record, and an active one. */
function shardOf(world: TestShards, topic = topicOn([0], { config })): { shard: TestShard; partition: Partition } {
  world.apply(topic);
  const shard = world.at(0);
  const [partition] = shard.partitions.owned.all;
  assert.ok(partition !== undefined);
  for (let i = 0; i < SEGMENTS; i++) {
    const batch = inMemory(buildBatch([{ key: `key ${i % 2}`, value: "x".repeat(100), timestamp: BEGAN_MS + i }]), 8);
    assert.equal(partition.append(batch, BEGAN_MS + i).refusal, null);
  }
  assert.equal(partition.log.segments().length, SEGMENTS);
  endFlushes(shard);
  return { shard, partition };
}

function endFlushes({ flushes, files }: TestShard): void {
  while (flushes.length > 0) for (const { request, done } of flushes.splice(0)) done(flushOn(files, request));
}

/** Asks a shard, and lets it do turns; directories are flushed as another thread would. */
function ask(shard: TestShard, request: CleaningRequest, turns = 50): CleaningAnswer[] {
  const answers: CleaningAnswer[] = [];
  shard.partitions.owned.cleanings.handle(request, (answer) => void answers.push(answer));
  for (let turn = 0; turn < turns; turn++) {
    shard.partitions.maintain(turn);
    flushDirectories(shard);
  }
  return answers;
}

function flushDirectories({ directoryFlushes, files }: TestShard): void {
  for (const { directory, done } of directoryFlushes.splice(0)) {
    done(flushOn(files, { fds: [], directories: [directory] } as unknown as Parameters<typeof flushOn>[1]));
  }
}

function choose(shard: TestShard, slots: number[], checkpointed = slots.map(() => -1)): CleaningAnswer[] {
  return ask(shard, {
    kind: "choose",
    slots: Int32Array.from(slots),
    checkpointed: Float64Array.from(checkpointed),
  });
}

const begin = (shard: TestShard, slot = 0, checkpointed = -1) =>
  ask(shard, { kind: "begin", slot, checkpointed, ...buffer })[0];

/** Compacts the closed segments to their last batch, as a worker would. */
function compact(shard: TestShard, partition: Partition): Extract<CleaningRequest, { kind: "swap" }> {
  const { fileSystem: fs } = shard.files;
  const { directory, segments } = partition.log.compacted;
  const sources = segments.slice(0, -1).map(({ baseOffset }) => baseOffset);
  const kept = readAll(partition.log, { fs }).slice(-2, -1);
  const replaced = writeCompacted({ fs, directory }, sources, kept);
  const facts = { bytes: 0, hasAborted: false, largestTimestamp: -1, offsetOfLargestTimestamp: replaced.baseOffset };
  return { kind: "swap", slot: partition.slot, replacements: [{ ...replaced, ...facts }] };
}

const offsetsIn = (shard: TestShard, { log }: Partition) =>
  readAll(log, { fs: shard.files.fileSystem, hasGaps: true }).map(({ baseOffset }) => baseOffset);

Deno.test("OwnedCleanings finds the filthiest partition, a few partitions a turn", () => {
  using world = new TestShards(1);
  const slots = Array.from({ length: 150 }, (_, slot) => slot);
  const { shard } = shardOf(world, topicOn(slots.map(() => 0), { config }));
  const answers: CleaningAnswer[] = [];
  const request = {
    kind: "choose" as const,
    slots: Int32Array.from(slots),
    checkpointed: new Float64Array(150).fill(-1),
  };
  shard.partitions.owned.cleanings.handle(request, (answer) => void answers.push(answer));
  let turns = 0;
  for (; answers.length === 0; turns++) shard.partitions.maintain(turns);
  assert.equal(turns, 3);
  assert.deepEqual(answers, [{ kind: "chosen", slot: 0, dirtyRatio: 1 }]);
  assert.deepEqual(choose(shard, [1, 2, 3, 700]), [{ kind: "nothing" }], "empty ones, and one that is not here");
  assert.deepEqual(choose(shard, [0], [3]), [{ kind: "nothing" }], "all closed segments are clean");
  assert.deepEqual(choose(shard, [0], [2]).map(({ kind }) => kind), ["chosen"]);
});

Deno.test("OwnedCleanings puts new segments in place, and old ones are unlinked after file.delete.delay.ms", () => {
  using world = new TestShards(1);
  const { shard, partition } = shardOf(world);
  const begun = begin(shard);
  assert.ok(begun?.kind === "begun");
  const { segments, firstDirtyOffset, firstUncleanableOffset, directory, nowMs: _, producers, ...rules } = begun.order;
  assert.deepEqual(segments.map(({ baseOffset, endOffset }) => [baseOffset, endOffset]), [[0, 1], [1, 2], [2, 3]]);
  assert.deepEqual([firstDirtyOffset, firstUncleanableOffset, directory], [0, 3, "/logs/t-0"]);
  assert.equal(producers.producerIds.length, 0);
  assert.deepEqual(rules, {
    deleteRetentionMs: config.deleteRetentionMs,
    segmentBytes: 200,
    segmentIndexBytes: config.segmentIndexBytes,
    indexIntervalBytes: config.indexIntervalBytes,
    ...buffer,
  });
  assert.equal(begin(shard)?.kind, "nothing", "it is being cleaned");
  assert.deepEqual(choose(shard, [0]), [{ kind: "nothing" }]);
  assert.deepEqual(ask(shard, compact(shard, partition)), [{ kind: "swapped" }]);
  assert.equal(partition.isBeingCleaned, false);
  assert.deepEqual(offsetsIn(shard, partition), [2, 3]);
  assert.equal(shard.unlinked.length, 0);
  shard.partitions.maintain(world.clock.monotonicMs() + 2000);
  const unlinked = shard.unlinked.filter((path) => path.endsWith(".deleted"));
  assert.equal(unlinked.length, 9, "three files of three segments");
  assert.deepEqual(choose(shard, [0], [3]), [{ kind: "nothing" }]);
});

Deno.test("segments below the log start stay while a log is cleaned, and go afterwards", () => {
  using world = new TestShards(1);
  const { shard, partition } = shardOf(world);
  assert.equal(begin(shard)?.kind, "begun");
  partition.deleteRecords(2);
  for (let turn = 0; turn < 5; turn++) shard.partitions.maintain(turn);
  assert.equal(partition.log.segments().length, SEGMENTS);
  assert.ok(shard.partitions.nextDeadlineMs > 0, "nothing is retried in every turn");
  assert.deepEqual(ask(shard, { kind: "end", slot: 0, damage: null }), [{ kind: "nothing" }]);
  assert.deepEqual(partition.log.segments().map(({ baseOffset }) => baseOffset), [1, 2, 3]);
  endFlushes(shard);
  shard.partitions.maintain(5);
  assert.deepEqual(partition.log.segments().map(({ baseOffset }) => baseOffset), [2, 3]);
});

Deno.test("a cleaning is aborted when its partition is handed over, its topic deleted, or its policy changed", () => {
  const ends: ((world: TestShards, shard: TestShard) => void)[] = [
    (_, shard) => shard.partitions.owned.handOver(0),
    (world) => void world.remove(topicOn([0], { config })),
    (_, shard) => void change(shard, { changed: [topicOn([0], { config: { ...config, compact: false } })] }),
  ];
  for (const end of ends) {
    using world = new TestShards(1);
    const { shard, partition } = shardOf(world);
    assert.equal(begin(shard)?.kind, "begun");
    const swap = compact(shard, partition);
    end(world, shard);
    assert.deepEqual(shard.cleaningNotices, [{ kind: "aborted", slot: 0 }]);
    assert.equal(partition.isBeingCleaned, false);
    assert.deepEqual(ask(shard, swap), [{ kind: "nothing" }], "the result of the worker comes too late");
  }
});

Deno.test("a change of other settings does not abort a cleaning", () => {
  using world = new TestShards(1);
  const { shard, partition } = shardOf(world);
  assert.equal(begin(shard)?.kind, "begun");
  change(shard, { changed: [topicOn([0], { config: { ...config, segmentBytes: 300 } })] });
  assert.deepEqual(ask(shard, compact(shard, partition)), [{ kind: "swapped" }]);
});

Deno.test("while new segments are put in place a hand-over is refused, and the deletion of the topic ends the cleaning", () => {
  for (const isDeleted of [false, true]) {
    using world = new TestShards(1);
    const topic = topicOn([0], { config });
    const { shard, partition } = shardOf(world, topic);
    assert.equal(begin(shard)?.kind, "begun");
    const answers = ask(shard, compact(shard, partition), 0);
    shard.partitions.maintain(0);
    assert.equal(shard.directoryFlushes.length, 1);
    shard.partitions.owned.handOver(0);
    assert.equal(world.table.stateOf(0), partitionState.open);
    if (isDeleted) {
      world.remove(topic);
      assert.deepEqual(answers, [{ kind: "nothing" }]);
      flushDirectories(shard);
      continue;
    }
    for (let turn = 1; turn < 20; turn++) {
      flushDirectories(shard);
      shard.partitions.maintain(turn);
    }
    assert.deepEqual(answers, [{ kind: "swapped" }]);
    shard.partitions.owned.handOver(0);
    assert.equal(world.table.stateOf(0), partitionState.handedOver);
  }
});

Deno.test("the next owner finishes what a cleaning left, and serves the same records", () => {
  using world = new TestShards(1);
  const { shard, partition } = shardOf(world);
  assert.equal(begin(shard)?.kind, "begun");
  compact(shard, partition);
  shard.partitions.owned.handOver(0);
  world.apply(topicOn([0], { config }));
  const [again] = shard.partitions.owned.all;
  assert.ok(again !== undefined);
  assert.deepEqual(offsetsIn(shard, again), [0, 1, 2, 3]);
  const left = shard.files.fileSystem.list("/logs/t-0").filter(({ name }) => name.endsWith(".cleaned"));
  assert.deepEqual(left, []);
});

Deno.test("a rename that the disk refuses is reported once and tried again; a failed flush ends the cleaning for good", () => {
  using world = new TestShards(1);
  const { shard, partition } = shardOf(world);
  const { fileSystem } = shard.files;
  const { rename } = fileSystem;
  fileSystem.rename = () => {
    throw new Deno.errors.PermissionDenied("no");
  };
  assert.equal(begin(shard)?.kind, "begun");
  const answers = ask(shard, compact(shard, partition), 0);
  for (const nowMs of [0, 10, 1500, 3000]) shard.partitions.maintain(nowMs);
  assert.equal(shard.reports.filter((text) => /compacted segments cannot be put in place/.test(text)).length, 1);
  assert.deepEqual(offsetsIn(shard, partition), [0, 1, 2, 3]);
  fileSystem.rename = rename;
  shard.partitions.maintain(5000);
  shard.directoryFlushes.splice(0)[0]?.done("postponed");
  shard.partitions.maintain(6500);
  assert.deepEqual(answers, []);
  shard.directoryFlushes.splice(0)[0]?.done("failed");
  assert.deepEqual(answers.map(({ kind }) => kind), ["failed"]);
  partition.deleteRecords(2);
  shard.partitions.maintain(7000);
  assert.equal(partition.log.segments().length, SEGMENTS, "names stay from which a start goes on");
  assert.deepEqual(offsetsIn(shard, partition), [2, 3]);
});

Deno.test("renames that the disk keeps refusing end the cleaning after some seconds, because a stop waits for it", () => {
  using world = new TestShards(1);
  const { shard, partition } = shardOf(world);
  const swap = (assert.equal(begin(shard)?.kind, "begun"), compact(shard, partition));
  shard.files.fileSystem.rename = () => {
    throw new Deno.errors.PermissionDenied("no");
  };
  const answers = ask(shard, swap, 0);
  for (let nowMs = 0; nowMs < 20_000; nowMs += 500) shard.partitions.maintain(nowMs);
  assert.deepEqual(answers.map(({ kind }) => kind), ["failed"]);
  assert.deepEqual(offsetsIn(shard, partition), [0, 1, 2, 3]);
});

Deno.test("damaged batches that a worker met take the partition offline with a sentence, unless its cleaning was aborted", () => {
  const end = { kind: "end", slot: 0, damage: "Cannot clean /logs/t-0: damaged" } as const;
  for (const isAborted of [false, true]) {
    using world = new TestShards(1);
    const { shard, partition } = shardOf(world);
    assert.equal(begin(shard)?.kind, "begun");
    if (isAborted) shard.partitions.owned.cleanings.abort(0);
    for (let i = 0; i < 2; i++) assert.deepEqual(ask(shard, end), [{ kind: "nothing" }]);
    assert.deepEqual([partition.isOpen, partition.isBeingCleaned], [isAborted, false]);
    assert.equal(world.table.stateOf(0), isAborted ? partitionState.open : partitionState.offline);
    const sentence = `t-0: The log is offline until a restart: ${end.damage}`;
    assert.deepEqual(shard.reports, isAborted ? [] : [sentence]);
    const batch = inMemory(buildBatch([{ key: "new", value: "y", timestamp: 2000 }]), 8);
    assert.equal(partition.append(batch, 2000).refusal, isAborted ? null : "log-offline");
    assert.equal(choose(shard, [0])[0]?.kind, isAborted ? "chosen" : "nothing");
  }
});

Deno.test("a swap ends when its partition goes offline, and the next start goes on from there", () => {
  using world = new TestShards(1);
  const { shard, partition } = shardOf(world);
  assert.equal(begin(shard)?.kind, "begun");
  const answers = ask(shard, compact(shard, partition), 0);
  shard.partitions.maintain(0);
  partition.takeOffline();
  flushDirectories(shard);
  shard.partitions.maintain(1);
  assert.deepEqual(answers, [{ kind: "nothing" }]);
  assert.equal(shard.partitions.owned.cleanings.nextDeadlineMs, Infinity);
});

Deno.test("the active segment rolls when its first record waited for max.compaction.lag.ms", () => {
  using world = new TestShards(1);
  const { shard, partition } = shardOf(world, topicOn([0], { config: { ...config, maxCompactionLagMs: 5000 } }));
  const active = partition.log.activeBaseOffset;
  world.clock.advance(5000 + SEGMENTS - 1);
  choose(shard, [0]);
  assert.equal(partition.log.activeBaseOffset, active);
  world.clock.advance(1);
  choose(shard, [0]);
  assert.equal(partition.log.activeBaseOffset, active + 1);
  assert.equal(begin(shard, 0, 3)?.kind, "nothing", "only durable records are cleaned");
  endFlushes(shard);
  const begun = begin(shard, 0, 3);
  assert.ok(begun?.kind === "begun" && begun.order.firstUncleanableOffset === 4);
});

Deno.test("OwnedCleanings reads the timestamps of segments of an earlier process a few a turn", () => {
  for (const rule of [{ minCompactionLagMs: 1 }, { maxCompactionLagMs: 1e15 }]) {
    using world = new TestShards(1);
    const topic = topicOn([0], { config: { ...config, ...rule } });
    const { shard, partition } = shardOf(world, topic);
    for (let i = SEGMENTS; i < 41; i++) {
      const batch = inMemory(buildBatch([{ key: `${i}`, value: "x".repeat(100), timestamp: BEGAN_MS + i }]), 8);
      assert.equal(partition.append(batch, BEGAN_MS + i).refusal, null);
    }
    endFlushes(shard);
    shard.partitions.owned.handOver(0);
    world.apply(topic);
    world.clock.advance(1000);
    const [again] = shard.partitions.owned.all;
    assert.ok(again !== undefined && again !== partition);
    const knownCount = () =>
      again.log.compacted.segments.slice(0, -1).filter(({ firstIsKnown, knownRetentionTimestamp }) =>
        "minCompactionLagMs" in rule ? knownRetentionTimestamp !== null : firstIsKnown
      ).length;
    const slots = Int32Array.of(0);
    const answers: CleaningAnswer[] = [];
    const request = { kind: "choose" as const, slots, checkpointed: Float64Array.of(10) };
    shard.partitions.owned.cleanings.handle(request, (answer) => void answers.push(answer));
    const known: number[] = [];
    for (let turn = 0; answers.length === 0; turn++) {
      shard.partitions.maintain(turn);
      known.push(knownCount());
    }
    assert.deepEqual(known, [8, 16, 24, 30], "not the ten that are clean");
    assert.deepEqual(answers.map(({ kind }) => kind), ["chosen"]);
  }
});

Deno.test("appends and reads go on while a log is cleaned", () => {
  using world = new TestShards(1);
  const { shard, partition } = shardOf(world);
  assert.equal(begin(shard)?.kind, "begun");
  const answers = ask(shard, compact(shard, partition), 0);
  for (let turn = 0; answers.length === 0; turn++) {
    shard.partitions.maintain(turn);
    const batch = inMemory(buildBatch([{ key: "new", value: "y", timestamp: 2000 }]), 8);
    assert.equal(partition.append(batch, 2000).refusal, null);
    assert.ok(offsetsIn(shard, partition).includes(2));
    flushDirectories(shard);
  }
  assert.deepEqual(answers, [{ kind: "swapped" }]);
});
