/** Renames the files of a deleted segment. Runs on the shard that owns the log. */
import type { Segment } from "./segment.ts";
import { DELETED_SUFFIX, segmentFileKinds } from "./segment_names.ts";
import type { FileSystem } from "../sys/file_system.ts";

/**
 * Renames a segment's files so that a start removes them. The `.log` file comes last: if the disk refuses an earlier rename, the segment stays
 * usable and another call continues.
 * @param suffix `.deleted`, or one that ends so
 * @returns the new paths, including those of an earlier call, to be removed later
 * @throws SystemError, or the runtime's errors, when the disk refuses
 */
export function markDeleted(fs: FileSystem, segment: Segment, suffix = DELETED_SUFFIX): string[] {
  const paths: string[] = [];
  for (const kind of segmentFileKinds.toReversed()) {
    const path = segment.path(kind);
    const renamed = path + suffix;
    if (fs.modifiedMs(path) !== null) fs.rename(path, renamed);
    else if (fs.modifiedMs(renamed) === null) continue;
    paths.push(renamed);
  }
  return paths;
}
