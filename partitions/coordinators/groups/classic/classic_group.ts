/**
 * A classic group: members of one protocol type (consumers, Connect workers, anything) whose leader, one of them, assigns. Runs on the
 * shard that owns the group's partition of `__consumer_offsets`. This file is the group's surface; the rules are beside it:
 * join_group.ts, static_members.ts, sync_group.ts, leave_group.ts, rebalance.ts, classic_validation.ts.
 *
 * What must always hold: each request is answered once; a generation has one assignment, which is in the log before anybody has it; a
 * member of an older generation is refused everything.
 *
 * Life: made for the first request that names the group and forgotten at once while `isVacant`; or made by loading, with `replay()` of
 * each of its records and `start()` at the end; or made out of a consumer group by `fromMembers()`. Bytes of requests and
 * records are the group's to keep: whoever decoded them has copied them.
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

/** What a consumer group becomes when its last member of the consumer protocol is gone (KIP-848). */
export interface ClassicGroupSeed {
  readonly generation: number;
  readonly protocolType: string;
  /** One that all members support: `selectProtocol()` finds it. */
  readonly protocolName: string;
  readonly members: readonly ClassicMemberFacts[];
}

/** The group. */
export class ClassicGroup {
  readonly type = "classic";
  readonly #state: ClassicState;
  readonly #rebalance: Rebalance;

  /** Makes an Empty group that the log does not know. */
  constructor(ports: GroupPorts, groupId: string) {
    this.#state = new ClassicState(ports, groupId);
    this.#rebalance = new Rebalance(this.#state);
  }

  /** Makes a stable group that the log does not know: append `toRecord()`, then `start()` it. */
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

  /** null until somebody joined. */
  get protocolType(): string | null {
    return this.#state.protocolType;
  }

  /** What the members of the generation use, null without. */
  get protocolName(): string | null {
    return this.#state.protocolName;
  }

  get memberCount(): number {
    return this.#state.members.count;
  }

  /** The members, for describing them and for making a consumer group of them. */
  members(): Iterable<ClassicMemberFacts> {
    return this.#state.members.all();
  }

  /** Whether there is nothing to remember: not in the log, no members, nobody expected. */
  get isVacant(): boolean {
    const { isLogged, members } = this.#state;
    return !isLogged && members.count === 0 && members.pendingCount === 0;
  }

  /** Since when it has been Empty, wall-clock ms; null while it is not, or when the log does not say. */
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
    reply(heartbeatAnswer(this.#takeHeartbeat(request)));
  }

  /** LeaveGroup v0-5. */
  leave(request: LeaveGroupRequest, client: CoordinatorClient, reply: Reply<LeaveGroupResponse>): void {
    reply(leaveGroup(this.#rebalance, request, client.apiVersion));
  }

  /** Its part of DescribeGroups. What members say of themselves belongs to a protocol: it is told while the group is stable. */
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

  /** Whether somebody may commit offsets. @returns Kafka's error code, 0 when it may */
  validateOffsetCommit(committer: OffsetCommitter, _apiVersion: number): number {
    return checkOffsetCommit(this.#rebalance, committer);
  }

  /** Whether offsets may be read: by anybody. @returns Kafka's error code, 0 when they may */
  validateOffsetFetch(_memberId: string | null, _memberEpoch: number): number {
    return this.#state.name === "Dead" ? errorCode.GROUP_ID_NOT_FOUND : errorCode.NONE;
  }

  /** Whether offsets may be deleted, of topics that it is not subscribed to. @returns Kafka's error code, 0 when they may */
  validateOffsetDelete(): number {
    return checkOffsetDelete(this.#state);
  }

  /** Whether the group may be deleted. @returns Kafka's error code, 0 when it may */
  validateDelete(): number {
    return checkDelete(this.#state);
  }

  /** Whether its members read a topic. */
  isSubscribedTo(topic: string): boolean {
    return isSubscribedTo(this.#state, topic);
  }

  /** Since when an offset of it counts as not used, wall-clock ms; null while it is kept whatever its age. */
  unusedSince(topic: string, commitTimestamp: number): number | null {
    return offsetUnusedSince(this.#state, topic, commitTimestamp);
  }

  /** Takes on what a record says. A tombstone is whoever holds the group: it forgets it. */
  replay(record: GroupMetadataRecord): void {
    const { value } = record;
    if (value === null) return;
    this.#state.restore(value, membersOf(value).map((member) => this.#rebalance.newMember(member)));
  }

  /** What the log is told when the group was made by `fromMembers()`. */
  toRecord(): GroupMetadataRecord {
    return this.#state.toRecord([...this.#state.members.all()]);
  }

  /**
   * The group is in the log and begins to live: after loading, or after `fromMembers()`. Each member has one session to show up.
   * @param rebalance true: everybody is to join again
   */
  start(rebalance = false): void {
    this.#state.isLogged = true;
    const { members, ports } = this.#state;
    for (const member of members.all()) this.#rebalance.keepAlive(member);
    // `group.max.size` may be smaller than it was; the last to join again find no place.
    if (members.count > 0 && (rebalance || members.count > ports.settings.maxSize)) this.#rebalance.prepare();
  }

  /** Records that make the log forget the group. */
  tombstones(): GroupRecord[] {
    return [{ kind: "group-metadata", key: { group: this.groupId }, value: null }];
  }

  /** Ends: whoever waits is answered. @param code what they are told */
  dispose(code: number = errorCode.NOT_COORDINATOR): void {
    this.#rebalance.stop(code);
  }

  #takeHeartbeat({ memberId, groupInstanceId, generationId }: HeartbeatRequest): number {
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
