/**
 * What to do with partition directories that the store does not know: written by Apache Kafka, restored from a backup,
 * or left by a topic whose deletion a crash cut short. Pure; the main isolate runs it once, at its start.
 *
 * Rules
 * - A directory of a topic that was deleted is removed, never adopted: a deleted topic must not come back.
 * - A topic is adopted under the id in `partition.metadata`, with all partitions from 0 to the highest one found; one that is
 *   missing in between starts empty, as in Kafka.
 * - Its leader epochs begin above those in its logs (`leader-epoch-checkpoint`), because epochs never go back (KIP-101).
 * - What contradicts the store or itself stays where it is, untouched, with a sentence.
 */
import { PARTITIONS_PER_REQUEST_MAX } from "./topic_creation.ts";
import { CLUSTER_METADATA_TOPIC, refuseTopicName } from "./topic_names.ts";

/** A directory `<topic>-<partition>`. */
export interface FoundPartition {
  readonly topic: string;
  readonly partition: number;
}

/** What its small files say. */
export interface PartitionIdentity {
  /** Topic id of `partition.metadata`, null where there is none. */
  readonly topicId: string | null;
  /** Highest epoch of `leader-epoch-checkpoint`, -1 where there is none. */
  readonly latestLeaderEpoch: number;
}

/** Partition directories of the log directory. */
export interface PartitionDirectories {
  /** All that were there at the start. */
  readonly found: readonly FoundPartition[];
  /** Reads the small files of one. @returns what they say, or a sentence when they cannot be read */
  identify(partition: FoundPartition): Promise<PartitionIdentity | string>;
  /** Takes one out of the log directory; one that is missing is fine. Its bytes are freed later. */
  remove(partition: FoundPartition): Promise<void>;
  /** Settles when what was created, renamed and removed so far is durable. */
  sync(): Promise<void>;
}

/** A topic, or the further partitions of one. */
export interface AdoptedTopic {
  readonly name: string;
  readonly id: string;
  /** Whether the store has it and only partitions are new. */
  readonly isKnown: boolean;
  /** Number of the first partition to adopt. */
  readonly first: number;
  /** Leader epoch to begin with, by partition from `first` on. */
  readonly leaderEpochs: readonly number[];
  readonly configs: Readonly<Record<string, string>>;
}

/** What is to be done. */
export interface AdoptionPlan {
  readonly adopted: readonly AdoptedTopic[];
  readonly removed: readonly FoundPartition[];
  /** Sentences for the log. */
  readonly warnings: readonly string[];
}

/** What the store says. */
export interface KnownTopics {
  /** Id and number of partitions of a topic. */
  topic(name: string): { readonly id: string; readonly count: number } | undefined;
  /** Whether a topic has this id. */
  hasId(id: string): boolean;
  /** Whether a deleted topic had this id. */
  isDeleted(id: string): boolean;
  readonly freeCount: number;
  readonly newTopicId: () => string;
}

type Identified = FoundPartition & PartitionIdentity;

/** Epochs are 32-bit numbers on the wire. */
const LEADER_EPOCH_MAX = 0x7fff_ffff;

/**
 * Kafka keeps configs of topics in its metadata log, not in their directories. Its internal topics are useless, and soon
 * empty, without these (GroupCoordinator.groupMetadataTopicConfigs, TransactionStateManager.transactionTopicConfigs).
 */
const internalConfigs = { "cleanup.policy": "compact", "segment.bytes": "104857600" };
const compactedInternalTopics: ReadonlySet<string> = new Set(["__consumer_offsets", "__transaction_state"]);

/** Whether the store does not know a directory, so that it has to be looked into. */
export function isUnknown({ topic, partition }: FoundPartition, known: Pick<KnownTopics, "topic">): boolean {
  return topic !== CLUSTER_METADATA_TOPIC && partition >= (known.topic(topic)?.count ?? 0);
}

/** Decides. @param found directories for which `isUnknown()` holds */
export function planAdoption(found: readonly Identified[], known: KnownTopics): AdoptionPlan {
  const isRemoved = ({ topicId }: Identified) => topicId !== null && known.isDeleted(topicId);
  const removed = found.filter(isRemoved);
  const byTopic = new Map<string, Identified[]>();
  for (const partition of found) {
    if (isRemoved(partition)) continue;
    const ofTopic = byTopic.get(partition.topic);
    if (ofTopic === undefined) byTopic.set(partition.topic, [partition]);
    else ofTopic.push(partition);
  }
  const warnings: string[] = [];
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
  const last = own.at(-1);
  if (last === undefined) return null;
  const first = existing?.count ?? 0;
  const count = last.partition + 1 - first;
  if (count > Math.min(PARTITIONS_PER_REQUEST_MAX, known.freeCount)) {
    return leave(`partition ${last.partition} is beyond what this broker takes`);
  }
  const leaderEpochs: number[] = new Array(count).fill(0);
  for (const { partition, latestLeaderEpoch } of own) leaderEpochs[partition - first] = latestLeaderEpoch + 1;
  const configs = existing === undefined && compactedInternalTopics.has(name) ? internalConfigs : {};
  warnings.push(
    `Adopted ${own.length} ${own.length === 1 ? "directory" : "directories"} of topic ${name} (id ${id}, ${
      last.partition + 1
    } partitions); configs are not kept in directories: set the topic's again if it had any`,
  );
  return { name, id, isKnown: existing !== undefined, first, leaderEpochs, configs };
}
