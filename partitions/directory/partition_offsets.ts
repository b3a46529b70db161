/**
 * The watermark table by topic and partition, for the checkpoint files and the mark of a clean stop. Runs on the main isolate, which only reads the table.
 */
import { partitionKey } from "../../storage/control.ts";
import type { PartitionOffset } from "./checkpoint_writer.ts";
import type { MetadataImage } from "../metadata/image.ts";
import { emptyWatermarks, partitionState, type Watermarks, type WatermarkTable } from "../shared/watermarks.ts";

const values = emptyWatermarks();

/**
 * Takes one watermark of every partition.
 * @param name which one
 * @returns a line for each partition; 0 where its log was not opened, which makes the next start check it from its beginning. Of
 * log starts, those above 0 only, as in Kafka: few, so that the file is short and seldom changes
 */
export function partitionOffsets(
  image: MetadataImage,
  table: WatermarkTable,
  name: keyof Pick<Watermarks, "recoveryPoint" | "logStartOffset" | "highWatermark">,
): PartitionOffset[] {
  const lines: PartitionOffset[] = [];
  for (const topic of image.topics()) {
    for (const { partition, slot } of topic.partitions) {
      table.read(slot, values);
      if (name === "logStartOffset" && values.logStartOffset === 0) continue;
      lines.push({ topic: topic.name, partition, offset: values[name] });
    }
  }
  return lines;
}

/**
 * Finds the partitions whose logs were not closed cleanly: they could not be opened, or another shard was to open them.
 * @returns their names, `<topic>-<partition>`
 */
export function notClosedCleanly(image: MetadataImage, table: WatermarkTable): string[] {
  const names: string[] = [];
  for (const topic of image.topics()) {
    for (const { partition, slot } of topic.partitions) {
      if (table.read(slot, values).state !== partitionState.closedCleanly) names.push(`${topic.name}-${partition}`);
    }
  }
  return names;
}

/** Whether one of the partitions is none of the image's. @param keys by `partitionKey()` */
export function speaksOfOthers(keys: ReadonlySet<string>, image: MetadataImage): boolean {
  const known = new Set<string>();
  for (const { name, partitions } of image.topics()) {
    for (const { partition } of partitions) known.add(partitionKey(name, partition));
  }
  return !keys.isSubsetOf(known);
}
