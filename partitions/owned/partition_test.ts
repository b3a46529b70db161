import { strict as assert } from "node:assert";
import { buildBatch, inMemory, TEST_TIMESTAMP } from "../../tests/record_batch_builder.ts";
import { emptyReadOutcome } from "../requests/outcomes.ts";
import { listTimestamp } from "./listed_offsets.ts";
import { batchOf, readFrom } from "./partition_testing.ts";
import { partitionState } from "../shared/watermarks.ts";

import { EPOCH, Fixture, SLOT } from "./partition_fixture_testing.ts";

Deno.test("Partition.append() publishes the new watermarks before it reports that they moved", () => {
  const fixture = new Fixture();
  const batch = batchOf("a", "b", "c");
  assert.equal(fixture.append("a", "b", "c").baseOffset, 0);
  assert.deepEqual(fixture.row(), {
    state: partitionState.open,
    leadership: 1,
    replication: 0,
    highWatermark: 3,
    lastStableOffset: 3,
    logStartOffset: 0,
    logEndOffset: 3,
    recoveryPoint: 0,
    highWatermarkBytes: batch.length,
    logEndBytes: batch.length,
  });
  assert.deepEqual(fixture.moved, [SLOT]);
});

Deno.test("Partition.append() of a duplicate answers with its first offset and moves nothing", () => {
  const fixture = new Fixture();
  const batch = buildBatch([{ value: "x" }], { producerId: 7, producerEpoch: 0, baseSequence: 0 });
  const first = fixture.partition.append(inMemory(batch), TEST_TIMESTAMP);
  fixture.append("between");
  fixture.moved.length = 0;
  const again = fixture.partition.append(inMemory(batch), TEST_TIMESTAMP);
  assert.deepEqual([again.refusal, again.baseOffset, first.baseOffset], [null, 0, 0]);
  assert.deepEqual([fixture.row().logEndOffset, fixture.moved], [2, []]);
});

Deno.test("Partition.append() on a full disk is refused and reported; reads continue, and appends work again when there is room", () => {
  const fixture = new Fixture();
  fixture.append("a");
  fixture.files.capacityBytes = 0;
  assert.equal(fixture.append("b").refusal, "log-offline");
  assert.equal(fixture.troubles.length, 1);
  assert.equal(fixture.row().state, partitionState.open);
  assert.ok(fixture.read(readFrom(0)).length > 0);
  fixture.files.capacityBytes = Infinity;
  assert.equal(fixture.append("c").baseOffset, 1);
});

Deno.test("Partition.read() lends nothing at the high watermark and refuses offsets outside the log", () => {
  const fixture = new Fixture();
  fixture.append("a", "b");
  const atEnd = fixture.read(readFrom(2));
  assert.deepEqual([atEnd.refusal, atEnd.length, atEnd.reachesEnd, atEnd.highWatermark], [null, 0, true, 2]);
  assert.equal(fixture.read(readFrom(3)).refusal, "offset-out-of-range");
  assert.equal(fixture.read(readFrom(-1)).refusal, "offset-out-of-range");
  assert.equal(fixture.read(readFrom(2 ** 63)).refusal, "offset-out-of-range");
});

Deno.test("Partition.read() that meets a damaged batch takes the partition offline, once and with a sentence", () => {
  const fixture = new Fixture({ indexIntervalBytes: 1 });
  for (let i = 0; i < 5; i++) fixture.append("x".repeat(50));
  const path = `/logs/t-0/${"0".repeat(20)}.log`;
  const bytes = fixture.files.fileSystem.readFile(path) as Uint8Array<ArrayBuffer>;
  const at = 2 * bytes.length / 5;
  const { memory } = inMemory(new Uint8Array(20));
  fixture.files.fileSystem.pwrite(fixture.files.fileSystem.open(path, { write: true }), memory, 0, 20, at);
  assert.ok(fixture.read({ ...readFrom(0), maxBytes: bytes.length / 5 }).length > 0, "the damage is not met");
  assert.equal(fixture.read(readFrom(2)).refusal, "log-offline");
  assert.equal(fixture.row().state, partitionState.offline);
  assert.equal(fixture.read(readFrom(0)).refusal, "log-offline");
  assert.equal(fixture.append("y").refusal, "log-offline");
  assert.match(
    fixture.troubles[0] as string,
    /offline until a restart: Cannot read at offset 2: no sound batch in \/logs/,
  );
  assert.equal(fixture.offline, 1);
});

Deno.test("Partition.read() reports whether the limits held back visible records", () => {
  const fixture = new Fixture();
  fixture.append("a");
  fixture.append("b");
  const first = batchOf("a").length;
  const one = fixture.read(readFrom(0, { maxBytes: first }));
  assert.deepEqual([one.length, one.reachesEnd], [first, false]);
  const all = fixture.read(readFrom(0));
  assert.deepEqual([all.length, all.reachesEnd], [first * 2, true]);
  const none = fixture.read(readFrom(0, { maxBytes: first - 1, atLeastOne: false }));
  assert.deepEqual([none.refusal, none.length, none.reachesEnd], [null, 0, false]);
  const whole = fixture.read(readFrom(0, { maxBytes: 0 }));
  assert.equal(whole.length, first, "the first batch comes whatever the limit (KIP-74)");
});

Deno.test("Partition.read() checks the client's leader epoch (KIP-320)", () => {
  const fixture = new Fixture();
  const refusal = (currentLeaderEpoch: number) => fixture.read(readFrom(0, { currentLeaderEpoch })).refusal;
  assert.deepEqual([EPOCH - 1, EPOCH, EPOCH + 1, -1].map(refusal), [
    "fenced-leader-epoch",
    null,
    "unknown-leader-epoch",
    null,
  ]);
});

Deno.test("Partition.read() reports where a client's history diverges (KIP-595), and refuses an unknown epoch", () => {
  const fixture = new Fixture();
  fixture.append("a", "b");
  fixture.partition.close({ clean: true });
  const later = fixture.open(EPOCH + 4);
  later.append(inMemory(batchOf("c")), TEST_TIMESTAMP);
  const read = (lastFetchedEpoch: number, offset: number) => {
    const outcome = emptyReadOutcome();
    later.read(readFrom(offset, { lastFetchedEpoch }), outcome);
    if (outcome.length > 0) later.log.release(outcome.lease);
    return [outcome.refusal, outcome.divergingEpoch, outcome.divergingEndOffset, outcome.length > 0];
  };
  assert.deepEqual(read(EPOCH, 1), [null, -1, -1, true]);
  assert.deepEqual(read(EPOCH, 3), [null, EPOCH, 2, false]);
  assert.deepEqual(read(EPOCH + 2, 3), [null, EPOCH, 2, false]);
  assert.deepEqual(read(EPOCH + 4, 2), [null, -1, -1, true]);
  assert.deepEqual(read(EPOCH + 9, 3), ["offset-out-of-range", -1, -1, false]);
});

Deno.test("Partition.listOffset() answers special timestamps and finds records by time", () => {
  const fixture = new Fixture();
  const batch = buildBatch([10, 30, 20].map((timestamp) => ({ value: "x", timestamp: TEST_TIMESTAMP + timestamp })));
  fixture.partition.append(inMemory(batch), TEST_TIMESTAMP);
  const find = (timestamp: number) => {
    const { refusal, offset, timestamp: found, leaderEpoch } = fixture.partition.listOffset({
      timestamp,
      currentLeaderEpoch: -1,
      committedOnly: false,
      toLogEnd: false,
    });
    return [refusal, offset, found, leaderEpoch];
  };
  assert.deepEqual(find(listTimestamp.latest), [null, 3, -1, EPOCH]);
  assert.deepEqual(find(listTimestamp.earliest), [null, 0, -1, EPOCH]);
  assert.deepEqual(find(listTimestamp.earliestLocal), [null, 0, -1, EPOCH]);
  assert.deepEqual(find(listTimestamp.maxTimestamp), [null, 1, TEST_TIMESTAMP + 30, EPOCH]);
  assert.deepEqual(find(listTimestamp.latestTiered), [null, -1, -1, -1]);
  assert.deepEqual(find(listTimestamp.earliestPendingUpload), [null, -1, -1, -1]);
  assert.deepEqual(find(TEST_TIMESTAMP + 11), [null, 1, TEST_TIMESTAMP + 30, EPOCH]);
  assert.deepEqual(find(TEST_TIMESTAMP + 31), [null, -1, -1, -1]);
  assert.deepEqual(find(-7), ["unsupported-timestamp", -1, -1, -1]);
});

Deno.test("Partition.epochEnd() gives the end of a known epoch and -1 for an unknown one (KIP-101)", () => {
  const fixture = new Fixture();
  fixture.append("a", "b");
  const end = (leaderEpoch: number) => fixture.partition.epochEnd({ currentLeaderEpoch: EPOCH, leaderEpoch });
  assert.deepEqual(end(EPOCH), { refusal: null, leaderEpoch: EPOCH, endOffset: 2 });
  assert.deepEqual(end(EPOCH + 1), { refusal: null, leaderEpoch: -1, endOffset: -1 });
  assert.equal(fixture.partition.epochEnd({ currentLeaderEpoch: 1, leaderEpoch: 1 }).refusal, "fenced-leader-epoch");
});

Deno.test("Partition.remove() notifies waiting requests and clears the row's offsets, even if the disk refuses", () => {
  for (const refuses of [false, true]) {
    const fixture = new Fixture({ flushMessages: 1 });
    fixture.append("a");
    fixture.flush();
    fixture.moved.length = 0;
    const { rename } = fixture.files.fileSystem;
    if (refuses) {
      fixture.files.fileSystem.rename = () => {
        throw new Deno.errors.PermissionDenied("no");
      };
      assert.throws(() => fixture.partition.remove(), Deno.errors.PermissionDenied);
    } else fixture.partition.remove();
    fixture.files.fileSystem.rename = rename;
    const { state, recoveryPoint, logStartOffset } = fixture.row();
    assert.deepEqual([state, recoveryPoint, logStartOffset], [partitionState.closed, 0, 0]);
    assert.deepEqual(fixture.moved, [SLOT]);
    assert.equal(fixture.read(readFrom(0)).refusal, "log-offline");
  }
});

Deno.test("Partition.close() keeps the row's offsets for the checkpoints and publishes whether the log was closed cleanly", () => {
  const { closed, closedCleanly } = partitionState;
  for (
    const [clean, flushFails, expected] of [[true, false, closedCleanly], [true, true, closed], [
      false,
      false,
      closed,
    ]] as const
  ) {
    const fixture = new Fixture();
    fixture.append("a", "b");
    fixture.files.flushFails = flushFails;
    assert.equal(fixture.partition.close({ clean }), !flushFails);
    const { state, recoveryPoint, highWatermark } = fixture.row();
    assert.deepEqual([state, recoveryPoint, highWatermark], [expected, expected === closedCleanly ? 2 : 0, 2]);
  }
});

Deno.test("Partition.update() begins a new epoch at the log end", () => {
  const fixture = new Fixture();
  fixture.append("a");
  fixture.partition.update({ leads: true, leaderEpoch: EPOCH + 1, config: fixture.config });
  assert.equal(fixture.partition.leaderEpoch, EPOCH + 1);
  fixture.append("b");
  const end = (leaderEpoch: number) => fixture.partition.epochEnd({ currentLeaderEpoch: -1, leaderEpoch }).endOffset;
  assert.deepEqual([end(EPOCH), end(EPOCH + 1)], [1, 2]);
});

Deno.test("Partition.deleteRecords() moves the log start, publishes it, and notifies waiting requests", () => {
  const fixture = new Fixture();
  fixture.append("a", "b", "c");
  fixture.append("d");
  fixture.moved.length = 0;
  assert.deepEqual(fixture.partition.deleteRecords(2), { refusal: null, logStartOffset: 2 });
  assert.deepEqual([fixture.row().logStartOffset, fixture.row().highWatermark], [2, 4]);
  assert.deepEqual([fixture.moved, fixture.logStartMoves], [[SLOT], 1]);
  assert.equal(fixture.read(readFrom(1)).refusal, "offset-out-of-range");
  assert.equal(fixture.read(readFrom(2)).refusal, null);
  const earliest = fixture.partition.listOffset({
    timestamp: -2,
    currentLeaderEpoch: -1,
    committedOnly: false,
    toLogEnd: false,
  });
  assert.deepEqual([earliest.offset, earliest.leaderEpoch], [2, EPOCH]);
});

Deno.test("Partition.deleteRecords() at or below the log start changes nothing; -1 deletes all records, and appends continue", () => {
  const fixture = new Fixture();
  fixture.append("a", "b", "c");
  fixture.partition.deleteRecords(2);
  fixture.moved.length = 0;
  for (const offset of [2, 1, 0]) {
    assert.deepEqual(fixture.partition.deleteRecords(offset), { refusal: null, logStartOffset: 2 });
  }
  assert.deepEqual([fixture.moved, fixture.logStartMoves], [[], 1]);
  assert.deepEqual(fixture.partition.deleteRecords(-1), { refusal: null, logStartOffset: 3 });
  assert.deepEqual(fixture.partition.deleteRecords(-1), { refusal: null, logStartOffset: 3 });
  assert.equal(fixture.append("d").baseOffset, 3);
  assert.equal(fixture.read(readFrom(3)).refusal, null);
});

Deno.test("Partition.deleteRecords() refuses offsets above the high watermark, and all offsets while the partition is offline", () => {
  const fixture = new Fixture({ flushMessages: 1 });
  fixture.append("a");
  fixture.flush();
  const none = { logStartOffset: -1 };
  for (const offset of [2, Number.MAX_SAFE_INTEGER, 2 ** 63, -2]) {
    assert.deepEqual(fixture.partition.deleteRecords(offset), { ...none, refusal: "offset-out-of-range" });
  }
  fixture.files.flushFails = true;
  fixture.append("lost");
  assert.deepEqual(fixture.partition.deleteRecords(2), { ...none, refusal: "offset-out-of-range" });
  fixture.flush();
  assert.deepEqual(fixture.partition.deleteRecords(0), { ...none, refusal: "log-offline" });
});
