/** Prepares a broker for attacks: groups, ids of topics, and memberships for requests of group members. Test code. */
import assert from "node:assert/strict";
import { metadataRequest, metadataResponse } from "../../net/protocol/messages/03_metadata.ts";
import { offsetCommitRequest, offsetCommitResponse } from "../../net/protocol/messages/08_offset_commit.ts";
import { findCoordinatorRequest, findCoordinatorResponse } from "../../net/protocol/messages/10_find_coordinator.ts";
import { joinGroupRequest, joinGroupResponse } from "../../net/protocol/messages/11_join_group.ts";
import {
  consumerGroupHeartbeatRequest,
  consumerGroupHeartbeatResponse,
} from "../../net/protocol/messages/68_consumer_group_heartbeat.ts";
import { KafkaClient } from "../kafka_client.ts";
import { waitFor } from "../../bench/peer/processes.ts";
import type { FrameContext, Stretch } from "./stretched_frame.ts";
import { numbered, NUMBERED_COUNT } from "./victim_topics.ts";
import type { Victim } from "./victim_process.ts";

/** Makes the groups and learns the topics' ids. */
export async function prepareVictim({ port }: Victim): Promise<FrameContext> {
  using client = await KafkaClient.connect({ port });
  await makeGroups(client);
  const { topics } = await client.call(metadataRequest, metadataResponse, { apiVersion: 12, value: { topics: null } });
  const topicIds = topics.map(({ name, topicId }) =>
    [name ?? "", Uint8Array.fromBase64(topicId, { alphabet: "base64url" })] as const
  );
  return { topicIds: new Map(topicIds) };
}

async function makeGroups(client: KafkaClient): Promise<void> {
  const find = { apiVersion: 3, value: { key: "e", keyType: 0 } };
  await waitFor("the coordinator has been found", async () => {
    const { errorCode } = await client.call(findCoordinatorRequest, findCoordinatorResponse, find);
    return errorCode === 0 || undefined;
  });
  const partitions = [{ partitionIndex: 0, committedOffset: 1, committedMetadata: null }];
  for (let index = 0; index < NUMBERED_COUNT; index++) {
    const value = { groupId: numbered("e", index), topics: [{ name: "t", partitions }] };
    await waitFor("a commit is taken", async () => {
      const answer = await client.call(offsetCommitRequest, offsetCommitResponse, { apiVersion: 2, value });
      return answer.topics[0]?.partitions[0]?.errorCode === 0 || undefined;
    });
  }
}

let groupsCount = 0;

/**
 * Values with which a request of a group's member is carried out instead of refused: a new group that the member is in, or may join.
 * Empty for other requests.
 */
export async function membershipFor(stretch: Stretch, { port }: Victim): Promise<Record<string, number | string>> {
  const groupId = `hostile-${groupsCount++}`;
  const { api: { name }, version, target } = stretch;
  if (name === "JoinGroup" && version < 4) return { groupId };
  if (name === "ConsumerGroupHeartbeat" && target[0] !== "topicPartitions") {
    return { groupId, memberId: "member", memberEpoch: 0 };
  }
  if (!MEMBERS_REQUESTS.includes(name)) return {};
  using client = await KafkaClient.connect({ port });
  if (name === "ConsumerGroupHeartbeat") return await enterConsumerGroup(client, groupId);
  const memberId = await memberIdFor(client, groupId);
  return name === "JoinGroup" ? { groupId, memberId } : await enterClassicGroup(client, { groupId, memberId });
}

const MEMBERS_REQUESTS = ["JoinGroup", "SyncGroup", "Heartbeat", "LeaveGroup", "ConsumerGroupHeartbeat"];
const JOIN = 5;
const PROTOCOL = { protocolType: "consumer", protocols: [{ name: "range", metadata: new Uint8Array(4) }] };

async function memberIdFor(client: KafkaClient, groupId: string): Promise<string> {
  const value = { groupId, memberId: "", sessionTimeoutMs: 6000, ...PROTOCOL };
  return (await client.call(joinGroupRequest, joinGroupResponse, { apiVersion: JOIN, value })).memberId;
}

async function enterClassicGroup(
  client: KafkaClient,
  member: { groupId: string; memberId: string },
): Promise<Record<string, number | string>> {
  const value = { ...member, sessionTimeoutMs: 6000, rebalanceTimeoutMs: 6000, ...PROTOCOL };
  const joined = await client.call(joinGroupRequest, joinGroupResponse, { apiVersion: JOIN, value });
  assert.equal(joined.errorCode, 0, "the join before the attack");
  return { ...member, generationId: joined.generationId, protocolName: "range" };
}

async function enterConsumerGroup(client: KafkaClient, groupId: string): Promise<Record<string, number | string>> {
  const value = {
    groupId,
    memberId: "member",
    memberEpoch: 0,
    rebalanceTimeoutMs: 6000,
    subscribedTopicNames: ["big"],
  };
  const { errorCode, memberEpoch } = await client.call(consumerGroupHeartbeatRequest, consumerGroupHeartbeatResponse, {
    apiVersion: 0,
    value: { ...value, topicPartitions: [] },
  });
  assert.equal(errorCode, 0, "the join before the attack");
  return { groupId, memberId: "member", memberEpoch };
}
