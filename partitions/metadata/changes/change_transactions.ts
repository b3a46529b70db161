/**
 * The store's transactions that create and delete topics, add and remove partitions, and change configs, quotas and credentials. Pure; the
 * main isolate runs it.
 *
 * Always: a topic's row is compared even when only its partitions change, so that no partition is added to a deleted topic.
 */
import type { ResourceChange } from "../configs/config_changes.ts";
import type { TopicImage } from "../image.ts";
import { brokerConfigsKey, deletedEntry, groupKey, type PartitionRow, partitionRowKey, topicKey } from "../records.ts";
import type { SettingWrite } from "../settings/setting_changes.ts";
import { ABSENT, type Transaction } from "../store/store.ts";
import type { StoredTopic } from "../topic_table.ts";

/** New partitions of a topic. */
export interface Growth {
  readonly topic: TopicImage;
  readonly rows: readonly PartitionRow[];
}

/** The version of a row in the store when it was last read or written; ABSENT when there is no row. */
export type VersionOf<Row> = (row: Row) => number;

/** Creates topics. */
export function creationTransaction(topics: readonly Omit<StoredTopic, "versions">[]): Transaction {
  return {
    compare: topics.map(({ name }) => ({ key: topicKey(name), version: ABSENT })),
    set: topics.flatMap(({ name, id, configs, rows }) => [
      { key: topicKey(name), value: JSON.stringify({ id, configs }) },
      ...rows.map((row, partition) => ({ key: partitionRowKey(id, partition), value: JSON.stringify(row) })),
    ]),
  };
}

/** Deletes topics; a row of each says so until its directories are gone. @param places log directories that may have some, by topic id */
export function deletionTransaction(
  topics: readonly TopicImage[],
  { topicVersion, places }: { topicVersion: VersionOf<TopicImage>; places: ReadonlyMap<string, readonly string[]> },
): Transaction {
  return {
    compare: topics.map((topic) => ({ key: topicKey(topic.name), version: topicVersion(topic) })),
    delete: topics.flatMap((topic) => [topicKey(topic.name), ...partitionKeys(topic, 0)]),
    set: topics.map(({ name, id }) => deletedEntry(id, { name, directories: places.get(id) ?? [] })),
  };
}

/** Removes the last partitions of topics. @param shrunk topics with all their partitions, and how many remain */
export function shrinkTransaction(
  shrunk: readonly { readonly topic: TopicImage; readonly count: number }[],
  topicVersion: VersionOf<TopicImage>,
): Transaction {
  return {
    compare: shrunk.map(({ topic }) => ({ key: topicKey(topic.name), version: topicVersion(topic) })),
    delete: shrunk.flatMap(({ topic, count }) => partitionKeys(topic, count)),
  };
}

function partitionKeys({ id, partitions }: TopicImage, from: number): string[] {
  return partitions.slice(from).map(({ partition }) => partitionRowKey(id, partition));
}

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

/** Changes the row of a partition that moves to another log directory. */
export function directoryTransaction(
  topic: TopicImage,
  partition: number,
  { row, version }: { row: PartitionRow; version: number },
): Transaction {
  const key = partitionRowKey(topic.id, partition);
  return { compare: [{ key, version }], set: [{ key, value: JSON.stringify(row) }] };
}

/** Writes the rows of changed configs, quotas and credentials. */
export function alterationTransaction(rows: readonly SettingWrite[]): Transaction {
  return {
    compare: rows.map(({ key, version }) => ({ key, version })),
    set: rows.flatMap(({ key, value }) => value === null ? [] : [{ key, value }]),
    delete: rows.flatMap(({ key, value }) => value === null ? [key] : []),
  };
}

/** Key of the row of a resource. */
export function configsKey(change: ResourceChange): string {
  if ("topic" in change) return topicKey(change.topic.name);
  return "groupId" in change ? groupKey(change.groupId) : brokerConfigsKey(change.owner);
}

/** What the row of a resource says after a change; null: there is no row, as only a topic has one without configs. */
export function configsFields(change: ResourceChange): object | null {
  const { configs } = change;
  if ("topic" in change) return { id: change.topic.id, configs };
  return Object.keys(configs).length === 0 ? null : { configs };
}
