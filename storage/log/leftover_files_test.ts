/** Tests of directories with very many files, as after years without retention or with segments of a few kilobytes. */
import { strict as assert } from "node:assert";
import { toOffset } from "../base/units.ts";
import { HeaderWindow } from "../segments/header_window.ts";
import { clearLeftovers } from "./leftover_files.ts";
import { ProducerSnapshotFiles } from "./producers/producer_snapshot_files.ts";
import { type PartitionFileName, partitionFileName } from "../segments/segment_names.ts";
import { type FileSystem, linuxFileSystem } from "../sys/file_system.ts";

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
