/**
 * The last step of a move to another log directory: the partition is closed, the rest of its log copied, and opened again in the new
 * directory (directory/replica_moves.ts). Main isolate; the controller makes no other change meanwhile.
 *
 * Always: the partition is opened again, in the directory that the store names. If that one's files could not be renamed, the partition is
 * offline instead: a shard would find no log there, and begin an empty one. The next start completes the move.
 */
import type { PartitionDirectories } from "../adoption.ts";
import type { ExchangeOutcome, FutureCopy, ReplicaMove } from "../../directory/replica_moves.ts";
import { directoryTransaction } from "./change_transactions.ts";
import { refusalOf } from "./disk_refusals.ts";
import type { ImageDelta, PartitionImage, TopicImage } from "../image.ts";
import type { Transaction } from "../store/store.ts";
import type { AskHandOver } from "../partition_hand_over.ts";
import type { TopicTable } from "../topic_table.ts";

/** What the exchange uses. */
export interface DirectoryExchangeParts {
  readonly table: TopicTable;
  /** Has the store name the new directory of a partition. @returns the version of its row @throws as a commit to the store does */
  readonly commit: (to: number, at: { topic: TopicImage; place: PartitionImage }) => Promise<number>;
  readonly directories: PartitionDirectories;
  readonly handOver: AskHandOver;
  readonly publish: (delta: ImageDelta) => Promise<unknown>;
  readonly saveCheckpoints: () => Promise<void>;
  /** Reports a sentence to the operator. */
  readonly report: (text: string) => void;
}

/**
 * Exchanges the directory of a partition.
 * @throws when a disk refuses; the partition is then open where it was
 */
export async function exchangeDirectory(
  { topicId, partition, to }: ReplicaMove,
  copy: FutureCopy,
  parts: DirectoryExchangeParts,
): Promise<ExchangeOutcome> {
  const { table, directories } = parts;
  const topic = table.image.topicById(topicId);
  const place = topic?.partitions[partition];
  if (topic === undefined || place === undefined || place.directory < 0 || place.directory === to) return "kept";
  if (table.image.isOffline(to)) return "kept";
  if (!await parts.handOver(place)) return "busy";
  let changed = table.announce(topic, partition, null);
  try {
    await copy.finish();
    // The lines of the copy: without them, a crash would bring back records below the log start.
    await parts.saveCheckpoints();
    const version = await parts.commit(to, { topic, place });
    changed = table.takeOffline(topic, partition, version);
    const names = { topic: topic.name, partition, directory: to, name: copy.name };
    const refusal = await refusalOf(() => directories.exchange(names, place.directory));
    if (refusal === null) changed = table.moveTo(topic, partition, to);
    else parts.report(`${topic.name}-${partition} is offline until the next start: ${refusal.errorMessage}`);
    return refusal === null ? "moved" : "offline";
  } finally {
    table.image.apply({ changed: [changed], deletedIds: [] });
    await parts.publish({ changed: [changed], deletedIds: [] });
  }
}

/** The change of the row of a partition that moves, in the store of one broker. @param to index of the new directory */
export function exchangeTransaction(
  to: number,
  { topic, place, table, nodeId }: { topic: TopicImage; place: PartitionImage; table: TopicTable; nodeId: number },
): Transaction {
  const { partition, replicas, isr, leader, leaderEpoch, partitionEpoch } = place;
  return directoryTransaction(topic, partition, {
    version: table.versionsOf(topic.id).partitions[partition] as number,
    row: {
      ...{ replicas, isr, leader, leaderEpoch, partitionEpoch },
      directories: table.directories.idsOf(replicas, { nodeId, directory: to }),
    },
  });
}
