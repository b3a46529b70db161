/**
 * The watermark table by topic and partition, for the checkpoint files. Runs on the main isolate, which only reads the table.
 */
import type { PartitionOffset } from "./checkpoints.ts";
import type { MetadataImage } from "./metadata/image.ts";
import { emptyWatermarks, type Watermarks, type WatermarkTable } from "./shared/watermarks.ts";

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
