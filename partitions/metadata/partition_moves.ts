/**
 * Moves a partition from one shard of this broker to another. The row in the watermark table stays the same, and with it
 * what waits for the partition; only the shard that opens the log changes.
 *
 *   open on A ──letGo: closed whole, row says handedOver──► nobody's ──image names B, published──► open on B
 *
 * Between the two, requests are refused with NOT_LEADER_OR_FOLLOWER, which clients try again. A crash at any point leaves
 * a directory like any other crash: places are not stored. Main isolate; the controller makes no other change meanwhile.
 */
import type { Placed } from "../placement/placement.ts";
import type { ImageDelta } from "./image.ts";
import type { TopicTable } from "./topic_table.ts";

/** Which partition goes where. */
export interface PartitionMove {
  readonly topicId: string;
  readonly partition: number;
  /** The shard it moves to. */
  readonly shard: number;
}

/** Lets a shard close a partition for another one to open; settles with whether it did. */
export type LetGo = (from: Placed) => Promise<boolean>;

/**
 * Moves one. Settles when every shard knows its place.
 * @param by how shards are told
 * @returns false when its shard keeps it (a flush is under way, or its log is offline), or there is no such partition to move
 */
export async function movePartition(
  { topicId, partition, shard }: PartitionMove,
  table: TopicTable,
  by: { letGo: LetGo; publish: (delta: ImageDelta) => Promise<void> },
): Promise<boolean> {
  const topic = table.image.topicById(topicId);
  const from = topic?.partitions[partition];
  // Groups are coordinated where the partitions of __consumer_offsets are.
  if (topic === undefined || from === undefined || topic.isInternal || from.shard === shard) return false;
  if (!await by.letGo(from)) return false;
  const delta = { changed: [table.move(topic, partition, shard)], deletedIds: [] };
  table.image.apply(delta);
  await by.publish(delta);
  return true;
}
