/**
 * The store's transactions that add partitions and change configs. Pure; the main isolate runs it.
 *
 * Always: a topic's row is compared even when only its partitions change, so that no partition is added to a deleted topic.
 */
import type { GroupConfigChange, TopicConfigChange } from "./config_changes.ts";
import type { TopicImage } from "./image.ts";
import { groupKey, type PartitionRow, partitionRowKey, topicKey } from "./records.ts";
import { ABSENT, type Transaction } from "./store/store.ts";

/** New partitions of a topic. */
export interface Growth {
  readonly topic: TopicImage;
  readonly rows: readonly PartitionRow[];
}

/** The version of a row in the store when it was last read or written; ABSENT when there is no row. */
export type VersionOf<Row> = (row: Row) => number;

/** Adds partitions. */
export function growthTransaction(growths: readonly Growth[], topicVersion: VersionOf<TopicImage>): Transaction {
  const set = growths.flatMap(({ topic, rows }) =>
    rows.map((row, index) => ({
      key: partitionRowKey(topic.id, topic.partitions.length + index),
      value: JSON.stringify(row),
    }))
  );
  const topics = growths.map(({ topic }) => ({ key: topicKey(topic.name), version: topicVersion(topic) }));
  return { compare: [...topics, ...set.map(({ key }) => ({ key, version: ABSENT }))], set };
}

/** Changes configs; a group without configs has no row. */
export function alterationTransaction(
  { topics, groups }: { topics: readonly TopicConfigChange[]; groups: readonly GroupConfigChange[] },
  versions: { topic: VersionOf<TopicImage>; group: VersionOf<string> },
): Transaction {
  const forgotten = groups.filter(isForgotten);
  const kept = groups.filter((group) => !isForgotten(group));
  return {
    compare: [
      ...topics.map(({ topic }) => ({ key: topicKey(topic.name), version: versions.topic(topic) })),
      ...groups.map(({ groupId }) => ({ key: groupKey(groupId), version: versions.group(groupId) })),
    ],
    set: [
      ...topics.map(({ topic, configs }) => ({
        key: topicKey(topic.name),
        value: JSON.stringify({ id: topic.id, configs }),
      })),
      ...kept.map(({ groupId, configs }) => ({ key: groupKey(groupId), value: JSON.stringify({ configs }) })),
    ],
    delete: forgotten.map(({ groupId }) => groupKey(groupId)),
  };
}

/** Whether the group has no configs any more. */
export function isForgotten({ configs }: GroupConfigChange): boolean {
  return Object.keys(configs).length === 0;
}
