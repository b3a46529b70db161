/**
 * Committed offsets of one partition of `__consumer_offsets`, by group, topic and partition. It is one table of typed arrays: millions
 * of small objects would take three times the memory, and every garbage collection would walk them. Runs on shards; pure.
 *
 *   row       offset · commit time · expire time (3 x 8 bytes)
 *             group · topic · topic id · partition · leader epoch · next and previous of the group · next of the bucket (8 x 4)
 *   buckets   first row by hash, -1 none; as many buckets as the table has room for rows
 *   metadata  number of a text by row, only where it is not empty: most clients send none; equal texts are kept once
 *
 * An offset takes 60 to 130 bytes. The id of a group takes some 150 bytes and twice its length, and so does short metadata, which every
 * client may send. Long metadata uses a budget.
 *
 * Always: a row is in exactly one bucket's list and in its group's list, or it is in the list of free rows.
 */
import { assert } from "../../../../storage/base/assert.ts";
import { bytesOfText, type GroupMemory } from "../group_memory.ts";
import { NamePool } from "../name_pool.ts";

/** The committed offset of a partition, with its metadata. */
export interface CommittedOffset {
  readonly offset: number;
  /** Leader epoch of the last consumed record, -1 if the client did not send it. */
  readonly leaderEpoch: number;
  readonly metadata: string;
  /** Wall-clock ms. */
  readonly commitTimestamp: number;
  /** When it expires, wall-clock ms (OffsetCommit v2-4); -1 if the broker's retention decides. */
  readonly expireTimestamp: number;
  /** Id of the topic at the time of the commit, "" or zeros if unknown. */
  readonly topicId: string;
}

const INTS = 8;
const [GROUP, TOPIC, TOPIC_ID, PARTITION, LEADER_EPOCH, NEXT, PREVIOUS, CHAIN] = [0, 1, 2, 3, 4, 5, 6, 7] as const;
const DOUBLES = 3;
const [OFFSET, COMMIT_MS, EXPIRE_MS] = [0, 1, 2] as const;
const NONE = -1;
const FIRST_CAPACITY = 16;
/** Length of metadata that every offset may have, in characters: Kafka Streams writes some 30. */
const SHORT_METADATA_MAX = 128;

/** The table of committed offsets. The number of a row stays the same until its offset is removed. */
export class OffsetTable {
  readonly #groups = new NamePool();
  readonly #topics = new NamePool();
  readonly #topicIds = new NamePool();
  /** First row by group number. */
  readonly #heads: number[] = [];
  readonly #metadata = new Map<number, number>();
  readonly #texts = new NamePool();
  readonly #memory: GroupMemory;
  #doubles = new Float64Array(FIRST_CAPACITY * DOUBLES);
  #ints = new Int32Array(FIRST_CAPACITY * INTS);
  #buckets = new Int32Array(FIRST_CAPACITY).fill(NONE);
  #capacity = FIRST_CAPACITY;
  #used = 0;
  #freed = NONE;
  #count = 0;

  /** @param memory the budget for long metadata */
  constructor(memory: GroupMemory) {
    this.#memory = memory;
  }

  /** Whether metadata may be kept: it is short, another offset has the same, or the budget has room. */
  hasRoomFor(metadata: string): boolean {
    const cost = costOf(metadata);
    return cost === 0 || this.#texts.find(metadata) !== NONE || this.#memory.hasRoomFor(cost);
  }

  /** Returns the memory of metadata to the budget. */
  dispose(): void {
    for (const text of this.#texts.names()) this.#memory.change(-costOf(text));
  }

  /** How many offsets there are. */
  get count(): number {
    return this.#count;
  }

  /** Whether a group has offsets. */
  has(groupId: string): boolean {
    return this.#groups.find(groupId) !== NONE;
  }

  /** Groups that have offsets. */
  groupIds(): Iterable<string> {
    return this.#groups.names();
  }

  /** Finds the row of an offset, -1 for none. */
  find(groupId: string, topic: string, partition: number): number {
    const [group, topicNumber] = [this.#groups.find(groupId), this.#topics.find(topic)];
    return group === NONE || topicNumber === NONE ? NONE : this.#find(group, topicNumber, partition);
  }

  /** Stores an offset and replaces an earlier one. */
  set(groupId: string, topic: string, partition: number, committed: CommittedOffset): void {
    let row = this.find(groupId, topic, partition);
    if (row === NONE) row = this.#add(groupId, topic, partition);
    else this.#topicIds.release(this.#int(row, TOPIC_ID));
    const [ints, doubles] = [row * INTS, row * DOUBLES];
    this.#ints[ints + TOPIC_ID] = this.#topicIds.hold(committed.topicId);
    this.#ints[ints + LEADER_EPOCH] = committed.leaderEpoch;
    this.#doubles[doubles + OFFSET] = committed.offset;
    this.#doubles[doubles + COMMIT_MS] = committed.commitTimestamp;
    this.#doubles[doubles + EXPIRE_MS] = committed.expireTimestamp;
    if (committed.metadata !== "" || this.#metadata.size > 0) this.#setMetadata(row, committed.metadata);
  }

  /** Removes an offset. Does nothing if there is none. */
  remove(groupId: string, topic: string, partition: number): void {
    const row = this.find(groupId, topic, partition);
    if (row === NONE) return;
    this.#unchain(row);
    const [group, next, previous] = [this.#int(row, GROUP), this.#int(row, NEXT), this.#int(row, PREVIOUS)];
    if (previous === NONE) this.#heads[group] = next;
    else this.#ints[previous * INTS + NEXT] = next;
    if (next !== NONE) this.#ints[next * INTS + PREVIOUS] = previous;
    this.#groups.release(group);
    this.#topics.release(this.#int(row, TOPIC));
    this.#topicIds.release(this.#int(row, TOPIC_ID));
    if (this.#metadata.size > 0) this.#setMetadata(row, "");
    this.#ints[row * INTS + GROUP] = NONE;
    this.#ints[row * INTS + CHAIN] = this.#freed;
    this.#freed = row;
    this.#count--;
  }

  /** First row of a group, -1 for none. The row that was added last comes first. */
  firstOf(groupId: string): number {
    const group = this.#groups.find(groupId);
    return group === NONE ? NONE : this.#heads[group] as number;
  }

  /** The group's row after this one, -1 for none. */
  next(row: number): number {
    return this.#int(row, NEXT);
  }

  /** The row after this one among those of all groups, -1 for none; the first one after -1. */
  nextRow(row: number): number {
    for (let next = row + 1; next < this.#used; next++) if (this.#int(next, GROUP) !== NONE) return next;
    return NONE;
  }

  /** Whether a row has an offset of a group. */
  isOf(row: number, groupId: string): boolean {
    const group = this.#int(row, GROUP);
    return group !== NONE && this.#groups.name(group) === groupId;
  }

  /** Group of a row. */
  group(row: number): string {
    return this.#groups.name(this.#int(row, GROUP));
  }

  /** Whether any group has an offset of the topic. */
  hasTopic(topic: string): boolean {
    return this.#topics.find(topic) !== NONE;
  }

  /** Topic of a row. */
  topic(row: number): string {
    return this.#topics.name(this.#int(row, TOPIC));
  }

  /** Partition of a row. */
  partition(row: number): number {
    return this.#int(row, PARTITION);
  }

  /** Topic id of a row, as it was committed. */
  topicId(row: number): string {
    return this.#topicIds.name(this.#int(row, TOPIC_ID));
  }

  /** Offset of a row. */
  offset(row: number): number {
    return this.#doubles[row * DOUBLES + OFFSET] as number;
  }

  /** Leader epoch of a row, -1 for none. */
  leaderEpoch(row: number): number {
    return this.#int(row, LEADER_EPOCH);
  }

  /** Metadata of a row, "" for none. */
  metadata(row: number): string {
    const text = this.#metadata.get(row);
    return text === undefined ? "" : this.#texts.name(text);
  }

  /** When a row was committed, wall-clock ms. */
  commitTimestamp(row: number): number {
    return this.#doubles[row * DOUBLES + COMMIT_MS] as number;
  }

  /** When a row expires, wall-clock ms; -1 if the broker's retention decides. */
  expireTimestamp(row: number): number {
    return this.#doubles[row * DOUBLES + EXPIRE_MS] as number;
  }

  #setMetadata(row: number, metadata: string): void {
    const before = this.#metadata.get(row);
    if (metadata === "") this.#metadata.delete(row);
    else {
      if (this.#texts.find(metadata) === NONE) this.#memory.change(costOf(metadata));
      this.#metadata.set(row, this.#texts.hold(metadata));
    }
    if (before === undefined) return;
    const text = this.#texts.name(before);
    if (this.#texts.release(before)) this.#memory.change(-costOf(text));
  }

  #int(row: number, column: number): number {
    return this.#ints[row * INTS + column] as number;
  }

  #find(group: number, topic: number, partition: number): number {
    const ints = this.#ints;
    let row = this.#buckets[hash(group, topic, partition) & (this.#capacity - 1)] as number;
    while (row !== NONE) {
      const at = row * INTS;
      if (ints[at + GROUP] === group && ints[at + TOPIC] === topic && ints[at + PARTITION] === partition) return row;
      row = ints[at + CHAIN] as number;
    }
    return NONE;
  }

  #add(groupId: string, topic: string, partition: number): number {
    const row = this.#takeRow();
    const isNewGroup = this.#groups.find(groupId) === NONE;
    const group = this.#groups.hold(groupId);
    const head = isNewGroup ? NONE : this.#heads[group] as number;
    if (head !== NONE) this.#ints[head * INTS + PREVIOUS] = row;
    this.#heads[group] = row;
    const at = row * INTS;
    this.#ints[at + GROUP] = group;
    this.#ints[at + TOPIC] = this.#topics.hold(topic);
    this.#ints[at + PARTITION] = partition;
    this.#ints[at + NEXT] = head;
    this.#ints[at + PREVIOUS] = NONE;
    this.#chain(row);
    this.#count++;
    return row;
  }

  #takeRow(): number {
    const freed = this.#freed;
    if (freed !== NONE) {
      this.#freed = this.#int(freed, CHAIN);
      return freed;
    }
    if (this.#used === this.#capacity) this.#grow();
    return this.#used++;
  }

  /** Doubles the room of the table. Called only when no row is free. */
  #grow(): void {
    this.#capacity *= 2;
    const doubles = new Float64Array(this.#capacity * DOUBLES);
    doubles.set(this.#doubles);
    const ints = new Int32Array(this.#capacity * INTS);
    ints.set(this.#ints);
    [this.#doubles, this.#ints] = [doubles, ints];
    this.#buckets = new Int32Array(this.#capacity).fill(NONE);
    for (let row = 0; row < this.#used; row++) this.#chain(row);
  }

  #bucketOf(row: number): number {
    return hash(this.#int(row, GROUP), this.#int(row, TOPIC), this.#int(row, PARTITION)) & (this.#capacity - 1);
  }

  #chain(row: number): void {
    const bucket = this.#bucketOf(row);
    this.#ints[row * INTS + CHAIN] = this.#buckets[bucket] as number;
    this.#buckets[bucket] = row;
  }

  #unchain(row: number): void {
    const bucket = this.#bucketOf(row);
    const after = this.#int(row, CHAIN);
    let at = this.#buckets[bucket] as number;
    if (at === row) {
      this.#buckets[bucket] = after;
      return;
    }
    while (this.#int(at, CHAIN) !== row) {
      at = this.#int(at, CHAIN);
      assert(at !== NONE, "a row is in its bucket's list");
    }
    this.#ints[at * INTS + CHAIN] = after;
  }
}

/** Estimates the memory of metadata; 0 for short metadata, which is counted with its offset. */
function costOf(metadata: string): number {
  return metadata.length <= SHORT_METADATA_MAX ? 0 : bytesOfText(metadata);
}

/** Spreads three small numbers over 32 bits (the finalizer of MurmurHash3). */
function hash(group: number, topic: number, partition: number): number {
  let value = Math.imul(group, 0x9e3779b1) ^ Math.imul(topic, 0x85ebca77) ^ Math.imul(partition, 0xc2b2ae3d);
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35);
  return value ^ (value >>> 16);
}
