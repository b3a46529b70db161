/** Tests of rolls that the disk refuses, and of the files that they leave. */
import { strict as assert } from "node:assert";
import { CrashingFileSystem } from "../../tests/crashing_file_system.ts";
import { append, findInconsistencies, logOptions, readAll, recordsOf, testConfig } from "../../tests/log_fixture.ts";
import { toOffset } from "../base/units.ts";
import { Log } from "../log/log.ts";
import type { FileSystem } from "../sys/file_system.ts";
import { SystemError } from "../sys/libc.ts";

const DIRECTORY = "/logs/t-0";
const OLD = `${DIRECTORY}/${"0".repeat(20)}.log`;

/** The refused step of a roll: opening a file of the new segment, room for its index, or trimming the old segment. */
const steps = ["open", "allocate", "truncate"] as const;

/** A disk that refuses one step of a roll, and the removal of files. */
class RefusingDisk {
  readonly disk = new CrashingFileSystem(() => 0.5);
  refused: (typeof steps)[number] | null = null;
  removesFail = false;
  readonly fs: FileSystem;

  constructor() {
    const { fileSystem } = this.disk;
    const refuse = (step: string) => {
      throw new SystemError(`${step} (EIO, simulated)`);
    };
    this.fs = {
      ...fileSystem,
      open: (path, mode) =>
        this.refused === "open" && mode.create && path.endsWith(".timeindex")
          ? refuse("open")
          : fileSystem.open(path, mode),
      allocate: (fd, position, length) => this.refused !== "allocate" && fileSystem.allocate(fd, position, length),
      truncate: (fd, size) => this.refused === "truncate" ? refuse("truncate") : fileSystem.truncate(fd, size),
      remove: (path) => this.removesFail && !path.endsWith(".txnindex") ? refuse("remove") : fileSystem.remove(path),
    };
  }
}

const ends = ["clean", "killed", "power"] as const;

for (const step of steps) {
  for (const preallocate of [false, true]) {
    Deno.test(`a refused roll whose new file cannot be removed loses no record (${step}, preallocate ${preallocate})`, () => {
      for (const appendsAgain of [true, false]) {
        for (const end of ends) {
          const disk = new RefusingDisk();
          const config = { ...testConfig, segmentBytes: 2000, indexIntervalBytes: 200, preallocate };
          const options = { fs: disk.fs, config };
          const log = Log.open(logOptions(DIRECTORY, options));
          for (let i = 0; i < 6; i++) assert.equal(append(log, recordsOf(1, 200)).refusal, null);
          assert.ok(log.flush());
          disk.refused = step;
          disk.removesFail = true;
          assert.equal(append(log, recordsOf(1, 1500)).refusal, "log-offline", "it does not fit: the log has to roll");
          assert.ok(disk.disk.files().some(([path]) => path.endsWith(`${6}.log`)), "the new file is left");
          assert.equal(append(log, recordsOf(1, 10)).refusal, "log-offline", "it would fit, and overlap what is left");
          assert.equal(log.offlineReason, null);
          disk.refused = null;
          disk.removesFail = false;
          if (appendsAgain) { for (let i = 0; i < 20; i++) assert.equal(append(log, recordsOf(1, 200)).refusal, null); }
          assert.ok(log.flush());
          const written = readAll(log, { fs: disk.fs });
          assert.equal(written.length, appendsAgain ? 26 : 6);
          const recoveryPoint = toOffset(log.recoveryPoint);
          const isClean = end === "clean" && log.close({ clean: true });
          if (end !== "clean") disk.disk.restart(end === "killed" ? "all" : "none");
          const again = Log.open(logOptions(DIRECTORY, { ...options, recoveryPoint, cleanShutdown: isClean }));
          assert.deepEqual(readAll(again, { fs: disk.fs }), written, `${end}, appends again: ${appendsAgain}`);
          assert.equal(append(again, recordsOf(1, 200)).baseOffset, written.length);
          assert.ok(again.close({ clean: true }));
          const files = disk.disk.files().filter(([path]) => path.startsWith(`${DIRECTORY}/`));
          const named = new Map(files.map(([path, bytes]) => [path.slice(DIRECTORY.length + 1), bytes]));
          assert.deepEqual(findInconsistencies(named), []);
        }
      }
    });
  }
}

Deno.test("a refused roll whose files are removed leaves the log unchanged: a batch that fits is appended to the old segment", () => {
  const disk = new RefusingDisk();
  const config = { ...testConfig, segmentBytes: 2000 };
  const log = Log.open(logOptions(DIRECTORY, { fs: disk.fs, config }));
  for (let i = 0; i < 6; i++) append(log, recordsOf(1, 200));
  disk.refused = "allocate";
  assert.equal(append(log, recordsOf(1, 1500)).refusal, "log-offline");
  assert.equal(append(log, recordsOf(1, 10)).refusal, null);
  assert.deepEqual(disk.disk.files().filter(([path]) => path.endsWith(".log")).map(([path]) => path), [OLD]);
});
