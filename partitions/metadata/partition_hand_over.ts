/**
 * Hands a partition over from one shard of this broker to another. Its row in the watermark table stays the same, so requests that wait
 * for the partition keep waiting; only the shard that has the log open changes.
 *
 *   open on A ──handOver: closed whole, row says handedOver──► nobody's ──image names B, published──► open on B
 *
 * A closes the log without a flush, and B opens it without a scan. In between, requests are refused with NOT_LEADER_OR_FOLLOWER, and
 * clients retry. A crash at any point needs no special recovery, because shards and rows are not stored. Main isolate; the controller
 * makes no other change meanwhile.
 */
import type { Placed } from "../placement/placement.ts";
import { type ImageDelta, isHere } from "./image.ts";
import type { TopicTable } from "./topic_table.ts";

/** The partition to hand over, and its next shard. */
export interface PartitionHandOver {
  readonly topicId: string;
  readonly partition: number;
  /** The shard that gets the partition. */
  readonly shard: number;
}

/** Makes a shard close a partition for another one to open; settles with whether it did. */
export type AskHandOver = (from: Placed) => Promise<boolean>;

/**
 * Hands a partition over. Settles when every shard knows the new owner.
 * @param by calls to the shards
 * @returns false when its shard keeps it (a flush is under way, or its log is offline), or when it does not exist
 */
export async function handOverPartition(
  { topicId, partition, shard }: PartitionHandOver,
  table: TopicTable,
  by: { handOver: AskHandOver; publish: (delta: ImageDelta) => Promise<unknown> },
): Promise<boolean> {
  const topic = table.image.topicById(topicId);
  const from = topic?.partitions[partition];
  // Partitions of __consumer_offsets stay, because their groups are coordinated on the same shard.
  if (topic === undefined || from === undefined || topic.isInternal || !isHere(from) || from.shard === shard) {
    return false;
  }
  if (!await by.handOver(from)) return false;
  const delta = { changed: [table.handOver(topic, partition, shard)], deletedIds: [] };
  table.image.apply(delta);
  await by.publish(delta);
  return true;
}
