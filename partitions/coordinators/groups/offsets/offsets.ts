/**
 * Committed offsets of one partition of `__consumer_offsets`. Requests are planned here as records and an answer; the offsets change only
 * through `replay()` of records that are in the log. Runs on shards; pure apart from the clock it is given.
 *
 * Source: Kafka's OffsetMetadataManager, OffsetExpirationConditionImpl, and KafkaApis for what is checked against the topics.
 *
 * Not done: offsets of open transactions (TxnOffsetCommit); until they exist every offset is stable.
 */
import { errorCode } from "../../../../net/protocol/error_codes.ts";
import type {
  OffsetCommitRequest,
  OffsetCommitResponse,
  OffsetCommitResponsePartition,
  OffsetCommitResponseTopic,
} from "../../../../net/protocol/messages/08_offset_commit.ts";
import type {
  OffsetFetchRequestGroup,
  OffsetFetchResponseGroup,
  OffsetFetchResponsePartition,
  OffsetFetchResponseTopic,
} from "../../../../net/protocol/messages/09_offset_fetch.ts";
import type {
  OffsetDeleteRequest,
  OffsetDeleteResponseTopic,
} from "../../../../net/protocol/messages/47_offset_delete.ts";
import { newArray, plainConstructor } from "../../../../net/protocol/plain_constructor.ts";
import { ZERO_UUID } from "../../../../net/protocol/text_cache.ts";
import type { MetadataImage, TopicImage } from "../../../metadata/image.ts";
import type { GroupMemory } from "../group_memory.ts";
import { absentOffset, FetchedPartition, PartitionCode } from "../group_refusals.ts";
import { OffsetTable } from "./offset_table.ts";
import type { OffsetCommitRecord } from "../records/group_record.ts";

/** The first version of OffsetCommit and OffsetFetch that names topics by id. */
const TOPIC_ID_VERSION = 10;
/** How many offsets are removed at a time, and how many rows are checked for that: one or two milliseconds. */
const REMOVED_MAX = 2000;
const ROWS_MAX = 20_000;
/** How many offsets a step fetches. */
const FETCHED_PER_STEP = 1000;
/** A retention time or expiry time that was not given. */
const NONE = -1;

type Value = NonNullable<OffsetCommitRecord["value"]>;
/** One for each partition of a request, so they are not made by literals (plain_constructor.ts). */
const CommitKey = plainConstructor<OffsetCommitRecord["key"]>()("group", "topic", "partition");
const CommitValue = plainConstructor<Value>()(
  "offset",
  "leaderEpoch",
  "metadata",
  "commitTimestamp",
  "expireTimestamp",
  "topicId",
);
const CommitRecord = plainConstructor<OffsetCommitRecord>()("kind", "key", "value");
const TopicAnswer = plainConstructor<OffsetCommitResponseTopic>()("name", "topicId", "partitions");
const FetchedGroup = plainConstructor<OffsetFetchResponseGroup>()("groupId", "topics");
const FetchedTopic = plainConstructor<OffsetFetchResponseTopic>()("name", "topicId", "partitions");

/** The result of planning a commit. */
export interface PlannedCommit {
  /** The records to append and replay; none if no offset can be kept. */
  readonly records: OffsetCommitRecord[];
  readonly response: { topics: OffsetCommitResponseTopic[] } & OffsetCommitResponse;
  /** Partitions of the answer that exist: those that a refusal by the group concerns. */
  readonly known: OffsetCommitResponsePartition[];
}

/** The limits that planning uses. */
export interface OffsetsRules {
  readonly image: MetadataImage;
  /** `offset.metadata.max.bytes`, counted in UTF-16 units as in Kafka */
  readonly metadataBytesMax: number;
  /** The budget for long metadata. */
  readonly memory: GroupMemory;
}

/** Since when an offset counts as unused, wall-clock ms; null while it never expires. */
export type UnusedSince = (groupId: string, topic: string, commitTimestamp: number) => number | null;

/** Records that remove some offsets. */
export interface PlannedRemoval {
  readonly records: OffsetCommitRecord[];
  /** The row after which the next call continues, null when all rows were checked. */
  readonly lastRow: number | null;
}

/** The committed offsets of one partition. */
export class Offsets {
  readonly #rules: OffsetsRules;
  readonly #table: OffsetTable;

  constructor(rules: OffsetsRules) {
    this.#rules = rules;
    this.#table = new OffsetTable(rules.memory);
  }

  /** Returns the memory of metadata to the budget. */
  dispose(): void {
    this.#table.dispose();
  }

  /** How many offsets there are. */
  get count(): number {
    return this.#table.count;
  }

  /** Groups that have offsets. */
  groupIds(): Iterable<string> {
    return this.#table.groupIds();
  }

  /** Whether a group has offsets. */
  has(groupId: string): boolean {
    return this.#table.has(groupId);
  }

  /** Plans a commit. The caller checks that the group allows it. @param context time in wall-clock ms */
  planCommit(request: OffsetCommitRequest, context: { apiVersion: number; nowMs: number }): PlannedCommit {
    const records: OffsetCommitRecord[] = [];
    const known: OffsetCommitResponsePartition[] = [];
    const { image, metadataBytesMax } = this.#rules;
    const byId = context.apiVersion >= TOPIC_ID_VERSION;
    const commitTimestamp = context.nowMs;
    const expireTimestamp = request.retentionTimeMs === NONE ? NONE : commitTimestamp + request.retentionTimeMs;
    const topics = named(request.topics).map(({ name, topicId, partitions }): OffsetCommitResponseTopic => {
      const topic = byId ? image.topicById(topicId) : image.topic(name);
      const answered = partitions.map((partition): OffsetCommitResponsePartition => {
        const { partitionIndex } = partition;
        const code = refusePartition(topic, partitionIndex, byId);
        const answer = new PartitionCode(partitionIndex, code);
        if (topic === undefined || code !== errorCode.NONE) return answer;
        known.push(answer);
        const metadata = partition.committedMetadata ?? "";
        if (metadata.length > metadataBytesMax || !this.#table.hasRoomFor(metadata)) {
          answer.errorCode = errorCode.OFFSET_METADATA_TOO_LARGE;
          return answer;
        }
        const value = new CommitValue(
          partition.committedOffset,
          partition.committedLeaderEpoch,
          metadata,
          commitTimestamp,
          expireTimestamp,
          topic.id,
        );
        const key = new CommitKey(request.groupId, topic.name, partitionIndex);
        records.push(new CommitRecord("offset-commit", key, value));
        return answer;
      });
      return new TopicAnswer(topic?.name ?? name, topicId, answered);
    });
    return { records, response: { topics }, known };
  }

  /** Fetches a group's offsets for the partitions of a request, in steps. Null topics mean all. @param apiVersion of the request */
  *fetch(request: OffsetFetchRequestGroup, apiVersion: number): Generator<void, OffsetFetchResponseGroup> {
    const { groupId, topics } = request;
    const byId = apiVersion >= TOPIC_ID_VERSION;
    if (topics === null) {
      const all = yield* this.#fetchAll(groupId);
      // A deleted topic cannot be named by its id.
      return { groupId, topics: byId ? all.filter(({ topicId }) => topicId !== ZERO_UUID) : all };
    }
    // No array literal here, because one request may name thousands of groups (plain_constructor.ts).
    const answered = newArray<OffsetFetchResponseTopic>(topics.length);
    let unknown: OffsetFetchResponseTopic[] | null = null;
    let count = 0;
    let foundCount = 0;
    for (const { name, topicId, partitionIndexes } of topics) {
      count += 1 + partitionIndexes.length;
      if (count >= FETCHED_PER_STEP) {
        count = 0;
        yield;
      }
      const topicName = byId ? this.#rules.image.topicById(topicId)?.name : name;
      if (topicName === undefined) {
        const partitions = partitionIndexes.map((index) => absentOffset(index, errorCode.UNKNOWN_TOPIC_ID));
        unknown ??= [];
        unknown.push(new FetchedTopic(name, topicId, partitions));
      } else {
        const query = { groupId, topic: topicName, topicId: byId ? topicId : this.#idOf(topicName) };
        const partitions = partitionIndexes.map((index) => this.#fetchOne(query, index));
        answered[foundCount++] = new FetchedTopic(topicName, topicId, partitions);
      }
    }
    if (unknown !== null) { for (const topic of unknown) answered[foundCount++] = topic; }
    return new FetchedGroup(groupId, answered);
  }

  /** Plans an OffsetDelete. @param isSubscribedTo whether the group subscribes to a topic; its offsets then stay */
  planDelete(
    request: OffsetDeleteRequest,
    isSubscribedTo: (topic: string) => boolean,
  ): { records: OffsetCommitRecord[]; topics: OffsetDeleteResponseTopic[] } {
    const records: OffsetCommitRecord[] = [];
    const topics = named(request.topics).map(({ name, partitions }) => {
      const topic = this.#rules.image.topic(name);
      const answered = partitions.map(({ partitionIndex }) => {
        let code = refusePartition(topic, partitionIndex, false);
        if (code === errorCode.NONE) {
          if (isSubscribedTo(name)) code = errorCode.GROUP_SUBSCRIBED_TO_TOPIC;
          else if (this.#table.find(request.groupId, name, partitionIndex) >= 0) {
            records.push(tombstone(request.groupId, name, partitionIndex));
          }
        }
        return new PartitionCode(partitionIndex, code);
      });
      return { name, partitions: answered };
    });
    return { records, topics };
  }

  /** Makes records that remove offsets of a group, some at a time. @returns the records, and whether they remove the last offset */
  tombstones(groupId: string): { records: OffsetCommitRecord[]; isLast: boolean } {
    const records: OffsetCommitRecord[] = [];
    const table = this.#table;
    for (let row = table.firstOf(groupId); row >= 0; row = table.next(row)) {
      if (records.length === REMOVED_MAX) return { records, isLast: false };
      records.push(tombstone(groupId, table.topic(row), table.partition(row)));
    }
    return { records, isLast: true };
  }

  /**
   * Makes records that remove expired offsets, some at a time.
   * @param unusedSince returns since when an offset is unused
   * @param time now in wall-clock ms, and `offsets.retention.minutes` in ms
   * @param afterRow where the previous call ended, -1 at first
   */
  planExpiry(
    unusedSince: UnusedSince,
    time: { nowMs: number; retentionMs: number },
    afterRow: number,
  ): PlannedRemoval {
    const table = this.#table;
    return this.#planRemoval(afterRow, (row) => {
      const sinceMs = unusedSince(table.group(row), table.topic(row), table.commitTimestamp(row));
      const expireMs = table.expireTimestamp(row);
      return time.nowMs >= (sinceMs === null ? Infinity : expireMs === NONE ? sinceMs + time.retentionMs : expireMs);
    });
  }

  /**
   * Makes records that remove offsets of deleted topics, some at a time. Offsets of a new topic with the same name stay.
   * @param afterRow where the previous call ended, -1 at first
   */
  planTopicDeletion(topics: readonly { name: string; id: string }[], afterRow: number): PlannedRemoval {
    const table = this.#table;
    const known = topics.filter(({ name }) => table.hasTopic(name));
    if (known.length === 0) return { records: [], lastRow: null };
    const ids = new Set(known.map(({ id }) => id));
    const names = new Set(known.map(({ name }) => name));
    return this.#planRemoval(afterRow, (row) => {
      const topicId = table.topicId(row);
      return ids.has(topicId) || (topicId === ZERO_UUID && names.has(table.topic(row)));
    });
  }

  /** All offsets, and null where the reader may pause. Offsets may change meanwhile. */
  *rows(): Generator<{ group: string; topic: string; partition: number; offset: number } | null, void> {
    const table = this.#table;
    let count = 0;
    for (let row = table.nextRow(-1); row >= 0; row = table.nextRow(row)) {
      const partition = table.partition(row);
      yield { group: table.group(row), topic: table.topic(row), partition, offset: table.offset(row) };
      if (++count % FETCHED_PER_STEP === 0) yield null;
    }
  }

  /** Applies a record of the log. */
  replay({ key, value }: OffsetCommitRecord): void {
    if (value === null) this.#table.remove(key.group, key.topic, key.partition);
    else this.#table.set(key.group, key.topic, key.partition, value);
  }

  #planRemoval(afterRow: number, isDue: (row: number) => boolean): PlannedRemoval {
    const records: OffsetCommitRecord[] = [];
    const table = this.#table;
    let rowsCount = 0;
    for (let row = table.nextRow(afterRow); row >= 0; row = table.nextRow(row)) {
      if (isDue(row)) records.push(tombstone(table.group(row), table.topic(row), table.partition(row)));
      if (records.length === REMOVED_MAX || ++rowsCount === ROWS_MAX) return { records, lastRow: row };
    }
    return { records, lastRow: null };
  }

  *#fetchAll(groupId: string): Generator<void, OffsetFetchResponseTopic[]> {
    const table = this.#table;
    const topics = new Map<string, { partitions: OffsetFetchResponsePartition[] } & OffsetFetchResponseTopic>();
    const rows: number[] = [];
    for (let row = table.firstOf(groupId); row >= 0; row = table.next(row)) rows.push(row);
    for (const [index, row] of rows.entries()) {
      if (index % FETCHED_PER_STEP === FETCHED_PER_STEP - 1) yield;
      if (!table.isOf(row, groupId)) continue; // removed meanwhile
      const name = table.topic(row);
      let topic = topics.get(name);
      if (topic === undefined) {
        topic = { name, topicId: this.#idOf(name), partitions: [] };
        topics.set(name, topic);
      }
      if (!isOtherTopic(table.topicId(row), topic.topicId ?? ZERO_UUID)) topic.partitions.push(this.#present(row));
    }
    for (const { partitions } of topics.values()) partitions.sort((a, b) => a.partitionIndex - b.partitionIndex);
    return [...topics.values()].filter(({ partitions }) => partitions.length > 0);
  }

  /**
   * Current id of a topic, zeros without one. Offsets of an earlier topic with this name can still exist, if the broker ended before it
   * removed them.
   */
  #idOf(topicName: string): string {
    return this.#rules.image.topic(topicName)?.id ?? ZERO_UUID;
  }

  #fetchOne(query: { groupId: string; topic: string; topicId: string }, index: number): OffsetFetchResponsePartition {
    const row = this.#table.find(query.groupId, query.topic, index);
    return row < 0 || isOtherTopic(this.#table.topicId(row), query.topicId)
      ? absentOffset(index, errorCode.NONE)
      : this.#present(row);
  }

  #present(row: number): OffsetFetchResponsePartition {
    const table = this.#table;
    return new FetchedPartition(
      table.partition(row),
      table.offset(row),
      table.leaderEpoch(row),
      table.metadata(row),
      errorCode.NONE,
    );
  }
}

/** Topics of a request for which it names partitions. Kafka's answer omits the others. */
function named<T extends { readonly partitions: readonly unknown[] }>(topics: readonly T[]): readonly T[] {
  return topics.every(({ partitions }) => partitions.length > 0)
    ? topics
    : topics.filter(({ partitions }) => partitions.length > 0);
}

/** Whether an offset was committed for an earlier topic with the same name. An id of zeros matches every topic. */
function isOtherTopic(committed: string, asked: string): boolean {
  return committed !== ZERO_UUID && asked !== ZERO_UUID && committed !== asked;
}

function refusePartition(topic: TopicImage | undefined, partition: number, byId: boolean): number {
  if (topic === undefined) return byId ? errorCode.UNKNOWN_TOPIC_ID : errorCode.UNKNOWN_TOPIC_OR_PARTITION;
  return topic.partitions[partition] === undefined ? errorCode.UNKNOWN_TOPIC_OR_PARTITION : errorCode.NONE;
}

function tombstone(group: string, topic: string, partition: number): OffsetCommitRecord {
  return new CommitRecord("offset-commit", new CommitKey(group, topic, partition), null);
}
