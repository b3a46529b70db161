/**
 * The APIs of a group coordinator: the messages of their requests and responses, which also encode them between shards.
 * Pure; any isolate.
 */
import { offsetCommitRequest, offsetCommitResponse } from "../../../net/protocol/messages/08_offset_commit.ts";
import { offsetFetchRequest, offsetFetchResponse } from "../../../net/protocol/messages/09_offset_fetch.ts";
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
import type { Encodable, Infer } from "../../../net/protocol/schema.ts";

/** The messages by API key. */
export const groupMessages = {
  /** OffsetCommit */
  8: { request: offsetCommitRequest, response: offsetCommitResponse },
  /** OffsetFetch; from version 8 on with several groups */
  9: { request: offsetFetchRequest, response: offsetFetchResponse },
  /** JoinGroup */
  11: { request: joinGroupRequest, response: joinGroupResponse },
  /** Heartbeat */
  12: { request: heartbeatRequest, response: heartbeatResponse },
  /** LeaveGroup */
  13: { request: leaveGroupRequest, response: leaveGroupResponse },
  /** SyncGroup */
  14: { request: syncGroupRequest, response: syncGroupResponse },
  /** DescribeGroups: several groups */
  15: { request: describeGroupsRequest, response: describeGroupsResponse },
  /** ListGroups: those of one shard */
  16: { request: listGroupsRequest, response: listGroupsResponse },
  /** DeleteGroups: several groups */
  42: { request: deleteGroupsRequest, response: deleteGroupsResponse },
  /** OffsetDelete */
  47: { request: offsetDeleteRequest, response: offsetDeleteResponse },
  /** ConsumerGroupHeartbeat */
  68: { request: consumerGroupHeartbeatRequest, response: consumerGroupHeartbeatResponse },
  /** ConsumerGroupDescribe: several groups */
  69: { request: consumerGroupDescribeRequest, response: consumerGroupDescribeResponse },
} as const;

/** Requests and responses by API key. */
export type GroupApis = {
  readonly [Key in keyof typeof groupMessages]: {
    readonly request: Infer<(typeof groupMessages)[Key]["request"]>;
    readonly response: Encodable<(typeof groupMessages)[Key]["response"]>;
  };
};

/** API keys of group requests. */
export type GroupApiKey = keyof GroupApis;
/** Request of an API. */
export type GroupRequest<Key extends GroupApiKey> = GroupApis[Key]["request"];
/** Response of an API. */
export type GroupResponse<Key extends GroupApiKey> = GroupApis[Key]["response"];
