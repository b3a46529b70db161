/**
 * Reads the watermark table by topic and partition, for the checkpoints and the mark of a clean stop. Runs on the main isolate.
 */
import { partitionKey } from "../../storage/control.ts";
import type { PartitionOffset } from "./checkpoint_file.ts";
import { Checkpoints, type CheckpointsOptions } from "./checkpoint_writer.ts";
import { isHere, type MetadataImage } from "../metadata/image.ts";
import { emptyWatermarks, partitionState, type Watermarks, type WatermarkTable } from "../shared/watermarks.ts";

const values = emptyWatermarks();

/**
 * Reads one watermark of every partition of a log directory.
 * @param directory its index @param name which watermark
 * @returns a line for each partition. A log that was not opened has 0, so the next start checks it from its beginning. As in Kafka, only
 * log starts above 0 have a line: they are few, so that file is short and seldom changes
 */
export function partitionOffsets(
  image: MetadataImage,
  table: WatermarkTable,
  { directory, name }: {
    directory: number;
    name: keyof Pick<Watermarks, "recoveryPoint" | "logStartOffset" | "highWatermark">;
  },
): PartitionOffset[] {
  const lines: PartitionOffset[] = [];
  for (const topic of image.topics()) {
    for (const { partition, slot, directory: index, future } of topic.partitions) {
      // The copy that a move makes needs its lines before it counts.
      if (index !== directory && future?.directory !== directory) continue;
      table.read(slot, values);
      if (name === "logStartOffset" && values.logStartOffset === 0) continue;
      lines.push({ topic: topic.name, partition, offset: values[name] });
    }
  }
  return lines;
}

/** The checkpoints of all partitions; they are written from now on. */
export function checkpointsOf(
  { image, watermarks, ...options }:
    & Pick<CheckpointsOptions, "directories" | "config" | "others" | "report" | "onDirectoryFailed">
    & { image: MetadataImage; watermarks: WatermarkTable },
): Checkpoints {
  return new Checkpoints({
    ...options,
    recoveryPoints: (directory) => partitionOffsets(image, watermarks, { directory, name: "recoveryPoint" }),
    logStartOffsets: (directory) => partitionOffsets(image, watermarks, { directory, name: "logStartOffset" }),
    highWatermarks: (directory) => partitionOffsets(image, watermarks, { directory, name: "highWatermark" }),
  });
}

/**
 * Finds the partitions of a log directory whose logs were not closed cleanly: logs that could not be opened, or were being handed over.
 * @param directory its index @returns their names, `<topic>-<partition>`
 */
export function notClosedCleanly(image: MetadataImage, table: WatermarkTable, directory: number): string[] {
  const names: string[] = [];
  for (const topic of image.topics()) {
    for (const { partition, slot, directory: index } of topic.partitions) {
      if (index !== directory) continue;
      if (table.read(slot, values).state !== partitionState.closedCleanly) names.push(`${topic.name}-${partition}`);
    }
  }
  return names;
}

/** Whether this broker has no replica of one of these partitions. @param keys by `partitionKey()` */
export function speaksOfOthers(keys: ReadonlySet<string>, image: MetadataImage): boolean {
  const known = new Set<string>();
  for (const { name, partitions } of image.topics()) {
    for (const { partition } of partitions.filter(isHere)) known.add(partitionKey(name, partition));
  }
  return !keys.isSubsetOf(known);
}
