/**
 * Tests of rebuilt indexes. Below the recovery point a start trusts indexes. So after a failed rebuild or a loss of power at any
 * point an index must be missing, unchanged or complete.
 */
import { strict as assert } from "node:assert";
import { Crash, CrashingFileSystem, type Survival } from "../../tests/crashing_file_system.ts";
import { FaultyFileSystem } from "../../tests/faulty_file_system.ts";
import { append, findByTime, findInconsistencies, logOptions, recordsOf, testConfig } from "../../tests/log_fixture.ts";
import { TEST_TIMESTAMP } from "../../tests/record_batch_builder.ts";
import { createRandom } from "../base/random.ts";
import { toOffset } from "../base/units.ts";
import { Log } from "../log/log.ts";
import type { FileSystem } from "../sys/file_system.ts";

const DIRECTORY = "/logs/t-0";
const FIRST = `${DIRECTORY}/${"0".repeat(20)}`;
const BATCHES = 12;
const config = { ...testConfig, segmentBytes: 1_000_000, indexIntervalBytes: 200 };
const kinds = [".index", ".timeindex"] as const;

/** A disk with a flushed log: a closed segment with growing timestamps, and an active one that begins at `BATCHES`. */
class FlushedLog {
  readonly disk: CrashingFileSystem;
  readonly whole: Map<string, Uint8Array>;

  constructor(
    random = () => 0.5,
    options: { batchesBehind: number; flushesBehind: boolean } = { batchesBehind: 2, flushesBehind: true },
  ) {
    this.disk = new CrashingFileSystem(random);
    const log = this.open({ recoveryPoint: 0 });
    const add = (i: number) => append(log, recordsOf(1, 1500, TEST_TIMESTAMP + i));
    for (let i = 0; i < BATCHES; i++) add(i);
    assert.ok(log.flush() && log.roll(0));
    for (let i = 0; i < options.batchesBehind; i++) add(BATCHES + i);
    if (options.flushesBehind) assert.ok(log.flush());
    this.whole = new Map(kinds.map((kind) => [kind, this.read(kind)!]));
    assert.deepEqual([...this.whole.values()].map(({ length }) => length), [11 * 8, 11 * 12]);
  }

  open(options: { recoveryPoint?: number; fs?: FileSystem; cleanShutdown?: boolean } = {}): Log {
    const { recoveryPoint = BATCHES + 1, fs = this.disk.fileSystem, cleanShutdown = false } = options;
    return Log.open(logOptions(DIRECTORY, { fs, config, cleanShutdown, recoveryPoint: toOffset(recoveryPoint) }));
  }

  read(kind: string): Uint8Array | null {
    return this.disk.fileSystem.readFile(FIRST + kind);
  }

  /** Cuts an index of the closed segment to its first bytes, durably; null removes it. */
  keepOf(kind: string, bytes: number | null): void {
    const { fileSystem } = this.disk;
    if (bytes === null) fileSystem.remove(FIRST + kind);
    else {
      const fd = fileSystem.open(FIRST + kind, { write: true });
      fileSystem.truncate(fd, bytes);
      fileSystem.fdatasync(fd);
      fileSystem.close(fd);
    }
    fileSystem.syncDirectory(DIRECTORY);
  }
}

function searchAll(log: Log): (number | undefined)[] {
  return Array.from({ length: BATCHES }, (_, i) => findByTime(log, TEST_TIMESTAMP + i, log.logEndOffset)?.offset);
}
const everyOffset = Array.from({ length: BATCHES }, (_, i) => i);

Deno.test("an index that was missing below the recovery point is complete after the next flush and a loss of power", () => {
  for (const kind of kinds) {
    const flushed = new FlushedLog();
    flushed.keepOf(kind, null);
    const log = flushed.open();
    append(log, recordsOf(1, 90));
    assert.ok(log.flush());
    flushed.disk.restart("none");
    assert.deepEqual(flushed.read(kind), flushed.whole.get(kind), kind);
  }
});

Deno.test("a crash at any call of a start that rebuilds an index leaves the index missing, unchanged or complete", () => {
  const outcomes = new Set<string>();
  for (const kind of kinds) {
    for (const survival of ["all", "none", "random"] as const satisfies Survival[]) {
      let crashed = true;
      for (let crashAt = 1; crashed; crashAt++) {
        const flushed = new FlushedLog(createRandom(crashAt));
        flushed.keepOf(kind, null);
        flushed.disk.crashAt = flushed.disk.calls + crashAt;
        try {
          flushed.open();
        } catch (error) {
          assert.ok(error instanceof Crash, String(error));
        }
        crashed = flushed.disk.crashed;
        flushed.disk.restart(survival);
        const found = flushed.read(kind);
        outcomes.add(found === null ? "missing" : "whole");
        if (found !== null) assert.deepEqual(found, flushed.whole.get(kind), `${kind}, call ${crashAt}, ${survival}`);
        const log = flushed.open();
        assert.deepEqual(searchAll(log), everyOffset);
        assert.ok(log.close({ clean: true }));
        const files = flushed.disk.files().filter(([path]) => path.startsWith(`${DIRECTORY}/`));
        const named = new Map(files.map(([path, bytes]) => [path.slice(DIRECTORY.length + 1), bytes]));
        assert.deepEqual(findInconsistencies(named), []);
      }
    }
  }
  assert.deepEqual([...outcomes].sort(), ["missing", "whole"]);
});

Deno.test("indexes of a segment that ends at the recovery point are rebuilt, however much of them a loss of power left", () => {
  for (const kind of kinds) {
    const entryBytes = kind === ".index" ? 8 : 12;
    for (let bytes = 0; bytes < 5 * entryBytes; bytes += entryBytes) {
      // The segment was flushed up to its end while it was active. Closing it wrote its indexes, and these were not flushed.
      const flushed = new FlushedLog(() => 0.5, { batchesBehind: 1, flushesBehind: false });
      flushed.keepOf(kind, bytes);
      const log = flushed.open({ recoveryPoint: BATCHES });
      assert.deepEqual(flushed.read(kind), flushed.whole.get(kind), `${bytes} bytes of ${kind}`);
      assert.deepEqual(searchAll(log), everyOffset);
    }
  }
});

Deno.test("after a rebuild that a read error ended, the next lookup rebuilds again: half an index is not trusted", () => {
  for (const kind of kinds) {
    let refusals = 1;
    for (let nth = 1; refusals > 0; nth++) {
      const flushed = new FlushedLog();
      flushed.keepOf(kind, 3); // no whole entries
      const faulty = new FaultyFileSystem(flushed.disk.fileSystem);
      const log = flushed.open({ fs: faulty.fileSystem, cleanShutdown: true }); // reads the active segment only
      faulty.refused = { fault: "pread", nth: faulty.callsOf("pread") + nth, count: 1 };
      let failed = true;
      for (let tries = 0; failed; tries++) {
        assert.ok(tries < 3, "one refused read fails one look-up");
        try {
          assert.deepEqual(searchAll(log), everyOffset, `${kind}, read ${nth}`);
          failed = false;
        } catch (error) {
          if (error instanceof assert.AssertionError) throw error;
        }
      }
      refusals = faulty.refusals;
      assert.deepEqual(flushed.read(kind), flushed.whole.get(kind));
      assert.ok(
        flushed.disk.files().every(([path]) => !path.endsWith(".tmp")),
        "what a rebuild wrote is not left over",
      );
    }
  }
});

Deno.test("a flush leaves a missing index of a closed segment missing: the next start rebuilds it", () => {
  for (const kind of kinds) {
    const flushed = new FlushedLog(() => 0.5, { batchesBehind: 1, flushesBehind: false });
    const log = flushed.open({ recoveryPoint: BATCHES });
    flushed.keepOf(kind, null);
    assert.ok(log.flush());
    assert.equal(flushed.read(kind), null);
    flushed.disk.restart("none");
    assert.deepEqual(searchAll(flushed.open()), everyOffset);
    assert.deepEqual(flushed.read(kind), flushed.whole.get(kind));
  }
});
