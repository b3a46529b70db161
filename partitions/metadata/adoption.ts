/**
 * Decides what to do with partition directories that the store does not know: written by Apache Kafka, restored from a backup, or left by
 * a crash during the deletion of a topic. Pure; the main isolate runs it once, at its start.
 *
 * Rules
 * - A directory of a topic that was deleted is removed, never adopted: a deleted topic must not come back, also from a log directory that
 *   was not in log.dirs, or failed, when it was deleted. One that a backup put into another log directory is adopted.
 * - A topic is adopted with the id in `partition.metadata`, with all partitions from 0 to the highest one found; missing ones in between
 *   start empty, as in Kafka.
 * - Its leader epochs begin above those in its logs (`leader-epoch-checkpoint`), because epochs never go back (KIP-101).
 * - Directories that contradict the store or each other are left untouched and reported.
 */
import { OFFLINE_DIRECTORY } from "../placement/directory_placement.ts";
import { PARTITIONS_PER_REQUEST_MAX } from "./topic_creation.ts";
import { CLUSTER_METADATA_TOPIC, refuseTopicName } from "./topic_names.ts";

/** A directory `<topic>-<partition>`. */
export interface FoundPartition {
  readonly topic: string;
  readonly partition: number;
}

/** A directory of a partition in one of the log directories. */
export interface FoundDirectory extends FoundPartition {
  /** Index of the log directory in `log.dirs`. */
  readonly directory: number;
}

/** A copy of a partition that a move to a log directory had begun (AlterReplicaLogDirs). */
export interface FoundFuture extends FoundDirectory {
  /** Name of the copy's directory. */
  readonly name: string;
}

/** What the small files of a directory say. */
export interface PartitionIdentity {
  /** Topic id of `partition.metadata`, null where there is none. */
  readonly topicId: string | null;
  /** Highest epoch of `leader-epoch-checkpoint`, -1 where there is none. */
  readonly latestLeaderEpoch: number;
}

/** Partition directories of the log directories that are online. */
export interface PartitionDirectories {
  /** `directory.id` of each log directory, in the order of `log.dirs`; null for one that is offline. */
  readonly ids: readonly (string | null)[];
  /** Paths of the log directories, in the same order. */
  readonly paths: readonly string[];
  /** All directories found at the start. */
  readonly found: readonly FoundDirectory[];
  /** Copies found at the start, which only their move needs. */
  readonly futures: readonly FoundFuture[];
  /** Completes a move: the copy becomes the partition's directory, durably. */
  promote(copy: FoundFuture): Promise<void>;
  /** Puts a copy in the place of the partition's directory, durably. @param from index of the old log directory */
  exchange(copy: FoundFuture, from: number): Promise<void>;
  /** Removes a copy. */
  removeFuture(copy: FoundFuture): void;
  /** Reads the small files of a directory, or of a copy. @returns their contents, or a sentence when they cannot be read */
  identify(partition: FoundDirectory | FoundFuture): Promise<PartitionIdentity | string>;
  /** Removes a partition's directories, where they exist; their bytes are freed later. @param directory the only log directory concerned */
  remove(partition: FoundPartition, directory?: number): Promise<void>;
  /** Gives a partition's directory the name of a stray one, as in Kafka: no start takes it for a partition's. @returns the name */
  setAside(partition: FoundDirectory): Promise<string>;
  /** Whether the checkpoints of a log directory say that a partition had records there. */
  hadRecords(partition: FoundDirectory): boolean;
  /** Removes what the checkpoints say of partitions that were removed or set aside: a new topic may have their names. */
  forgetOffsets(away: readonly FoundDirectory[]): Promise<void>;
  /** Settles when all creations, renames and removals so far are durable. */
  sync(): Promise<void>;
}

/** A topic, or further partitions of a known one. */
export interface AdoptedTopic {
  readonly name: string;
  readonly id: string;
  /** Whether the store knows the topic and only partitions are new. */
  readonly isKnown: boolean;
  /** Number of the first partition to adopt. */
  readonly first: number;
  /** First leader epoch of each partition, from `first` on. */
  readonly leaderEpochs: readonly number[];
  /** Index of the log directory of each partition, from `first` on; -1 where none was found. */
  readonly directories: readonly number[];
  readonly configs: Readonly<Record<string, string>>;
}

/** What to do with the directories. */
export interface AdoptionPlan {
  readonly adopted: readonly AdoptedTopic[];
  readonly removed: readonly FoundDirectory[];
  /** Sentences for the log. */
  readonly warnings: readonly string[];
}

/** The topics that the store knows. */
export interface KnownTopics {
  /** Id and number of partitions of a topic. */
  topic(name: string): { readonly id: string; readonly count: number } | undefined;
  /** Whether a topic has this id. */
  hasId(id: string): boolean;
  /** Whether a deleted topic had this id, and may have left directories in a log directory. @param directory its index */
  isDeleted(id: string, directory: number): boolean;
  readonly freeCount: number;
  readonly newTopicId: () => string;
}

type Identified = FoundDirectory & PartitionIdentity;

/** Epochs are 32-bit numbers on the wire. */
const LEADER_EPOCH_MAX = 0x7fff_ffff;

/**
 * Configs for Kafka's internal topics. Kafka keeps configs in its metadata log, not in the topics' directories; without these the internal
 * topics would soon be empty (GroupCoordinator.groupMetadataTopicConfigs, TransactionStateManager.transactionTopicConfigs).
 */
const internalConfigs = { "cleanup.policy": "compact", "segment.bytes": "104857600" };
const compactedInternalTopics: ReadonlySet<string> = new Set(["__consumer_offsets", "__transaction_state"]);

/** Whether the store does not know a directory, so that its files must be read. */
export function isUnknown({ topic, partition }: FoundPartition, known: Pick<KnownTopics, "topic">): boolean {
  return topic !== CLUSTER_METADATA_TOPIC && partition >= (known.topic(topic)?.count ?? 0);
}

/** Plans the adoption. @param found directories that the store does not know, or that may be those of a deleted topic */
export function planAdoption(found: readonly Identified[], known: KnownTopics): AdoptionPlan {
  const isRemoved = ({ topicId, directory }: Identified) => topicId !== null && known.isDeleted(topicId, directory);
  const removed = found.filter(isRemoved);
  const byTopic = new Map<string, Identified[]>();
  for (const partition of found) {
    if (isRemoved(partition) || !isUnknown(partition, known)) continue;
    const ofTopic = byTopic.get(partition.topic);
    if (ofTopic === undefined) byTopic.set(partition.topic, [partition]);
    else ofTopic.push(partition);
  }
  const warnings = [...Map.groupBy(removed, ({ topic }) => topic)].map(([name, { length }]) =>
    `Removed ${length} ${length === 1 ? "directory" : "directories"} of topic ${name}, which was deleted before`
  );
  const adopted: AdoptedTopic[] = [];
  const ids = new Set<string>();
  let freeCount = known.freeCount;
  for (const [name, partitions] of [...byTopic].sort(([a], [b]) => a < b ? -1 : 1)) {
    partitions.sort((a, b) => a.partition - b.partition);
    const hasId = (id: string) => ids.has(id) || known.hasId(id);
    const topic = adopt(name, partitions, { known: { ...known, hasId, freeCount }, warnings });
    if (topic === null) continue;
    ids.add(topic.id);
    freeCount -= topic.leaderEpochs.length;
    adopted.push(topic);
  }
  return { adopted, removed, warnings };
}

function adopt(
  name: string,
  partitions: readonly Identified[],
  { known, warnings }: { known: KnownTopics; warnings: string[] },
): AdoptedTopic | null {
  const leave = (why: string) => {
    warnings.push(`Leaving the directories of ${name} alone: ${why}`);
    return null;
  };
  const existing = known.topic(name);
  const id = existing?.id ?? partitions.find(({ topicId }) => topicId !== null)?.topicId ?? known.newTopicId();
  if (refuseTopicName(name) !== null) return leave("it is not a valid name of a topic");
  if (existing === undefined && known.hasId(id)) return leave(`another topic has its id ${id}`);
  if (partitions.some(({ latestLeaderEpoch }) => latestLeaderEpoch >= LEADER_EPOCH_MAX)) {
    return leave("its leader epochs are used up");
  }
  const own = partitions.filter(({ topicId }) => topicId === null || topicId === id);
  for (const { partition, topicId } of partitions) {
    if (topicId === null || topicId === id) continue;
    warnings.push(`Leaving directory ${name}-${partition} alone: it belongs to topic id ${topicId}, ${name} has ${id}`);
  }
  const twice = own.find(({ partition }, index) => partition === own[index - 1]?.partition);
  if (twice !== undefined) return leave(`partition ${twice.partition} lies in two log directories; remove one of them`);
  const last = own.at(-1);
  if (last === undefined) return null;
  const first = existing?.count ?? 0;
  const count = last.partition + 1 - first;
  if (count > Math.min(PARTITIONS_PER_REQUEST_MAX, known.freeCount)) {
    return leave(`partition ${last.partition} is beyond what this broker takes`);
  }
  const leaderEpochs: number[] = new Array(count).fill(0);
  const directories: number[] = new Array(count).fill(OFFLINE_DIRECTORY);
  for (const { partition, directory, latestLeaderEpoch } of own) {
    leaderEpochs[partition - first] = latestLeaderEpoch + 1;
    directories[partition - first] = directory;
  }
  const configs = existing === undefined && compactedInternalTopics.has(name) ? internalConfigs : {};
  warnings.push(
    `Adopted ${own.length} ${own.length === 1 ? "directory" : "directories"} of topic ${name} (id ${id}, ${
      last.partition + 1
    } partitions); configs are not kept in directories: set the topic's again if it had any`,
  );
  return { name, id, isKnown: existing !== undefined, first, leaderEpochs, directories, configs };
}
