/**
 * Cleans up what a crash left in a partition's directory, before the segments are loaded. Runs on the shard that opens the log.
 *
 *   .deleted, .tmp   removed
 *   .cleaned         a compaction that was not finished: removed, with every .swap at or above the smallest of them
 *   .swap            a compaction that was finished: the segments it was made of are removed, and it takes their place
 *
 * Must always hold: a loss of power in the meantime does no harm, though it may undo any change since the last flush of the directory.
 * A finished `.swap` index without a `.log.swap` file belongs to the `.log` file that has its final name: the `.cleaned` names of a
 * compaction are durable before the first of them changes (log_cleaning.ts), so a `.log.cleaned` file would be there.
 * Source: Kafka's LogLoader.load, which does not flush the directory.
 */
import { type Offset, toOffset } from "../base/units.ts";
import type { HeaderWindow } from "../segments/header_window.ts";
import { batchBytes, nextOffset } from "../records/record_batch.ts";
import {
  CLEANED_SUFFIX,
  DELETED_SUFFIX,
  parsePartitionFileName,
  type PartitionFileName,
  SNAPSHOT_KIND,
  SWAP_SUFFIX,
  TEMPORARY_SUFFIX,
} from "../segments/segment_names.ts";
import type { FileSystem } from "../sys/file_system.ts";
import { SystemError } from "../sys/libc.ts";

interface NamedFile extends PartitionFileName {
  readonly path: string;
}

/**
 * Cleans up a directory.
 * @param window reads the batches of finished compactions
 * @returns whether anything changed @throws SystemError, or the runtime's errors, when the disk refuses
 */
export function clearLeftovers(fs: FileSystem, directory: string, window: HeaderWindow): boolean {
  const names = fs.list(directory).filter((entry) => !entry.isDirectory).map((entry) => entry.name);
  const temporary = names.filter((name) => name.endsWith(TEMPORARY_SUFFIX));
  for (const name of temporary) fs.remove(`${directory}/${name}`);
  const files: NamedFile[] = [];
  for (const name of names) {
    const parsed = parsePartitionFileName(name);
    if (parsed !== null) files.push({ ...parsed, path: `${directory}/${name}` });
  }
  const cleaned = files.filter((file) => file.suffix === CLEANED_SUFFIX);
  const cleanedFrom = smallestOffset(cleaned);
  const swapped = files.filter((file) => file.suffix === SWAP_SUFFIX);
  const unfinished = swapped.filter((file) => file.offset >= cleanedFrom);
  const deleted = names.filter((name) => name.endsWith(DELETED_SUFFIX));
  // A killed process leaves `.swap` names that are not durable. If they were lost, the old segments that are removed below would be missing.
  if (swapped.length > 0) flushDirectory(fs, directory);
  for (const name of deleted) fs.remove(`${directory}/${name}`);
  // The order matters if this is interrupted: the .swap files of a split are removed while a .cleaned file still marks them as
  // unfinished.
  for (const file of unfinished) fs.remove(file.path);
  if (unfinished.length > 0) flushDirectory(fs, directory);
  for (const file of cleaned) fs.remove(file.path);
  const finished = swapped.filter((file) => file.offset < cleanedFrom);
  if (finished.length > 0) finishSwaps(finished, files, { fs, directory, window });
  return temporary.length + deleted.length + cleaned.length + swapped.length > 0;
}

function smallestOffset(files: readonly NamedFile[]): number {
  return files.reduce((smallest, file) => Math.min(smallest, file.offset), Infinity);
}

function finishSwaps(
  swaps: NamedFile[],
  files: NamedFile[],
  { fs, directory, window }: { fs: FileSystem; directory: string; window: HeaderWindow },
): void {
  const logs = swaps.filter((file) => file.kind === ".log");
  // Kafka removes what lies between the first and the last of them. After a loss of power, one that lay between two others may have its
  // final name already.
  const replaced = logs.map((file) => {
    // A segment that has no batch left replaces at least the one that began there.
    return { from: file.offset, to: Math.max(readNextOffset(fs, file, window), file.offset + 1) };
  }).sort((a, b) => a.from - b.from);
  const withAborted = new Set(swaps.filter(({ kind }) => kind === ".txnindex").map(({ offset }) => offset));
  for (const file of files) {
    if (file.suffix !== "" || file.kind === SNAPSHOT_KIND) continue;
    const last = lastFrom(replaced, file.offset);
    // The new segment's index of aborted transactions may have its final name already, and nothing rebuilds it. An old one in its place
    // does no harm: what it names was aborted.
    const mayBeNew = file.kind === ".txnindex" && file.offset === last?.from && !withAborted.has(file.offset);
    if (last !== undefined && file.offset < last.to && !mayBeNew) fs.remove(file.path);
  }
  // Before the new names are there, nothing is left of the segments that would overlap them.
  if (logs.length > 0) flushDirectory(fs, directory);
  const inOrder = [...logs, ...swaps.filter((file) => file.kind !== ".log")];
  for (const file of inOrder) fs.rename(file.path, file.path.slice(0, -SWAP_SUFFIX.length));
  // The next compaction writes .cleaned files: beside one, a .swap file whose new name was lost would count as unfinished and be removed.
  flushDirectory(fs, directory);
}

/** The last range that begins at or below an offset; they are sorted, and there may be very many. */
function lastFrom<Range extends { from: number }>(ranges: readonly Range[], offset: number): Range | undefined {
  let [low, high] = [0, ranges.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (ranges[middle]!.from <= offset) low = middle + 1;
    else high = middle;
  }
  return ranges[low - 1];
}

function flushDirectory(fs: FileSystem, directory: string): void {
  if (!fs.syncDirectory(directory)) throw new SystemError(`flush directory ${directory}`);
}

function readNextOffset(fs: FileSystem, file: NamedFile, window: HeaderWindow): Offset {
  const fd = fs.open(file.path, { write: false });
  try {
    window.begin();
    const size = fs.size(fd);
    let end = file.offset;
    for (let position = 0; position < size;) {
      const at = window.locateBatch({ fd, baseOffset: file.offset }, position, size);
      if (at < 0) break;
      end = nextOffset(window.view, at);
      position += batchBytes(window.view, at);
    }
    return toOffset(end);
  } finally {
    fs.close(fd);
  }
}
