/** Tests of recovery: which segments it keeps, which it sets aside, and when it refuses the log. */
import { strict as assert } from "node:assert";
import { Crash, CrashingFileSystem } from "../../tests/crashing_file_system.ts";
import {
  append,
  batchesIn,
  filesIn,
  findInconsistencies,
  logOptions,
  openLog,
  readAll,
  recordsOf,
  type StoredBatch,
  testConfig,
  TestDirectory,
} from "../../tests/log_fixture.ts";
import { TEST_TIMESTAMP } from "../../tests/record_batch_builder.ts";
import { toOffset } from "../base/units.ts";
import { Log } from "./log.ts";
import type { LogConfig } from "./log_config.ts";
import type { LogOptions } from "./log_types.ts";
import { allocateNative } from "../sys/memory.ts";
import { LogDamagedError } from "./storage_failure.ts";

const config = { ...testConfig, segmentBytes: 3_000, indexIntervalBytes: 500 };
const compacted: LogConfig = { ...config, compact: true };

/** A log of six segments in its own directory, as a killed process leaves it. */
class KilledLog implements Disposable {
  readonly #directory = new TestDirectory();
  readonly partition = this.#directory.partition;
  readonly batches: readonly StoredBatch[];
  readonly stems: readonly string[];
  readonly reports: string[] = [];

  constructor() {
    using log = openLog(this.partition, { config });
    for (let i = 0; i < 60; i++) append(log, recordsOf(2, 90));
    this.batches = readAll(log);
    this.stems = this.names(".log").map((name) => name.slice(0, 20));
    assert.equal(this.stems.length, 6);
  }

  names(ending: string): string[] {
    return [...filesIn(this.partition).keys()].filter((name) => name.endsWith(ending)).sort();
  }

  path(segment: number, kind = ".log"): string {
    return `${this.partition}/${this.stems[segment]}${kind}`;
  }

  base(segment: number): number {
    return Number(this.stems[segment]);
  }

  /** Offset and position of a segment's last batch. */
  lastBatchOf(segment: number): StoredBatch {
    return batchesIn(Deno.readFileSync(this.path(segment))).at(-1)!;
  }

  /** Flips a bit in the payload of the segment's batch number n. */
  tear(segment: number, batch: number): StoredBatch {
    const bytes = Deno.readFileSync(this.path(segment));
    const torn = batchesIn(bytes).at(batch)!;
    bytes[torn.position + 70]! ^= 1;
    Deno.writeFileSync(this.path(segment), bytes);
    return torn;
  }

  open(changes: Partial<LogOptions> = {}) {
    return openLog(this.partition, { config, report: (message) => this.reports.push(message), ...changes });
  }

  [Symbol.dispose](): void {
    this.#directory[Symbol.dispose]();
  }
}

const policies = [["delete", config], ["compact", compacted]] as const;
/** Possible checkpoints of a log of 120 records: not written yet, inside the log, at its end. */
const recoveryPoints = [0, 50, 120];

Deno.test("Log.open() keeps every segment after a gap, for every policy, recovery point and kind of stop", () => {
  for (const [policy, config] of policies) {
    for (const recoveryPoint of recoveryPoints) {
      for (const cleanShutdown of [false, true]) {
        using killed = new KilledLog();
        if (cleanShutdown) killed.open().close({ clean: true });
        // The result of a compaction that removed the last batch of one segment and all of another.
        const gone = killed.lastBatchOf(0);
        Deno.truncateSync(killed.path(0), gone.position);
        Deno.truncateSync(killed.path(2));
        for (const segment of [0, 2]) {
          for (const kind of [".index", ".timeindex"]) Deno.removeSync(killed.path(segment, kind));
        }
        const about = `${policy}, recovery point ${recoveryPoint}, clean ${cleanShutdown}`;
        const options = { config, recoveryPoint: toOffset(recoveryPoint), cleanShutdown };
        using log = killed.open(options);
        const isLeft = ({ baseOffset }: StoredBatch) =>
          baseOffset !== gone.baseOffset && (baseOffset < killed.base(2) || baseOffset >= killed.base(3));
        assert.deepEqual(readAll(log, { hasGaps: true }), killed.batches.filter(isLeft), about);
        assert.equal(log.logEndOffset, 120, about);
        assert.equal(killed.names(".log").length, 6, about);
        const told = killed.reports.filter((report) => report.includes("There are no records at offsets"));
        assert.equal(told.length, policy === "delete" && recoveryPoint < 120 && !cleanShutdown ? 1 : 0, about);
        assert.equal(append(log, [{ key: "k", value: "new" }]).baseOffset, 120, about);
        assert.equal(log.close({ clean: true }), true);
        assert.deepEqual(findInconsistencies(killed.partition, { hasLost: true }), [], about);
      }
    }
  }
});

Deno.test("Log.open() tells where the first gap begins that is not below the recovery point, unless the last stop was a clean one", () => {
  for (
    const [recoveryPoint, cleanShutdown, lostFrom] of [[0, false, "end"], [50, false, 50], [120, false, null], [
      0,
      true,
      null,
    ]] as const
  ) {
    using killed = new KilledLog();
    if (cleanShutdown) killed.open().close({ clean: true });
    Deno.truncateSync(killed.path(2));
    for (const kind of [".index", ".timeindex"]) Deno.removeSync(killed.path(2, kind));
    using log = killed.open({ recoveryPoint: toOffset(recoveryPoint), cleanShutdown });
    assert.equal(log.found.lostFrom, lostFrom === "end" ? killed.base(2) : lostFrom);
  }
});

Deno.test("Log.open() sets segments after a torn batch aside above the recovery point, and reports it", () => {
  for (const [policy, config] of policies) {
    using killed = new KilledLog();
    const bytesOf = (segment: number) => Deno.readFileSync(killed.path(segment));
    const [third, last] = [bytesOf(2), bytesOf(5)];
    Deno.writeTextFileSync(killed.path(2, ".txnindex"), "kept with its segment");
    const torn = killed.tear(1, 3);
    {
      using log = killed.open({ config, recoveryPoint: toOffset(torn.baseOffset) });
      assert.deepEqual(readAll(log), killed.batches.filter(({ baseOffset }) => baseOffset < torn.baseOffset));
      assert.equal(log.logEndOffset, torn.baseOffset);
    }
    assert.deepEqual(killed.names(".log"), killed.stems.slice(0, 2).map((stem) => `${stem}.log`), policy);
    assert.deepEqual(killed.names(".log.set-aside"), killed.stems.slice(2).map((stem) => `${stem}.log.set-aside`));
    assert.deepEqual(Deno.readFileSync(killed.path(2, ".log.set-aside")), third);
    assert.deepEqual(Deno.readFileSync(killed.path(5, ".log.set-aside")), last);
    assert.equal(Deno.readTextFileSync(killed.path(2, ".txnindex.set-aside")), "kept with its segment");
    assert.equal(
      killed.reports.filter((report) => /is set aside as \d{20}\.log\.set-aside: .*torn or corrupt/.test(report))
        .length,
      4,
    );
  }
});

Deno.test("segments that were set aside are durable: a loss of power right after the start loses nothing of them", () => {
  const files = new CrashingFileSystem(() => 0.5);
  const open = () => Log.open(logOptions("/logs/t-0", { fs: files.fileSystem, config }));
  const log = open();
  append(log, recordsOf(2, 90));
  assert.ok(log.flush());
  for (let i = 0; i < 40; i++) append(log, recordsOf(2, 90));
  files.restart("all");
  const logs = files.files().filter(([path]) => path.endsWith(".log")).map(([path]) => path);
  const { fileSystem } = files;
  const fd = fileSystem.open(logs[0]!, { write: true });
  fileSystem.truncate(fd, fileSystem.size(fd) - 5);
  const before = files.files();
  open();
  files.restart("none");
  const after = new Map(files.files());
  for (const path of logs.slice(1)) {
    assert.deepEqual(after.get(`${path}.set-aside`), before.find(([name]) => name === path)?.[1], path);
  }
});

Deno.test("bytes that recovery cut off do not return after a loss of power in the place of later batches", () => {
  const files = new CrashingFileSystem(() => 0.6); // of unflushed writes some sizes survive, but no content
  const open = () => Log.open(logOptions("/logs/t-0", { fs: files.fileSystem, config }));
  const log = open();
  append(log, recordsOf(1, 90));
  append(log, recordsOf(1, 90));
  assert.ok(log.flush());
  const whole = files.fileSystem.readFile(`/logs/t-0/${"0".repeat(20)}.log`)!;
  assert.equal(whole.at(-1), 0, "a torn batch that is whole with one byte of zeros behind it");
  const fd = files.fileSystem.open(`/logs/t-0/${"0".repeat(20)}.log`, { write: true });
  files.fileSystem.truncate(fd, whole.length - 1);
  files.fileSystem.fdatasync(fd);
  const again = open();
  assert.equal(again.logEndOffset, 1);
  append(again, recordsOf(2, 90));
  files.restart("random");
  assert.equal(open().logEndOffset, 1);
});

Deno.test("a damaged index of a durable segment is rebuilt whole, wherever the start that rebuilds it is stopped", () => {
  let isStopped = true;
  for (let afterCalls = 1; isStopped; afterCalls++) {
    const disk = new CrashingFileSystem(() => 0.5);
    const fs = disk.fileSystem;
    const options = logOptions("/logs/t-0", { fs, config: { ...config, indexIntervalBytes: 1 } });
    const log = Log.open(options);
    for (let i = 0; i < 4; i++) {
      append(log, recordsOf(1, 90, TEST_TIMESTAMP + i));
      if (i === 1) assert.ok(log.roll(TEST_TIMESTAMP));
    }
    assert.ok(log.flush());
    disk.restart("all");
    const fd = fs.open(`/logs/t-0/${"0".repeat(20)}.index`, { write: true });
    assert.equal(fs.size(fd), 8, "one entry");
    const position = allocateNative(4);
    position.view.setInt32(0, 1); // where no batch begins
    fs.pwrite(fd, position, 0, 4, 4);
    fs.fdatasync(fd);
    disk.crashAt = disk.calls + afterCalls;
    const open = () => Log.open({ ...options, recoveryPoint: toOffset(4) });
    try {
      open();
    } catch (error) {
      assert.ok(error instanceof Crash);
    }
    isStopped = disk.crashed;
    disk.restart("all");
    assert.ok(open().close({ clean: true }));
    const files = disk.files().map(([path, bytes]) => [path.slice("/logs/t-0/".length), bytes] as const);
    assert.deepEqual(findInconsistencies(new Map(files)), [], `stopped after ${afterCalls} calls`);
  }
});

Deno.test("segments that were set aside stay: later starts, rolls, deletions and another torn batch do not change them", () => {
  using killed = new KilledLog();
  killed.tear(1, 3);
  killed.open()[Symbol.dispose]();
  const aside = filesIn(killed.partition);
  {
    using log = killed.open();
    while (log.logEndOffset < 120) append(log, recordsOf(2, 90));
    for (const path of log.deleteOldestSegment()) Deno.removeSync(path);
  }
  // The segments of the second generation have the bases of the first.
  killed.tear(1, 3);
  killed.open({ logStartOffset: toOffset(killed.base(1)) }).close({ clean: true });
  killed.open({ logStartOffset: toOffset(killed.base(1)), cleanShutdown: true }).close({ clean: true });
  const now = filesIn(killed.partition);
  for (const [name, bytes] of aside) if (name.includes(".set-aside")) assert.deepEqual(now.get(name), bytes, name);
  assert.equal([...now.keys()].filter((name) => name.endsWith(".log.set-aside-2")).length, 4);
  assert.deepEqual(findInconsistencies(killed.partition, { hasLost: true }), []);
});

Deno.test("Log.open() refuses a log with a torn batch below the recovery point, and cuts and removes nothing", () => {
  for (const [policy, config] of policies) {
    for (const [segment, behind] of [[1, 2], [4, 2], [5, 0]] as const) {
      using killed = new KilledLog();
      const torn = killed.tear(segment, -1 - behind);
      const logs = () => [...filesIn(killed.partition)].filter(([name]) => name.endsWith(".log"));
      const before = logs();
      const options = { config, recoveryPoint: toOffset(torn.lastOffset + 1), cleanShutdown: false };
      for (let start = 1; start <= 2; start++) {
        assert.throws(() => killed.open(options), (error: unknown) => {
          assert.ok(error instanceof LogDamagedError, String(error));
          assert.match(
            error.message,
            new RegExp(`offset ${torn.baseOffset}\\b.*below offset ${torn.lastOffset + 1} had been`),
          );
          // The line must stay: a checkpoint with a wrong count is ignored completely.
          assert.match(error.message, /set the partition's offset in recovery-point-offset-checkpoint to 0/);
          return true;
        }, `${policy}, segment ${segment}, start ${start}`);
      }
      assert.deepEqual(logs(), before);
      // With 0 in the checkpoint, as the message says.
      using log = killed.open({ ...options, recoveryPoint: toOffset(0) });
      assert.equal(log.logEndOffset, torn.baseOffset);
    }
  }
});

Deno.test("Log.open() refuses a log that ends below the recovery point, unless the missing records were deleted", () => {
  for (const cleanShutdown of [false, true]) {
    using killed = new KilledLog();
    const last = killed.lastBatchOf(5);
    if (cleanShutdown) killed.open().close({ clean: true });
    Deno.truncateSync(killed.path(5), last.position);
    const options = { recoveryPoint: toOffset(120), cleanShutdown };
    assert.throws(() => killed.open(options), LogDamagedError);
    using log = killed.open({ ...options, logStartOffset: toOffset(120) });
    assert.deepEqual([log.logStartOffset, log.logEndOffset], [120, 120]);
  }
});

Deno.test("Log.open() cuts preallocated room off a segment and keeps the next segment, which follows without a gap", () => {
  for (const recoveryPoint of [0, 70]) {
    using killed = new KilledLog();
    Deno.truncateSync(killed.path(2), 8_000); // as after a loss of power before the size was durable: zeros after the batches
    using log = killed.open({ recoveryPoint: toOffset(Math.min(recoveryPoint, killed.base(3))) });
    assert.deepEqual(readAll(log), killed.batches);
    assert.deepEqual(killed.names(".set-aside"), []);
    assert.equal(log.close({ clean: true }), true);
    assert.deepEqual(findInconsistencies(killed.partition), []);
  }
});

Deno.test("Log.open() sets segments aside that overlap the one before, or refuses the log", () => {
  for (const recoveryPoint of [0, 50]) {
    using killed = new KilledLog();
    for (const kind of [".log", ".index", ".timeindex"]) {
      const early = `${killed.partition}/${String(killed.base(2) - 4).padStart(20, "0")}${kind}`;
      Deno.renameSync(killed.path(2, kind), early);
    }
    const open = () => killed.open({ recoveryPoint: toOffset(recoveryPoint) });
    if (recoveryPoint > 0) assert.throws(open, /begins below offset/);
    else {
      using log = open();
      assert.deepEqual(readAll(log), killed.batches.filter(({ baseOffset }) => baseOffset < killed.base(2)));
      assert.equal(killed.names(".log.set-aside").length, 4);
    }
  }
});

Deno.test("Log.open() accepts damage below the log start: no readable record is missing", () => {
  using killed = new KilledLog();
  killed.tear(0, 2);
  using log = killed.open({ logStartOffset: toOffset(killed.base(1) + 5) });
  assert.equal(log.logStartOffset, killed.base(1) + 5);
  const isServed = ({ lastOffset }: StoredBatch) => lastOffset >= log.logStartOffset;
  assert.deepEqual(readAll(log), killed.batches.filter(isServed));
  assert.deepEqual(killed.names(".set-aside"), []);
});

Deno.test("DeleteRecords does not move the recovery point, because a loss of power may lose the new log start", () => {
  using directory = new TestDirectory();
  using log = openLog(directory.partition, { config });
  for (let i = 0; i < 30; i++) append(log, recordsOf(2, 90));
  log.incrementLogStartOffset(toOffset(40));
  assert.equal(log.recoveryPoint, 0);
  assert.equal(log.flush(), true);
  assert.equal(log.recoveryPoint, 60);
});
