/**
 * A consumer group of KIP-848: the broker assigns, members are told with their heartbeats what they may use. Runs on the shard that owns
 * the group's partition of `__consumer_offsets`. This file is the group's surface; the rules are beside it: heartbeat.ts,
 * membership.ts, reconciliation.ts, assignors/, regex_resolver.ts, offset_rules.ts; classic_protocol.ts, upgrade.ts and downgrade.ts for
 * groups that change their protocol.
 *
 * Three epochs: the group's grows when it needs another assignment, the assignment's follows when that has been made, a member's follows
 * when it goes over to it. What must always hold: no partition has two members; epochs never go back; what a member is
 * told is in the log before.
 *
 * Life: made for the first request that joins the group and forgotten at once while `isVacant`; or made by loading, with `replay()`
 * of each of its records and `start()` at the end; or made out of a classic group by `planUpgrade()`. Bytes and strings of
 * requests are the group's to keep.
 *
 * Source: KIP-848, KIP-1082, KIP-1251; Kafka 4.3 ConsumerGroup, GroupMetadataManager.
 *
 * Not done: racks do not influence assignments (nor do they in Kafka's assignors); commits of transactions have no rule here yet.
 */
import { errorCode } from "../../../../net/protocol/error_codes.ts";
import type { JoinGroupRequest, JoinGroupResponse } from "../../../../net/protocol/messages/11_join_group.ts";
import type { HeartbeatRequest, HeartbeatResponse } from "../../../../net/protocol/messages/12_heartbeat.ts";
import type { LeaveGroupRequest, LeaveGroupResponse } from "../../../../net/protocol/messages/13_leave_group.ts";
import type { SyncGroupRequest, SyncGroupResponse } from "../../../../net/protocol/messages/14_sync_group.ts";
import type {
  ConsumerGroupHeartbeatRequest,
  ConsumerGroupHeartbeatResponse,
} from "../../../../net/protocol/messages/68_consumer_group_heartbeat.ts";
import type { DescribedGroup } from "../../../../net/protocol/messages/69_consumer_group_describe.ts";
import type { GroupPorts } from "../group_ports.ts";
import type { CoordinatorClient, Reply } from "../../runtime/coordinator.ts";
import { CONSUMER_PROTOCOL_TYPE } from "../records/consumer_protocol.ts";
import type { ConsumerGroupRecord, GroupRecord } from "../records/group_record.ts";
import {
  heartbeatConsumerGroup,
  joinConsumerGroup,
  leaveConsumerGroup,
  syncConsumerGroup,
} from "./classic_protocol.ts";
import { describeConsumerGroup } from "./consumer_description.ts";
import { JOIN_EPOCH } from "./consumer_member.ts";
import type { ConsumerGroupStateName } from "./consumer_state.ts";
import { planDowngrade } from "./downgrade.ts";
import { ConsumerGroupCore, type ConsumerGroupHolder } from "./consumer_group_core.ts";
import { groupTombstones } from "./group_tombstones.ts";
import { answer, isQuietHeartbeat, takeHeartbeat, takeLeave } from "./heartbeat.ts";
import { refuseMalformedHeartbeat } from "./heartbeat_rules.ts";
import { checkOffsetCommit, checkOffsetFetch, checkPartitionCommit, type OffsetCommitter } from "./offset_rules.ts";

export type { ConsumerGroupHolder, Downgrade } from "./consumer_group_core.ts";

/** Of a change with more topics than this, each group finds out with its next heartbeat whether it concerns it. */
const TOPICS_LOOKED_UP_MAX = 16;

/** The group. */
export class ConsumerGroup {
  readonly type = "consumer";
  readonly groupId: string;
  readonly #core: ConsumerGroupCore;

  /** Makes an Empty group that the log does not know. */
  constructor(ports: GroupPorts, groupId: string, holder: ConsumerGroupHolder) {
    this.groupId = groupId;
    this.#core = new ConsumerGroupCore(ports, groupId, holder, planDowngrade);
  }

  get state(): ConsumerGroupStateName {
    return this.#core.state.name;
  }

  get memberCount(): number {
    return this.#core.state.members.size;
  }

  /** Whether there is nothing to remember: not in the log. */
  get isVacant(): boolean {
    return !this.#core.state.isLogged;
  }

  /** ConsumerGroupHeartbeat v0-1. One that changes nothing costs two look-ups and its answer. */
  heartbeat(
    request: ConsumerGroupHeartbeatRequest,
    client: CoordinatorClient,
    reply: Reply<ConsumerGroupHeartbeatResponse>,
  ): void {
    const core = this.#core;
    const quiet = isQuietHeartbeat(core, request, client);
    if (quiet !== null) {
      core.keepAlive(quiet);
      return reply(answer(core, quiet, null));
    }
    const { consumerAssignors } = core.ports.settings;
    const malformed = refuseMalformedHeartbeat(request, client.apiVersion, consumerAssignors);
    if (malformed !== null) return reply(malformed);
    reply(request.memberEpoch < JOIN_EPOCH ? takeLeave(core, request) : takeHeartbeat(core, request, client));
  }

  /** JoinGroup v0-9 of a member of the classic protocol; only while the group is not Empty. */
  join(request: JoinGroupRequest, client: CoordinatorClient, reply: Reply<JoinGroupResponse>): void {
    reply(joinConsumerGroup(this.#core, request, client));
  }

  /** SyncGroup v0-5 of a member of the classic protocol. */
  sync(request: SyncGroupRequest, _client: CoordinatorClient, reply: Reply<SyncGroupResponse>): void {
    reply(syncConsumerGroup(this.#core, request));
  }

  /** Heartbeat v0-4 of a member of the classic protocol. */
  classicHeartbeat(request: HeartbeatRequest, _client: CoordinatorClient, reply: Reply<HeartbeatResponse>): void {
    reply({ errorCode: heartbeatConsumerGroup(this.#core, request) });
  }

  /** LeaveGroup v0-5. */
  leave(request: LeaveGroupRequest, client: CoordinatorClient, reply: Reply<LeaveGroupResponse>): void {
    reply(leaveConsumerGroup(this.#core, request, client.apiVersion));
  }

  /** Its part of ConsumerGroupDescribe. */
  describe(): DescribedGroup {
    const { state, ports } = this.#core;
    return describeConsumerGroup(state, ports.image);
  }

  /** Its part of ListGroups. */
  overview(): { groupId: string; protocolType: string; groupState: string; groupType: string } {
    return {
      groupId: this.groupId,
      protocolType: CONSUMER_PROTOCOL_TYPE,
      groupState: this.state,
      groupType: this.type,
    };
  }

  /**
   * Whether somebody may commit offsets.
   * @returns Kafka's error code, 0 when it may for the partitions that `validatePartitionCommit()` allows
   */
  validateOffsetCommit(committer: OffsetCommitter, apiVersion: number): number {
    return checkOffsetCommit(this.#core.state, committer, apiVersion);
  }

  /** Whether who may commit may do it for a partition. @returns Kafka's error code, 0 when it may */
  validatePartitionCommit(committer: OffsetCommitter, topicName: string, partition: number): number {
    const topicId = this.#core.ports.image.topic(topicName)?.id;
    return checkPartitionCommit(this.#core.state, committer, { topicId, partition });
  }

  /** Whether offsets may be fetched. @param memberId null with a negative epoch: tools, which may */
  validateOffsetFetch(memberId: string | null, memberEpoch: number): number {
    return checkOffsetFetch(this.#core.state, memberId, memberEpoch);
  }

  /** Whether offsets may be deleted, of topics that it is not subscribed to: always. */
  validateOffsetDelete(): number {
    return errorCode.NONE;
  }

  /** Whether the group may be deleted. @returns Kafka's error code, 0 when it may */
  validateDelete(): number {
    return this.memberCount === 0 ? errorCode.NONE : errorCode.NON_EMPTY_GROUP;
  }

  /** Whether its members read a topic. */
  isSubscribedTo(topicName: string): boolean {
    return this.#core.state.subscriptions.has(topicName);
  }

  /** Since when an offset of it counts as not used, wall-clock ms; null while it is kept whatever its age. */
  unusedSince(topicName: string, commitTimestamp: number): number | null {
    return this.isSubscribedTo(topicName) ? null : commitTimestamp;
  }

  /** Takes on what a record says. The tombstone of kind consumer-group-metadata is for whoever holds the group. */
  replay(record: ConsumerGroupRecord): void {
    this.#core.replay(record);
  }

  /** The group has been loaded, or made of a classic one, and begins to live: each member has a session to show up. */
  start(): void {
    this.#core.start();
  }

  /** Topics came, grew or went: the image has the change already. */
  onImage(changedTopicNames: ReadonlySet<string>): void {
    const core = this.#core;
    core.regexes.onImage(changedTopicNames);
    core.isTopicCheckDue ||= changedTopicNames.size > TOPICS_LOOKED_UP_MAX ||
      changedTopicNames.values().some((name) => core.state.subscriptions.has(name));
  }

  /** Records that make the log forget the group. */
  tombstones(): GroupRecord[] {
    return groupTombstones(this.#core.state);
  }

  /** Ends. Nobody waits: every request was answered when it came. */
  dispose(_code: number = errorCode.NOT_COORDINATOR): void {
    this.#core.stop();
  }
}
