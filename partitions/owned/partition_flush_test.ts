/** When the records of a partition become durable, and what waits for that. */
import { strict as assert } from "node:assert";
import { toOffset } from "../../storage/base/units.ts";
import { buildBatch, inMemory, TEST_TIMESTAMP } from "../../tests/record_batch_builder.ts";
import { flushOn, readFrom } from "./partition_testing.ts";
import { partitionState } from "../shared/watermarks.ts";
import { EPOCH, Fixture, SLOT } from "./partition_fixture_testing.ts";

Deno.test("Partition.append() with flush.messages=1 is invisible and not complete until a flush has ended, and durable then", () => {
  const fixture = new Fixture({ flushMessages: 1 });
  assert.equal(fixture.append("kept").refusal, null);
  const { replica } = fixture.partition;
  const facts = () => [fixture.row().logEndOffset, fixture.row().highWatermark, replica.isComplete(1, toOffset(1))];
  assert.deepEqual([...facts(), fixture.needed, fixture.moved], [1, 0, false, [false], []]);
  assert.equal(fixture.read(readFrom(0)).length, 0);
  assert.equal(fixture.flush(), "flushed");
  assert.deepEqual([...facts(), fixture.moved], [1, 1, true, [SLOT]]);
  assert.equal(fixture.row().recoveryPoint, 1);
  fixture.files.restart("none");
  const reopened = fixture.open(EPOCH + 1);
  assert.equal(reopened.log.logEndOffset, 1);
});

Deno.test("Partition.append() during a flush waits for the next one, and so does a duplicate of a batch that is not durable", () => {
  const fixture = new Fixture({ flushMessages: 1 });
  const send = () => {
    const producer = { producerId: 7, producerEpoch: 0, baseSequence: 0 };
    return fixture.partition.append(inMemory(buildBatch([{ value: "a" }], producer)), TEST_TIMESTAMP);
  };
  fixture.append("first");
  const request = fixture.partition.beginFlush();
  assert.ok(request !== null);
  assert.deepEqual([send().duplicate, send().duplicate, fixture.partition.beginFlush()], [false, true, null]);
  fixture.needed.length = 0;
  fixture.partition.endFlush(request, flushOn(fixture.files, request));
  assert.deepEqual([fixture.row().highWatermark, fixture.row().logEndOffset, fixture.needed], [1, 2, [false]]);
  const batchEnd = toOffset(send().lastOffset + 1);
  assert.equal(fixture.partition.replica.isComplete(1, batchEnd), false);
  fixture.flush();
  assert.deepEqual([fixture.row().highWatermark, fixture.partition.replica.isComplete(1, batchEnd)], [2, true]);
  fixture.needed.length = 0;
  assert.deepEqual([send().duplicate, fixture.needed], [true, []], "it is durable");
});

Deno.test("Partition.append() with flush.messages=3 is visible at once until three records are not durable", () => {
  const fixture = new Fixture({ flushMessages: 3 });
  const seen: number[] = [];
  for (const value of ["a", "b", "c", "d"]) {
    fixture.append(value);
    seen.push(fixture.row().highWatermark);
  }
  assert.deepEqual(seen, [1, 2, 2, 2]);
  const request = fixture.partition.beginFlush();
  assert.ok(request !== null);
  fixture.append("e");
  fixture.partition.endFlush(request, "flushed");
  assert.deepEqual([fixture.row().highWatermark, fixture.row().recoveryPoint], [5, 4], "one record may be lost");
});

Deno.test("Partition.update() acknowledges records that wait for a flush when the topic no longer asks for one", () => {
  const fixture = new Fixture({ flushMessages: 1 });
  fixture.append("a");
  assert.equal(fixture.row().highWatermark, 0);
  fixture.partition.update({ leads: true, leaderEpoch: EPOCH, config: { ...fixture.config, flushMessages: Infinity } });
  assert.deepEqual([fixture.row().highWatermark, fixture.moved], [1, [SLOT]]);
});

Deno.test("a Partition with flush.messages=1 makes what was recovered durable before it counts as acknowledged", () => {
  const fixture = new Fixture({ flushMessages: 1 });
  fixture.append("a");
  fixture.files.restart("all"); // the process was killed before the flush
  assert.equal(fixture.open(EPOCH + 1).highWatermark, 1);
  assert.equal(fixture.row().recoveryPoint, 1);
  fixture.files.restart("none");
  assert.equal(fixture.open(EPOCH + 2).log.logEndOffset, 1);
});

Deno.test("a failed flush takes the partition offline for all requests, and what waited for it never becomes visible", () => {
  const fixture = new Fixture({ flushMessages: 1 });
  fixture.append("durable");
  fixture.flush();
  fixture.moved.length = 0;
  fixture.files.flushFails = true;
  assert.equal(fixture.append("lost").refusal, null);
  assert.equal(fixture.flush(), "failed");
  assert.deepEqual(fixture.moved, [SLOT], "requests that wait are notified");
  assert.equal(fixture.row().state, partitionState.offline);
  assert.equal(fixture.row().highWatermark, 1, "what is not durable never becomes visible");
  assert.equal(fixture.read(readFrom(0)).refusal, "log-offline");
  const query = { currentLeaderEpoch: -1, committedOnly: false, toLogEnd: false };
  assert.equal(fixture.partition.listOffset({ ...query, timestamp: -1 }).refusal, "log-offline");
  assert.equal(fixture.partition.epochEnd({ currentLeaderEpoch: -1, leaderEpoch: 0 }).refusal, "log-offline");
  fixture.files.flushFails = false;
  assert.equal(fixture.append("after").refusal, "log-offline", "a failed flush is never tried again");
  assert.equal(fixture.partition.beginFlush(), null);
});

Deno.test("Partition.flushLater() runs one flush at a time, moves the recovery point, and begins none when all is durable", () => {
  const fixture = new Fixture();
  fixture.append("a");
  fixture.partition.flushLater();
  fixture.partition.flushLater();
  assert.equal(fixture.flushes.length, 1);
  fixture.append("b");
  fixture.flushes[0]?.done("flushed");
  assert.equal(fixture.row().recoveryPoint, 1, "what came after the flush began is not durable");
  fixture.partition.flushLater();
  fixture.flushes[1]?.done("flushed");
  assert.equal(fixture.row().recoveryPoint, 2);
  fixture.partition.flushLater();
  assert.equal(fixture.flushes.length, 2);
});

Deno.test("a failed Partition.flushLater() takes the partition offline; one that ends after the close changes nothing", () => {
  const failing = new Fixture();
  failing.append("a");
  failing.partition.flushLater();
  failing.moved.length = 0;
  failing.flushes[0]?.done("failed");
  assert.equal(failing.row().state, partitionState.offline);
  assert.deepEqual(failing.moved, [SLOT], "whoever waits is told");

  const closing = new Fixture();
  closing.append("a");
  closing.partition.flushLater();
  closing.partition.remove();
  closing.flushes[0]?.done("flushed");
  assert.equal(closing.row().state, partitionState.closed);
});

Deno.test("a postponed Partition.flushLater() keeps the partition online and is reported, and the next flush covers its records", () => {
  const fixture = new Fixture();
  fixture.append("a");
  fixture.partition.flushLater();
  fixture.flushes[0]?.done("postponed");
  assert.deepEqual([fixture.row().state, fixture.row().recoveryPoint], [partitionState.open, 0]);
  assert.match(fixture.troubles[0] ?? "", /Cannot flush at the moment/);
  fixture.partition.flushLater();
  assert.deepEqual(fixture.flushes[1]?.request.directories, fixture.flushes[0]?.request.directories);
  fixture.flushes[1]?.done("flushed");
  assert.equal(fixture.row().recoveryPoint, 1);
});

Deno.test("a Partition.append() that cannot be made durable now stays invisible until a later flush; a retry is its duplicate", () => {
  const fixture = new Fixture({ flushMessages: 1 });
  const { fileSystem } = fixture.files;
  const { syncDirectory } = fileSystem;
  fileSystem.syncDirectory = (path) => {
    throw new Deno.errors.NotFound(`EMFILE (simulated): ${path}`);
  };
  const producer = { producerId: 7, producerEpoch: 0, baseSequence: 0 };
  const send = () => {
    const batch = buildBatch([{ value: "a", timestamp: TEST_TIMESTAMP }], producer);
    return fixture.partition.append(inMemory(batch, 64), TEST_TIMESTAMP);
  };
  assert.equal(send().refusal, null);
  assert.equal(fixture.flush(), "postponed");
  assert.deepEqual(fixture.needed, [false, true]);
  assert.deepEqual([fixture.partition.isOpen, fixture.partition.highWatermark, fixture.troubles.length], [true, 0, 1]);
  const { logEndOffset, highWatermarkBytes, logEndBytes } = fixture.row();
  assert.deepEqual([logEndOffset, highWatermarkBytes, logEndBytes > 0], [1, 0, true]);
  fileSystem.syncDirectory = syncDirectory;
  const again = send();
  assert.deepEqual([again.refusal, again.duplicate, again.baseOffset], [null, true, 0]);
  assert.equal(fixture.partition.highWatermark, 0);
  assert.equal(fixture.flush(), "flushed");
  assert.deepEqual([fixture.partition.highWatermark, fixture.row().recoveryPoint], [1, 1]);
  assert.deepEqual([fixture.row().highWatermarkBytes, fixture.row().logEndBytes], [logEndBytes, logEndBytes]);
});

Deno.test("Partition.flushIfDue() flushes once in flush.ms", () => {
  const fixture = new Fixture({ flushMs: 100 });
  let count = 0;
  for (const nowMs of [0, 50, 99, 100, 150, 200]) {
    fixture.append("a");
    fixture.partition.flushIfDue(nowMs);
    for (const { done } of fixture.flushes.splice(0)) {
      count++;
      done("flushed");
    }
  }
  assert.equal(count, 3);
});

Deno.test("Partition.append() that rolls the log begins a flush", () => {
  const fixture = new Fixture({ segmentBytes: 1000 });
  for (let count = 0; fixture.partition.log.activeBaseOffset === 0; count++) {
    assert.equal(fixture.flushes.length, 0);
    assert.equal(fixture.append("x".repeat(200)).refusal, null);
    assert.ok(count < 10, "the segment fills up");
  }
  assert.equal(fixture.flushes.length, 1);
});

Deno.test("Partition flushes in the background after barnabas.recovery.interval.bytes, 30 seconds after that was due or done first", () => {
  const fixture = new Fixture({ recoveryIntervalBytes: 1000 });
  const append = (wallMs: number) => {
    fixture.partition.append(inMemory(buildBatch([{ value: "x".repeat(600) }])), TEST_TIMESTAMP + wallMs);
    const flush = fixture.flushes.pop();
    flush?.done(flushOn(fixture.files, flush.request));
    return flush !== undefined;
  };
  assert.deepEqual([append(0), append(1), append(2), append(30_000), append(30_001)], [
    false,
    false,
    false,
    false,
    true,
  ]);
  assert.equal(fixture.row().recoveryPoint, 5);
  assert.deepEqual([append(30_002), append(30_003), append(60_000), append(60_001)], [false, false, false, true]);
  assert.equal(fixture.row().recoveryPoint, 9);
  assert.deepEqual([append(60_002), append(-1)], [false, true], "a clock that went back delays nothing");
});
