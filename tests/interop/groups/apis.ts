/** The requests of groups by Kafka's names, with the versions that Kafka 4.3 serves. Plain data of a test. */
import { offsetCommitRequest, offsetCommitResponse } from "../../../net/protocol/messages/08_offset_commit.ts";
import { offsetFetchRequest, offsetFetchResponse } from "../../../net/protocol/messages/09_offset_fetch.ts";
import { findCoordinatorRequest, findCoordinatorResponse } from "../../../net/protocol/messages/10_find_coordinator.ts";
import { joinGroupRequest, joinGroupResponse } from "../../../net/protocol/messages/11_join_group.ts";
import { heartbeatRequest, heartbeatResponse } from "../../../net/protocol/messages/12_heartbeat.ts";
import { leaveGroupRequest, leaveGroupResponse } from "../../../net/protocol/messages/13_leave_group.ts";
import { syncGroupRequest, syncGroupResponse } from "../../../net/protocol/messages/14_sync_group.ts";
import { describeGroupsRequest, describeGroupsResponse } from "../../../net/protocol/messages/15_describe_groups.ts";
import { listGroupsRequest, listGroupsResponse } from "../../../net/protocol/messages/16_list_groups.ts";
import { deleteGroupsRequest, deleteGroupsResponse } from "../../../net/protocol/messages/42_delete_groups.ts";
import { offsetDeleteRequest, offsetDeleteResponse } from "../../../net/protocol/messages/47_offset_delete.ts";
import {
  consumerGroupHeartbeatRequest,
  consumerGroupHeartbeatResponse,
} from "../../../net/protocol/messages/68_consumer_group_heartbeat.ts";
import {
  consumerGroupDescribeRequest,
  consumerGroupDescribeResponse,
} from "../../../net/protocol/messages/69_consumer_group_describe.ts";
import type { Message } from "../../../net/protocol/schema.ts";

/** One API: what a client sends and gets. */
export interface GroupApi<Request, Response> {
  readonly name: string;
  readonly request: Message<unknown, Request>;
  readonly response: Message<Response>;
  /** Lowest and highest version, both inclusive. */
  readonly versions: readonly [min: number, max: number];
}

function api<D, Request, Response, E>(
  name: string,
  messages: { request: Message<D, Request>; response: Message<Response, E> },
): GroupApi<Request, Response> {
  const { min, max } = messages.request.versions;
  return { name, request: messages.request, response: messages.response as Message<Response>, versions: [min, max] };
}

/** OffsetCommit */
export const offsetCommit = api("OffsetCommit", { request: offsetCommitRequest, response: offsetCommitResponse });
/** OffsetFetch */
export const offsetFetch = api("OffsetFetch", { request: offsetFetchRequest, response: offsetFetchResponse });
/** FindCoordinator */
export const findCoordinator = api("FindCoordinator", {
  request: findCoordinatorRequest,
  response: findCoordinatorResponse,
});
/** JoinGroup */
export const joinGroup = api("JoinGroup", { request: joinGroupRequest, response: joinGroupResponse });
/** Heartbeat */
export const heartbeat = api("Heartbeat", { request: heartbeatRequest, response: heartbeatResponse });
/** LeaveGroup */
export const leaveGroup = api("LeaveGroup", { request: leaveGroupRequest, response: leaveGroupResponse });
/** SyncGroup */
export const syncGroup = api("SyncGroup", { request: syncGroupRequest, response: syncGroupResponse });
/** DescribeGroups */
export const describeGroups = api("DescribeGroups", {
  request: describeGroupsRequest,
  response: describeGroupsResponse,
});
/** ListGroups */
export const listGroups = api("ListGroups", { request: listGroupsRequest, response: listGroupsResponse });
/** DeleteGroups */
export const deleteGroups = api("DeleteGroups", { request: deleteGroupsRequest, response: deleteGroupsResponse });
/** OffsetDelete */
export const offsetDelete = api("OffsetDelete", { request: offsetDeleteRequest, response: offsetDeleteResponse });
/** ConsumerGroupHeartbeat */
export const consumerGroupHeartbeat = api("ConsumerGroupHeartbeat", {
  request: consumerGroupHeartbeatRequest,
  response: consumerGroupHeartbeatResponse,
});
/** ConsumerGroupDescribe */
export const consumerGroupDescribe = api("ConsumerGroupDescribe", {
  request: consumerGroupDescribeRequest,
  response: consumerGroupDescribeResponse,
});

/** All versions of an API, ascending. */
export function versionsOf({ versions: [min, max] }: { readonly versions: readonly [number, number] }): number[] {
  return Array.from({ length: max - min + 1 }, (_, index) => min + index);
}
