/** Cleanings of logs that are damaged or extreme, and of disks that refuse. */
import { strict as assert } from "node:assert";
import {
  clean,
  cleanAndSwap,
  decodeLog,
  jobOf,
  NO_PRODUCERS,
  segmentsIn,
  writeSegment,
} from "../../tests/cleaning_fixture.ts";
import { append, openLog, TestDirectory } from "../../tests/log_fixture.ts";
import { buildBatch, sealBatch, type TestRecord } from "../../tests/record_batch_builder.ts";
import { toOffset } from "../base/units.ts";
import { LogDamagedError } from "../log/storage_failure.ts";
import { type FileSystem, linuxFileSystem } from "../sys/file_system.ts";
import { SystemError } from "../sys/libc.ts";
import { BatchSource } from "./batch_source.ts";
import { OFFSET_MAP_BYTES_MIN } from "./offset_map.ts";
import { UncleanableError } from "./uncleanable.ts";

/** A batch of records with the same key and a value of 100 bytes. */
function batchAt(baseOffset: number, count: number, options = {}): Uint8Array<ArrayBuffer> {
  const records = Array.from({ length: count }, (): TestRecord => ({ key: "key", value: "v".repeat(100) }));
  return buildBatch(records, { baseOffset, partitionLeaderEpoch: 0, ...options });
}

function leftOvers(directory: string): string[] {
  return [...Deno.readDirSync(directory)].map(({ name }) => name).filter((name) => name.endsWith(".cleaned"));
}

/** A partition of two closed segments; the second one has what is to be tested. */
function partitionWith(directory: TestDirectory, second: readonly Uint8Array[]): string {
  writeSegment(directory.partition, 0, [batchAt(0, 3), batchAt(3, 3)]);
  writeSegment(directory.partition, 6, second);
  writeSegment(directory.partition, 20, []);
  return directory.partition;
}

Deno.test("cleanLog() refuses damage with the file and position, and leaves no files behind", () => {
  const changed = (change: (view: DataView) => void, isSealed = true) => {
    const batch = batchAt(9, 3);
    change(new DataView(batch.buffer));
    return isSealed ? sealBatch(batch) : batch;
  };
  const damages: [RegExp, readonly Uint8Array[]][] = [
    [/its CRC-32C is wrong/, [changed((view) => view.setUint8(200, view.getUint8(200) ^ 1), false)]],
    [/a record does not fit/, [changed((view) => view.setInt32(57, 2))]],
    [/a record does not fit/, [changed((view) => view.setUint8(61, 0x7f))]],
    [/a record does not fit/, [batchAt(9, 3, { rawRecords: new Uint8Array(40).fill(0xff), recordsCount: 3 })]],
    [/cannot be decompressed/, [batchAt(9, 3, { codec: "zstd", rawRecords: new Uint8Array(40) })]],
    [/cannot be decompressed/, [batchAt(9, 3, { attributes: 7 })]],
    [/offset 6 does not follow 8/, [batchAt(6, 3)]],
    [/offset 8 does not follow 8/, [batchAt(8, 3)]],
    [/ends above 20/, [batchAt(9, 20)]],
    [/records do not fit into/, [changed((view) => view.setInt32(57, -1))]],
    [/records do not fit into/, [changed((view) => view.setInt32(57, 4))]],
    [/ends above 20/, [changed((view) => view.setInt32(23, -1))]],
    [/format v1/, [changed((view) => view.setInt8(16, 1))]],
    [/cannot have 12 bytes/, [changed((view) => view.setInt32(8, 0), false)]],
    [/cannot have -\d+ bytes/, [changed((view) => view.setInt32(8, -500), false)]],
    [/a batch of 2147483647 bytes/, [changed((view) => view.setInt32(8, 0x7fff_fff3), false)]],
    [/\d+ bytes/, [batchAt(9, 3).subarray(0, 100)]],
    [/30 bytes hold no batch/, [batchAt(9, 3).subarray(0, 30)]],
  ];
  for (const [expected, damaged] of damages) {
    using directory = new TestDirectory();
    const partition = partitionWith(directory, [batchAt(6, 3), ...damaged]);
    const job = jobOf(partition, { firstUncleanableOffset: toOffset(20) });
    assert.throws(() => clean(job), (error) => {
      assert.ok(error instanceof LogDamagedError, String(error));
      assert.match(error.message, expected);
      assert.match(error.message, /^Cannot clean .*00000000000000000006\.log: damaged at position \d+, /);
      return true;
    });
    assert.deepEqual(leftOvers(partition), []);
    assert.deepEqual(segmentsIn(partition), [0, 6, 20]);
  }
});

Deno.test("cleanLog() never throws anything but its refusals, whichever byte of a segment is flipped or cut", () => {
  using directory = new TestDirectory();
  const batch = batchAt(6, 2, { codec: "gzip" });
  const plain = batchAt(8, 1);
  const sound = new Uint8Array([...batch, ...plain]);
  const partition = partitionWith(directory, [sound]);
  const bytes = jobOf(partition).segments[1]!.bytes;
  const isCleaned = () => {
    try {
      clean(jobOf(partition));
      return true;
    } catch (error) {
      if (!(error instanceof LogDamagedError)) throw error;
      return false;
    }
  };
  assert.equal(isCleaned(), true);
  for (let at = 0; at < sound.length; at++) {
    const flipped = sound.slice();
    flipped[at]! ^= 1 << (at % 8);
    writeSegment(partition, 6, [flipped]);
    // The base offset and the leader epoch lie outside the CRC.
    const isOutside = (index: number) => index < 8 || (index >= 12 && index < 16);
    const isCovered = !isOutside(at) && !isOutside(at - batch.length);
    if (isCovered) assert.equal(isCleaned(), false, `byte ${at}`);
    else isCleaned();
  }
  for (let length = 0; length < sound.length; length++) {
    writeSegment(partition, 6, [sound.subarray(0, length)]);
    const job = jobOf(partition);
    const segments = job.segments.map((segment, index) => index === 1 ? { ...segment, bytes } : segment);
    assert.throws(() => clean({ ...job, segments }), LogDamagedError, `${length} bytes`);
  }
  assert.deepEqual(leftOvers(partition), []);
});

Deno.test("a batch that unpacks to more than a cleaner takes is refused, but is no damage", () => {
  using directory = new TestDirectory();
  const partition = partitionWith(directory, [batchAt(6, 3)]);
  using source = new BatchSource(linuxFileSystem, partition);
  source.open(jobOf(partition).segments[1]!);
  assert.ok(source.load() > 0 && source.next());
  assert.throws(() => source.refuseContent("too-large"), UncleanableError);
  assert.throws(() => source.refuseContent("corrupt-data"), LogDamagedError);
});

Deno.test("cleanLog() refuses a damaged index of aborted transactions: the batches are not damaged", () => {
  using directory = new TestDirectory();
  const partition = partitionWith(directory, [batchAt(6, 3)]);
  Deno.writeFileSync(`${partition}/00000000000000000006.txnindex`, new Uint8Array(34).fill(1));
  assert.throws(() => clean(jobOf(partition)), (error) => {
    assert.ok(error instanceof UncleanableError, String(error));
    assert.match(error.message, /00000000000000000006.txnindex is damaged/);
    return true;
  });
});

Deno.test("cleanLog() cleans records with keys of 1 MB, larger than a window, in every step", () => {
  using directory = new TestDirectory();
  const { partition } = directory;
  const key = (fill: string) => fill.repeat(1_000_000);
  const batch = (baseOffset: number, fill: string) =>
    buildBatch([{ key: key(fill), value: `${baseOffset}` }, { key: key(fill), value: "x".repeat(1_500_000) }], {
      baseOffset,
      partitionLeaderEpoch: 0,
    });
  writeSegment(partition, 0, [batch(0, "a"), batch(2, "b"), batch(4, "a"), batchAt(6, 3)]);
  writeSegment(partition, 9, []);
  const job = jobOf(partition, { segmentBytes: 1 << 30 });
  const { statistics } = cleanAndSwap(job);
  assert.deepEqual([statistics.mapBytesRead, statistics.bytesRead], [job.segments[0]!.bytes, job.segments[0]!.bytes]);
  const left = decodeLog(partition).flatMap(({ records }) => records.map(({ offset }) => offset));
  assert.deepEqual(left, [3, 5, 8]);
});

Deno.test("cleanLog() comes to the end with more keys than its map takes, by several cleanings", () => {
  for (const dedupeBufferBytes of [OFFSET_MAP_BYTES_MIN, 3000]) {
    using directory = new TestDirectory();
    const { partition } = directory;
    const keysCount = 500;
    // One batch alone has more keys than the map has places.
    const batch = (baseOffset: number) => {
      const records = Array.from({ length: keysCount }, (_, key) => ({ key: `${key}`, value: `${baseOffset}` }));
      return buildBatch(records, { baseOffset, partitionLeaderEpoch: 0 });
    };
    for (let index = 0; index < 3; index++) writeSegment(partition, index * keysCount, [batch(index * keysCount)]);
    writeSegment(partition, 3 * keysCount, []);
    let firstDirtyOffset = toOffset(0);
    let cleanings = 0;
    for (; firstDirtyOffset < 3 * keysCount; cleanings++) {
      const { nextDirtyOffset } = cleanAndSwap(jobOf(partition, { firstDirtyOffset, dedupeBufferBytes }));
      assert.ok(nextDirtyOffset > firstDirtyOffset);
      firstDirtyOffset = nextDirtyOffset;
    }
    assert.ok(cleanings >= (3 * keysCount) / (dedupeBufferBytes / 24), `${cleanings}`);
    const left = decodeLog(partition).flatMap(({ records }) => records.map(({ offset }) => offset));
    assert.deepEqual(left, Array.from({ length: keysCount }, (_, index) => 2 * keysCount + index));
  }
});

Deno.test({
  name: "cleanLog() cleans a million distinct keys with a map for 150,000",
  ignore: Deno.env.get("BARNABAS_SLOW") !== "1",
  fn() {
    using directory = new TestDirectory();
    const { partition } = directory;
    const [keysCount, perBatch] = [1_000_000, 1000];
    for (let round = 0; round < 2; round++) {
      const batches = Array.from({ length: keysCount / perBatch }, (_, index) => {
        const baseOffset = round * keysCount + index * perBatch;
        const records = Array.from(
          { length: perBatch },
          (_, key) => ({ key: `${index * perBatch + key}`, value: "v" }),
        );
        return buildBatch(records, { baseOffset, partitionLeaderEpoch: 0 });
      });
      writeSegment(partition, round * keysCount, batches);
    }
    writeSegment(partition, 2 * keysCount, []);
    const limits = { dedupeBufferBytes: 4 * 1024 * 1024, segmentBytes: 1 << 30 };
    let firstDirtyOffset = toOffset(0);
    while (firstDirtyOffset < 2 * keysCount) {
      const { nextDirtyOffset } = cleanAndSwap(jobOf(partition, { ...limits, firstDirtyOffset }));
      assert.ok(nextDirtyOffset - firstDirtyOffset > 150_000 || nextDirtyOffset === 2 * keysCount);
      firstDirtyOffset = nextDirtyOffset;
    }
    const left = decodeLog(partition).flatMap(({ records }) => records.map(({ offset }) => offset));
    assert.equal(left.length, keysCount);
    assert.ok(left.every((offset, index) => offset === keysCount + index));
  },
});

Deno.test("cleanLog() joins empty segments, and a group that it empties becomes an empty segment", () => {
  using directory = new TestDirectory();
  const { partition } = directory;
  writeSegment(partition, 0, []);
  writeSegment(partition, 3, [batchAt(3, 2)]);
  writeSegment(partition, 5, []);
  writeSegment(partition, 9, [batchAt(9, 1)]);
  writeSegment(partition, 10, []);
  const result = cleanAndSwap(jobOf(partition, { segmentBytes: 300 }));
  assert.deepEqual(
    result.replacements.map(({ sources, bytes }) => [sources, bytes > 0]),
    [[[0, 3, 5], false], [[9], true]].slice(0, 1),
  );
  assert.deepEqual(segmentsIn(partition), [0, 9, 10]);
  using log = openLog(partition);
  assert.deepEqual([log.logStartOffset, log.logEndOffset], [0, 10]);
});

Deno.test("a producer continues after all its records were removed, and its last batch is still known", () => {
  using directory = new TestDirectory();
  const { partition } = directory;
  const producer = { producerId: 7, producerEpoch: 2 };
  writeSegment(partition, 0, [batchAt(0, 3, { ...producer, baseSequence: 40 }), batchAt(3, 1)]);
  writeSegment(partition, 4, []);
  const producers = {
    producerIds: Float64Array.of(7),
    epochs: Int16Array.of(2),
    lastDataOffsets: Float64Array.of(2),
  };
  cleanAndSwap(jobOf(partition, { producers }));
  assert.deepEqual(decodeLog(partition).map(({ records, baseSequence }) => [records.length, baseSequence]), [[0, 40], [
    1,
    -1,
  ]]);
  using log = openLog(partition, { producerIdExpirationMs: Infinity });
  const next = (baseSequence: number) => append(log, [{ key: "k", value: "x" }], { ...producer, baseSequence });
  assert.equal(next(44).refusal, "out-of-order-sequence");
  assert.equal(
    append(log, [{ key: "k", value: "1" }, { key: "k", value: "2" }, { key: "k", value: "3" }], {
      ...producer,
      baseSequence: 40,
    }).duplicate,
    true,
  );
  assert.equal(next(43).baseOffset, 4);
  assert.ok(log.close({ clean: true }));
  const without = jobOf(partition, { producers: NO_PRODUCERS, firstUncleanableOffset: toOffset(4) });
  cleanAndSwap(without);
  assert.equal(decodeLog(partition)[0]!.baseOffset, 3);
});

Deno.test("cleanLog() leaves no files behind when the disk refuses any of its calls, and succeeds afterwards", () => {
  using directory = new TestDirectory();
  const partition = partitionWith(directory, [batchAt(6, 3)]);
  let callsLeft = Infinity;
  const refusing = <Result>(call: () => Result, refusal: () => Result) => callsLeft-- > 0 ? call() : refusal();
  const fail = (what: string) => (): never => {
    throw new SystemError(what);
  };
  const fs: FileSystem = {
    ...linuxFileSystem,
    open: (path, mode) => refusing(() => linuxFileSystem.open(path, mode), fail("open")),
    pread: (fd, memory, start, length, position) =>
      refusing(() => linuxFileSystem.pread(fd, memory, start, length, position), () => -1),
    pwrite: (fd, memory, start, length, position) =>
      refusing(
        () => linuxFileSystem.pwrite(fd, memory, start, length, position),
        () => linuxFileSystem.pwrite(fd, memory, start, Math.floor(length / 2), position),
      ),
    fdatasync: (fd) => refusing(() => linuxFileSystem.fdatasync(fd), () => false),
    truncate: (fd, size) => refusing(() => linuxFileSystem.truncate(fd, size), fail("truncate")),
    allocate: (fd, position, length) => refusing(() => linuxFileSystem.allocate(fd, position, length), () => false),
    setModifiedMs: (path, ms) => refusing(() => linuxFileSystem.setModifiedMs(path, ms), fail("utime")),
  };
  const job = jobOf(partition, { segmentBytes: 1 });
  let calls = 0;
  for (let isDone = false; !isDone; calls++) {
    callsLeft = calls;
    try {
      clean(job, fs);
      isDone = true;
    } catch (error) {
      assert.ok(error instanceof SystemError, String(error));
      assert.deepEqual(leftOvers(partition), [], `${calls} calls`);
    }
  }
  assert.ok(calls > 20, `${calls}`);
  assert.equal(leftOvers(partition).length, 6);
});
