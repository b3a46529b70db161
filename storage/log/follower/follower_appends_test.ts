import { strict as assert } from "node:assert";
import { CrashingFileSystem } from "../../../tests/crashing_file_system.ts";
import { describeProducers, follow, leaderBatch, leaderBatches, producersOf } from "../../../tests/leader_batches.ts";
import { FaultyFileSystem } from "../../../tests/faulty_file_system.ts";
import { append, findByTime, findInconsistencies, openLog, readAll, recordsOf } from "../../../tests/log_fixture.ts";
import { filesIn, testConfig, TestDirectory } from "../../../tests/log_fixture.ts";
import { concatBytes, inMemory, sealBatch, TEST_TIMESTAMP } from "../../../tests/record_batch_builder.ts";
import { toOffset } from "../../base/units.ts";
import { linuxFileSystem } from "../../sys/file_system.ts";
import { crc32c } from "../../records/crc32c.ts";
import type { Log } from "../log.ts";

const small = { ...testConfig, segmentBytes: 600, indexIntervalBytes: 100, maxMessageBytes: 100 };

function fetched(log: Log, bytes: Uint8Array, leaderEpoch = 9) {
  const { memory, start, length } = inMemory(bytes, 11);
  const before = crc32c(memory.bytes, 0, memory.bytes.length);
  const result = log.appendAsFollower(memory, { start, length, leaderEpoch, nowMs: TEST_TIMESTAMP });
  assert.equal(crc32c(memory.bytes, 0, memory.bytes.length), before, "the bytes are not changed");
  return result;
}

Deno.test("Log.appendAsFollower() keeps batches as they are, of any size, with gaps, epochs, producers, and markers", () => {
  using directory = new TestDirectory();
  const producer = { producerId: 7, isTransactional: true };
  const batches = [
    leaderBatch({ baseOffset: 3, epoch: 1, timestamp: TEST_TIMESTAMP + 5 }),
    leaderBatch({ baseOffset: 5, epoch: 1, ...producer, baseSequence: 10, valueBytes: 5000 }),
    leaderBatch({ baseOffset: 7, epoch: 4, producerId: 8, baseSequence: 0, count: 6, compacted: "partly" }),
    leaderBatch({ baseOffset: 20, epoch: 4, producerId: 8, baseSequence: 6, compacted: "wholly" }),
    leaderBatch({ baseOffset: 22, epoch: 4, producerId: 7, marker: "abort" }),
    leaderBatch({ baseOffset: 23, epoch: 6, ...producer, baseSequence: 12, timestamp: TEST_TIMESTAMP + 9 }),
  ];
  const bytes = batches.reduce((sum, batch) => sum + batch.bytes.length, 0);
  {
    using log = openLog(directory.partition, { config: small });
    const result = follow(log, batches, { partialBytes: 60 });
    assert.deepEqual(result, { refusal: null, message: "", bytes, batchesCount: 6, hasLaterEpoch: false });
    assert.equal(log.logEndOffset, 25);
    assert.ok(log.segments().length > 2, "the log has rolled");
    assert.ok(log.close({ clean: true }));
  }
  assert.deepEqual(findInconsistencies(directory.partition, { isCleaned: true }), []);
  // Once by recovery, and once as a clean stop left it.
  for (const cleanShutdown of [true, false]) {
    using log = openLog(directory.partition, { config: small, cleanShutdown });
    assert.deepEqual(readAll(log, { hasGaps: true }).map((batch) => batch.bytes), batches.map((batch) => batch.bytes));
    assert.deepEqual([3, 5, 7, 22, 23].map((offset) => log.epochFor(toOffset(offset))), [1, 1, 4, 4, 6]);
    assert.deepEqual(describeProducers(log), producersOf(batches));
    assert.equal(findByTime(log, TEST_TIMESTAMP + 6, log.logEndOffset)?.offset, 23);
    assert.ok(log.close({ clean: true }));
  }
  assert.ok(filesIn(directory.partition).has("leader-epoch-checkpoint"));
});

Deno.test("Log.appendAsFollower() writes the batches of an answer at once; a marker alone; a refused write leaves all of them out", () => {
  using directory = new TestDirectory();
  const disk = new FaultyFileSystem(linuxFileSystem);
  const batches = leaderBatches(100, { baseOffset: 0, epoch: 1 });
  const marker = leaderBatch({ baseOffset: 200, epoch: 1, producerId: 7, marker: "abort" });
  const last = leaderBatches(3, { baseOffset: 201, epoch: 1 });
  {
    using log = openLog(directory.partition, { fs: disk.fileSystem });
    const writesOf = (append: () => unknown) => {
      const before = disk.callsOf("pwrite");
      append();
      return disk.callsOf("pwrite") - before;
    };
    follow(log, batches.slice(0, 1)); // the first batch of a segment, and of an epoch
    assert.equal(writesOf(() => follow(log, batches.slice(1, 50))), 1);
    disk.refused = { fault: "pwrite", nth: disk.callsOf("pwrite") + 1, count: 1 };
    const refused = follow(log, batches.slice(50));
    assert.deepEqual([refused.refusal, refused.batchesCount, log.logEndOffset], ["log-offline", 0, 100]);
    assert.equal(writesOf(() => follow(log, [...batches.slice(50), marker, ...last])), 3);
    assert.deepEqual([log.logEndOffset, log.offlineReason], [207, null]);
    assert.ok(log.close({ clean: true }));
  }
  assert.deepEqual(findInconsistencies(directory.partition, { isCleaned: true }), []);
  using log = openLog(directory.partition);
  assert.deepEqual(
    readAll(log, { hasGaps: true }).map(({ bytes }) => bytes),
    [...batches, marker, ...last].map(({ bytes }) => bytes),
  );
});

Deno.test("Log.appendAsFollower() ignores a part of a batch at the end, of any length", () => {
  using directory = new TestDirectory();
  using log = openLog(directory.partition);
  const [whole, cut] = [leaderBatch({ baseOffset: 0, epoch: 1 }), leaderBatch({ baseOffset: 2, epoch: 1 })];
  for (let length = 0; length < cut.bytes.length; length++) {
    assert.deepEqual(fetched(log, cut.bytes.subarray(0, length)).batchesCount, 0, `${length} bytes`);
  }
  assert.equal(fetched(log, concatBytes([whole.bytes, cut.bytes.subarray(0, -1)])).bytes, whole.bytes.length);
  assert.equal(log.logEndOffset, 2);
});

Deno.test("Log.appendAsFollower() leaves out batches of a later epoch than the leader's, and all behind them (KAFKA-18723)", () => {
  using directory = new TestDirectory();
  using log = openLog(directory.partition);
  const batches = [3, 4, 3].map((epoch, i) => leaderBatch({ baseOffset: 2 * i, epoch }));
  const result = follow(log, batches, { leaderEpoch: 3 });
  assert.deepEqual([result.refusal, result.batchesCount, result.hasLaterEpoch], [null, 1, true]);
  assert.deepEqual([log.logEndOffset, log.latestLeaderEpoch], [2, 3]);
});

Deno.test("Log.appendAsFollower() refuses damage and offsets below the log end; what came before is in the log", () => {
  using directory = new TestDirectory();
  using log = openLog(directory.partition);
  const first = leaderBatches(2, { baseOffset: 0, epoch: 1 });
  assert.equal(follow(log, first).batchesCount, 2);
  const batch = leaderBatch({ baseOffset: 4, epoch: 1 });
  const changed = (change: (view: DataView) => void, isSealed = true) => {
    const bytes = batch.bytes.slice();
    change(new DataView(bytes.buffer));
    return isSealed ? sealBatch(bytes) : bytes;
  };
  const cases: [Uint8Array, string | null][] = [
    [leaderBatch({ baseOffset: 3, epoch: 1 }).bytes, "unexpected-offset"],
    [first[1]!.bytes, "unexpected-offset"],
    [changed((view) => view.setUint8(70, view.getUint8(70) ^ 1), false), "corrupt-batch"],
    [changed((view) => view.setInt8(16, 1)), "unsupported-format"],
    [changed((view) => view.setInt32(8, 20)), "corrupt-batch"],
    [changed((view) => view.setInt32(8, -1)), "corrupt-batch"],
    [changed((view) => view.setInt32(23, -1)), "corrupt-batch"],
    [changed((view) => view.setBigInt64(0, -5n)), "corrupt-batch"],
    [changed((view) => view.setBigInt64(0, 2n ** 60n)), "corrupt-batch"],
    [changed((view) => view.setInt32(8, 0x7fff_0000)), null], // a part of a very large batch
  ];
  for (const [bytes, refusal] of cases) {
    const result = fetched(log, bytes);
    assert.deepEqual([result.refusal, result.batchesCount, log.logEndOffset], [refusal, 0, 4], result.message);
    if (refusal !== null) assert.match(result.message, /^Cannot append a batch of the leader at offset 4: ./);
  }
  const behind = fetched(log, concatBytes([batch.bytes, cases[2]![0]]));
  assert.deepEqual([behind.refusal, behind.batchesCount, log.logEndOffset], ["corrupt-batch", 1, 6]);
});

Deno.test("Log.appendAsFollower() never throws for bytes of which one is changed", () => {
  const disk = new CrashingFileSystem(() => 0.5);
  const log = openLog("/logs/t-0", { fs: disk.fileSystem });
  const { bytes } = leaderBatch({ baseOffset: 0, epoch: 1, producerId: 5, marker: "commit" });
  for (let at = 0; at < bytes.length; at++) {
    for (const bit of [1, 0x80]) {
      const flipped = bytes.slice();
      flipped[at]! ^= bit;
      const { batchesCount } = fetched(log, flipped);
      // Base offset and leader epoch lie outside the CRC.
      assert.ok(batchesCount === 0 || at < 8 || (at >= 12 && at < 16), `byte ${at}`);
      assert.equal(log.truncateFullyAndStartAt(toOffset(0)).refusal, null);
    }
  }
});

Deno.test("Log.appendAsFollower() drops epochs that contradict the leader's batches, as Kafka does", () => {
  using directory = new TestDirectory();
  using log = openLog(directory.partition);
  follow(log, leaderBatches(2, { baseOffset: 0, epoch: 2 }));
  assert.ok(log.becomeLeader(7));
  follow(log, leaderBatches(1, { baseOffset: 4, epoch: 5 }));
  assert.deepEqual([log.latestLeaderEpoch, log.epochFor(toOffset(3)), log.epochFor(toOffset(4))], [5, 2, 5]);
});

Deno.test("Log.appendAsFollower() begins a segment at the batch behind a gap that is larger than an index holds", () => {
  using directory = new TestDirectory();
  const far = 2 ** 31 + 100;
  {
    using log = openLog(directory.partition);
    follow(log, [leaderBatch({ baseOffset: 0, epoch: 1 }), leaderBatch({ baseOffset: far, epoch: 1 })]);
    assert.deepEqual(log.segments().map(({ baseOffset }) => baseOffset), [0, far]);
    assert.ok(log.close({ clean: true }));
  }
  using log = openLog(directory.partition);
  assert.equal(log.logEndOffset, far + 2);
  assert.deepEqual(readAll(log, { hasGaps: true }).map(({ baseOffset }) => baseOffset), [0, far]);
});

Deno.test("a log that was a follower's continues as a leader's, and the other way round", () => {
  using directory = new TestDirectory();
  using log = openLog(directory.partition);
  const producer = { producerId: 3, producerEpoch: 0 };
  follow(log, [leaderBatch({ baseOffset: 0, epoch: 1, producerId: 3, baseSequence: 0 })]);
  assert.ok(log.becomeLeader(2));
  const led = append(log, recordsOf(1, 10), { leaderEpoch: 2, ...producer, baseSequence: 2 });
  assert.deepEqual([led.refusal, led.baseOffset], [null, 2]);
  assert.equal(append(log, recordsOf(2, 20), { leaderEpoch: 2, ...producer, baseSequence: 0 }).duplicate, true);
  assert.equal(follow(log, [leaderBatch({ baseOffset: 3, epoch: 3 })]).refusal, null);
  assert.deepEqual([0, 2, 3].map((offset) => log.epochFor(toOffset(offset))), [1, 2, 3]);
});
