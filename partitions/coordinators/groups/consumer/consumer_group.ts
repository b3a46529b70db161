/**
 * A consumer group of KIP-848: the broker computes the assignment, and the answers to heartbeats tell members which partitions to use.
 * Runs on the shard that owns the group's partition of `__consumer_offsets`. This file is the group's interface. The rules are in
 * heartbeat.ts, membership.ts, reconciliation.ts, assignors/, regex_resolver.ts and offset_rules.ts, and for groups that change their
 * protocol in classic_protocol.ts, upgrade.ts and downgrade.ts.
 *
 * There are three epochs. The group epoch grows when the group needs a new assignment. The assignment epoch follows when the assignment
 * was computed. A member's epoch follows when the member moves to that assignment.
 * What must always hold: no partition has two members; epochs never decrease; the log has an assignment before a member gets it.
 *
 * A group is made in one of three ways: for the first request that joins it (it is removed at once if it stays `isVacant`); by loading,
 * with `replay()` of each of its records and `start()` at the end; or from a classic group by `planUpgrade()`. The group may keep the
 * bytes and strings of requests.
 *
 * Source: KIP-848, KIP-1082, KIP-1251; Kafka 4.3 ConsumerGroup, GroupMetadataManager.
 *
 * Not done: racks do not influence assignments (nor do they in Kafka's assignors); commits of transactions are not checked here yet.
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
import { answer, handleHeartbeat, handleLeave, isQuietHeartbeat } from "./heartbeat.ts";
import { refuseMalformedHeartbeat } from "./heartbeat_rules.ts";
import { checkOffsetCommit, checkOffsetFetch, checkPartitionCommit, type OffsetCommitter } from "./offset_rules.ts";

export type { ConsumerGroupHolder, Downgrade } from "./consumer_group_core.ts";

/** If more topics change at once, each group finds out with its next heartbeat whether the change affects it. */
const TOPICS_LOOKED_UP_MAX = 16;

/** One consumer group. */
export class ConsumerGroup {
  readonly type = "consumer";
  readonly groupId: string;
  readonly #core: ConsumerGroupCore;

  /** Makes an Empty group without records in the log. */
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

  /** Whether the log has no record of the group: then nothing has to be kept. */
  get isVacant(): boolean {
    return !this.#core.state.isLogged;
  }

  /** Handles ConsumerGroupHeartbeat v0-1. A heartbeat that changes nothing costs two look-ups and its answer. */
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
    reply(request.memberEpoch < JOIN_EPOCH ? handleLeave(core, request) : handleHeartbeat(core, request, client));
  }

  /** Handles JoinGroup v0-9 of a classic member. The group must not be Empty. */
  join(request: JoinGroupRequest, client: CoordinatorClient, reply: Reply<JoinGroupResponse>): void {
    reply(joinConsumerGroup(this.#core, request, client));
  }

  /** Handles SyncGroup v0-5 of a classic member. */
  sync(request: SyncGroupRequest, _client: CoordinatorClient, reply: Reply<SyncGroupResponse>): void {
    reply(syncConsumerGroup(this.#core, request));
  }

  /** Handles Heartbeat v0-4 of a classic member. */
  classicHeartbeat(request: HeartbeatRequest, _client: CoordinatorClient, reply: Reply<HeartbeatResponse>): void {
    reply({ errorCode: heartbeatConsumerGroup(this.#core, request) });
  }

  /** Handles LeaveGroup v0-5. */
  leave(request: LeaveGroupRequest, client: CoordinatorClient, reply: Reply<LeaveGroupResponse>): void {
    reply(leaveConsumerGroup(this.#core, request, client.apiVersion));
  }

  /** Returns the group's part of ConsumerGroupDescribe. */
  describe(): DescribedGroup {
    const { state, ports } = this.#core;
    return describeConsumerGroup(state, ports.image);
  }

  /** Returns the group's part of ListGroups. */
  overview(): { groupId: string; protocolType: string; groupState: string; groupType: string } {
    return {
      groupId: this.groupId,
      protocolType: CONSUMER_PROTOCOL_TYPE,
      groupState: this.state,
      groupType: this.type,
    };
  }

  /**
   * Checks whether a committer may commit offsets.
   * @returns Kafka's error code, 0 when it may for the partitions that `validatePartitionCommit()` allows
   */
  validateOffsetCommit(committer: OffsetCommitter, apiVersion: number): number {
    return checkOffsetCommit(this.#core.state, committer, apiVersion);
  }

  /** Checks one partition of an allowed commit. @returns Kafka's error code, 0 if allowed */
  validatePartitionCommit(committer: OffsetCommitter, topicName: string, partition: number): number {
    const topicId = this.#core.ports.image.topic(topicName)?.id;
    return checkPartitionCommit(this.#core.state, committer, { topicId, partition });
  }

  /** Checks a fetch of offsets. @param memberId null with a negative epoch for tools, which are allowed to */
  validateOffsetFetch(memberId: string | null, memberEpoch: number): number {
    return checkOffsetFetch(this.#core.state, memberId, memberEpoch);
  }

  /** Checks a deletion of offsets. It is always allowed for topics that the group does not subscribe to. */
  validateOffsetDelete(): number {
    return errorCode.NONE;
  }

  /** Checks a deletion of the group. @returns Kafka's error code, 0 if allowed */
  validateDelete(): number {
    return this.memberCount === 0 ? errorCode.NONE : errorCode.NON_EMPTY_GROUP;
  }

  /** Returns whether any member subscribes to a topic. */
  isSubscribedTo(topicName: string): boolean {
    return this.#core.state.subscriptions.has(topicName);
  }

  /** Returns since when an offset counts as unused, wall-clock ms; null while its age does not matter. */
  unusedSince(topicName: string, commitTimestamp: number): number | null {
    return this.isSubscribedTo(topicName) ? null : commitTimestamp;
  }

  /** Applies a record. The holder of the group handles the tombstone of kind consumer-group-metadata, which removes the group. */
  replay(record: ConsumerGroupRecord): void {
    this.#core.replay(record);
  }

  /** Starts a group that was loaded or made from a classic one: each member's session begins now. */
  start(): void {
    this.#core.start();
  }

  /** Topics were created, extended or deleted. The image already has the change. */
  onImage(changedTopicNames: ReadonlySet<string>): void {
    const core = this.#core;
    core.regexes.onImage(changedTopicNames);
    core.isTopicCheckDue ||= changedTopicNames.size > TOPICS_LOOKED_UP_MAX ||
      changedTopicNames.values().some((name) => core.state.subscriptions.has(name));
  }

  /** Returns the tombstones of all the group's records. */
  tombstones(): GroupRecord[] {
    return groupTombstones(this.#core.state);
  }

  /** Ends the group. No request waits, because each was answered when it arrived. */
  dispose(_code: number = errorCode.NOT_COORDINATOR): void {
    this.#core.stop();
  }
}
