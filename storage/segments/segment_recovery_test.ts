/** Tests of opening a log after an unclean stop, and of damaged directories. */
import { strict as assert } from "node:assert";
import { crc32 } from "node:zlib";
import {
  append,
  findInconsistencies,
  openLog,
  readAll,
  recordsOf,
  type StoredBatch,
  testConfig,
  TestDirectory,
} from "../../tests/log_fixture.ts";
import { TEST_TIMESTAMP } from "../../tests/record_batch_builder.ts";
import { toOffset } from "../base/units.ts";
import { LogDamagedError } from "../log/storage_failure.ts";

const config = { ...testConfig, segmentBytes: 3_000, indexIntervalBytes: 500 };
const firstLog = `${"0".repeat(20)}.log`;

/** Writes a log of some segments and abandons it. @returns its batches */
function abandonedLog(partition: string, batches = 30, valueBytes = 90): StoredBatch[] {
  using log = openLog(partition, { config });
  for (let i = 0; i < batches; i++) {
    append(log, recordsOf(2, valueBytes, TEST_TIMESTAMP + i), { leaderEpoch: i < 10 ? 1 : 4 });
  }
  return readAll(log);
}

function copyDirectory(from: string, to: string): void {
  Deno.mkdirSync(to);
  for (const { name } of Deno.readDirSync(from)) Deno.copyFileSync(`${from}/${name}`, `${to}/${name}`);
}

function segmentFiles(partition: string, kind: string): string[] {
  return [...Deno.readDirSync(partition)].map((entry) => entry.name).filter((name) => name.endsWith(kind)).sort();
}

Deno.test("Log.open() keeps the whole batches of every cut of the last segment's file", () => {
  using directory = new TestDirectory();
  const batches = abandonedLog(directory.partition, 35, 10);
  const last = segmentFiles(directory.partition, ".log").at(-1)!;
  const bytes = Deno.readFileSync(`${directory.partition}/${last}`);
  const before = batches.filter((batch) => batch.baseOffset < Number(last.slice(0, 20)));
  const inLast = batches.slice(before.length);
  assert.ok(inLast.length > 2);
  for (let size = 0; size < bytes.length; size++) {
    const partition = `${directory.path}/cut-${size}`;
    copyDirectory(directory.partition, partition);
    Deno.truncateSync(`${partition}/${last}`, size);
    using log = openLog(partition, { config });
    const kept = inLast.filter((batch) => batch.position + batch.bytes.length <= size);
    assert.deepEqual(readAll(log), [...before, ...kept], `cut at ${size}`);
    assert.equal(append(log, recordsOf(1, 10)).baseOffset, log.logEndOffset - 1);
    if (size % 50 !== 0) continue;
    log.close({ clean: true });
    assert.deepEqual(findInconsistencies(partition), []);
  }
});

Deno.test("Log.open() cuts the log at a flipped bit and sets the segments after it aside", () => {
  using directory = new TestDirectory();
  const batches = abandonedLog(directory.partition);
  const [, second] = segmentFiles(directory.partition, ".log");
  const bytes = Deno.readFileSync(`${directory.partition}/${second}`);
  for (let at = 0; at < bytes.length; at += 13) {
    const damaged = batches.findIndex((batch) =>
      batch.baseOffset >= Number(second!.slice(0, 20)) && batch.position + batch.bytes.length > at
    );
    // Base offset and leader epoch are not in the checksum: a flipped bit there is a wrong number, not a torn batch.
    const field = at - batches[damaged]!.position;
    if (field < 8 || (field >= 12 && field < 16)) continue;
    const partition = `${directory.path}/flip-${at}`;
    copyDirectory(directory.partition, partition);
    const flipped = bytes.slice();
    flipped[at]! ^= 0x10;
    Deno.writeFileSync(`${partition}/${second}`, flipped);
    const reports: string[] = [];
    using log = openLog(partition, { config, report: (message) => reports.push(message) });
    assert.deepEqual(readAll(log), batches.slice(0, damaged), `flipped at ${at}`);
    assert.ok(
      reports.some((report) => report.includes("was cut")) && reports.some((it) => it.includes("is set aside")),
    );
    assert.equal(log.latestLeaderEpoch, damaged > 10 ? 4 : 1);
    log.close({ clean: true });
    assert.deepEqual(findInconsistencies(partition, { hasLost: true }), []);
  }
});

Deno.test("Log.open() refuses a batch with a smaller offset than the one before", () => {
  using directory = new TestDirectory();
  const batches = abandonedLog(directory.partition, 5);
  const path = `${directory.partition}/${firstLog}`;
  const bytes = Deno.readFileSync(path);
  new DataView(bytes.buffer).setBigInt64(batches[3]!.position, 3n);
  Deno.writeFileSync(path, bytes);
  using log = openLog(directory.partition, { config });
  assert.deepEqual(readAll(log), batches.slice(0, 3));
});

Deno.test("Log.open() does not read segments below the recovery point", () => {
  using directory = new TestDirectory();
  const batches = abandonedLog(directory.partition);
  const [first, second] = segmentFiles(directory.partition, ".log");
  const bytes = Deno.readFileSync(`${directory.partition}/${first}`);
  bytes[100]! ^= 1; // damage that only a scan finds
  Deno.writeFileSync(`${directory.partition}/${first}`, bytes);
  using log = openLog(directory.partition, { config, recoveryPoint: toOffset(Number(second!.slice(0, 20))) });
  assert.equal(log.logEndOffset, batches.at(-1)!.lastOffset + 1);
});

Deno.test("Log.open() after a clean stop reads only the batches after the last index entry", () => {
  using directory = new TestDirectory();
  const batches = abandonedLog(directory.partition);
  openLog(directory.partition, { config }).close({ clean: true });
  const last = segmentFiles(directory.partition, ".log").at(-1)!;
  const bytes = Deno.readFileSync(`${directory.partition}/${last}`);
  bytes[80]! ^= 1; // inside the first batch's records
  Deno.writeFileSync(`${directory.partition}/${last}`, bytes);
  using log = openLog(directory.partition, { config, cleanShutdown: true });
  assert.equal(log.logEndOffset, batches.at(-1)!.lastOffset + 1);
});

Deno.test("Log.open() recovers the last segment when its file is torn in spite of the clean-stop mark", () => {
  using directory = new TestDirectory();
  const batches = abandonedLog(directory.partition);
  openLog(directory.partition, { config }).close({ clean: true });
  const last = `${directory.partition}/${segmentFiles(directory.partition, ".log").at(-1)}`;
  Deno.truncateSync(last, Deno.statSync(last).size - 5);
  using log = openLog(directory.partition, { config, cleanShutdown: true });
  assert.deepEqual(readAll(log), batches.slice(0, -1));
});

for (const kind of [".index", ".timeindex"]) {
  for (const damage of ["missing", "empty", "zeros", "odd size", "wrong positions", "shifted", "random"]) {
    Deno.test(`Log reads everything, by offset and by time, when ${kind} files are damaged: ${damage}`, () => {
      using directory = new TestDirectory();
      const batches = abandonedLog(directory.partition);
      openLog(directory.partition, { config }).close({ clean: true });
      for (const name of segmentFiles(directory.partition, kind)) {
        const path = `${directory.partition}/${name}`;
        const bytes = Deno.readFileSync(path);
        if (damage === "missing") Deno.removeSync(path);
        if (damage === "empty") Deno.truncateSync(path);
        if (damage === "zeros") Deno.writeFileSync(path, new Uint8Array(bytes.length));
        if (damage === "odd size") Deno.writeFileSync(path, new Uint8Array([...bytes, 1, 2, 3]));
        if (damage === "wrong positions") {
          Deno.writeFileSync(
            path,
            bytes.map((byte, i) => i % 4 === 3 ? byte + 1 : byte),
          );
        }
        if (damage === "shifted") { // every entry gets the second column of the following entry
          const [entryBytes, from] = kind === ".index" ? [8, 4] : [12, 8];
          const shifted = bytes.slice();
          for (let at = 0; at + entryBytes < bytes.length; at += entryBytes) {
            shifted.set(bytes.subarray(at + entryBytes + from, at + 2 * entryBytes), at + from);
          }
          Deno.writeFileSync(path, shifted);
        }
        if (damage === "random") Deno.writeFileSync(path, crypto.getRandomValues(new Uint8Array(bytes.length)));
      }
      using log = openLog(directory.partition, { config, cleanShutdown: true });
      assert.deepEqual(readAll(log), batches);
      for (const batch of batches) {
        const { slice } = log.read(toOffset(batch.lastOffset), {
          maxBytes: 1,
          maxOffset: log.logEndOffset,
          atLeastOne: true,
        });
        assert.equal(slice?.position, batch.position);
        log.release(slice!.leaseId);
      }
      if (damage === "empty" && kind === ".timeindex") return; // a log without timestamps has an empty time index
      for (const [i, batch] of batches.entries()) {
        const found = log.offsetForTimestamp(TEST_TIMESTAMP + i, { maxOffset: log.logEndOffset });
        assert.deepEqual(found, {
          offset: batch.baseOffset,
          timestamp: TEST_TIMESTAMP + i,
          leaderEpoch: i < 10 ? 1 : 4,
        });
      }
    });
  }
}

Deno.test("Log.open() rebuilds the leader epochs when their file is lost or damaged", () => {
  using directory = new TestDirectory();
  abandonedLog(directory.partition);
  const path = `${directory.partition}/leader-epoch-checkpoint`;
  const expected = Deno.readTextFileSync(path);
  assert.equal(expected, "0\n2\n1 0\n4 20\n");
  for (const damage of [null, "", "0\n2\n1 0\n", "nonsense"]) {
    if (damage === null) Deno.removeSync(path);
    else Deno.writeTextFileSync(path, damage);
    const reports: string[] = [];
    using _log = openLog(directory.partition, { config, report: (text) => reports.push(text) });
    assert.equal(Deno.readTextFileSync(path), expected, JSON.stringify(damage));
    assert.match(reports.join(), /leader-epoch-checkpoint is missing or damaged/);
  }
});

Deno.test("Log.open() rebuilds the producer state from the log when snapshots are damaged or missing", () => {
  const sent = { producerId: 77, producerEpoch: 0, baseSequence: 4 };
  for (const damage of ["flip", "cut", "missing"]) {
    using directory = new TestDirectory();
    {
      using log = openLog(directory.partition, { config });
      append(log, recordsOf(4, 10), { ...sent, baseSequence: 0 });
      append(log, recordsOf(1, 10), sent);
      for (let i = 0; i < 30; i++) append(log, recordsOf(2, 90));
      log.close({ clean: true });
    }
    const snapshots = segmentFiles(directory.partition, ".snapshot");
    assert.ok(snapshots.length > 2);
    for (const name of snapshots) {
      const path = `${directory.partition}/${name}`;
      const bytes = Deno.readFileSync(path);
      if (damage === "flip") Deno.writeFileSync(path, bytes.map((byte, i) => i === 12 ? byte ^ 1 : byte));
      if (damage === "cut") Deno.truncateSync(path, bytes.length - 1);
      if (damage === "missing") Deno.removeSync(path);
    }
    const reports: string[] = [];
    using log = openLog(directory.partition, { config, report: (text) => reports.push(text) });
    const again = append(log, recordsOf(1, 10), sent);
    assert.deepEqual([again.duplicate, again.baseOffset], [true, 4], damage);
    assert.equal(reports.some((text) => /producer snapshot at offset \d+ is damaged/.test(text)), damage !== "missing");
  }
});

Deno.test("Log keeps one producer snapshot per segment and the newest one above them, as Kafka does", () => {
  using directory = new TestDirectory();
  for (let round = 0; round < 3; round++) {
    using log = openLog(directory.partition, { config, cleanShutdown: round > 0 });
    for (let i = 0; i < 20; i++) append(log, recordsOf(2, 90));
    log.close({ clean: true });
  }
  using log = openLog(directory.partition, { config, cleanShutdown: true });
  const bases = log.segments().map((segment) => segment.baseOffset).filter((base) => base > 0);
  const offsets = segmentFiles(directory.partition, ".snapshot").map((name) => Number(name.slice(0, 20)));
  assert.deepEqual(offsets, [...bases, log.logEndOffset]);
});

Deno.test("Log.open() finishes or undoes an interrupted compaction, deletion or rename", () => {
  using directory = new TestDirectory();
  const batches = abandonedLog(directory.partition);
  openLog(directory.partition, { config }).close({ clean: true });
  const [first, second, third] = segmentFiles(directory.partition, ".log").map((name) => name.slice(0, 20));
  const path = (name: string) => `${directory.partition}/${name}`;
  for (const kind of [".log", ".index", ".timeindex"]) {
    Deno.copyFileSync(path(first + kind), path(`${first}${kind}.swap`)); // a finished compaction of the first segment
    Deno.writeTextFileSync(path(`${third}${kind}.cleaned`), "unfinished");
    Deno.writeTextFileSync(path(`${"9".repeat(20).replace(/^99999/, "00000")}${kind}.deleted`), "");
  }
  Deno.writeTextFileSync(path(`${third}.log.swap`), "condemned by the .cleaned file");
  Deno.writeTextFileSync(path("leader-epoch-checkpoint.tmp"), "half");
  Deno.writeTextFileSync(path(`${second}0.index`), "not a segment's name");
  Deno.removeSync(path(`${second}0.index`));
  Deno.writeTextFileSync(path(`${String(Number(second) + 1).padStart(20, "0")}.index`), "no log beside it");
  using log = openLog(directory.partition, { config, cleanShutdown: true });
  assert.deepEqual(readAll(log), batches);
  log.close({ clean: true });
  assert.deepEqual(findInconsistencies(directory.partition), []);
});

Deno.test("Log.open() starts an empty log at the log start when the segments end below it", () => {
  using directory = new TestDirectory();
  abandonedLog(directory.partition, 3);
  using log = openLog(directory.partition, { config, logStartOffset: toOffset(1000) });
  assert.deepEqual([log.logStartOffset, log.logEndOffset], [1000, 1000]);
  assert.equal(append(log, recordsOf(1, 10)).baseOffset, 1000);
  assert.deepEqual(segmentFiles(directory.partition, ".log"), ["00000000000000001000.log"]);
});

Deno.test("Log.open() refuses records of formats v0 and v1 with a sentence, but treats garbage as torn bytes", () => {
  for (const [magic, sound] of [[0, true], [1, true], [1, false]] as const) {
    using directory = new TestDirectory();
    Deno.mkdirSync(directory.partition);
    const record = new Uint8Array(60);
    const view = new DataView(record.buffer);
    view.setInt32(8, record.length - 12);
    view.setInt8(16, magic);
    view.setUint32(12, sound ? crc32(record.subarray(16)) : 1);
    Deno.writeFileSync(`${directory.partition}/${firstLog}`, record);
    for (const cleanShutdown of [true, false]) {
      if (sound) {
        const refusal = new RegExp(`format v${magic} at position 0`);
        assert.throws(() => openLog(directory.partition, { cleanShutdown }), refusal);
        assert.throws(() => openLog(directory.partition, { cleanShutdown }), LogDamagedError);
      } else {
        using log = openLog(directory.partition, { cleanShutdown });
        assert.equal(log.logEndOffset, 0);
      }
    }
  }
});

Deno.test("Log.open() refuses a directory of another topic id, and writes a missing topic id", () => {
  using directory = new TestDirectory();
  const topicId = "MTIzNDU2Nzg5MDEyMzQ1Ng";
  openLog(directory.partition, { topicId }).close({ clean: true });
  assert.equal(
    Deno.readTextFileSync(`${directory.partition}/partition.metadata`),
    `version: 0\ntopic_id: ${topicId}`,
  );
  openLog(directory.partition, { topicId }).close({ clean: true });
  assert.throws(() => openLog(directory.partition, { topicId: "YWFhYWFhYWFhYWFhYWFhYQ" }), /belongs to topic id/);
});
