/**
 * Cleans up what a crash left in a partition's directory, before the segments are loaded. Runs on the shard that opens the log.
 *
 *   .deleted, .tmp   removed
 *   .cleaned         a compaction that was not finished: removed, with every .swap at or above the smallest of them
 *   .swap            a compaction that was finished: the segments it was made of are removed, and it takes their place
 *
 * Source: Kafka's LogLoader.load.
 */
import { type Offset, toOffset } from "../base/units.ts";
import type { HeaderWindow } from "../segments/header_window.ts";
import { batchBytes, nextOffset } from "../records/record_batch.ts";
import {
  CLEANED_SUFFIX,
  DELETED_SUFFIX,
  parsePartitionFileName,
  type PartitionFileName,
  SWAP_SUFFIX,
  TEMPORARY_SUFFIX,
} from "../segments/segment_names.ts";
import type { FileSystem } from "../sys/file_system.ts";

interface NamedFile extends PartitionFileName {
  readonly path: string;
}

/**
 * Cleans up a directory.
 * @param window reads the batches of finished compactions
 * @returns whether anything changed @throws when the disk refuses
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
  const deleted = files.filter((file) => file.suffix === DELETED_SUFFIX);
  // The order matters if this is interrupted: the .swap files of a split are removed while a .cleaned file still marks them as
  // unfinished.
  for (const file of [...deleted, ...unfinished, ...cleaned]) fs.remove(file.path);
  const finished = swapped.filter((file) => file.offset < cleanedFrom);
  finishSwaps(fs, finished, files, window);
  return temporary.length + deleted.length + cleaned.length + swapped.length > 0;
}

function smallestOffset(files: readonly NamedFile[]): number {
  return files.reduce((smallest, file) => Math.min(smallest, file.offset), Infinity);
}

function finishSwaps(fs: FileSystem, swaps: NamedFile[], files: NamedFile[], window: HeaderWindow): void {
  const logs = swaps.filter((file) => file.kind === ".log");
  const from = smallestOffset(logs);
  const to = logs.reduce((end, file) => Math.max(end, readNextOffset(fs, file, window)), -Infinity);
  for (const file of files) {
    if (file.suffix === "" && file.offset >= from && file.offset < to) fs.remove(file.path);
  }
  for (const file of swaps) fs.rename(file.path, file.path.slice(0, -SWAP_SUFFIX.length));
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
