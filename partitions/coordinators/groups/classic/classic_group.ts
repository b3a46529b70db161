/**
 * A classic group: members of one protocol type (consumers, Connect workers or others), one of which leads and makes the assignment.
 * Runs on the shard that owns the group's partition of `__consumer_offsets`. This file is the group's interface. The rules are in
 * join_group.ts, static_members.ts, sync_group.ts, leave_group.ts, rebalance.ts, classic_validation.ts.
 *
 * What must always hold: each request is answered once; a generation has one assignment, which is in the log before any member has it;
 * every request of a member of an older generation is refused.
 *
 * Lifetime: a group is made for the first request that names it, and forgotten at once while `isVacant`. Loading makes it with
 * `replay()` of each of its records and `start()` at the end. `fromMembers()` makes it out of a consumer group. The group may keep the
 * bytes of requests and records, because decoding copied them.
 *
 * Source: KIP-62, KIP-345, KIP-394, KIP-559, KIP-814; Kafka 4.3 ClassicGroup, GroupMetadataManager.
 *
 * Not done: commits of transactions (TxnOffsetCommit) have no rule here yet.
 */
import { errorCode } from "../../../../net/protocol/error_codes.ts";
import type { JoinGroupRequest, JoinGroupResponse } from "../../../../net/protocol/messages/11_join_group.ts";
import type { HeartbeatRequest, HeartbeatResponse } from "../../../../net/protocol/messages/12_heartbeat.ts";
import type { LeaveGroupRequest, LeaveGroupResponse } from "../../../../net/protocol/messages/13_leave_group.ts";
import type { SyncGroupRequest, SyncGroupResponse } from "../../../../net/protocol/messages/14_sync_group.ts";
import type { DescribedGroup } from "../../../../net/protocol/messages/15_describe_groups.ts";
import type { GroupPorts } from "../group_ports.ts";
import type { CoordinatorClient, Reply } from "../../runtime/coordinator.ts";
import type { GroupMetadataRecord, GroupRecord } from "../records/group_record.ts";
import { heartbeatAnswer } from "./answers.ts";
import { type ClassicMemberFacts, NO_BYTES } from "./classic_member.ts";
import { membersOf } from "./classic_records.ts";
import { ClassicState, type ClassicStateName } from "./classic_state.ts";
import {
  checkDelete,
  checkOffsetCommit,
  checkOffsetDelete,
  isSubscribedTo,
  type OffsetCommitter,
  offsetUnusedSince,
} from "./classic_validation.ts";
import { joinGroup } from "./join_group.ts";
import { leaveGroup } from "./leave_group.ts";
import { Rebalance } from "./rebalance.ts";
import { syncGroup } from "./sync_group.ts";

/** The data of a consumer group that becomes a classic one, when its last member of the consumer protocol has left (KIP-848). */
export interface ClassicGroupSeed {
  readonly generation: number;
  readonly protocolType: string;
  /** A protocol that all members support, found by `selectProtocol()`. */
  readonly protocolName: string;
  readonly members: readonly ClassicMemberFacts[];
}

/** A classic group. */
export class ClassicGroup {
  readonly type = "classic";
  readonly #state: ClassicState;
  readonly #rebalance: Rebalance;

  /** Makes an Empty group without a record in the log. */
  constructor(ports: GroupPorts, groupId: string) {
    this.#state = new ClassicState(ports, groupId);
    this.#rebalance = new Rebalance(this.#state);
  }

  /** Makes a stable group without a record in the log. The caller appends `toRecord()`, then calls `start()`. */
  static fromMembers(ports: GroupPorts, groupId: string, seed: ClassicGroupSeed): ClassicGroup {
    const group = new ClassicGroup(ports, groupId);
    group.#state.seed(seed, seed.members.map((member) => group.#rebalance.newMember(member)));
    return group;
  }

  get groupId(): string {
    return this.#state.groupId;
  }

  get state(): ClassicStateName {
    return this.#state.name;
  }

  get generation(): number {
    return this.#state.generation;
  }

  /** null until a member has joined. */
  get protocolType(): string | null {
    return this.#state.protocolType;
  }

  /** The protocol that the members of the generation use, null without one. */
  get protocolName(): string | null {
    return this.#state.protocolName;
  }

  get memberCount(): number {
    return this.#state.members.count;
  }

  /** The members, to describe them and to make a consumer group out of them. */
  members(): Iterable<ClassicMemberFacts> {
    return this.#state.members.all();
  }

  /** Whether the group has no state: no record in the log, no members, no pending member ids. */
  get isVacant(): boolean {
    const { isLogged, members } = this.#state;
    return !isLogged && members.count === 0 && members.pendingCount === 0;
  }

  /** Since when the group has been Empty, wall-clock ms; null while it is not, or if the log does not tell. */
  get emptySinceMs(): number | null {
    return this.#state.name === "Empty" ? this.#state.sinceMs : null;
  }

  /** JoinGroup v0-9. */
  join(request: JoinGroupRequest, client: CoordinatorClient, reply: Reply<JoinGroupResponse>): void {
    joinGroup(this.#rebalance, { request, client }, reply);
  }

  /** SyncGroup v0-5. */
  sync(request: SyncGroupRequest, client: CoordinatorClient, reply: Reply<SyncGroupResponse>): void {
    syncGroup(this.#rebalance, { request, apiVersion: client.apiVersion }, reply);
  }

  /** Heartbeat v0-4. The response is frozen. */
  heartbeat(request: HeartbeatRequest, _client: CoordinatorClient, reply: Reply<HeartbeatResponse>): void {
    reply(heartbeatAnswer(this.#checkHeartbeat(request)));
  }

  /** LeaveGroup v0-5. */
  leave(request: LeaveGroupRequest, client: CoordinatorClient, reply: Reply<LeaveGroupResponse>): void {
    reply(leaveGroup(this.#rebalance, request, client.apiVersion));
  }

  /** Its part of DescribeGroups. The members' metadata belongs to a protocol, so it is included only while the group is stable. */
  describe(): DescribedGroup {
    const { groupId, name, protocolType, protocolName, members } = this.#state;
    const stableProtocol = name === "Stable" ? protocolName : null;
    return {
      errorCode: errorCode.NONE,
      errorMessage: null,
      groupId,
      groupState: name,
      protocolType: protocolType ?? "",
      protocolData: stableProtocol ?? "",
      members: Array.from(members.all(), (member) => ({
        memberId: member.memberId,
        groupInstanceId: member.groupInstanceId,
        clientId: member.clientId,
        clientHost: member.clientHost,
        memberMetadata: stableProtocol === null ? NO_BYTES : member.metadataFor(stableProtocol),
        memberAssignment: member.assignment,
      })),
    };
  }

  /** Its part of ListGroups. */
  overview(): { groupId: string; protocolType: string; groupState: string; groupType: string } {
    const { groupId, protocolType, name } = this.#state;
    return { groupId, protocolType: protocolType ?? "", groupState: name, groupType: this.type };
  }

  /** Checks whether a client may commit offsets. @returns Kafka's error code, 0 when it may */
  validateOffsetCommit(committer: OffsetCommitter, _apiVersion: number): number {
    return checkOffsetCommit(this.#rebalance, committer);
  }

  /** Checks whether offsets may be read; any client may. @returns Kafka's error code, 0 when they may */
  validateOffsetFetch(_memberId: string | null, _memberEpoch: number): number {
    return this.#state.name === "Dead" ? errorCode.GROUP_ID_NOT_FOUND : errorCode.NONE;
  }

  /** Checks whether offsets of topics that the group is not subscribed to may be deleted. @returns Kafka's error code, 0 when they may */
  validateOffsetDelete(): number {
    return checkOffsetDelete(this.#state);
  }

  /** Checks whether the group may be deleted. @returns Kafka's error code, 0 when it may */
  validateDelete(): number {
    return checkDelete(this.#state);
  }

  /** Whether its members subscribe to a topic. */
  isSubscribedTo(topic: string): boolean {
    return isSubscribedTo(this.#state, topic);
  }

  /** Since when an offset of the group counts as unused, wall-clock ms; null while it never expires. */
  unusedSince(topic: string, commitTimestamp: number): number | null {
    return offsetUnusedSince(this.#state, topic, commitTimestamp);
  }

  /** Applies a record. Tombstones are handled by the owner of the group, which forgets it. */
  replay(record: GroupMetadataRecord): void {
    const { value } = record;
    if (value === null) return;
    this.#state.restore(value, membersOf(value).map((member) => this.#rebalance.newMember(member)));
  }

  /** Makes the record of a group that `fromMembers()` made. */
  toRecord(): GroupMetadataRecord {
    return this.#state.toRecord([...this.#state.members.all()]);
  }

  /**
   * Starts the members' sessions once the group is in the log: after loading, or after `fromMembers()`. Each member has one session
   * timeout to send a request.
   * @param rebalance true if all members have to join again
   */
  start(rebalance = false): void {
    this.#state.isLogged = true;
    const { members, ports } = this.#state;
    for (const member of members.all()) this.#rebalance.keepAlive(member);
    // `group.max.size` may be smaller than before. The last members to join again are then refused.
    if (members.count > 0 && (rebalance || members.count > ports.settings.maxSize)) this.#rebalance.prepare();
  }

  /** Makes the records that remove the group from the log. */
  tombstones(): GroupRecord[] {
    return [{ kind: "group-metadata", key: { group: this.groupId }, value: null }];
  }

  /** Ends the group: all waiting requests are answered. @param code the error they get */
  dispose(code: number = errorCode.NOT_COORDINATOR): void {
    this.#rebalance.stop(code);
  }

  /** Checks a heartbeat, and begins a new session of its member. @returns Kafka's error code */
  #checkHeartbeat({ memberId, groupInstanceId, generationId }: HeartbeatRequest): number {
    const state = this.#state;
    if (state.name === "Dead") return errorCode.COORDINATOR_NOT_AVAILABLE;
    const unknown = state.identify(memberId, groupInstanceId);
    if (unknown !== errorCode.NONE) return unknown;
    if (generationId !== state.generation) return errorCode.ILLEGAL_GENERATION;
    const member = state.members.get(memberId);
    if (member !== undefined) this.#rebalance.keepAlive(member);
    return state.name === "PreparingRebalance" ? errorCode.REBALANCE_IN_PROGRESS : errorCode.NONE;
  }
}
