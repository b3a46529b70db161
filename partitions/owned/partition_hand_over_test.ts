/**
 * A partition moves from one shard to another: its log, its producers, its row and the requests that wait for it are kept.
 */
import { strict as assert } from "node:assert";
import { CrashingFileSystem } from "../../tests/crashing_file_system.ts";
import { buildBatch } from "../../tests/record_batch_builder.ts";
import type { TopicImage } from "../metadata/image.ts";
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
import type { DelayedOperation } from "../requests/purgatory.ts";
import { emptyWatermarks, partitionState } from "../shared/watermarks.ts";

const QUERY = { currentLeaderEpoch: -1, committedOnly: false, toLogEnd: false };
const SLOT = 0;
const BEFORE = topicOn([0]);
const AFTER = topicOn([1]);

class Probe implements DelayedOperation {
  deadlineMs = Infinity;
  heapIndex = -1;
  isMarked = false;
  progressCount = 0;
  onProgress(): void {
    this.progressCount++;
  }
  onExpired(): void {}
}

/** Two shards on one disk, and a client of each. */
class Scene implements Disposable {
  readonly files = new CrashingFileSystem(() => 0.5);
  readonly world = new TestShards(2, [this.files, this.files]);
  readonly answers = new Answers();

  constructor(topic: TopicImage = BEFORE) {
    assert.deepEqual(this.world.apply(topic), []);
  }

  get row() {
    return this.world.table.read(SLOT, emptyWatermarks());
  }

  /** Appends as a client of one shard, to the owner that this shard's image names. @returns refusal and base offset */
  append(batch: Uint8Array, by: { client: number; owner: number }): [string | null | undefined, number | undefined] {
    const place = { shard: by.owner, slot: SLOT };
    const { partitions } = this.world.at(by.client);
    partitions.append(place, { ...this.world.putBatch(by.client, batch), acks: -1 }, this.answers, 0);
    this.world.pump();
    const answer = this.answers.appended.at(-1);
    return [answer?.refusal, answer?.baseOffset];
  }

  read(offset: number, by: { client: number; owner: number }) {
    this.world.at(by.client).partitions.read({ shard: by.owner, slot: SLOT }, readFrom(offset), this.answers, 0);
    this.world.pump();
    const answer = this.answers.read.at(-1);
    assert.ok(answer !== undefined);
    return answer;
  }

  handOver(): boolean {
    this.world.at(0).partitions.owned.handOver(SLOT);
    return this.row.state === partitionState.handedOver;
  }

  /** @returns sentences about logs that could not be opened */
  open(topic: TopicImage = AFTER): string[] {
    const failures = this.world.apply(topic);
    this.world.pump();
    return failures;
  }

  [Symbol.dispose](): void {
    this.world[Symbol.dispose]();
  }
}

const BY_OLD = { client: 0, owner: 0 };
const BY_NEW = { client: 1, owner: 1 };
const REMOTE_OLD = { client: 1, owner: 0 };
const REMOTE_NEW = { client: 0, owner: 1 };

Deno.test("a moved partition keeps its offsets, its log start and its byte counts, and its log is not scanned", () => {
  using scene = new Scene();
  for (const text of ["a", "b", "c"]) scene.append(batchOf(text, text), BY_OLD);
  scene.world.at(0).partitions.ask({ shard: 0, slot: SLOT }, { offset: 3 }, scene.answers.deleting, 0);
  const before = scene.row;
  assert.ok(scene.handOver());
  assert.deepEqual(scene.row, { ...before, state: partitionState.handedOver });
  assert.deepEqual(scene.open(), []);
  assert.deepEqual(scene.row, before);
  assert.deepEqual(scene.world.shards.flatMap(({ reports }) => reports), []);
  assert.deepEqual([before.logStartOffset, before.highWatermark, before.recoveryPoint], [3, 6, 0]);
  assert.deepEqual(scene.append(batchOf("d"), BY_NEW), [null, 6]);
  assert.deepEqual(scene.append(batchOf("e"), REMOTE_NEW), [null, 7]);
  assert.equal(scene.row.highWatermarkBytes, before.highWatermarkBytes + batchOf("d").length + batchOf("e").length);
  assert.equal(scene.read(2, BY_NEW).refusal, "offset-out-of-range");
  assert.equal(scene.read(3, REMOTE_NEW).refusal, null);
  scene.world.at(1).partitions.ask({ shard: 1, slot: SLOT }, { ...QUERY, leaderEpoch: 3 }, scene.answers.ending, 0);
  assert.deepEqual(scene.answers.ended.map(({ leaderEpoch, endOffset }) => [leaderEpoch, endOffset]), [[3, 8]]);
});

Deno.test("a move keeps producers: duplicates are recognised and gaps refused, even when all their records were deleted", () => {
  const from = (baseSequence: number) =>
    buildBatch([{ value: "x" }, { value: "y" }], { producerId: 7, producerEpoch: 0, baseSequence });
  for (const isEmptied of [false, true]) {
    using scene = new Scene();
    assert.deepEqual(scene.append(from(0), BY_OLD), [null, 0]);
    assert.deepEqual(scene.append(from(2), BY_OLD), [null, 2]);
    const place = { shard: 0, slot: SLOT };
    if (isEmptied) scene.world.at(0).partitions.ask(place, { offset: -1 }, scene.answers.deleting, 0);
    assert.ok(scene.handOver());
    assert.deepEqual(scene.open(), []);
    assert.deepEqual(scene.append(from(2), BY_NEW), [null, 2]);
    assert.deepEqual(scene.append(from(6), REMOTE_NEW), ["out-of-order-sequence", -1]);
    assert.deepEqual(scene.append(from(4), REMOTE_NEW), [null, 4]);
    assert.equal(scene.row.highWatermark, 6);
  }
});

Deno.test("during a move every request is refused with not-leader-or-follower, and so is a later request to the old owner", () => {
  using scene = new Scene();
  scene.append(batchOf("a"), BY_OLD);
  assert.ok(scene.handOver());
  const requests = () => {
    for (const client of [0, 1]) {
      const { partitions } = scene.world.at(client);
      const place = { shard: 0, slot: SLOT };
      scene.append(batchOf("x"), { client, owner: 0 });
      scene.read(0, { client, owner: 0 });
      partitions.ask(place, { ...QUERY, timestamp: -1 }, scene.answers.listing, 0);
      partitions.ask(place, { ...QUERY, leaderEpoch: 3 }, scene.answers.ending, 0);
      partitions.ask(place, { offset: 1 }, scene.answers.deleting, 0);
      scene.world.pump();
    }
    const { appended, read, listed, ended, deleted } = scene.answers;
    const all = [appended.splice(0), read.splice(0), listed.splice(0), ended.splice(0), deleted.splice(0)];
    assert.deepEqual(all.flat().map(({ refusal }) => refusal), new Array(10).fill("not-leader-or-follower"));
  };
  scene.answers.appended.length = 0;
  requests();
  assert.equal(scene.read(0, BY_NEW).refusal, "not-leader-or-follower");
  scene.answers.read.length = 0;
  scene.open();
  requests();
  assert.equal(scene.row.highWatermark, 1);
  assert.equal(scene.read(0, REMOTE_NEW).refusal, null);
});

Deno.test("requests on both shards keep waiting while the partition moves, and the new owner wakes them", () => {
  using scene = new Scene();
  const probes = scene.world.shards.map(({ purgatory }) => {
    const probe = new Probe();
    purgatory.schedule(probe);
    purgatory.watch(SLOT, probe);
    return probe;
  });
  assert.ok(scene.handOver());
  scene.open();
  assert.deepEqual(probes.map(({ progressCount }) => progressCount), [0, 0]);
  scene.append(batchOf("a"), REMOTE_NEW);
  assert.deepEqual(probes.map(({ progressCount }) => progressCount), [1, 1]);
});

Deno.test("a move keeps records invisible that the old owner could not make durable; the new owner flushes them, then notifies waiting requests", () => {
  const flushed = { ...smallLogs, flushMessages: 1 };
  using scene = new Scene(topicOn([0], { config: flushed }));
  const { fileSystem } = scene.files;
  const { syncDirectory } = fileSystem;
  fileSystem.syncDirectory = (path) => {
    throw new Deno.errors.NotFound(`EMFILE (simulated): ${path}`);
  };
  assert.deepEqual(scene.append(batchOf("a"), BY_OLD), [null, 0]);
  assert.equal(scene.answers.appended.at(-1)?.isComplete, false);
  fileSystem.syncDirectory = syncDirectory;
  const probes = scene.world.shards.map(({ purgatory }) => {
    const probe = new Probe();
    purgatory.schedule(probe);
    purgatory.watch(SLOT, probe);
    return probe;
  });
  assert.ok(scene.handOver());
  const { highWatermark, logEndOffset, highWatermarkBytes, logEndBytes } = scene.row;
  assert.deepEqual([highWatermark, logEndOffset, highWatermarkBytes, logEndBytes], [0, 1, 0, batchOf("a").length]);
  scene.world.holdsGroups = true;
  assert.deepEqual(scene.open(topicOn([1], { config: flushed })), []);
  assert.deepEqual([scene.row.highWatermark, scene.row.highWatermarkBytes], [0, 0]);
  assert.deepEqual(probes.map(({ progressCount }) => progressCount), [0, 0]);
  assert.equal(flushGroups(scene.world.at(1)), 1);
  scene.world.pump();
  assert.deepEqual([scene.row.highWatermark, scene.row.highWatermarkBytes], [1, batchOf("a").length]);
  assert.deepEqual(probes.map(({ progressCount }) => progressCount), [1, 1]);
});

Deno.test("a move waits for the flush of a group, then happens before the next one", () => {
  using scene = new Scene(topicOn([0], { config: { ...smallLogs, flushMessages: 1 } }));
  scene.world.holdsGroups = true;
  const { owned } = scene.world.at(0).partitions;
  scene.append(batchOf("a"), BY_OLD);
  let doneCount = 0;
  owned.handOver(SLOT, () => void doneCount++);
  scene.append(batchOf("b"), BY_OLD);
  assert.deepEqual([doneCount, scene.row.state], [0, partitionState.open]);
  assert.equal(flushGroups(scene.world.at(0)), 1);
  assert.deepEqual([doneCount, scene.row.state, scene.row.highWatermark], [1, partitionState.handedOver, 1]);
  scene.open(topicOn([1], { config: { ...smallLogs, flushMessages: 1 } }));
  assert.equal(scene.world.at(0).groups.length, 0);
  assert.equal(flushGroups(scene.world.at(1)), 1);
  assert.equal(scene.row.highWatermark, 2, "the new owner flushes what was left");
});

Deno.test("slices that the old owner lent stay readable until they are returned to it, and none is lost", () => {
  using scene = new Scene();
  scene.append(batchOf("a"), BY_OLD);
  const local = scene.read(0, BY_OLD);
  const remote = scene.read(0, REMOTE_OLD);
  assert.ok(scene.handOver());
  scene.open();
  const open = scene.files.openCount;
  scene.append(batchOf("b"), BY_NEW);
  scene.world.at(0).partitions.release({ shard: 0, slot: SLOT }, local.lease);
  assert.equal(scene.files.openCount, open);
  scene.world.at(1).partitions.release({ shard: 0, slot: SLOT }, remote.lease);
  scene.world.pump();
  assert.ok(scene.files.openCount < open, "the last lease closes what the old owner had open");
  scene.world.at(1).partitions.owned.close({ clean: true });
  assert.equal(scene.files.openCount, 0);
});

Deno.test("a partition is not handed over during a flush; afterwards it is, and the row has the right recovery point", () => {
  using scene = new Scene(topicOn([0], { config: { ...smallLogs, segmentBytes: 200 } }));
  for (const text of ["a", "b", "c", "d"]) scene.append(batchOf(text.repeat(50)), BY_OLD);
  const { partitions, flushes } = scene.world.at(0);
  assert.equal(flushes.length, 1);
  assert.equal(scene.handOver(), false);
  assert.deepEqual(scene.append(batchOf("e"), BY_OLD), [null, 4]);
  while (flushes.length > 0) flushes.shift()?.done("flushed");
  const { recoveryPoint } = scene.row;
  assert.ok(recoveryPoint > 0 && recoveryPoint < 5);
  assert.ok(scene.handOver());
  scene.open(topicOn([1], { config: { ...smallLogs, segmentBytes: 200 } }));
  assert.equal(scene.row.recoveryPoint, recoveryPoint);
  assert.deepEqual([...partitions.owned.all], []);
});

Deno.test("a partition stays on its shard and keeps working when the disk refuses to close it", () => {
  using scene = new Scene();
  scene.append(batchOf("a"), BY_OLD);
  scene.files.capacityBytes = 0;
  assert.equal(scene.handOver(), false);
  assert.equal(scene.row.state, partitionState.open);
  scene.files.capacityBytes = Infinity;
  assert.deepEqual(scene.append(batchOf("b"), REMOTE_OLD), [null, 1]);
  assert.ok(scene.handOver());
  assert.deepEqual(scene.open(), []);
  assert.deepEqual(scene.append(batchOf("c"), BY_NEW), [null, 2]);
});

Deno.test("a new owner that cannot open the log notifies waiting requests, keeps the log start, and recovers the log when it can", () => {
  using scene = new Scene();
  scene.append(batchOf("a", "b", "c"), BY_OLD);
  scene.world.at(0).partitions.ask({ shard: 0, slot: SLOT }, { offset: 2 }, scene.answers.deleting, 0);
  const probe = new Probe();
  const { purgatory } = scene.world.at(0);
  purgatory.schedule(probe);
  purgatory.watch(SLOT, probe);
  scene.world.pump();
  probe.progressCount = 0;
  assert.ok(scene.handOver());
  scene.files.capacityBytes = 0;
  assert.match(scene.open().join(), /^Cannot open \/logs\/t-0: /);
  assert.deepEqual([scene.row.state, scene.row.logStartOffset], [partitionState.offline, 2]);
  assert.equal(probe.progressCount, 1);
  assert.equal(scene.read(2, REMOTE_NEW).refusal, "log-offline");
  scene.files.capacityBytes = Infinity;
  assert.deepEqual(scene.open(), []);
  assert.deepEqual([scene.row.state, scene.row.logStartOffset, scene.row.highWatermark], [partitionState.open, 2, 3]);
});

Deno.test("a log that lost its end during the move is not served: an acknowledged offset would be assigned again", () => {
  using scene = new Scene();
  scene.append(batchOf("a"), BY_OLD);
  const { fileSystem } = scene.files;
  const path = `${LOG_DIRECTORY}/t-0/00000000000000000000.log`;
  scene.append(batchOf("b"), BY_OLD);
  assert.ok(scene.handOver());
  const fd = fileSystem.open(path, { write: true });
  fileSystem.truncate(fd, batchOf("a").length);
  fileSystem.close(fd);
  assert.match(scene.open().join(), /it ends at 1, and ended at 2 before/);
  assert.equal(scene.row.state, partitionState.offline);
});

Deno.test("deleting a topic after its partition moved leaves neither files nor a row", () => {
  using scene = new Scene();
  scene.append(batchOf("a"), BY_OLD);
  const lent = scene.read(0, REMOTE_OLD);
  assert.ok(scene.handOver());
  scene.open();
  assert.deepEqual(scene.world.remove(AFTER), []);
  scene.world.pump();
  assert.deepEqual([scene.row.state, scene.row.logStartOffset, scene.row.recoveryPoint], [partitionState.closed, 0, 0]);
  assert.ok(scene.files.files().every(([path]) => !path.startsWith(`${LOG_DIRECTORY}/t-0/`)));
  assert.equal(scene.read(0, REMOTE_NEW).refusal, "unknown-partition");
  scene.world.at(1).partitions.release({ shard: 0, slot: SLOT }, lent.lease);
  scene.world.pump();
  assert.equal(scene.files.openCount, 0);
});

Deno.test("after a crash or a power loss at any point of a move, the log opens with every record that must survive", () => {
  for (const survival of ["all", "none"] as const) {
    for (let call = 1;; call++) {
      const { files, wasHit } = moveUntil(call);
      files.restart(survival);
      using world = new TestShards(1, [files]);
      assert.deepEqual(world.apply(topicOn([0], { leaderEpoch: 4 })), [], `call ${call}`);
      const row = world.table.read(SLOT, emptyWatermarks());
      // Four were flushed before the move began; a crash of the process alone loses none of the six.
      assert.ok(row.highWatermark >= (survival === "all" ? 6 : 4), `call ${call}: ${row.highWatermark}`);
      if (!wasHit) break;
    }
  }
});

/** Moves a partition with six records, four of them durable, until the n-th call that changes the disk. */
function moveUntil(call: number): { files: CrashingFileSystem; wasHit: boolean } {
  using scene = new Scene();
  const { files } = scene;
  scene.append(batchOf("a", "b", "c", "d"), BY_OLD);
  const [partition] = scene.world.at(0).partitions.owned.all;
  assert.ok(partition?.log.flush());
  scene.append(batchOf("e", "f"), BY_OLD);
  files.crashAt = files.calls + call;
  try {
    assert.ok(scene.handOver());
    assert.deepEqual(scene.open(), []);
  } catch (error) {
    assert.ok(files.crashed, String(error));
  }
  return { files, wasHit: files.crashed };
}
