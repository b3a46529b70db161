/**
 * Which handler serves which API: the one list the router uses. A test checks it against the API table.
 */
import type { BrokerConfig } from "../../partitions/config/broker/broker_config.ts";
import { FetchSessions } from "../requests/fetch/fetch_sessions.ts";
import { ProducerIds } from "../requests/producer_ids.ts";
import type { AnyHandler } from "../requests/router.ts";
import { handleProduce } from "./00_produce.ts";
import { fetchHandler } from "./01_fetch.ts";
import { handleListOffsets } from "./02_list_offsets.ts";
import { handleMetadata } from "./03_metadata.ts";
import { handleOffsetCommit } from "./08_offset_commit.ts";
import { handleOffsetFetch } from "./09_offset_fetch.ts";
import { handleFindCoordinator } from "./10_find_coordinator.ts";
import { handleJoinGroup } from "./11_join_group.ts";
import { handleHeartbeat } from "./12_heartbeat.ts";
import { handleLeaveGroup } from "./13_leave_group.ts";
import { handleSyncGroup } from "./14_sync_group.ts";
import { handleDescribeGroups } from "./15_describe_groups.ts";
import { handleListGroups } from "./16_list_groups.ts";
import { handleApiVersions } from "./18_api_versions.ts";
import { handleCreateTopics } from "./19_create_topics.ts";
import { handleDeleteTopics } from "./20_delete_topics.ts";
import { handleDeleteRecords } from "./21_delete_records.ts";
import { initProducerIdHandler } from "./22_init_producer_id.ts";
import { handleOffsetForLeaderEpoch } from "./23_offset_for_leader_epoch.ts";
import { handleDescribeConfigs } from "./32_describe_configs.ts";
import { handleAlterConfigs } from "./33_alter_configs.ts";
import { handleCreatePartitions } from "./37_create_partitions.ts";
import { handleDeleteGroups } from "./42_delete_groups.ts";
import { handleIncrementalAlterConfigs } from "./44_incremental_alter_configs.ts";
import { handleOffsetDelete } from "./47_offset_delete.ts";
import { handleDescribeCluster } from "./60_describe_cluster.ts";
import { handleConsumerGroupHeartbeat } from "./68_consumer_group_heartbeat.ts";
import { handleConsumerGroupDescribe } from "./69_consumer_group_describe.ts";
import { handleListConfigResources } from "./74_list_config_resources.ts";
import { handleDescribeTopicPartitions } from "./75_describe_topic_partitions.ts";

export { versionFallback } from "./18_api_versions.ts";

/** The handlers of one shard, by API key. */
export function shardHandlers(
  shard: { config: BrokerConfig; shardsCount: number; random: () => number },
): ReadonlyMap<number, AnyHandler> {
  const slots = Math.ceil(shard.config.maxIncrementalFetchSessionCacheSlots / shard.shardsCount);
  const handlers: [number, AnyHandler][] = [
    [0, handleProduce],
    [1, fetchHandler(new FetchSessions(slots, shard.random))],
    [2, handleListOffsets],
    [3, handleMetadata],
    [8, handleOffsetCommit],
    [9, handleOffsetFetch],
    [10, handleFindCoordinator],
    [11, handleJoinGroup],
    [12, handleHeartbeat],
    [13, handleLeaveGroup],
    [14, handleSyncGroup],
    [15, handleDescribeGroups],
    [16, handleListGroups],
    [18, handleApiVersions],
    [19, handleCreateTopics],
    [20, handleDeleteTopics],
    [21, handleDeleteRecords],
    [22, initProducerIdHandler(new ProducerIds())],
    [23, handleOffsetForLeaderEpoch],
    [32, handleDescribeConfigs],
    [33, handleAlterConfigs],
    [37, handleCreatePartitions],
    [42, handleDeleteGroups],
    [44, handleIncrementalAlterConfigs],
    [47, handleOffsetDelete],
    [60, handleDescribeCluster],
    [68, handleConsumerGroupHeartbeat],
    [69, handleConsumerGroupDescribe],
    [74, handleListConfigResources],
    [75, handleDescribeTopicPartitions],
  ];
  return new Map(handlers);
}
