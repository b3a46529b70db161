/** A partition begins and ceases to lead while it stays open, while it moves between shards, or when its log directory fails. */
import { strict as assert } from "node:assert";
import { replaceFile } from "../../storage/directory/atomic_file.ts";
import { CrashingFileSystem } from "../../tests/crashing_file_system.ts";
import { buildBatch } from "../../tests/record_batch_builder.ts";
import { leaderBatches } from "../../tests/leader_batches.ts";
import { concatBytes, inMemory, TEST_TIMESTAMP } from "../../tests/record_batch_builder.ts";
import { toOffset } from "../../storage/base/units.ts";
import type { LogConfig } from "../../storage/log/log_config.ts";
import { NO_LEADER } from "../cluster/partition_row.ts";
import { OFFLINE_DIRECTORY } from "../placement/directory_placement.ts";
import { logSize } from "../questions/log_size.ts";
import { emptyWatermarks, isLed, partitionState } from "../shared/watermarks.ts";
import {
  Answers,
  batchOf,
  flushGroups,
  LOG_DIRECTORY,
  readFrom,
  smallLogs,
  TestShards,
  topicOn,
} from "./partition_testing.ts";

const SLOT = 0;
const SELF = 1;
const OTHER = 2;
const NOT_LED = "not-leader-or-follower";
const QUERY = { currentLeaderEpoch: -1, committedOnly: false, toLogEnd: false };
/** Takes more memory than a shard unpacks itself. */
const largeBatch = buildBatch([{ value: "x".repeat(3 << 20) }], { codec: "zstd" });

/** Two shards on one disk, clients of both, and one partition. */
class Scene implements Disposable {
  readonly files = new CrashingFileSystem(() => 0.5);
  readonly world = new TestShards(2, [this.files, this.files]);
  readonly answers = new Answers();
  readonly config: LogConfig;
  owner = 0;

  constructor(config: Partial<LogConfig> = {}) {
    this.config = { ...smallLogs, ...config };
    this.leaderIs(SELF, 3);
  }

  /** The image has another leader, epoch or log directory. */
  leaderIs(leader: number, leaderEpoch: number, directory = 0): void {
    const topic = topicOn([this.owner], { config: this.config, leader, leaderEpoch });
    const partitions = topic.partitions.map((place) => ({ ...place, directory }));
    assert.deepEqual(this.world.apply({ ...topic, partitions }), []);
  }

  get row() {
    return this.world.table.read(SLOT, emptyWatermarks());
  }

  get marks(): [highWatermark: number, logEndOffset: number] {
    return [this.row.highWatermark, this.row.logEndOffset];
  }

  get partition() {
    const partition = this.world.at(this.owner).partitions.owned.at(SLOT);
    assert.ok(partition !== undefined);
    return partition;
  }

  /** Appends as a client of a shard, without running turns. */
  submit(batch: Uint8Array, client = 0): void {
    const place = { shard: this.owner, slot: SLOT };
    const options = { ...this.world.putBatch(client, batch), acks: -1 };
    this.world.at(client).partitions.append(place, options, this.answers, this.answers.appended.length);
  }

  append(batch: Uint8Array, client = 0) {
    this.submit(batch, client);
    this.world.pump();
    return this.answers.appended.at(-1);
  }

  /** Asks everything that only a leader answers, from both shards. @returns the refusals */
  ask(currentLeaderEpoch = -1): (string | null)[] {
    const refusals: (string | null)[] = [];
    for (const { partitions } of this.world.shards) {
      const place = { shard: this.owner, slot: SLOT };
      const answers = new Answers();
      partitions.read(place, readFrom(0, { currentLeaderEpoch }), answers, 0);
      partitions.ask(place, { ...QUERY, currentLeaderEpoch, timestamp: -1 }, answers.listing, 0);
      partitions.ask(place, { currentLeaderEpoch, leaderEpoch: 3 }, answers.ending, 0);
      if (currentLeaderEpoch === -1) partitions.ask(place, { offset: 0 }, answers.deleting, 0);
      this.world.pump();
      for (const { length, lease } of answers.read) if (length > 0) partitions.release(place, lease);
      this.world.pump();
      for (const { refusal } of [...answers.read, ...answers.listed, ...answers.ended, ...answers.deleted]) {
        refusals.push(refusal);
      }
    }
    return refusals;
  }

  /** The other leader's records arrive. */
  fetched(baseOffset: number, count: number, at: { epoch: number; highWatermark: number }): void {
    const bytes = concatBytes(leaderBatches(count, { baseOffset, epoch: at.epoch }).map((batch) => batch.bytes));
    const { memory, start, length } = inMemory(bytes, 64);
    const fetched = { start, length, leaderEpoch: at.epoch, nowMs: TEST_TIMESTAMP };
    const leader = { highWatermark: toOffset(at.highWatermark), logStartOffset: toOffset(0) };
    assert.equal(this.partition.follower.append(memory, fetched, leader).refusal, null);
    this.world.pump();
  }

  handOver(): void {
    this.world.at(this.owner).partitions.owned.handOver(SLOT);
    assert.equal(this.row.state, partitionState.handedOver);
    this.owner = 1 - this.owner;
  }

  [Symbol.dispose](): void {
    this.world[Symbol.dispose]();
  }
}

for (const leader of [OTHER, NO_LEADER]) {
  const name = leader === OTHER ? "another broker leads" : "has no leader";

  Deno.test(`a partition that ${name} refuses appends and questions, keeps its log, and serves again when this broker leads`, () => {
    using scene = new Scene();
    scene.append(batchOf("a", "b"));
    assert.deepEqual(new Set(scene.ask()), new Set([null]));
    scene.leaderIs(leader, 4);
    assert.deepEqual(new Set(scene.ask()), new Set([NOT_LED]));
    assert.deepEqual(new Set(scene.ask(3)), new Set(["fenced-leader-epoch"]));
    assert.deepEqual(new Set(scene.ask(4)), new Set([NOT_LED]));
    assert.deepEqual(new Set(scene.ask(5)), new Set(["unknown-leader-epoch"]));
    for (const client of [0, 1]) assert.equal(scene.append(batchOf("x"), client)?.refusal, NOT_LED);
    const own = scene.partition.append(inMemory(batchOf("x"), 64), TEST_TIMESTAMP);
    assert.deepEqual([own.refusal, scene.marks, isLed(scene.row)], [NOT_LED, [2, 2], false]);
    const size = logSize.serve(scene.partition, {});
    assert.deepEqual([size.refusal, size.logFilesBytes > 0, size.offsetLag], [null, true, 0]);
    scene.leaderIs(SELF, 6);
    assert.deepEqual(new Set(scene.ask()), new Set([null]));
    const { log } = scene.partition;
    assert.equal(log.latestLeaderEpoch, 6, "noted before it has a record (KAFKA-7415)");
    const next = scene.append(batchOf("c"));
    assert.deepEqual([next?.refusal, next?.baseOffset, scene.marks, isLed(scene.row)], [null, 2, [3, 3], true]);
    assert.deepEqual([1, 2].map((offset) => log.epochFor(toOffset(offset))), [3, 6]);
  });
}

Deno.test("a new epoch of the same leader ends nothing", () => {
  using scene = new Scene({ flushMessages: 1 });
  scene.world.holdsGroups = true;
  scene.append(batchOf("a"));
  const { leadership } = scene.row;
  scene.leaderIs(SELF, 4);
  flushGroups(scene.world.at(0));
  assert.deepEqual([scene.row.leadership, scene.marks, scene.answers.appended[0]?.leadership], [
    leadership,
    [1, 1],
    leadership,
  ]);
});

Deno.test("a partition that another broker leads takes its records, and commits what it has acknowledged when this broker leads", () => {
  using scene = new Scene();
  scene.append(batchOf("a", "b"));
  scene.leaderIs(OTHER, 4);
  scene.fetched(2, 2, { epoch: 4, highWatermark: 3 });
  assert.deepEqual(scene.marks, [3, 6]);
  assert.equal(scene.partition.follower.truncateTo(toOffset(4)), "truncated");
  assert.deepEqual(scene.world.at(0).cleaningNotices, [{ kind: "truncated", slot: SLOT, endOffset: 4 }]);
  scene.fetched(4, 1, { epoch: 4, highWatermark: 3 });
  scene.leaderIs(SELF, 5);
  assert.deepEqual(scene.marks, [6, 6]);
  const { log } = scene.partition;
  assert.deepEqual([1, 5].map((offset) => log.epochFor(toOffset(offset))), [3, 4]);
  assert.deepEqual(scene.append(batchOf("c"))?.baseOffset, 6);
  assert.equal(log.epochFor(toOffset(6)), 5);
});

Deno.test("a new leader that the topic asks for flushes commits what is not durable after a flush", () => {
  using scene = new Scene({ flushMessages: 1 });
  scene.world.holdsGroups = true;
  scene.leaderIs(OTHER, 4);
  scene.fetched(0, 2, { epoch: 4, highWatermark: 0 });
  scene.leaderIs(SELF, 5);
  scene.world.pump();
  assert.deepEqual(scene.marks, [0, 4]);
  flushGroups(scene.world.at(0));
  assert.deepEqual(scene.marks, [4, 4]);
});

Deno.test("queued appends end with not-leader-or-follower, those at a codec worker when it is done, and none is written in a later leadership", () => {
  using scene = new Scene();
  scene.world.holdsCodecs = true;
  for (const client of [0, 1]) {
    scene.submit(largeBatch, client);
    scene.submit(batchOf("behind"), client);
  }
  scene.world.pump();
  assert.equal(scene.answers.appended.length, 0);
  scene.leaderIs(OTHER, 4);
  scene.world.pump();
  const ended = scene.answers.appended.length;
  assert.ok(ended >= 2, "what no worker has is answered at once");
  scene.leaderIs(SELF, 5);
  scene.append(batchOf("new"));
  assert.equal(scene.answers.appended.length, ended, "it waits behind those that a worker has");
  scene.world.holdsCodecs = false;
  scene.world.pump();
  const ends = scene.answers.appended.map(({ refusal, baseOffset }) => refusal ?? baseOffset);
  assert.deepEqual(ends.sort(), [0, ...Array(4).fill(NOT_LED)]);
  assert.deepEqual(scene.marks, [1, 1]);
});

Deno.test("records whose flush ends after the leadership are acknowledged to the other leader, not to clients", () => {
  using scene = new Scene({ flushMessages: 1 });
  scene.world.holdsGroups = true;
  scene.append(batchOf("a"));
  scene.leaderIs(OTHER, 4);
  assert.deepEqual([scene.marks, scene.partition.follower.fetchOffset], [[0, 1], 0]);
  flushGroups(scene.world.at(0));
  assert.deepEqual([scene.marks, scene.partition.follower.fetchOffset], [[0, 1], 1]);
});

Deno.test("a partition whose leader changes while it moves between shards goes on in its new role, and wakes who waits", () => {
  using scene = new Scene();
  scene.append(batchOf("a", "b"));
  const { leadership } = scene.row;
  const noticed: number[] = [];
  for (const [shard, { purgatory }] of scene.world.shards.entries()) {
    const onProgress = () => void noticed.push(shard);
    const probe = { deadlineMs: Infinity, heapIndex: -1, isMarked: false, onProgress, onExpired: () => {} };
    purgatory.schedule(probe);
    purgatory.watch(SLOT, probe);
  }
  scene.handOver();
  scene.leaderIs(OTHER, 4);
  scene.world.pump();
  assert.deepEqual([noticed.splice(0).sort(), scene.row.leadership, scene.marks], [[0, 1], leadership + 1, [2, 2]]);
  assert.equal(scene.append(batchOf("x"))?.refusal, NOT_LED);
  scene.fetched(2, 2, { epoch: 4, highWatermark: 3 });
  noticed.length = 0;
  scene.handOver();
  scene.leaderIs(OTHER, 4);
  scene.world.pump();
  assert.deepEqual([noticed, scene.row.leadership, scene.marks], [[], leadership + 1, [3, 6]]);
  assert.equal(scene.partition.follower.fetchOffset, 6);
  scene.handOver();
  scene.leaderIs(SELF, 5);
  scene.world.pump();
  assert.deepEqual([noticed.sort(), scene.row.leadership, scene.marks], [[0, 1], leadership + 2, [6, 6]]);
  assert.equal(scene.append(batchOf("c"))?.baseOffset, 6);
  const { log } = scene.partition;
  assert.deepEqual([1, 5, 6].map((offset) => log.epochFor(toOffset(offset))), [3, 4, 5]);
});

Deno.test("a partition whose log directory fails when its leader changes, before or after, serves nothing and writes nothing", () => {
  for (const order of ["directory first", "leader first", "together"] as const) {
    for (const leader of [OTHER, SELF]) {
      using scene = new Scene({ flushMessages: 1 });
      scene.world.holdsGroups = true;
      if (leader === SELF) scene.leaderIs(OTHER, 4);
      else scene.append(batchOf("a"));
      const before = leader === SELF ? OTHER : SELF;
      if (order === "directory first") scene.leaderIs(before, 4, OFFLINE_DIRECTORY);
      if (order === "leader first") scene.leaderIs(leader, 5);
      const { calls } = scene.files;
      scene.leaderIs(leader, 5, OFFLINE_DIRECTORY);
      assert.equal(scene.files.calls, calls, "no file is changed");
      assert.deepEqual([scene.row.state, isLed(scene.row)], [partitionState.offline, leader === SELF]);
      assert.deepEqual(new Set(scene.ask()), new Set(["log-offline"]));
      assert.equal(scene.append(batchOf("x"))?.refusal, "log-offline");
    }
  }
});

Deno.test("a log whose truncation the disk did not complete goes offline when this broker leads: its end is not what the row says", () => {
  using scene = new Scene({ segmentBytes: 500 });
  scene.leaderIs(OTHER, 4);
  scene.fetched(0, 20, { epoch: 4, highWatermark: 10 });
  const { fileSystem } = scene.files;
  const { rename } = fileSystem;
  let renames = 0;
  fileSystem.rename = (from, to) => {
    if (to.endsWith(".deleted") && ++renames > 5) throw new Deno.errors.PermissionDenied("no");
    rename(from, to);
  };
  assert.equal(scene.partition.follower.truncateTo(toOffset(3)), "refused");
  assert.deepEqual(scene.world.at(0).cleaningNotices, []);
  assert.equal(scene.partition.isOpen, true, "it is tried again");
  fileSystem.rename = rename;
  scene.leaderIs(SELF, 5);
  assert.deepEqual([scene.row.state, new Set(scene.ask())], [partitionState.offline, new Set(["log-offline"])]);
});

Deno.test("a start opens what this broker does not lead with the checkpointed high watermark, and appends nothing in the former epoch", () => {
  for (const leader of [OTHER, NO_LEADER, SELF]) {
    using before = new Scene();
    before.append(batchOf("a", "b", "c"));
    before.append(batchOf("d"));
    assert.ok(before.world.at(0).partitions.owned.close({ clean: true }));
    const checkpoint = new TextEncoder().encode("0\n1\nt 0 3\n");
    replaceFile(before.files.fileSystem, `${LOG_DIRECTORY}/replication-offset-checkpoint`, checkpoint);
    using world = new TestShards(1, [before.files]);
    assert.deepEqual(world.apply(topicOn([0], { leader, leaderEpoch: 3 })), []);
    const row = () => world.table.read(SLOT, emptyWatermarks());
    const partition = world.at(0).partitions.owned.at(SLOT);
    assert.ok(partition !== undefined);
    if (leader === SELF) {
      assert.deepEqual([row().highWatermark, row().logEndOffset, isLed(row())], [4, 4, true]);
      continue;
    }
    assert.deepEqual([row().highWatermark, row().logEndOffset, isLed(row())], [3, 4, false]);
    assert.equal(partition.append(inMemory(batchOf("x"), 64), TEST_TIMESTAMP).refusal, NOT_LED);
    assert.equal(partition.log.latestLeaderEpoch, 3);
    world.apply(topicOn([0], { leader: NO_LEADER, leaderEpoch: 4 }));
    assert.deepEqual([row().highWatermark, partition.log.latestLeaderEpoch], [3, 3]);
    world.apply(topicOn([0], { leader: SELF, leaderEpoch: 5 }));
    assert.deepEqual([row().highWatermark, row().logEndOffset, partition.log.latestLeaderEpoch], [4, 4, 5]);
    assert.equal(partition.append(inMemory(batchOf("x"), 64), TEST_TIMESTAMP).baseOffset, 4);
    assert.equal(partition.log.epochFor(toOffset(4)), 5);
  }
});

Deno.test("a row that another partition uses continues the count of leaderships: nobody takes its high watermark for that of the former", () => {
  using scene = new Scene();
  scene.append(batchOf("a"));
  const { leadership } = scene.row;
  scene.world.remove(topicOn([0]));
  assert.equal(scene.row.state, partitionState.closed);
  assert.deepEqual(scene.world.apply(topicOn([0], { name: "u", id: "YmJiYmJiYmJiYmJiYmJiYg" })), []);
  assert.equal(isLed(scene.row), true);
  assert.notEqual(scene.row.leadership, leadership);
});

/** A follower's files after a loss of power: the records at 4 and 5 are lost, and the segment behind them is there. */
function filesWithLoss(): CrashingFileSystem {
  using scene = new Scene();
  scene.leaderIs(OTHER, 4);
  scene.fetched(0, 2, { epoch: 4, highWatermark: 0 });
  assert.ok(scene.partition.log.flush());
  scene.fetched(4, 1, { epoch: 4, highWatermark: 0 });
  scene.fetched(6, 1, { epoch: 4, highWatermark: 0 });
  assert.equal(scene.partition.follower.truncateTo(toOffset(6)), "truncated");
  scene.files.restart("none");
  return scene.files;
}

Deno.test("a follower fetches again what a loss of power may have taken, unless it has led since", () => {
  for (const order of [[OTHER], [NO_LEADER, OTHER], [NO_LEADER, SELF, OTHER], [SELF, OTHER]]) {
    using world = new TestShards(1, [filesWithLoss()]);
    for (const [index, leader] of order.entries()) {
      assert.deepEqual(world.apply(topicOn([0], { leader, leaderEpoch: 5 + index })), []);
      const { owned } = world.at(0).partitions;
      if (leader !== NO_LEADER) continue;
      assert.equal(world.table.read(SLOT, emptyWatermarks()).logEndOffset, 6, "another replica may have no more");
      owned.handOver(SLOT);
      assert.equal(world.table.stateOf(SLOT), partitionState.open, "the next owner would not know of it");
    }
    const partition = world.at(0).partitions.owned.at(SLOT);
    const end = order.includes(SELF) ? 6 : 4;
    assert.deepEqual([partition?.log.logEndOffset, partition?.follower.fetchOffset], [end, end], `${order}`);
    assert.equal(partition?.replica.mayLack, false);
  }
});
