/**
 * The rows of the metadata store: their keys and their values. Pure; the main isolate uses it.
 *
 * ```
 *   topics/<name>               {id, configs}                                        absent = no such topic
 *   partitions/<topic id>/<n>   {replicas, directories, isr, leader, leaderEpoch, partitionEpoch}   one row each: elections do not collide
 *   deleted/<topic id>          {name, directories}   its directories in those log directories must not be adopted; deleted once all of
 *                               these were online and its directories were removed
 *   groups/<encoded group id>   {configs}  configs of a group (id by encodeURIComponent); absent = none
 *   quotas/<encoded entity>     {entity, values}  client quotas (settings/quota_rows.ts); absent = none
 *   users/<encoded name>        {scram}    SCRAM credentials of a user (settings/user_rows.ts); absent = no such user
 *   broker-configs/<node id>    {configs}  dynamic settings of one broker, and of all: broker-configs/default; absent = none
 *   producer-ids                {next}     first producer id of the next block
 * ```
 *
 * Values are JSON. They come from a disk, so a value of another shape is refused with a sentence.
 *
 * Earlier versions do not know quotas, users and dynamic settings. One with a store of its own refuses to start while there are some, so
 * they have to be removed before it is put in place again; one of a cluster leaves them alone.
 */
import { ZERO_UUID } from "../../storage/base/uuid.ts";
import { isSettingKey, SettingRows } from "./settings/setting_rows.ts";
import { MetadataStoreError, type StoredEntry } from "./store/store.ts";
import { isObject, parseRow } from "./store/stored_row.ts";

/** Prefix of all topics. */
export const TOPICS = "topics/";
/** Prefix of all partitions. */
export const PARTITIONS = "partitions/";
/** Prefix of the topics whose directories are being removed. */
export const DELETED = "deleted/";
/** Prefix of the groups that have configs. */
export const GROUPS = "groups/";
/** Prefix of the dynamic settings of brokers. */
export const BROKER_CONFIGS = "broker-configs/";
/** Key of the producer ids. */
export const PRODUCER_IDS = "producer-ids";

/** A topic's row. */
export interface TopicRow {
  readonly id: string;
  readonly configs: Readonly<Record<string, string>>;
}

/** A partition's row. */
export interface PartitionRow {
  readonly replicas: readonly number[];
  /** `directory.id` of each replica's log directory (KIP-858); rows of earlier versions lack it. */
  readonly directories?: readonly string[];
  readonly isr: readonly number[];
  readonly leader: number;
  readonly leaderEpoch: number;
  readonly partitionEpoch: number;
}

/** The row of a deleted topic. */
export interface DeletedRow {
  /** Name of the topic. */
  readonly name: string;
  /** `directory.id` of each log directory that may have a directory of the topic; or SOME_DIRECTORY. */
  readonly directories: readonly string[];
}

/** In place of a `directory.id`: that of a log directory which was offline, so that nobody knew it. Rows of earlier versions mean it. */
export const SOME_DIRECTORY = ZERO_UUID;
/** The log directory of a replica that has lost its log, or whose disk has failed. Kafka: DirectoryId.LOST. */
export const LOST_DIRECTORY = "AAAAAAAAAAAAAAAAAAAAAQ";

/** A group's row. */
export interface GroupRow {
  readonly configs: Readonly<Record<string, string>>;
}

/** The dynamic settings of a broker, or of all. */
export type BrokerConfigsRow = GroupRow;

/** Whose dynamic settings: a broker's, by its node id, or those of all. */
export type BrokerConfigsOwner = number | "default";

/** A row with its version, for comparisons. */
export interface Versioned<Row> {
  readonly row: Row;
  readonly version: number;
}

/** The contents of the store, parsed. */
export interface StoredMetadata {
  /** By name. */
  readonly topics: ReadonlyMap<string, Versioned<TopicRow>>;
  /** By topic id, then by partition; undefined where a partition is missing. */
  readonly partitions: ReadonlyMap<string, readonly (Versioned<PartitionRow> | undefined)[]>;
  /** Topics whose directories are being removed, by topic id. */
  readonly deleted: ReadonlyMap<string, DeletedRow>;
  /** Groups that have configs, by group id. */
  readonly groups: ReadonlyMap<string, Versioned<GroupRow>>;
  /** Client quotas and users. */
  readonly settings: SettingRows;
  /** Dynamic settings, which this version may be unable to read (`brokerConfigsRowOf()`). */
  readonly brokerConfigs: readonly StoredEntry[];
  readonly producerIds: Versioned<{ readonly next: number }> | null;
}

/** Key of a topic. */
export function topicKey(name: string): string {
  return TOPICS + name;
}

/** Prefix of a topic's partitions. */
export function partitionsPrefix(topicId: string): string {
  return `${PARTITIONS}${topicId}/`;
}

/** Key of a partition. */
export function partitionRowKey(topicId: string, partition: number): string {
  return `${PARTITIONS}${topicId}/${partition}`;
}

/** Key of a deleted topic. */
export function deletedKey(topicId: string): string {
  return DELETED + topicId;
}

/** Key and value of a deleted topic's row. */
export function deletedEntry(topicId: string, row: DeletedRow): { key: string; value: string } {
  return { key: deletedKey(topicId), value: JSON.stringify(row) };
}

/** Key of a group; group ids are any text. */
export function groupKey(groupId: string): string {
  return GROUPS + encodeURIComponent(groupId.toWellFormed());
}

/** Key of dynamic settings. */
export function brokerConfigsKey(owner: BrokerConfigsOwner): string {
  return `${BROKER_CONFIGS}${owner}`;
}

/** Whose settings a key names; null for a damaged key. */
export function brokerConfigsOwnerOf(key: string): BrokerConfigsOwner | null {
  const owner = key.slice(BROKER_CONFIGS.length);
  if (owner === "default") return owner;
  return /^(0|[1-9]\d{0,9})$/.test(owner) ? Number(owner) : null;
}

/** A row of dynamic settings; null when this version cannot read it. */
export function brokerConfigsRowOf(entry: StoredEntry): BrokerConfigsRow | null {
  return parseRow(entry, isGroupRow);
}

/** Limit for the partition number of a row, so that a damaged key does not make a huge list. */
const PARTITION_MAX = 1_000_000;

/** Parses the contents of the store. @throws MetadataStoreError for a row of another form */
export function readMetadata(entries: readonly StoredEntry[]): StoredMetadata {
  const topics = new Map<string, Versioned<TopicRow>>();
  const partitions = new Map<string, (Versioned<PartitionRow> | undefined)[]>();
  const deleted = new Map<string, DeletedRow>();
  const groups = new Map<string, Versioned<GroupRow>>();
  const settings = new SettingRows();
  const brokerConfigs: StoredEntry[] = [];
  let producerIds: StoredMetadata["producerIds"] = null;
  for (const entry of entries) {
    const { key, version } = entry;
    if (key.startsWith(TOPICS)) topics.set(key.slice(TOPICS.length), { row: parse(entry, isTopicRow), version });
    else if (key.startsWith(PARTITIONS)) {
      const [id, partition] = orDamaged(entry, partitionOfKey(key));
      const ofTopic = partitions.get(id) ?? [];
      ofTopic[partition] = { row: parse(entry, isPartitionRow), version };
      partitions.set(id, ofTopic);
    } else if (key.startsWith(DELETED)) {
      const { name, directories = [SOME_DIRECTORY] } = parse(entry, isDeletedRow);
      deleted.set(key.slice(DELETED.length), { name, directories });
    } else if (key.startsWith(GROUPS)) {
      groups.set(orDamaged(entry, groupOfKey(key)), { row: parse(entry, isGroupRow), version });
    } else if (isSettingKey(key)) settings.apply(entry);
    else if (key.startsWith(BROKER_CONFIGS)) {
      orDamaged(entry, brokerConfigsOwnerOf(key));
      brokerConfigs.push(entry);
    } else if (key === PRODUCER_IDS) producerIds = { row: parse(entry, isProducerIds), version };
    else throw new MetadataStoreError(`The metadata store has a row of unknown kind: ${key}`);
  }
  return { topics, partitions, deleted, groups, settings, brokerConfigs, producerIds };
}

/** Topic id and partition that the key of a partition names; null for a damaged key. */
export function partitionOfKey(key: string): [id: string, partition: number] | null {
  const match = /^([A-Za-z0-9_-]{22})\/(0|[1-9]\d{0,6})$/.exec(key.slice(PARTITIONS.length));
  const partition = Number(match?.[2]);
  return match === null || partition > PARTITION_MAX ? null : [match[1] as string, partition];
}

/** The group that the key of a group names; null for a damaged key. */
export function groupOfKey(key: string): string | null {
  try {
    return decodeURIComponent(key.slice(GROUPS.length));
  } catch {
    return null; // A "%" is not followed by two digits, or the bytes are not UTF-8.
  }
}

function parse<Row>(entry: StoredEntry, isRow: (value: unknown) => value is Row): Row {
  return orDamaged(entry, parseRow(entry, isRow));
}

function orDamaged<Row>(entry: StoredEntry, row: Row | null): Row {
  if (row === null) throw damaged(entry);
  return row;
}

function damaged(entry: StoredEntry): MetadataStoreError {
  return new MetadataStoreError(
    `The metadata store's row ${entry.key} is damaged, or a later version wrote it; start that version, or restore ` +
      "barnabas-metadata.sqlite from a backup",
  );
}

/** Whether a value is a topic's row. */
export function isTopicRow(value: unknown): value is TopicRow {
  return isObject(value) && typeof value.id === "string" && /^[A-Za-z0-9_-]{22}$/.test(value.id) &&
    isGroupRow(value);
}

/** Whether a value is a deleted topic's row. */
export function isDeletedRow(value: unknown): value is Partial<DeletedRow> & Pick<DeletedRow, "name"> {
  return isObject(value) && typeof value.name === "string" &&
    (value.directories === undefined || isTexts(value.directories));
}

/** Whether a value is a group's row. */
export function isGroupRow(value: unknown): value is GroupRow {
  return isObject(value) && isObject(value.configs) &&
    Object.values(value.configs).every((text) => typeof text === "string");
}

function isPartitionRow(value: unknown): value is PartitionRow {
  return isObject(value) && isIntegers(value.replicas) && isIntegers(value.isr) &&
    (value.directories === undefined || isTexts(value.directories)) && Number.isSafeInteger(value.leader) &&
    Number.isSafeInteger(value.leaderEpoch) && Number.isSafeInteger(value.partitionEpoch);
}

/** Whether a value is the row of the producer ids. */
export function isProducerIds(value: unknown): value is { next: number } {
  return isObject(value) && Number.isSafeInteger(value.next) && Number(value.next) >= 0;
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}

function isIntegers(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((item) => Number.isSafeInteger(item));
}
