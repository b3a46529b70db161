/**
 * Compares the log directories of a starting broker with the rows of a shared store, before any log is opened. Runs once, on the main
 * isolate.
 *
 *   found on the disk                                    the store says                       what is done
 *   <topic>-<n> with the topic's id                      it is here                           opened
 *   the same in another log directory                    it is here                           opened; its row names that one from now on
 *   <topic>-<n> of a deleted topic                       deleted/<id> names its directory     removed, durably; then the row is told
 *   <topic>-<n> otherwise                                another topic, or not here           renamed to …-stray and reported
 *   nothing, its log directory is offline or gone        it is here                           offline
 *   nothing, but the checkpoints say it had records      it is here, and nowhere else         offline, with a sentence
 *   the same                                             it is here, and elsewhere            offline; its row says that it is lost
 *   nothing                                              it is here                           a new, empty log
 *
 * Always: no directory is removed but one that the store says to remove: one load may be wrong. No partition that has lost its directory
 * begins anew as long as it counts as in sync, or may lead: it would answer that there never were records. Afterwards another broker has
 * the records, and it is rehomed (shared_image.ts).
 *
 * Leader epochs stay as they are: in a cluster only elections begin a leadership. Nothing is adopted.
 * Source: Kafka's LogManager (isStrayReplica, loadLog), BrokerLifecycleManager (KIP-858).
 */
import { firstNames } from "../../../storage/base/first_names.ts";
import { type ClusterPartitionRow, partitionRowOf } from "../../cluster/cluster_rows.ts";
import { DirectoryPlacement } from "../../placement/directory_placement.ts";
import type { FoundDirectory, PartitionDirectories, PartitionIdentity } from "../adoption.ts";
import { sentenceOfDisk } from "../changes/disk_refusals.ts";
import { finishMoves } from "../controller_loading.ts";
import { FoundDirectories } from "../found_directories.ts";
import { LOST_DIRECTORY, partitionRowKey, SOME_DIRECTORY, type TopicRow, type Versioned } from "../records.ts";
import { type Assignment, type Comparison, MetadataStoreError, type StoreLimits } from "../store/store.ts";
import type { StoreFollower } from "../store/store_follower.ts";
import { CLUSTER_METADATA_TOPIC } from "../topic_names.ts";
import type { SharedCommits } from "./shared_commits.ts";
import type { NamedPartition } from "./shared_image.ts";
import { deletedRowOf, type SharedDeletedRow, sharedKey, topicRowOf } from "./shared_rows.ts";
import { chunks } from "./shared_transactions.ts";

/** What the comparison uses. */
export interface SharedLoadingParts {
  readonly nodeId: number;
  readonly follower: StoreFollower;
  readonly commits: SharedCommits;
  readonly limits: StoreLimits;
}

/** What the comparison found. */
export interface ComparedDirectories {
  /** Partitions that stay offline. */
  readonly missing: readonly NamedPartition[];
  /** Deleted topics of which the online log directories have nothing any more, durably. */
  readonly removedIds: readonly string[];
  /** Sentences for the log. */
  readonly warnings: readonly string[];
}

/** Directories read at a time. */
const IDENTIFIED_AT_ONCE = 64;
/** How often a row is corrected, because others have changed it meanwhile. */
const TRIES_MAX = 10;

type Identified = FoundDirectory & { readonly identity: PartitionIdentity | string };

/** The rows that concern this broker. */
class OwnRows {
  readonly topics = new Map<string, Versioned<TopicRow>>();
  /** Rows of partitions with a replica here, by topic id and partition; nothing for others. */
  readonly partitions = new Map<string, (Versioned<ClusterPartitionRow> | undefined)[]>();
  readonly deleted = new Map<string, SharedDeletedRow>();

  /** @throws MetadataStoreError for a row of another shape */
  constructor(nodeId: number, { rows }: StoreFollower) {
    for (const entry of rows.values()) {
      const named = sharedKey(entry.key);
      if (named.kind === "topic") this.topics.set(named.name, { row: topicRowOf(entry), version: entry.version });
      else if (named.kind === "deleted") this.deleted.set(named.topicId, deletedRowOf(entry));
      else if (named.kind === "partition") {
        const row = partitionRowOf(entry);
        if (!row.replicas.includes(nodeId)) continue;
        const ofTopic = this.partitions.get(named.topicId) ?? [];
        ofTopic[named.partition] = { row, version: entry.version };
        this.partitions.set(named.topicId, ofTopic);
      }
    }
  }

  /** The partitions with a replica here. */
  *hosted(): Generator<{ topic: string; topicId: string; partition: number; row: ClusterPartitionRow }> {
    for (const [topic, { row: { id: topicId } }] of this.topics) {
      for (const [partition, versioned] of this.partitions.get(topicId)?.entries() ?? []) {
        if (versioned !== undefined) yield { topic, topicId, partition, row: versioned.row };
      }
    }
  }

  /** Id of the topic of this name, if the partition has a replica here. */
  idOf(topic: string, partition: number): string | undefined {
    const id = this.topics.get(topic)?.row.id;
    return id === undefined || this.partitions.get(id)?.[partition] === undefined ? undefined : id;
  }
}

/**
 * Compares the log directories with the store, removes and renames what has to be, and corrects rows.
 * @throws MetadataStoreError when a row is damaged, two log directories have one partition, or the store does not answer
 */
export async function compareDirectories(
  directories: PartitionDirectories,
  parts: SharedLoadingParts,
): Promise<ComparedDirectories> {
  const rows = new OwnRows(parts.nodeId, parts.follower);
  const placement = new DirectoryPlacement(directories.ids);
  const { kept, away, warnings } = await sortOut(directories, { rows, placement });
  if (rows.deleted.size > 0) await directories.sync();
  await finishMoves(directories, rows, { placement, nodeId: parts.nodeId, found: kept });
  const found = new FoundDirectories(kept, { placement, nodeId: parts.nodeId });
  // Where something lies, where a copy was promoted, and where lines of checkpoints are about something else.
  const explained = new Set([...kept, ...away, ...directories.futures].map(nameOf));
  const corrections = new Map<string, string>();
  const missing: NamedPartition[] = [];
  const homeless = new Map<string, string[]>();
  const lost: string[] = [];
  const isFound = new Set(kept.map(({ topic, partition }) => `${topic}-${partition}`));
  for (const { topic, topicId, partition, row } of rows.hosted()) {
    const stored = row.directories[row.replicas.indexOf(parts.nodeId)] as string;
    const name = `${topic}-${partition}`;
    if (stored === LOST_DIRECTORY && !isFound.has(name)) {
      lost.push(name);
      continue;
    }
    const isKnown = stored !== SOME_DIRECTORY && stored !== LOST_DIRECTORY;
    const id = found.of(name, isKnown ? row : { ...row, directories: undefined });
    if (id !== stored) corrections.set(partitionRowKey(topicId, partition), id);
    const place = { topic, partition, directory: placement.indexOf(id) };
    if (place.directory < 0) homeless.set(id, homeless.get(id) ?? []);
    homeless.get(id)?.push(name);
    if (place.directory < 0 || explained.has(nameOf(place)) || !directories.hadRecords(place)) continue;
    if (row.replicas.length > 1) {
      corrections.set(partitionRowKey(topicId, partition), LOST_DIRECTORY);
      lost.push(name);
      continue;
    }
    missing.push({ topicId, partition });
    const path = directories.paths[place.directory];
    warnings.push(
      `${topic}-${partition} is offline: its directory in ${path} is gone, although it had records there. Bring it back and ` +
        "start the broker again, or delete the topic",
    );
  }
  for (const [id, names] of homeless) {
    // A directory that is offline has been reported, and may be the one.
    if (!directories.ids.includes(null)) warnings.push(lostDirectory(id, names));
  }
  if (lost.length > 0) warnings.push(lostLogs(lost));
  await correctRows(corrections, parts);
  const isOurs = ({ directories: ids }: SharedDeletedRow) =>
    ids.length === 0 || ids.some((id) => placement.indexOf(id) >= 0);
  const removedIds = [...rows.deleted].flatMap(([id, row]) => isOurs(row) ? [id] : []);
  return { missing, removedIds, warnings: [...warnings, ...found.warnings] };
}

/** The sentence about partitions whose log directory this broker does not have. */
function lostDirectory(id: string, names: readonly string[]): string {
  return `${
    firstNames(names)
  }: offline, because the log directory with directory.id ${id}, which has their records, is not one of ` +
    "this broker's. What other brokers have is fetched from them. For the rest, bring it back (--data, log.dirs) and start the " +
    "broker again, or delete the topics";
}

/** The sentence about partitions of which other brokers have replicas, too. */
function lostLogs(names: readonly string[]): string {
  return `${
    firstNames(names)
  }: this broker has lost their logs, and fetches them again from their leaders. Where there is none, bring ` +
    "the directories back and start the broker again, or delete the topics";
}

/** Removes what the store says to remove, and renames what it does not know. */
async function sortOut(
  directories: PartitionDirectories,
  { rows, placement }: { rows: OwnRows; placement: DirectoryPlacement },
): Promise<{ kept: FoundDirectory[]; away: FoundDirectory[]; warnings: string[] }> {
  const [kept, away, warnings]: [FoundDirectory[], FoundDirectory[], string[]] = [[], [], []];
  const isDeleted = (topicId: string, directory: number) =>
    rows.deleted.get(topicId)?.directories.includes(placement.idOf(directory)) === true;
  for await (const { identity, ...place } of identified(directories)) {
    const name = `${place.topic}-${place.partition}`;
    const id = rows.idOf(place.topic, place.partition);
    if (typeof identity === "string") {
      // The opening of the log says what is wrong with it.
      if (id !== undefined) kept.push(place);
      else warnings.push(`Leaving directory ${name} alone: ${identity}`);
    } else if (identity.topicId !== null && isDeleted(identity.topicId, place.directory)) {
      await directories.remove(place, place.directory);
      away.push(place);
    } else if (id !== undefined && (identity.topicId === null || identity.topicId === id)) kept.push(place);
    else {
      const path = directories.paths[place.directory];
      away.push(place);
      try {
        const renamed = await directories.setAside(place);
        warnings.push(`${name} in ${path} is not known to the cluster at this place: it is ${renamed} from now on`);
      } catch (error) {
        warnings.push(`${name} in ${path} is not known to the cluster at this place: ${sentenceOfDisk(error)}`);
      }
    }
  }
  await directories.forgetOffsets(away);
  return { kept, away, warnings };
}

/** The directories that were found, with what their small files say. */
async function* identified(directories: PartitionDirectories): AsyncGenerator<Identified> {
  const found = directories.found.filter(({ topic }) => topic !== CLUSTER_METADATA_TOPIC);
  for (let start = 0; start < found.length; start += IDENTIFIED_AT_ONCE) {
    const some = found.slice(start, start + IDENTIFIED_AT_ONCE);
    const identities = await Promise.all(some.map((place) => directories.identify(place)));
    for (const [index, identity] of identities.entries()) yield { ...some[index] as FoundDirectory, identity };
  }
}

/**
 * Has rows name other log directories of this broker.
 * @param corrections `directory.id` by key
 * @param mayCorrect asked about each row as it stands; all by default
 * @throws MetadataStoreError when the store does not answer
 */
export async function correctRows(
  corrections: ReadonlyMap<string, string>,
  parts: SharedLoadingParts,
  mayCorrect: (key: string, row: ClusterPartitionRow) => boolean = () => true,
): Promise<void> {
  const { follower, commits, limits } = parts;
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    const changes = [...corrections].flatMap(([key, id]) => correction(key, id, { ...parts, mayCorrect }));
    if (changes.length === 0) return;
    for (const some of chunks(changes, limits)) {
      const transaction = { compare: some.map(({ compare }) => compare), set: some.map(({ set }) => set) };
      const result = await commits.commit(transaction);
      if (result.outcome === "refused") {
        throw new MetadataStoreError(`Cannot note where partitions lie: ${result.refusal.errorMessage}`);
      }
      if (result.outcome === "committed") await follower.reached(result.version);
      else await commits.arrived(transaction, result.keys);
    }
  }
  throw new MetadataStoreError("Cannot note where partitions lie: other brokers change their rows");
}

/** The change of a row, unless it is right, or not about this broker any more. */
function correction(
  key: string,
  id: string,
  { follower, nodeId, mayCorrect }: SharedLoadingParts & {
    mayCorrect: (key: string, row: ClusterPartitionRow) => boolean;
  },
): { readonly compare: Comparison; readonly set: Assignment }[] {
  const entry = follower.rows.get(key);
  if (entry === undefined) return [];
  const row = partitionRowOf(entry);
  const index = row.replicas.indexOf(nodeId);
  if (index < 0 || row.directories[index] === id || !mayCorrect(key, row)) return [];
  const value = JSON.stringify(withDirectory(row, index, id));
  return [{ compare: { key, version: entry.version }, set: { key, value } }];
}

/** The next row, in which a replica has another log directory. */
export function withDirectory(row: ClusterPartitionRow, replica: number, id: string): ClusterPartitionRow {
  return { ...row, directories: row.directories.with(replica, id), partitionEpoch: row.partitionEpoch + 1 };
}

function nameOf({ topic, partition, directory }: FoundDirectory): string {
  return `${topic}-${partition}@${directory}`;
}
