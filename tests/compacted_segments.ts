/** Writes compacted segments for tests of their swap: chosen batches of neighbouring segments, in files with the suffix `.cleaned`. */
import type { Offset } from "../storage/base/units.ts";
import { LogResources } from "../storage/log/log_resources.ts";
import type { ReplacedSegments } from "../storage/log/segment_swap.ts";
import { describeBatch } from "../storage/segments/segment_reader.ts";
import { Segment } from "../storage/segments/segment.ts";
import { CLEANED_SUFFIX } from "../storage/segments/segment_names.ts";
import type { FileSystem } from "../storage/sys/file_system.ts";
import { type StoredBatch, testConfig } from "./log_fixture.ts";
import { inMemory } from "./record_batch_builder.ts";

/** Where the segments are written. */
export interface CompactedPlace {
  readonly fs: FileSystem;
  /** The partition's directory. */
  readonly directory: string;
}

/** Writes one segment, complete and flushed. @param kept its batches, as they lie in the sources @returns what it replaces */
export function writeCompacted(
  { fs, directory }: CompactedPlace,
  sources: readonly Offset[],
  kept: readonly StoredBatch[],
): ReplacedSegments {
  const baseOffset = sources[0]!;
  const config = { ...testConfig, indexIntervalBytes: 200 };
  const resources = new LogResources(fs);
  const segment = new Segment({ fs, resources, directory, config, random: () => 0 }, baseOffset);
  segment.suffix = CLEANED_SUFFIX;
  segment.create(0);
  for (const { bytes } of kept) {
    const { memory, start } = inMemory(bytes, 40);
    segment.append(memory, start, { ...describeBatch(memory.view, start), nowMs: 0 });
  }
  segment.deactivate();
  const { fds, owned } = segment.openForFlush(true);
  for (const fd of fds) fs.fdatasync(fd);
  for (const fd of owned) fs.close(fd);
  segment.retire();
  fs.syncDirectory(directory);
  return { baseOffset, sources };
}
