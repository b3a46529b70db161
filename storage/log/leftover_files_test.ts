/**
 * Tests of what a crash leaves of a compaction, and of directories with very many files, as after years without retention or with segments
 * of a few kilobytes.
 */
import { strict as assert } from "node:assert";
import { CrashingFileSystem } from "../../tests/crashing_file_system.ts";
import { toOffset } from "../base/units.ts";
import { HeaderWindow } from "../segments/header_window.ts";
import { clearLeftovers } from "./leftover_files.ts";
import { ProducerSnapshotFiles } from "./producers/producer_snapshot_files.ts";
import { type PartitionFileName, partitionFileName } from "../segments/segment_names.ts";
import { type FileSystem, linuxFileSystem } from "../sys/file_system.ts";
import { allocateNative } from "../sys/memory.ts";

/** More files than a call can have arguments: about 120,000 on a stack of 1 MB. */
const FILES = 300_000;

/** A directory that lists files of one kind and records which are removed and renamed. */
function directoryOf(
  kind: PartitionFileName["kind"],
  suffix: string,
): { fs: FileSystem; removed: string[]; renamed: string[] } {
  const [removed, renamed]: string[][] = [[], []] as const;
  const listed = Array.from({ length: FILES }, (_, i) => {
    return { name: partitionFileName(toOffset(i), kind) + suffix, isDirectory: false };
  });
  const fs: FileSystem = {
    ...linuxFileSystem,
    list: () => listed,
    open: () => -1,
    size: () => 0,
    close: () => {},
    syncDirectory: () => true,
    remove: (path) => void removed.push(path),
    rename: (from) => void renamed.push(from),
  };
  return { fs, removed, renamed };
}

Deno.test("clearLeftovers() removes and finishes compactions of any number of segments", () => {
  const cleaned = directoryOf(".log", ".cleaned");
  assert.ok(clearLeftovers(cleaned.fs, "/logs/t-0", new HeaderWindow(cleaned.fs)));
  assert.equal(cleaned.removed.length, FILES);
  const swapped = directoryOf(".log", ".swap");
  assert.ok(clearLeftovers(swapped.fs, "/logs/t-0", new HeaderWindow(swapped.fs)));
  assert.deepEqual([swapped.removed.length, swapped.renamed.length], [0, FILES]);
});

Deno.test("ProducerSnapshotFiles finds the newest of any number of snapshots, and the strays among them", () => {
  const { fs, removed } = directoryOf(".snapshot", "");
  const snapshots = new ProducerSnapshotFiles(fs, "/logs/t-0");
  assert.equal(snapshots.latest, FILES - 1);
  snapshots.removeStray(Array.from({ length: FILES / 2 }, (_, i) => toOffset(2 * i)));
  assert.equal(removed.length, FILES / 2 - 1);
});

const FIRST = "0".repeat(20);

/** Files whose only byte tells whether they are those of the new segment; each is durable, and so is its name. */
function diskWith(old: readonly string[], renewed: readonly string[]): CrashingFileSystem {
  const disk = new CrashingFileSystem(() => 0.5);
  const { fileSystem: fs } = disk;
  const byte = allocateNative(1);
  for (const name of [...old, ...renewed]) {
    byte.bytes[0] = renewed.includes(name) ? 1 : 0;
    const fd = fs.open(`/logs/t-0/${FIRST}${name}`, { write: true, create: true });
    fs.pwrite(fd, byte, 0, 1, 0);
    fs.fdatasync(fd);
  }
  fs.syncDirectory("/logs/t-0");
  return disk;
}

/** The files, and whether they are new, after a start has cleaned up. */
function cleared(disk: CrashingFileSystem): Record<string, boolean> {
  clearLeftovers(disk.fileSystem, "/logs/t-0", new HeaderWindow(disk.fileSystem));
  return Object.fromEntries(disk.files().map(([path, [byte]]) => [path.slice(path.indexOf(".")), byte === 1]));
}

Deno.test("clearLeftovers() keeps a new segment's index of aborted transactions, whichever of the new names survived", () => {
  const indexes = { ".index": true, ".timeindex": true };
  const whole = { ".log": true, ".txnindex": true };
  const settled = diskWith([], [".log.swap", ".txnindex"]);
  assert.deepEqual(cleared(settled), whole);
  const partly = diskWith([], [".log", ".index.swap", ".timeindex", ".txnindex.swap"]);
  assert.deepEqual(cleared(partly), { ...whole, ...indexes });
  const committed = [".log.swap", ".index.swap", ".timeindex.swap", ".txnindex.swap"];
  assert.deepEqual(cleared(diskWith([".log", ".index", ".txnindex"], committed)), { ...whole, ...indexes });
});

Deno.test("clearLeftovers() removes no old segment before the names of the new one are durable", () => {
  const disk = diskWith([".log", ".index", ".timeindex"], [".log.cleaned", ".index.cleaned", ".timeindex.cleaned"]);
  const { fileSystem: fs } = disk;
  for (const kind of [".timeindex", ".index", ".log"]) {
    fs.rename(`/logs/t-0/${FIRST}${kind}.cleaned`, `/logs/t-0/${FIRST}${kind}.swap`);
  }
  disk.restart("all");
  let [isFlushed, removed] = [false, 0];
  const watched: FileSystem = {
    ...fs,
    remove: (path) => {
      assert.ok(isFlushed, `${path} is removed`);
      removed++;
      fs.remove(path);
    },
    syncDirectory: (path) => isFlushed = fs.syncDirectory(path),
  };
  assert.ok(clearLeftovers(watched, "/logs/t-0", new HeaderWindow(fs)));
  assert.equal(removed, 3);
});
