/** Tests of the whole log: appends, reads, reopening and refusals. */
import { strict as assert } from "node:assert";
import {
  append,
  batchesIn,
  deleteSegments,
  findInconsistencies,
  openLog,
  readAll,
  recordsOf,
  testConfig,
  TestDirectory,
} from "../../tests/log_fixture.ts";
import { TEST_TIMESTAMP } from "../../tests/record_batch_builder.ts";
import { toOffset } from "../base/units.ts";
import type { Log } from "./log.ts";
import { LogResources } from "./log_resources.ts";
import { linuxFileSystem } from "../sys/file_system.ts";
import { nativeMemory } from "../sys/memory.ts";

const everything = { maxBytes: 1_000_000, maxOffset: toOffset(2 ** 50), atLeastOne: true };

for (const appendMode of ["pwrite", "mapped"] as const) {
  Deno.test(`Log keeps its records over a clean close, byte for byte (${appendMode})`, () => {
    using directory = new TestDirectory();
    const config = { ...testConfig, appendMode, segmentBytes: 10_000, indexIntervalBytes: 1000 };
    let written;
    {
      using log = openLog(directory.partition, { config });
      let next = 0;
      for (let i = 0; i < 100; i++) {
        const result = append(log, recordsOf(1 + i % 5, 100 + i, TEST_TIMESTAMP + i), { leaderEpoch: 7 });
        assert.equal(result.refusal, null, result.message);
        assert.deepEqual([result.baseOffset, result.lastOffset], [next, next + i % 5]);
        next += 1 + i % 5;
      }
      assert.equal(log.logEndOffset, next);
      written = readAll(log);
      assert.equal(written.length, 100);
      assert.ok(written.every((batch) => batch.leaderEpoch === 7));
      assert.ok(log.segments().length > 3, "the log rolled");
      assert.equal(log.close({ clean: true }), true);
    }
    assert.deepEqual(findInconsistencies(directory.partition), []);
    using log = openLog(directory.partition, { config, cleanShutdown: true });
    assert.equal(log.logEndOffset, 300);
    assert.equal(log.recoveryPoint, 300);
    assert.equal(log.latestLeaderEpoch, 7);
    assert.deepEqual(readAll(log), written);
    assert.equal(append(log, recordsOf(1, 10)).baseOffset, 300);
  });

  Deno.test(`Log recovers its records when it was not closed (${appendMode})`, () => {
    using directory = new TestDirectory();
    const config = { ...testConfig, appendMode, segmentBytes: 10_000, indexIntervalBytes: 1000 };
    let written;
    {
      using log = openLog(directory.partition, { config });
      for (let i = 0; i < 100; i++) append(log, recordsOf(3, 200, TEST_TIMESTAMP + i));
      written = readAll(log);
    }
    {
      using log = openLog(directory.partition, { config });
      assert.equal(log.logEndOffset, 300);
      assert.equal(log.recoveryPoint, 0, "nothing was flushed");
      assert.deepEqual(readAll(log), written);
      assert.equal(log.close({ clean: true }), true);
    }
    assert.deepEqual(findInconsistencies(directory.partition), []);
  });
}

Deno.test("Log.read() returns the batch that holds the offset and whole batches within maxBytes", () => {
  using directory = new TestDirectory();
  using log = openLog(directory.partition);
  for (let i = 0; i < 50; i++) append(log, recordsOf(10, 90));
  const all = readAll(log);
  const batchBytes = all[0]!.bytes.length;
  for (
    const [offset, maxBytes, count] of [[0, 1, 1], [25, 3 * batchBytes, 3], [25, 3 * batchBytes - 1, 2], [499, 9, 1]]
  ) {
    const { slice } = log.read(toOffset(offset!), { ...everything, maxBytes: maxBytes! });
    assert.equal(slice?.position, Math.floor(offset! / 10) * batchBytes);
    assert.equal(slice?.length, count! * batchBytes);
    assert.equal(slice?.nextOffset, (Math.floor(offset! / 10) + count!) * 10);
    log.release(slice!.leaseId);
  }
  const tooSmall = log.read(toOffset(0), { ...everything, maxBytes: batchBytes - 1, atLeastOne: false });
  assert.deepEqual([tooSmall.refusal, tooSmall.slice], [null, null]);
});

Deno.test("Log.read() returns nothing at or above maxOffset", () => {
  using directory = new TestDirectory();
  using log = openLog(directory.partition);
  for (let i = 0; i < 50; i++) append(log, recordsOf(10, 90));
  for (const maxOffset of [10, 20, 250, 490]) {
    for (const offset of [0, 5, maxOffset - 10, maxOffset - 1]) {
      const { slice } = log.read(toOffset(offset), { ...everything, maxOffset: toOffset(maxOffset) });
      assert.equal(slice?.nextOffset, maxOffset, `from ${offset} to ${maxOffset}`);
      log.release(slice!.leaseId);
    }
    const at = log.read(toOffset(maxOffset), { ...everything, maxOffset: toOffset(maxOffset) });
    assert.deepEqual([at.refusal, at.slice], [null, null]);
  }
  const inside = log.read(toOffset(0), { ...everything, maxOffset: toOffset(5) });
  assert.deepEqual([inside.refusal, inside.slice], [null, null], "a batch that reaches over maxOffset is not visible");
});

Deno.test("Log.read() refuses offsets outside of the log and finds nothing at its end", () => {
  using directory = new TestDirectory();
  using log = openLog(directory.partition);
  append(log, recordsOf(10, 10));
  assert.equal(log.read(toOffset(11), everything).refusal, "offset-out-of-range");
  assert.equal(log.read(toOffset(-1), everything).refusal, "offset-out-of-range");
  const end = log.read(toOffset(10), everything);
  assert.deepEqual([end.refusal, end.slice], [null, null]);
  log.incrementLogStartOffset(toOffset(4));
  assert.equal(log.read(toOffset(3), everything).refusal, "offset-out-of-range");
  assert.equal(log.read(toOffset(4), everything).slice?.position, 0);
});

Deno.test("Log.read() serves several consumers across the ends of segments", () => {
  using directory = new TestDirectory();
  using log = openLog(directory.partition, { config: { ...testConfig, segmentBytes: 5_000 } });
  const positions = [toOffset(0), toOffset(0), toOffset(0)];
  const seen = [0, 0, 0];
  for (let i = 0; i < 200; i++) {
    append(log, recordsOf(1 + i % 3, 100));
    for (let consumer = 0; consumer < 3; consumer++) {
      if (i % (consumer + 1) !== 0) continue;
      const { slice } = log.read(positions[consumer]!, { ...everything, maxBytes: 700 * (consumer + 1) });
      if (slice === null) continue;
      const memory = nativeMemory(new ArrayBuffer(10_000));
      linuxFileSystem.pread(slice.fd, memory, 0, slice.length, slice.position);
      const batches = batchesIn(memory.bytes.subarray(0, slice.length));
      assert.equal(batches[0]!.baseOffset, positions[consumer]);
      seen[consumer]! += batches.length;
      positions[consumer] = slice.nextOffset;
      log.release(slice.leaseId);
    }
  }
  assert.ok(seen.every((count) => count > 60), `all consumers went on: ${seen}`);
});

/** The file that a descriptor refers to, or null. Tests of other files may open one of the same number as soon as it is closed. */
function openedAs(fd: number): string | null {
  try {
    return Deno.readLinkSync(`/proc/self/fd/${fd}`);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

Deno.test("Log keeps a lent descriptor open until it is released, also after retention and removal", () => {
  using directory = new TestDirectory();
  const resources = new LogResources(linuxFileSystem);
  const log = openLog(directory.partition, { config: { ...testConfig, segmentBytes: 5_000 }, resources });
  for (let i = 0; i < 40; i++) append(log, recordsOf(2, 200));
  const expected = readAll(log);
  const first = log.read(toOffset(0), everything).slice!;
  const again = log.read(toOffset(0), everything).slice!;
  const active = log.read(toOffset(78), everything).slice!;
  assert.equal(first.leaseId, again.leaseId);
  for (const path of log.deleteOldestSegment()) linuxFileSystem.remove(path);
  assert.equal(log.logStartOffset, log.segments()[0]!.baseOffset);
  log.release(again.leaseId);
  linuxFileSystem.remove(log.remove().path);
  assert.deepEqual([...Deno.readDirSync(directory.path)], []);
  const memory = nativeMemory(new ArrayBuffer(10_000));
  assert.equal(linuxFileSystem.pread(first.fd, memory, 0, first.length, first.position), first.length);
  assert.deepEqual(memory.bytes.slice(0, expected[0]!.bytes.length), expected[0]!.bytes);
  assert.equal(linuxFileSystem.pread(active.fd, memory, 0, active.length, active.position), active.length);
  assert.equal(resources.leases.size, 2);
  const file = openedAs(first.fd);
  assert.match(file ?? "", /\.log/);
  resources.leases.release(first.leaseId);
  resources.leases.release(active.leaseId);
  assert.equal(resources.leases.size, 0);
  assert.notEqual(openedAs(first.fd), file, "the descriptor was closed with the last lease");
  assert.throws(() => resources.leases.release(first.leaseId), /released once/);
});

Deno.test("Log.beginFlush() lists what has to be flushed, and endFlush() moves the recovery point", () => {
  using directory = new TestDirectory();
  using log = openLog(directory.partition, { config: { ...testConfig, segmentBytes: 5_000 } });
  for (let i = 0; i < 40; i++) append(log, recordsOf(2, 200));
  const bases = log.segments().map(({ baseOffset }) => baseOffset);
  assert.ok(bases.length >= 4);
  for (let flushed = 0; flushed + 2 < bases.length; flushed += 2) {
    const request = log.beginFlush()!;
    assert.equal(request.upTo, bases[flushed + 2], "two segments at a time");
    assert.equal(request.closedBelow, request.upTo);
    const smallFiles = flushed === 0 ? 1 : 0;
    assert.equal(request.fds.length, 3 * 2 + smallFiles, "closed segments with their indexes; the epochs");
    assert.ok(flushed > 0 || request.directories.includes(directory.partition));
    assert.ok(flushed > 0 || request.directories.includes(directory.path));
    for (const fd of request.fds) assert.ok(linuxFileSystem.fdatasync(fd));
    log.endFlush(request, "flushed");
    assert.equal(log.recoveryPoint, request.upTo);
  }
  const durable = log.recoveryPoint;
  const request = log.beginFlush()!;
  assert.equal(request.upTo, 80);
  append(log, recordsOf(1, 10));
  assert.equal(log.recoveryPoint, durable);
  for (const fd of request.fds) assert.ok(linuxFileSystem.fdatasync(fd));
  log.endFlush(request, "flushed");
  assert.equal(log.recoveryPoint, 80);
  assert.equal(log.beginFlush()!.fds.length, 1, "only the active segment is left");
  assert.equal(log.flush(), true);
  assert.equal(log.recoveryPoint, 81);
  assert.equal(log.beginFlush(), null);
});

Deno.test("Log.endFlush() takes the log offline when the flush failed", () => {
  using directory = new TestDirectory();
  using log = openLog(directory.partition);
  append(log, recordsOf(1, 10));
  log.endFlush(log.beginFlush()!, "failed");
  assert.match(log.offlineReason!, /flush failed/);
  assert.equal(append(log, recordsOf(1, 10)).refusal, "log-offline");
  assert.equal(log.recoveryPoint, 0);
  assert.ok(log.read(toOffset(0), everything).slice !== null, "reads go on");
  assert.equal(log.close({ clean: true }), false, "it must not count as a clean stop");
});

Deno.test("Log.deleteOldestSegment() renames files and moves the log start, also across a reopening", () => {
  using directory = new TestDirectory();
  const config = { ...testConfig, segmentBytes: 5_000 };
  {
    using log = openLog(directory.partition, { config });
    for (let i = 0; i < 40; i++) append(log, recordsOf(2, 200));
    const [, second, third] = log.segments();
    const paths = deleteSegments(log, 2);
    assert.equal(paths.length, 6);
    assert.ok(paths.every((path) => path.endsWith(".deleted") && linuxFileSystem.modifiedMs(path) !== null));
    assert.equal(log.logStartOffset, third!.baseOffset);
    assert.equal(log.read(second!.baseOffset, everything).refusal, "offset-out-of-range");
    log.close({ clean: true });
  }
  using log = openLog(directory.partition, { config, cleanShutdown: true });
  assert.equal(readAll(log)[0]!.baseOffset, log.logStartOffset);
  assert.deepEqual(findInconsistencies(directory.partition).filter((problem) => problem.includes("left over")), []);
});

Deno.test("Log.appendAsLeader() answers a repeated batch with its first offsets, also after a reopening", () => {
  using directory = new TestDirectory();
  const producer = (baseSequence: number) => ({ producerId: 900, producerEpoch: 2, baseSequence });
  {
    using log = openLog(directory.partition);
    append(log, recordsOf(4, 10));
    assert.equal(append(log, recordsOf(3, 10), producer(0)).baseOffset, 4);
    const again = append(log, recordsOf(3, 10), producer(0));
    assert.deepEqual([again.refusal, again.duplicate, again.baseOffset, again.lastOffset], [null, true, 4, 6]);
    assert.equal(log.logEndOffset, 7);
    log.close({ clean: true });
  }
  for (const cleanShutdown of [true, false]) {
    using log = openLog(directory.partition, { cleanShutdown });
    const again = append(log, recordsOf(3, 10), producer(0));
    assert.deepEqual([again.refusal, again.duplicate, again.baseOffset, again.lastOffset], [null, true, 4, 6]);
    assert.equal(append(log, recordsOf(3, 10), producer(9)).refusal, "out-of-order-sequence");
  }
});

Deno.test("a log that is opened again knows the last five batches of a producer, also below its newest snapshot", () => {
  const config = { ...testConfig, segmentBytes: 1000 };
  const send = (log: Log, baseSequence: number) => {
    return append(log, recordsOf(1, 300), { producerId: 900, producerEpoch: 2, baseSequence });
  };
  for (const batches of [5, 6, 7, 8, 9]) {
    for (const clean of [true, false]) {
      using directory = new TestDirectory();
      {
        using log = openLog(directory.partition, { config });
        for (let i = 0; i < batches; i++) assert.equal(send(log, i).baseOffset, i);
        log.close({ clean });
      }
      using log = openLog(directory.partition, { config, cleanShutdown: clean });
      for (let i = batches - 5; i < batches; i++) {
        const again = send(log, i);
        assert.deepEqual([again.refusal, again.duplicate, again.baseOffset], [null, true, i], `${i} of ${batches}`);
      }
      assert.equal(send(log, batches).baseOffset, batches);
      assert.equal(send(log, batches - 5).refusal, "out-of-order-sequence");
    }
  }
});

Deno.test("Log.remove() leaves only a renamed directory, and tells whether slices of it are lent", () => {
  using directory = new TestDirectory();
  using log = openLog(directory.partition);
  append(log, recordsOf(1, 10));
  const { slice } = log.read(toOffset(0), everything);
  const { path, isLent } = log.remove();
  assert.deepEqual(Array.from(Deno.readDirSync(directory.path), ({ name }) => `${directory.path}/${name}`), [path]);
  assert.match(path, /\.[0-9a-f]{32}-delete$/);
  assert.ok(isLent);
  log.release(slice!.leaseId);
  using other = openLog(directory.partition);
  assert.ok(!other.remove().isLent);
});

Deno.test("Log keeps a bounded number of files open, however many segments are read", () => {
  using directory = new TestDirectory();
  const resources = new LogResources(linuxFileSystem, { warmSegmentsMax: 4 });
  const openFiles = () =>
    [...Deno.readDirSync("/proc/self/fd")].filter(({ name }) => {
      try {
        return Deno.readLinkSync(`/proc/self/fd/${name}`).startsWith(directory.path);
      } catch {
        return false; // the descriptor of this listing
      }
    }).length;
  const log = openLog(directory.partition, { config: { ...testConfig, segmentBytes: 500 }, resources });
  for (let i = 0; i < 60; i++) append(log, recordsOf(1, 200));
  assert.ok(log.segments().length > 25);
  const lent = log.read(toOffset(0), everything).slice!;
  for (let flush = log.beginFlush(); flush !== null; flush = log.beginFlush()) {
    assert.ok(openFiles() <= 3 * (4 + 1 + 2) + 3, `${openFiles()} files: as below, and the two segments of the flush`);
    log.endFlush(flush, "flushed");
  }
  for (let round = 0; round < 3; round++) {
    for (let offset = 0; offset < 60; offset++) {
      const { slice } = log.read(toOffset(offset), { ...everything, maxBytes: 1 });
      log.release(slice!.leaseId);
    }
  }
  assert.ok(openFiles() <= 3 * (4 + 1) + 3, `${openFiles()} files: four segments, the active one, the lent one`);
  const memory = nativeMemory(new ArrayBuffer(1000));
  assert.equal(linuxFileSystem.pread(lent.fd, memory, 0, 61, lent.position), 61);
  log.release(lent.leaseId);
  log.close({ clean: false });
  assert.equal(openFiles(), 0);
});

Deno.test("Log.read() refuses damaged batches with a sentence; no flipped bit makes it throw or return torn bytes", () => {
  using directory = new TestDirectory();
  const config = { ...testConfig, indexIntervalBytes: 100 };
  {
    using log = openLog(directory.partition, { config });
    for (let i = 0; i < 6; i++) append(log, recordsOf(2, 40));
    log.close({ clean: true });
  }
  const path = `${directory.partition}/00000000000000000000.log`;
  const bytes = Deno.readFileSync(path);
  let refusals = 0;
  for (let at = 0; at < 2 * bytes.length / 6; at++) {
    for (const bit of [1, 0x80]) {
      using log = openLog(directory.partition, { config, cleanShutdown: true });
      Deno.writeFileSync(path, bytes.map((byte, i) => i === at ? byte ^ bit : byte));
      for (let offset = 0; offset < 12; offset++) {
        const { refusal, message, slice } = log.read(toOffset(offset), { ...everything, maxBytes: 200 });
        if (refusal !== null) {
          assert.equal(refusal, "log-offline");
          assert.match(message, /no sound batch/);
          refusals++;
        }
        if (slice === null) continue;
        assert.ok(slice.length > 0 && slice.position + slice.length <= bytes.length && slice.nextOffset > offset);
        log.release(slice.leaseId);
      }
      Deno.writeFileSync(path, bytes);
    }
  }
  assert.ok(refusals > 100, `${refusals} reads met a damaged header`);
});
