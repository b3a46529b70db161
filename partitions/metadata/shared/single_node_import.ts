/**
 * Makes a broker that has run alone the first member of a cluster: copies its topics, configs, quotas, users and producer ids from its own
 * store into the one that brokers will share. Runs at a start, before the broker joins; main isolate.
 *
 *   prefix empty ──► import: {…, isDone: false} ──► rows, some at a time ──► cluster, import: {…, isDone: true} ──► file renamed to …imported
 *                        ▲                              │ crash
 *                        └── what is there is deleted ◄─┘
 *
 * Always: the cluster's row is written last, in one transaction with the mark that the import is done, so a cluster has all rows or does not
 * exist. Nobody else begins a cluster meanwhile: every transaction compares the row `import`. Two clusters are never merged.
 *
 * A leader epoch ends here, as at each start. The broker is registered, fenced, with a process that nobody is: the controller then takes
 * the next process for one that may have lost the ends of its logs, not the logs, and elects it, the last leader, again.
 */
import {
  CLUSTER,
  CLUSTER_FORMAT,
  type ClusterPartitionRow,
  type ClusterRow,
  clusterRowOf,
  IMPORT,
  type ImportRow,
  importRowOf,
  registrationKey,
  type RegistrationRow,
  stateKey,
} from "../../cluster/cluster_rows.ts";
import { fileExists } from "../../directory/file_exists.ts";
import { DirectoryPlacement } from "../../placement/directory_placement.ts";
import type { PartitionDirectories } from "../adoption.ts";
import { MetadataCommits } from "../changes/metadata_commits.ts";
import { checkComplete } from "../controller_loading.ts";
import { FoundDirectories } from "../found_directories.ts";
import {
  deletedEntry,
  groupKey,
  type PartitionRow,
  partitionRowKey,
  PRODUCER_IDS,
  readMetadata,
  SOME_DIRECTORY,
  type StoredMetadata,
  topicKey,
} from "../records.ts";
import { ABSENT, type Assignment, type MetadataStore, MetadataStoreError, type StoreLimits } from "../store/store.ts";

/** What an import uses. */
export interface ImportParts {
  /** The store that brokers will share. */
  readonly store: MetadataStore;
  /** The broker's own store, open. */
  readonly source: Pick<MetadataStore, "range">;
  readonly nodeId: number;
  /** `cluster.id` of the log directories. */
  readonly clusterId: string;
  /** What the brokers of the cluster prove themselves with. */
  readonly secret: string;
  readonly directories: PartitionDirectories;
}

/** Begins the name that the file of the own store gets when its rows are in the cluster. */
const IMPORTED = ".imported";
/** Files that get such a name at most: each came from one import, of which there is one. */
const IMPORTED_FILES_MAX = 100;

/**
 * Copies the rows into an empty store; does nothing when that was done before.
 * @throws MetadataStoreError when the store has another cluster, or an own store is damaged, or the store does not answer
 */
export async function importSingleNode(parts: ImportParts): Promise<void> {
  const { store, source, clusterId, secret } = parts;
  const own = readMetadata(await source.range(""));
  const [cluster, mark] = await Promise.all([store.get(CLUSTER), store.get(IMPORT)]);
  if (cluster !== null) {
    return checkImported(clusterRowOf(cluster), mark === null ? null : importRowOf(mark), { own, parts });
  }
  checkComplete(own, parts.nodeId);
  const commits = new MetadataCommits(store);
  let version = mark === null ? await begin(commits, parts) : checkOwn(importRowOf(mark), parts, mark.version);
  const compare = () => [{ key: CLUSTER, version: ABSENT }, { key: IMPORT, version }];
  const left = (await store.range("")).flatMap(({ key }) => key === IMPORT ? [] : [key]);
  for (const keys of portions(left, store.limits, (key) => key.length)) {
    await commits.commit({ compare: compare(), delete: keys });
  }
  for (const set of portions(rowsOf(own, parts), store.limits, ({ key, value }) => key.length + 3 * value.length)) {
    await commits.commit({ compare: compare(), set });
  }
  const row: ClusterRow = { clusterId, secret, format: CLUSTER_FORMAT };
  version = await commits.commit({
    compare: compare(),
    set: [
      { key: CLUSTER, value: JSON.stringify(row) },
      { key: IMPORT, value: JSON.stringify(importRow(parts, true)) },
      ...registration(parts),
    ],
  });
}

/** Renames the file of the own store, which nothing reads any more: its rows are in the cluster. @param path of the closed store's file */
export async function setStoreAside(path: string): Promise<void> {
  for (let count = 1; count <= IMPORTED_FILES_MAX; count++) {
    const name = `${path}${IMPORTED}${count === 1 ? "" : `.${count}`}`;
    if (await fileExists(name)) continue;
    await Deno.rename(path, name);
    return;
  }
  throw new MetadataStoreError(
    `Cannot rename ${path}: there are ${IMPORTED_FILES_MAX} files of earlier imports beside it`,
  );
}

/** The cluster exists: either it began with this broker's topics, or the broker has none. */
function checkImported(
  cluster: ClusterRow,
  mark: ImportRow | null,
  { own, parts }: { own: StoredMetadata; parts: ImportParts },
): void {
  const isOurs = mark !== null && mark.isDone && parts.directories.ids.includes(mark.directoryId);
  // Without topics there is nothing to merge; whether the directories belong to the cluster is said when it is joined.
  if (own.topics.size === 0 || (cluster.clusterId === parts.clusterId && isOurs)) return;
  const has = `This broker has topics of its own (cluster ${parts.clusterId})`;
  throw new MetadataStoreError(
    `${has}, and the etcd has those of cluster ${cluster.clusterId}: two clusters are never merged. Choose another prefix ` +
      "(barnabas.etcd.prefix), or an empty directory (--data)",
  );
}

/** @returns the version of the mark @throws MetadataStoreError when another broker has set it */
function checkOwn(mark: ImportRow, { directories }: ImportParts, version: number): number {
  if (directories.ids.includes(mark.directoryId)) return version;
  throw new MetadataStoreError(
    `Broker ${mark.nodeId} is bringing its topics into this cluster; start it again if it has ended. Two clusters are never ` +
      "merged: start this one with another prefix (barnabas.etcd.prefix), or with an empty directory (--data)",
  );
}

async function begin(commits: MetadataCommits, parts: ImportParts): Promise<number> {
  const found = await parts.store.range("");
  if (found.length > 0) {
    throw new MetadataStoreError(
      `The etcd's prefix has keys that are no cluster's, like ${
        found[0]?.key
      }; choose another one (barnabas.etcd.prefix)`,
    );
  }
  return await commits.commit({
    compare: [{ key: CLUSTER, version: ABSENT }, { key: IMPORT, version: ABSENT }],
    set: [{ key: IMPORT, value: JSON.stringify(importRow(parts, false)) }],
  });
}

function importRow({ nodeId, directories }: ImportParts, isDone: boolean): ImportRow {
  return { nodeId, directoryId: onlineOf(directories)[0] ?? "", isDone };
}

/** The broker as a member that is away. */
function registration({ nodeId, directories }: ImportParts): Assignment[] {
  const ids = onlineOf(directories);
  const row: RegistrationRow = {
    ...{ incarnation: SOME_DIRECTORY, directoryId: ids[0] ?? "", rack: null, listeners: [], directories: ids },
    ...{ shards: 1, version: "" },
  };
  return [
    { key: registrationKey(nodeId), value: JSON.stringify(row) },
    { key: stateKey(nodeId), value: JSON.stringify({ state: "fenced" }) },
  ];
}

function rowsOf(own: StoredMetadata, { nodeId, directories }: ImportParts): Assignment[] {
  const placement = new DirectoryPlacement(directories.ids);
  const found = new FoundDirectories(directories.found, { placement, nodeId });
  const topics = [...own.topics].flatMap(([name, { row }]) => {
    const partitions = own.partitions.get(row.id) ?? [];
    return [
      { key: topicKey(name), value: JSON.stringify(row) },
      ...partitions.flatMap((stored, partition) => {
        if (stored === undefined) return [];
        const next = ledBy(nodeId, stored.row, found.of(`${name}-${partition}`, stored.row));
        return [{ key: partitionRowKey(row.id, partition), value: JSON.stringify(next) }];
      }),
    ];
  });
  const online = onlineOf(directories);
  const deleted = [...own.deleted].map(([id, row]) => {
    const named = row.directories.flatMap((directory) => directory === SOME_DIRECTORY ? online : [directory]);
    return deletedEntry(id, { ...row, directories: [...new Set(named)] });
  });
  const groups = [...own.groups].map(([id, { row }]) => ({ key: groupKey(id), value: JSON.stringify(row) }));
  const settings = [...own.settings.rows(), ...own.brokerConfigs].map(({ key, value }) => ({ key, value }));
  const ids = own.producerIds === null ? [] : [{ key: PRODUCER_IDS, value: JSON.stringify(own.producerIds.row) }];
  return [...topics, ...deleted, ...groups, ...settings, ...ids];
}

function ledBy(nodeId: number, { leaderEpoch, partitionEpoch }: PartitionRow, directory: string): ClusterPartitionRow {
  return {
    ...{ replicas: [nodeId], isr: [nodeId], leader: nodeId, directories: [directory] },
    ...{ leaderEpoch: leaderEpoch + 1, partitionEpoch: partitionEpoch + 1, minIsr: 1, recovering: false },
    ...{ elr: [], lastKnownElr: [], adding: [], removing: [] },
  };
}

/** Divides a list into parts that a transaction takes, with room for two comparisons. @param bytesOf a part of the list, at most */
function portions<Item>(
  items: readonly Item[],
  { transactionKeysMax, transactionBytesMax }: StoreLimits,
  bytesOf: (item: Item) => number,
): Item[][] {
  const parts: Item[][] = [];
  let bytes = Infinity;
  for (const item of items) {
    const last = parts.at(-1);
    bytes += bytesOf(item);
    if (last === undefined || last.length >= transactionKeysMax || bytes > transactionBytesMax) {
      parts.push([item]);
      bytes = bytesOf(item);
    } else last.push(item);
  }
  return parts;
}

function onlineOf({ ids }: PartitionDirectories): string[] {
  return ids.filter((id) => id !== null);
}
