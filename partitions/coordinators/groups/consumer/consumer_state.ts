/**
 * The state of a consumer group that is in the log: its epochs and its members with their targets and current assignments. It changes
 * only by replaying records, while the log is loaded and after each append. Runs on shards.
 *
 * What must always hold: `ownerOf()` returns the one member that has a partition or still has to give it up. After a compaction, records
 * of a log may come in unusual orders: then the later record wins, and nothing throws.
 *
 * Source: Kafka's ConsumerGroup, ModernGroup and the replay() methods of GroupMetadataManager.
 */
import { bytesOfText, type GroupMemory, MEMBER_BYTES, PARTITION_BYTES } from "../group_memory.ts";
import type { ConsumerGroupRecord } from "../records/group_record.ts";
import { type Assignment, NO_PARTITIONS } from "./assignors/assignor.ts";
import {
  isReconciledTo,
  JOIN_EPOCH,
  LEAVE_EPOCH,
  type Member,
  newMember,
  type OwnedPartitions,
  OWNS_NOTHING,
} from "./consumer_member.ts";
import { currentFromRecord, factsFromRecord, targetFromRecord } from "./member_records.ts";
import { count, Subscriptions } from "./subscriptions.ts";

/** Name of a group's state in Kafka. */
export type ConsumerGroupStateName = "Empty" | "Assigning" | "Reconciling" | "Stable" | "Dead";

/** Kafka's epoch of a group before its first member joins, which makes it 2. */
const FIRST_GROUP_EPOCH = 1;
/** Assignment epoch after its tombstone. */
const NO_ASSIGNMENT_EPOCH = -1;

/** The state of one group, as its records made it. */
export class ConsumerState {
  readonly groupId: string;
  readonly subscriptions: Subscriptions;
  readonly #memory: GroupMemory;
  /** Whether the log has any record of the group. */
  isLogged = false;
  /** Whether the log has a record of Kafka 4.0 that needs a tombstone. */
  hasLegacyRecord = false;
  #groupEpoch = FIRST_GROUP_EPOCH;
  #topicsHash = 0n;
  #assignmentEpoch = 0;
  #assignmentMs = 0;
  #classicCount = 0;
  readonly #classicSupport = new Map<string, number>();
  readonly #members = new Map<string, Member>();
  readonly #targets = new Map<string, Assignment>();
  /** Member id by partition, by topic id. */
  readonly #owners = new Map<string, Map<number, string>>();
  /** Member id by instance id. */
  readonly #instances = new Map<string, string>();
  /** The assignors of the broker, the default first. */
  readonly #assignors: readonly string[];
  /** How many members prefer each assignor. */
  readonly #wanted = new Map<string, number>();

  /** @param by names of the broker's assignors, the default first, and the memory budget for members */
  constructor(groupId: string, by: { assignors: readonly string[]; memory: GroupMemory }) {
    this.groupId = groupId;
    this.#assignors = by.assignors;
    this.#memory = by.memory;
    this.subscriptions = new Subscriptions(by.memory);
  }

  get groupEpoch(): number {
    return this.#groupEpoch;
  }

  /** Hash of the subscribed topics at the group epoch. */
  get topicsHash(): bigint {
    return this.#topicsHash;
  }

  get assignmentEpoch(): number {
    return this.#assignmentEpoch;
  }

  /** When the targets were computed, wall-clock ms; 0 if unknown. */
  get assignmentMs(): number {
    return this.#assignmentMs;
  }

  get members(): ReadonlyMap<string, Member> {
    return this.#members;
  }

  /** How many members use the classic protocol. */
  get classicCount(): number {
    return this.#classicCount;
  }

  /** Returns how many classic members support a protocol. */
  classicSupportOf(protocolName: string): number {
    return this.#classicSupport.get(protocolName) ?? 0;
  }

  /** Ids of the members with a target. */
  get targetIds(): Iterable<string> {
    return this.#targets.keys();
  }

  get name(): ConsumerGroupStateName {
    if (this.#members.size === 0) return "Empty";
    if (this.#groupEpoch > this.#assignmentEpoch) return "Assigning";
    for (const member of this.#members.values()) {
      if (!isReconciledTo(member, this.#assignmentEpoch)) return "Reconciling";
    }
    return "Stable";
  }

  /** Returns the target of a member, empty if it has none. */
  targetOf(memberId: string): Assignment {
    return this.#targets.get(memberId) ?? NO_PARTITIONS;
  }

  get hasTargets(): boolean {
    return this.#targets.size > 0;
  }

  hasTarget(memberId: string): boolean {
    return this.#targets.has(memberId);
  }

  /** Returns the id of the member that has a partition. */
  ownerOf(topicId: string, partition: number): string | undefined {
    return this.#owners.get(topicId)?.get(partition);
  }

  /** Returns the static member with an instance id. */
  staticMember(instanceId: string | null): Member | undefined {
    const memberId = instanceId === null ? undefined : this.#instances.get(instanceId);
    return memberId === undefined ? undefined : this.#members.get(memberId);
  }

  /**
   * The assignor that most members prefer. If several are equally preferred, or no member names one, it is the broker's first of them. So
   * the result does not depend on the order of joining or on restarts.
   */
  get preferredAssignor(): string {
    let preferred = this.#assignors[0] ?? "";
    for (const name of this.#assignors) {
      if ((this.#wanted.get(name) ?? 0) > (this.#wanted.get(preferred) ?? 0)) preferred = name;
    }
    return preferred;
  }

  /** Applies a record. The holder of the group handles the tombstone of the group itself, which removes the group. */
  replay(record: ConsumerGroupRecord): void {
    this.isLogged = true;
    switch (record.kind) {
      case "consumer-group-metadata":
        if (record.value === null) return;
        this.#groupEpoch = record.value.epoch;
        this.#topicsHash = record.value.metadataHash;
        return;
      case "consumer-group-partition-metadata":
        this.hasLegacyRecord = record.value !== null;
        return;
      case "consumer-group-target-assignment-metadata":
        this.#assignmentEpoch = record.value?.assignmentEpoch ?? NO_ASSIGNMENT_EPOCH;
        this.#assignmentMs = record.value?.assignmentTimestamp ?? 0;
        return;
      case "consumer-group-regular-expression": {
        const { topics, timestamp } = record.value ?? { topics: null, timestamp: 0 };
        const resolved = topics === null ? null : { topics: new Set(topics), timestampMs: timestamp };
        return this.subscriptions.resolve(record.key.regularExpression, resolved);
      }
      case "consumer-group-target-assignment-member": {
        const { memberId } = record.key;
        return this.#setTarget(memberId, record.value === null ? null : targetFromRecord(record.value));
      }
      case "consumer-group-member-metadata": {
        const { memberId } = record.key;
        if (record.value === null) return this.#removeMember(memberId);
        return this.#setMember({ ...this.#memberOrNew(memberId), ...factsFromRecord(record.value) });
      }
      case "consumer-group-current-member-assignment": {
        const { memberId } = record.key;
        if (record.value !== null) {
          return this.#setMember({ ...this.#memberOrNew(memberId), ...currentFromRecord(record.value) });
        }
        const member = this.#members.get(memberId);
        if (member === undefined) return;
        return this.#setMember({
          ...member,
          memberEpoch: LEAVE_EPOCH,
          previousMemberEpoch: LEAVE_EPOCH,
          assigned: OWNS_NOTHING,
          revoking: OWNS_NOTHING,
        });
      }
    }
  }

  /** Returns all memory to the budget, when the group is removed. */
  dispose(): void {
    for (const memberId of [...this.#targets.keys()]) this.#setTarget(memberId, null);
    for (const member of this.#members.values()) this.#memory.change(-bytesOfMember(member));
    this.#members.clear();
    this.subscriptions.dispose();
  }

  #setTarget(memberId: string, target: Assignment | null): void {
    const partitionsCount = sizeOf(target ?? NO_PARTITIONS) - sizeOf(this.targetOf(memberId));
    this.#memory.change(PARTITION_BYTES * partitionsCount);
    if (target === null) this.#targets.delete(memberId);
    else this.#targets.set(memberId, target);
  }

  #memberOrNew(memberId: string): Member {
    return this.#members.get(memberId) ?? { ...newMember(memberId), memberEpoch: JOIN_EPOCH };
  }

  #setMember(member: Member): void {
    const before = this.#members.get(member.memberId);
    if (before === undefined || !sharesFacts(before, member)) {
      if (before !== undefined) this.#forgetFacts(before);
      // The old facts were removed from the counts first: otherwise a member that keeps its list could lose it.
      member = { ...member, topicNames: this.subscriptions.add(member) };
      if (member.instanceId !== null) this.#instances.set(member.instanceId, member.memberId);
      if (member.serverAssignor !== null) count(this.#wanted, member.serverAssignor, 1);
      this.#countClassic(member, 1);
    }
    this.#memory.change(bytesOfMember(member) - (before === undefined ? 0 : bytesOfMember(before)));
    if (before !== undefined) this.#removeOwner(before);
    this.#members.set(member.memberId, member);
    this.#addOwner(member.memberId, member.assigned);
    this.#addOwner(member.memberId, member.revoking);
  }

  #removeMember(memberId: string): void {
    const member = this.#members.get(memberId);
    if (member === undefined) return;
    this.#members.delete(memberId);
    this.#memory.change(-bytesOfMember(member));
    this.#forgetFacts(member);
    this.#removeOwner(member);
  }

  #forgetFacts(member: Member): void {
    const { instanceId, memberId, serverAssignor } = member;
    this.subscriptions.remove(member);
    if (instanceId !== null && this.#instances.get(instanceId) === memberId) this.#instances.delete(instanceId);
    if (serverAssignor !== null) count(this.#wanted, serverAssignor, -1);
    this.#countClassic(member, -1);
  }

  #countClassic({ classic }: Member, step: 1 | -1): void {
    if (classic === null) return;
    this.#classicCount += step;
    for (const name of new Set(classic.supportedProtocols.map(({ name }) => name))) {
      count(this.#classicSupport, name, step);
    }
  }

  #addOwner(memberId: string, owned: OwnedPartitions): void {
    for (const [topicId, partitions] of owned) {
      let owners = this.#owners.get(topicId);
      if (owners === undefined) this.#owners.set(topicId, owners = new Map());
      for (const partition of partitions.keys()) owners.set(partition, memberId);
    }
  }

  #removeOwner({ memberId, assigned, revoking }: Member): void {
    for (const owned of [assigned, revoking]) {
      for (const [topicId, partitions] of owned) {
        const owners = this.#owners.get(topicId);
        if (owners === undefined) continue;
        for (const partition of partitions.keys()) if (owners.get(partition) === memberId) owners.delete(partition);
        if (owners.size === 0) this.#owners.delete(topicId);
      }
    }
  }
}

/** Returns the number of partitions of an assignment. */
export function sizeOf(target: Assignment): number {
  let size = 0;
  for (const partitions of target.values()) size += partitions.length;
  return size;
}

/** Returns the bytes of memory of a member, without its list of names and its partitions. */
export function bytesOfMember(member: Member): number {
  const { memberId, instanceId, rackId, clientId, clientHost, topicRegex, serverAssignor, classic } = member;
  const texts = [memberId, instanceId, rackId, clientId, clientHost, topicRegex, serverAssignor];
  const protocols = classic?.supportedProtocols ?? [];
  const bytes = protocols.reduce((sum, { name, metadata }) => sum + bytesOfText(name) + metadata.length, MEMBER_BYTES);
  return texts.reduce((sum, text) => sum + bytesOfText(text), bytes);
}

/** Returns whether two members share their facts: a record of a current assignment leaves these objects as they are. */
function sharesFacts(one: Member, other: Member): boolean {
  return one.topicNames === other.topicNames && one.topicRegex === other.topicRegex &&
    one.instanceId === other.instanceId && one.serverAssignor === other.serverAssignor && one.classic === other.classic;
}
