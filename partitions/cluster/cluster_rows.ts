/**
 * The rows that a cluster adds to the metadata store, and the partition's row as a cluster has it. Pure; the main isolate.
 *
 * ```
 *   cluster                      {clusterId, secret, format}             written once, by the first broker
 *   import                       {nodeId, directoryId, isDone}           by the first broker, if it brings topics along (metadata/shared)
 *   controller                   {broker, incarnation, host, port}       on a lease; its version is the controller epoch
 *   tick                         {n}                                     every 30 s by the controller, so that no watch falls behind compaction
 *   brokers/<id>/registration    {incarnation, directoryId, rack, listeners, directories, shards, version}   its version is the broker epoch
 *   brokers/<id>/state           {state}                                 active, fenced, stopping
 *   partitions/<topic id>/<n>    PartitionRow with {directories}         directory.id of each replica, in the order of replicas
 * ```
 *
 * Values are JSON that brokers of other versions also write: fields that this version does not know are kept when a row is changed. A row
 * of another form is refused with a sentence. The other rows are those of a single broker (metadata/records.ts).
 */
import type { Listener } from "../config/broker/listeners.ts";
import { PARTITIONS, SOME_DIRECTORY, TOPICS } from "../metadata/records.ts";
import { MetadataStoreError, type StoredEntry } from "../metadata/store/store.ts";
import type { BrokerState } from "./cluster_image.ts";
import type { BrokerDescription } from "./membership_calls.ts";
import type { PartitionRow } from "./partition_row.ts";

/** Key of the cluster's identity. */
export const CLUSTER = "cluster";
/** Key of the broker whose topics the cluster began with. Until the cluster's row is there, no other broker may write it. */
export const IMPORT = "import";
/** Key of the elected controller. */
export const CONTROLLER = "controller";
/** Key that the controller writes regularly. */
export const TICK = "tick";
/** Prefix of the brokers. */
export const BROKERS = "brokers/";

/** Version of these rows. A cluster of a higher one is not joined. */
export const CLUSTER_FORMAT = 1;

/** Who the cluster is. */
export interface ClusterRow {
  readonly clusterId: string;
  /** What its brokers prove themselves with, unless they are configured with another secret. */
  readonly secret: string;
  readonly format: number;
}

/** The broker that brings topics along. */
export interface ImportRow {
  readonly nodeId: number;
  /** Identity of its data directories (cluster_image.ts). */
  readonly directoryId: string;
  /** Whether the cluster has all of its rows. */
  readonly isDone: boolean;
}

/** The elected controller, and where other brokers reach it. */
export interface ControllerRow {
  readonly broker: number;
  readonly incarnation: string;
  readonly host: string;
  readonly port: number;
}

/** A registered process. */
export interface RegistrationRow extends BrokerDescription {
  readonly incarnation: string;
  /** Identity of its data directories (cluster_image.ts). */
  readonly directoryId: string;
}

/** A partition's row in a cluster. */
export interface ClusterPartitionRow extends PartitionRow {
  /** `directory.id` of each replica's log directory; SOME_DIRECTORY where nobody knows it yet. */
  readonly directories: readonly string[];
}

/** What the image needs of a topic. */
export interface TopicSettings {
  readonly id: string;
  readonly configs: Readonly<Record<string, string>>;
}

/** Which row of a broker a key names. */
export interface BrokerKey {
  readonly broker: number;
  readonly kind: "registration" | "state";
}

const BROKER_KEY = /^brokers\/(0|[1-9]\d{0,9})\/(registration|state)$/;
const PARTITION = /^[A-Za-z0-9_-]{22}\/(0|[1-9]\d{0,6})$/;
const TOPIC_ID_CHARACTERS = 22;
const STATES: ReadonlySet<unknown> = new Set<BrokerState>(["active", "fenced", "stopping"]);

/** Key of a broker's registration. */
export function registrationKey(broker: number): string {
  return `${BROKERS}${broker}/registration`;
}

/** Key of a broker's state. */
export function stateKey(broker: number): string {
  return `${BROKERS}${broker}/state`;
}

/** Key of a partition. @param partition as the image names it: "<topic id>/<n>" */
export function partitionStoreKey(partition: string): string {
  return PARTITIONS + partition;
}

/** Id of the topic that a partition belongs to. @param partition as the image names it */
export function topicIdOf(partition: string): string {
  return partition.slice(0, TOPIC_ID_CHARACTERS);
}

/** Which row of which broker a key names. @throws MetadataStoreError for a key of another form */
export function brokerKeyOf(key: string): BrokerKey {
  const match = BROKER_KEY.exec(key);
  if (match === null) throw otherForm(key);
  return { broker: Number(match[1]), kind: match[2] as BrokerKey["kind"] };
}

/** Name of a partition in the image. @throws MetadataStoreError for a key of another form */
export function partitionOf(key: string): string {
  const partition = key.slice(PARTITIONS.length);
  if (!PARTITION.test(partition)) throw otherForm(key);
  return partition;
}

/** Name of a topic. @param key of its row */
export function topicNameOf(key: string): string {
  return key.slice(TOPICS.length);
}

/** @throws MetadataStoreError for a row of another form */
export function clusterRowOf(entry: StoredEntry): ClusterRow {
  return parse(entry, (row): row is ClusterRow => hasTexts(row, "clusterId", "secret") && hasIntegers(row, "format"));
}

/** @throws MetadataStoreError for a row of another form */
export function importRowOf(entry: StoredEntry): ImportRow {
  return parse(entry, (row): row is ImportRow => {
    return hasTexts(row, "directoryId") && hasIntegers(row, "nodeId") && typeof (row as ImportRow).isDone === "boolean";
  });
}

/** @throws MetadataStoreError for a row of another form */
export function controllerRowOf(entry: StoredEntry): ControllerRow {
  return parse(
    entry,
    (row): row is ControllerRow => hasTexts(row, "incarnation", "host") && hasIntegers(row, "broker", "port"),
  );
}

/** Number of a tick. @throws MetadataStoreError for a row of another form */
export function tickOf(entry: StoredEntry): number {
  return parse(entry, (row): row is { n: number } => hasIntegers(row, "n")).n;
}

/** @throws MetadataStoreError for a row of another form */
export function registrationRowOf(entry: StoredEntry): RegistrationRow {
  return parse(entry, isRegistrationRow);
}

/** @throws MetadataStoreError for a row of another form */
export function stateOf(entry: StoredEntry): BrokerState {
  return parse(entry, (row): row is { state: BrokerState } => isObject(row) && STATES.has(row.state)).state;
}

/** @throws MetadataStoreError for a row of another form */
export function partitionRowOf(entry: StoredEntry): ClusterPartitionRow {
  return parse(entry, isPartitionRow);
}

/** @throws MetadataStoreError for a row of another form */
export function topicSettingsOf(entry: StoredEntry): TopicSettings {
  return parse(
    entry,
    (row): row is TopicSettings =>
      hasTexts(row, "id") && isObject((row as { configs?: unknown }).configs) &&
      Object.values((row as TopicSettings).configs).every((text) => typeof text === "string"),
  );
}

/** Value of a row that is changed: what this version does not know stays. @param last null for a new row */
export function rewritten(last: StoredEntry | null, fields: object): string {
  return JSON.stringify(last === null ? fields : { ...JSON.parse(last.value), ...fields });
}

/** Value of a partition's next row. @param last with the fields that this version does not know */
export function partitionValue(row: PartitionRow, last: ClusterPartitionRow): string {
  return JSON.stringify(storedRow(row, last));
}

/** A partition's next row as it is stored: each replica keeps its directory. @param last with the fields that this version does not know */
export function storedRow(row: PartitionRow, last: ClusterPartitionRow): ClusterPartitionRow {
  const directories = row.replicas === last.replicas
    ? last.directories
    : row.replicas.map((broker) => last.directories[last.replicas.indexOf(broker)] ?? SOME_DIRECTORY);
  return { ...last, ...row, directories };
}

function parse<Row>(entry: StoredEntry, isRow: (value: unknown) => value is Row): Row {
  let value: unknown;
  try {
    value = JSON.parse(entry.value);
  } catch {
    throw otherForm(entry.key);
  }
  if (!isRow(value)) throw otherForm(entry.key);
  return value;
}

function otherForm(key: string): MetadataStoreError {
  return new MetadataStoreError(
    `The cluster's metadata has a row that this version cannot read: ${key}; start the version that wrote it`,
  );
}

function isRegistrationRow(row: unknown): row is RegistrationRow {
  if (!hasTexts(row, "incarnation", "directoryId", "version") || !hasIntegers(row, "shards")) return false;
  const { rack, directories, listeners } = row as Partial<RegistrationRow>;
  return (rack === null || typeof rack === "string") && isTexts(directories) && Array.isArray(listeners) &&
    listeners.every(isListener);
}

function isListener(value: unknown): value is Listener {
  return hasTexts(value, "name", "host") && hasIntegers(value, "port");
}

function isPartitionRow(row: unknown): row is ClusterPartitionRow {
  if (!hasIntegers(row, "leader", "leaderEpoch", "partitionEpoch", "minIsr")) return false;
  const { replicas, isr, elr, lastKnownElr, adding, removing, directories, recovering } = row as Partial<
    ClusterPartitionRow
  >;
  return [replicas, isr, elr, lastKnownElr, adding, removing].every(isIntegers) && isTexts(directories) &&
    directories?.length === replicas?.length && typeof recovering === "boolean";
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function hasTexts(value: unknown, ...fields: string[]): boolean {
  return isObject(value) && fields.every((field) => typeof value[field] === "string");
}

function hasIntegers(value: unknown, ...fields: string[]): boolean {
  return isObject(value) && fields.every((field) => Number.isSafeInteger(value[field]));
}

function isTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}

function isIntegers(value: unknown): boolean {
  return Array.isArray(value) && value.every((item) => Number.isSafeInteger(item));
}
