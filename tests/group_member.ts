/**
 * A member of groups for tests: the requests of both protocols over one connection, each in one version. Test code.
 */
import { strict as assert } from "node:assert";
import { offsetCommitRequest, offsetCommitResponse } from "../net/protocol/messages/08_offset_commit.ts";
import { offsetFetchRequest, offsetFetchResponse } from "../net/protocol/messages/09_offset_fetch.ts";
import { findCoordinatorRequest, findCoordinatorResponse } from "../net/protocol/messages/10_find_coordinator.ts";
import { joinGroupRequest, joinGroupResponse } from "../net/protocol/messages/11_join_group.ts";
import { heartbeatRequest, heartbeatResponse } from "../net/protocol/messages/12_heartbeat.ts";
import { leaveGroupRequest, leaveGroupResponse } from "../net/protocol/messages/13_leave_group.ts";
import { syncGroupRequest, syncGroupResponse } from "../net/protocol/messages/14_sync_group.ts";
import {
  consumerGroupHeartbeatRequest,
  consumerGroupHeartbeatResponse,
} from "../net/protocol/messages/68_consumer_group_heartbeat.ts";
import { errorCode } from "../net/protocol/error_codes.ts";
import { KafkaClient } from "./kafka_client.ts";

/** Version of FindCoordinator with a single key. */
const FIND_VERSION = 3;
/** Version of OffsetCommit and OffsetFetch that names topics. */
const NAMES_VERSION = 9;

/** Options of a JoinGroup. */
export function joinOf(groupId: string, memberId = "") {
  return {
    groupId,
    sessionTimeoutMs: 30_000,
    rebalanceTimeoutMs: 60_000,
    memberId,
    groupInstanceId: null,
    protocolType: "consumer",
    protocols: [{ name: "range", metadata: new TextEncoder().encode(`of ${memberId}`) }],
  };
}

/** The member. */
export class GroupMember implements Disposable {
  readonly client: KafkaClient;
  readonly groupId: string;
  memberId = "";
  generationId = -1;

  private constructor(client: KafkaClient, groupId: string) {
    this.client = client;
    this.groupId = groupId;
  }

  /** Connects. @param groupId its group */
  static async connect(to: { port: number }, groupId: string): Promise<GroupMember> {
    return new GroupMember(await KafkaClient.connect(to), groupId);
  }

  /** Another member over the same connection. */
  sibling(groupId: string): GroupMember {
    return new GroupMember(this.client, groupId);
  }

  /** Asks for the coordinator until one serves. */
  async find(): Promise<void> {
    const value = { key: this.groupId };
    for (;;) {
      const found = await this.client.call(findCoordinatorRequest, findCoordinatorResponse, {
        apiVersion: FIND_VERSION,
        value,
      });
      assert.equal(found.errorCode, errorCode.NONE);
      if ((await this.committed("none", [0])).errorCode === errorCode.NONE) return;
    }
  }

  /** Joins as clients do: the first JoinGroup gets an id. @returns the last answer */
  async join(apiVersion = 9) {
    const first = await this.#join(apiVersion);
    if (first.errorCode !== errorCode.MEMBER_ID_REQUIRED) return this.#entered(first);
    this.memberId = first.memberId;
    return this.#entered(await this.#join(apiVersion));
  }

  /** Sends a SyncGroup, by which the leader distributes the assignment. @returns the member's part */
  async sync(assignments: Record<string, string> = {}, apiVersion = 5) {
    const value = {
      groupId: this.groupId,
      generationId: this.generationId,
      memberId: this.memberId,
      protocolType: "consumer",
      protocolName: "range",
      assignments: Object.entries(assignments).map(([memberId, assignment]) => ({
        memberId,
        assignment: new TextEncoder().encode(assignment),
      })),
    };
    const { errorCode: code, assignment } = await this.client.call(syncGroupRequest, syncGroupResponse, {
      apiVersion,
      value,
    });
    return { errorCode: code, assignment: new TextDecoder().decode(assignment) };
  }

  /** Heartbeat. @returns error code */
  async heartbeat(apiVersion = 4): Promise<number> {
    const { groupId, generationId, memberId } = this;
    const value = { groupId, generationId, memberId };
    return (await this.client.call(heartbeatRequest, heartbeatResponse, { apiVersion, value })).errorCode;
  }

  /** Leaves the group. @returns error code of the member */
  async leave(): Promise<number> {
    const value = { groupId: this.groupId, members: [{ memberId: this.memberId }] };
    const answer = await this.client.call(leaveGroupRequest, leaveGroupResponse, { apiVersion: 5, value });
    return answer.errorCode || answer.members[0]!.errorCode;
  }

  /** Commits one offset of each partition. @returns the error codes */
  async commit(topic: string, offsets: Record<number, number>): Promise<number[]> {
    const value = this.commitOf(topic, offsets);
    const of = { apiVersion: NAMES_VERSION, value };
    const { topics } = await this.client.call(offsetCommitRequest, offsetCommitResponse, of);
    return topics.flatMap(({ partitions }) => partitions.map((partition) => partition.errorCode));
  }

  /** The request of a commit. */
  commitOf(topic: string, offsets: Record<number, number>) {
    const partitions = Object.entries(offsets).map(([partition, committedOffset]) => ({
      partitionIndex: Number(partition),
      committedOffset,
      committedMetadata: `at ${committedOffset}`,
    }));
    const topics = [{ name: topic, partitions }];
    const { groupId, memberId, generationId } = this;
    return { groupId, memberId, generationIdOrMemberEpoch: generationId, topics };
  }

  /** The committed offsets of the group. */
  async committed(topic: string, partitions: number[]): Promise<{ errorCode: number; offsets: number[] }> {
    const topics = [{ name: topic, partitionIndexes: partitions }];
    const value = { groups: [{ groupId: this.groupId, topics }] };
    const of = { apiVersion: NAMES_VERSION, value };
    const { groups } = await this.client.call(offsetFetchRequest, offsetFetchResponse, of);
    const [group] = groups;
    return {
      errorCode: group!.errorCode,
      offsets: group!.topics.flatMap((of) => of.partitions.map(({ committedOffset }) => committedOffset)),
    };
  }

  /** One heartbeat of the consumer protocol. */
  beat(changes: Partial<Parameters<typeof consumerGroupHeartbeatRequest.encode>[2]> = {}) {
    const value = { groupId: this.groupId, memberId: this.memberId, memberEpoch: 0, ...changes };
    const of = { apiVersion: 1, value };
    return this.client.call(consumerGroupHeartbeatRequest, consumerGroupHeartbeatResponse, of);
  }

  [Symbol.dispose](): void {
    this.client[Symbol.dispose]();
  }

  #join(apiVersion: number) {
    const value = joinOf(this.groupId, this.memberId);
    return this.client.call(joinGroupRequest, joinGroupResponse, { apiVersion, value });
  }

  #entered<Answer extends { memberId: string; generationId: number }>(answer: Answer): Answer {
    [this.memberId, this.generationId] = [answer.memberId, answer.generationId];
    return answer;
  }
}
