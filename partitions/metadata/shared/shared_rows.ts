/**
 * The rows of topics and groups in a store that several brokers share: those of ../records.ts. The rows that only a cluster has, and what a
 * partition's row has there beyond a single broker's, are in cluster/cluster_rows.ts. Pure; the main isolate uses it.
 *
 * Keys of another kind are no damage: a later version may have some. What a later version adds to a row stays when the row is written anew,
 * because the parsed row is the whole value.
 */
import {
  BROKER_CONFIGS,
  type BrokerConfigsOwner,
  brokerConfigsOwnerOf,
  DELETED,
  type DeletedRow,
  groupOfKey,
  type GroupRow,
  GROUPS,
  isDeletedRow,
  isGroupRow,
  isProducerIds,
  isTopicRow,
  partitionOfKey,
  PARTITIONS,
  PRODUCER_IDS,
  type TopicRow,
  TOPICS,
} from "../records.ts";
import { isSettingKey, isSettingRow } from "../settings/setting_rows.ts";
import { MetadataStoreError, type StoredEntry } from "../store/store.ts";
import { parseRow } from "../store/stored_row.ts";

/** The row of a deleted topic. */
export interface SharedDeletedRow extends DeletedRow {
  /** How many rows of partitions the topic had, where not all of them were deleted with it: who removes this row removes them before. */
  readonly partitions?: number;
}

/** What a key names. */
export type SharedKey =
  | { readonly kind: "topic"; readonly name: string }
  | { readonly kind: "partition"; readonly topicId: string; readonly partition: number }
  | { readonly kind: "deleted"; readonly topicId: string }
  | { readonly kind: "group"; readonly groupId: string }
  | { readonly kind: "broker-configs"; readonly owner: BrokerConfigsOwner }
  | { readonly kind: "setting" | "producer-ids" | "other" };

const OTHER: SharedKey = { kind: "other" };

/** Parses a key. */
export function sharedKey(key: string): SharedKey {
  if (key.startsWith(PARTITIONS)) {
    const place = partitionOfKey(key);
    return place === null ? OTHER : { kind: "partition", topicId: place[0], partition: place[1] };
  }
  if (key.startsWith(TOPICS)) return { kind: "topic", name: key.slice(TOPICS.length) };
  if (key.startsWith(DELETED)) return { kind: "deleted", topicId: key.slice(DELETED.length) };
  if (isSettingKey(key)) return { kind: "setting" };
  if (key === PRODUCER_IDS) return { kind: "producer-ids" };
  if (key.startsWith(BROKER_CONFIGS)) {
    const owner = brokerConfigsOwnerOf(key);
    return owner === null ? OTHER : { kind: "broker-configs", owner };
  }
  const groupId = key.startsWith(GROUPS) ? groupOfKey(key) : null;
  return groupId === null ? OTHER : { kind: "group", groupId };
}

/** A topic's row. @throws MetadataStoreError for a row of another shape */
export function topicRowOf(entry: StoredEntry): TopicRow {
  return read(entry, isTopicRow);
}

/** The row of a deleted topic. @throws MetadataStoreError for a row of another shape */
export function deletedRowOf(entry: StoredEntry): SharedDeletedRow {
  return read(entry, isSharedDeletedRow);
}

/** A group's row. @throws MetadataStoreError for a row of another shape */
export function groupRowOf(entry: StoredEntry): GroupRow {
  return read(entry, isGroupRow);
}

/** First producer id of the next block. @throws MetadataStoreError for a row of another shape */
export function nextProducerIdOf(entry: StoredEntry): number {
  return read(entry, isProducerIds).next;
}

/** Whether this version can read a row of configs, quotas or credentials. */
export function isReadable(entry: StoredEntry): boolean {
  if (isSettingKey(entry.key)) return isSettingRow(entry);
  return parseRow(entry, entry.key.startsWith(TOPICS) ? isTopicRow : isGroupRow) !== null;
}

function read<Row>(entry: StoredEntry, isRow: (value: unknown) => value is Row): Row {
  const row = parseRow(entry, isRow);
  if (row !== null) return row;
  throw new MetadataStoreError(
    `The cluster's metadata has a row that this version cannot read: ${entry.key}; start the version that wrote it`,
  );
}

function isSharedDeletedRow(value: unknown): value is SharedDeletedRow {
  if (!isDeletedRow(value) || value.directories === undefined) return false;
  const { partitions }: { readonly name: string; readonly partitions?: unknown } = value;
  return partitions === undefined || Number.isSafeInteger(partitions);
}
