/**
 * The APIs that this broker answers: one row each, and ApiVersions reports these rows. An API enters the table when it is
 * implemented, not before. Plain data, any isolate.
 *
 * `served` is what the router accepts. `advertised` differs only for Produce: librdkafka up to 2.11.0 takes gzip, snappy and lz4
 * for unsupported unless Produce v0 is in the range (librdkafka#4956), so that v0 to v2 are listed and, when
 * somebody does send them, refused by closing the connection, as in Kafka 4 (KAFKA-18659).
 */
import { fetchRequest, fetchResponse } from "./messages/01_fetch.ts";
import { produceRequest, produceResponse } from "./messages/00_produce.ts";
import { listOffsetsRequest, listOffsetsResponse } from "./messages/02_list_offsets.ts";
import { metadataRequest, metadataResponse } from "./messages/03_metadata.ts";
import { offsetCommitRequest, offsetCommitResponse } from "./messages/08_offset_commit.ts";
import { offsetFetchRequest, offsetFetchResponse } from "./messages/09_offset_fetch.ts";
import { findCoordinatorRequest, findCoordinatorResponse } from "./messages/10_find_coordinator.ts";
import { joinGroupRequest, joinGroupResponse } from "./messages/11_join_group.ts";
import { heartbeatRequest, heartbeatResponse } from "./messages/12_heartbeat.ts";
import { leaveGroupRequest, leaveGroupResponse } from "./messages/13_leave_group.ts";
import { syncGroupRequest, syncGroupResponse } from "./messages/14_sync_group.ts";
import { describeGroupsRequest, describeGroupsResponse } from "./messages/15_describe_groups.ts";
import { listGroupsRequest, listGroupsResponse } from "./messages/16_list_groups.ts";
import { apiVersionsRequest, apiVersionsResponse } from "./messages/18_api_versions.ts";
import { createTopicsRequest, createTopicsResponse } from "./messages/19_create_topics.ts";
import { deleteTopicsRequest, deleteTopicsResponse } from "./messages/20_delete_topics.ts";
import { deleteRecordsRequest, deleteRecordsResponse } from "./messages/21_delete_records.ts";
import { initProducerIdRequest, initProducerIdResponse } from "./messages/22_init_producer_id.ts";
import { offsetForLeaderEpochRequest, offsetForLeaderEpochResponse } from "./messages/23_offset_for_leader_epoch.ts";
import { describeConfigsRequest, describeConfigsResponse } from "./messages/32_describe_configs.ts";
import { alterConfigsRequest, alterConfigsResponse } from "./messages/33_alter_configs.ts";
import { createPartitionsRequest, createPartitionsResponse } from "./messages/37_create_partitions.ts";
import { deleteGroupsRequest, deleteGroupsResponse } from "./messages/42_delete_groups.ts";
import {
  incrementalAlterConfigsRequest,
  incrementalAlterConfigsResponse,
} from "./messages/44_incremental_alter_configs.ts";
import { offsetDeleteRequest, offsetDeleteResponse } from "./messages/47_offset_delete.ts";
import { describeClusterRequest, describeClusterResponse } from "./messages/60_describe_cluster.ts";
import {
  consumerGroupHeartbeatRequest,
  consumerGroupHeartbeatResponse,
} from "./messages/68_consumer_group_heartbeat.ts";
import { consumerGroupDescribeRequest, consumerGroupDescribeResponse } from "./messages/69_consumer_group_describe.ts";
import { listConfigResourcesRequest, listConfigResourcesResponse } from "./messages/74_list_config_resources.ts";
import {
  describeTopicPartitionsRequest,
  describeTopicPartitionsResponse,
} from "./messages/75_describe_topic_partitions.ts";
import type { Message } from "./schema.ts";

/** Lowest and highest version, both inclusive. */
export type Versions = readonly [min: number, max: number];

/** One API. */
export interface Api {
  readonly key: number;
  /** Kafka's name for it. */
  readonly name: string;
  readonly request: Message;
  readonly response: Message;
  /** Versions that are answered. */
  readonly served: Versions;
  /** Versions that ApiVersions lists. */
  readonly advertised: Versions;
  /** Most array elements of one request. */
  readonly elementsMax: number;
  /** Whether its handler changes nothing: one that throws costs its connection alone. */
  readonly isReadOnly: boolean;
}

/**
 * Most array elements and tagged fields of a request. An element costs some hundred bytes of heap for as little as one byte on the wire,
 * and half a microsecond, so that without this limit a request of 100 MB would take gigabytes and minutes. One that names every
 * partition of a broker of 4,000 (Kafka's advice) stays far below.
 */
export const REQUEST_ELEMENTS_MAX = 1 << 14;

/**
 * APIs that allow fewer, because they carry all of them out in one go: the control plane copies each and takes
 * some microseconds for it; a coordinator looks at each member, group or protocol. Clients name a few.
 */
const elementsMaxOf: ReadonlyMap<number, number> = new Map([
  [0, 1 << 13], // Produce: topics, partitions
  [8, 1 << 13], // OffsetCommit: topics, partitions
  [11, 1 << 10], // JoinGroup: protocols
  [13, 1 << 12], // LeaveGroup: members
  [14, 1 << 12], // SyncGroup: members
  [16, 1 << 10], // ListGroups: states and types
  [19, 1 << 13], // CreateTopics: topics, assignments, configs
  [20, 1 << 13], // DeleteTopics
  [33, 1 << 13], // AlterConfigs: resources, configs
  [37, 1 << 13], // CreatePartitions: topics, assignments
  [44, 1 << 13], // IncrementalAlterConfigs: resources, configs
  [47, 1 << 13], // OffsetDelete: topics, partitions
  [60, 1 << 10], // DescribeCluster
  [68, 1 << 13], // ConsumerGroupHeartbeat: topics, partitions
  [74, 1 << 10], // ListConfigResources: types
  [75, 1 << 13], // DescribeTopicPartitions: topics
]);
const READ_ONLY_KEYS: readonly number[] = [2, 3, 9, 10, 15, 16, 18, 23, 32, 60, 69, 74, 75];

/** All of them, by ascending key. */
export const apis: readonly Api[] = [
  api({
    key: 0,
    name: "Produce",
    request: produceRequest,
    response: produceResponse,
    served: [3, 13],
    advertised: [0, 13],
  }),
  api({ key: 1, name: "Fetch", request: fetchRequest, response: fetchResponse, served: [4, 18] }),
  api({ key: 2, name: "ListOffsets", request: listOffsetsRequest, response: listOffsetsResponse, served: [1, 11] }),
  api({ key: 3, name: "Metadata", request: metadataRequest, response: metadataResponse, served: [0, 13] }),
  api({
    key: 8,
    name: "OffsetCommit",
    request: offsetCommitRequest,
    response: offsetCommitResponse,
    served: [2, 10],
  }),
  api({
    key: 9,
    name: "OffsetFetch",
    request: offsetFetchRequest,
    response: offsetFetchResponse,
    served: [1, 10],
  }),
  api({
    key: 10,
    name: "FindCoordinator",
    request: findCoordinatorRequest,
    response: findCoordinatorResponse,
    served: [0, 6],
  }),
  api({
    key: 11,
    name: "JoinGroup",
    request: joinGroupRequest,
    response: joinGroupResponse,
    served: [0, 9],
  }),
  api({
    key: 12,
    name: "Heartbeat",
    request: heartbeatRequest,
    response: heartbeatResponse,
    served: [0, 4],
  }),
  api({
    key: 13,
    name: "LeaveGroup",
    request: leaveGroupRequest,
    response: leaveGroupResponse,
    served: [0, 5],
  }),
  api({
    key: 14,
    name: "SyncGroup",
    request: syncGroupRequest,
    response: syncGroupResponse,
    served: [0, 5],
  }),
  api({
    key: 15,
    name: "DescribeGroups",
    request: describeGroupsRequest,
    response: describeGroupsResponse,
    served: [0, 6],
  }),
  api({
    key: 16,
    name: "ListGroups",
    request: listGroupsRequest,
    response: listGroupsResponse,
    served: [0, 5],
  }),
  api({ key: 18, name: "ApiVersions", request: apiVersionsRequest, response: apiVersionsResponse, served: [0, 4] }),
  api({ key: 19, name: "CreateTopics", request: createTopicsRequest, response: createTopicsResponse, served: [2, 7] }),
  api({ key: 20, name: "DeleteTopics", request: deleteTopicsRequest, response: deleteTopicsResponse, served: [1, 6] }),
  api({
    key: 21,
    name: "DeleteRecords",
    request: deleteRecordsRequest,
    response: deleteRecordsResponse,
    served: [0, 2],
  }),
  api({
    key: 22,
    name: "InitProducerId",
    request: initProducerIdRequest,
    response: initProducerIdResponse,
    served: [0, 5],
  }),
  api({
    key: 23,
    name: "OffsetForLeaderEpoch",
    request: offsetForLeaderEpochRequest,
    response: offsetForLeaderEpochResponse,
    served: [2, 4],
  }),
  api({
    key: 32,
    name: "DescribeConfigs",
    request: describeConfigsRequest,
    response: describeConfigsResponse,
    served: [1, 4],
  }),
  api({
    key: 33,
    name: "AlterConfigs",
    request: alterConfigsRequest,
    response: alterConfigsResponse,
    served: [0, 2],
  }),
  api({
    key: 37,
    name: "CreatePartitions",
    request: createPartitionsRequest,
    response: createPartitionsResponse,
    served: [0, 3],
  }),
  api({
    key: 42,
    name: "DeleteGroups",
    request: deleteGroupsRequest,
    response: deleteGroupsResponse,
    served: [0, 2],
  }),
  api({
    key: 44,
    name: "IncrementalAlterConfigs",
    request: incrementalAlterConfigsRequest,
    response: incrementalAlterConfigsResponse,
    served: [0, 1],
  }),
  api({
    key: 47,
    name: "OffsetDelete",
    request: offsetDeleteRequest,
    response: offsetDeleteResponse,
    served: [0, 0],
  }),
  api({
    key: 60,
    name: "DescribeCluster",
    request: describeClusterRequest,
    response: describeClusterResponse,
    served: [0, 2],
  }),
  api({
    key: 68,
    name: "ConsumerGroupHeartbeat",
    request: consumerGroupHeartbeatRequest,
    response: consumerGroupHeartbeatResponse,
    served: [0, 1],
  }),
  api({
    key: 69,
    name: "ConsumerGroupDescribe",
    request: consumerGroupDescribeRequest,
    response: consumerGroupDescribeResponse,
    served: [0, 1],
  }),
  api({
    key: 74,
    name: "ListConfigResources",
    request: listConfigResourcesRequest,
    response: listConfigResourcesResponse,
    served: [0, 1],
  }),
  api({
    key: 75,
    name: "DescribeTopicPartitions",
    request: describeTopicPartitionsRequest,
    response: describeTopicPartitionsResponse,
    served: [0, 0],
  }),
];

const byKey: (Api | undefined)[] = [];
for (const row of apis) byKey[row.key] = row;

/** Finds an API. @param key as a client sent it @returns undefined when this broker does not answer it */
export function apiByKey(key: number): Api | undefined {
  return byKey[key];
}

/** Says whether the router accepts a version of an API. */
export function isServed(row: Api, version: number): boolean {
  return version >= row.served[0] && version <= row.served[1];
}

/** The list that ApiVersions answers with. */
export function advertisedApis(): { apiKey: number; minVersion: number; maxVersion: number }[] {
  return apis.map(({ key, advertised: [minVersion, maxVersion] }) => ({ apiKey: key, minVersion, maxVersion }));
}

function api(row: Omit<Api, "advertised" | "elementsMax" | "isReadOnly"> & { advertised?: Versions }): Api {
  const elementsMax = elementsMaxOf.get(row.key) ?? REQUEST_ELEMENTS_MAX;
  return { advertised: row.served, elementsMax, isReadOnly: READ_ONLY_KEYS.includes(row.key), ...row };
}
