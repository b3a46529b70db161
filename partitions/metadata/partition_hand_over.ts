/**
 * Hands a partition over from one shard of this broker to another. The row in the watermark table stays the same, and with it
 * what waits for the partition; only the shard that opens the log changes.
 *
 *   open on A ──handOver: closed whole, row says handedOver──► nobody's ──image names B, published──► open on B
 *
 * Between the two, requests are refused with NOT_LEADER_OR_FOLLOWER, which clients try again. A crash at any point leaves
 * a directory like any other crash: places are not stored. Main isolate; the controller makes no other change meanwhile.
 */
import type { Placed } from "../placement/placement.ts";
import type { ImageDelta } from "./image.ts";
import type { TopicTable } from "./topic_table.ts";

/** Which partition is handed over, and to whom. */
export interface PartitionHandOver {
  readonly topicId: string;
  readonly partition: number;
  /** The shard that gets it. */
  readonly shard: number;
}

/** Has a shard close a partition for another one to open; settles with whether it did. */
export type AskHandOver = (from: Placed) => Promise<boolean>;

/**
 * Hands one over. Settles when every shard knows its place.
 * @param by how shards are told
 * @returns false when its shard keeps it (a flush is under way, or its log is offline), or there is no such partition
 */
export async function handOverPartition(
  { topicId, partition, shard }: PartitionHandOver,
  table: TopicTable,
  by: { handOver: AskHandOver; publish: (delta: ImageDelta) => Promise<void> },
): Promise<boolean> {
  const topic = table.image.topicById(topicId);
  const from = topic?.partitions[partition];
  // Groups are coordinated where the partitions of __consumer_offsets are.
  if (topic === undefined || from === undefined || topic.isInternal || from.shard === shard) return false;
  if (!await by.handOver(from)) return false;
  const delta = { changed: [table.handOver(topic, partition, shard)], deletedIds: [] };
  table.image.apply(delta);
  await by.publish(delta);
  return true;
}
