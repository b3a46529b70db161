/**
 * Which handler serves which API: the one list the router uses. A test checks it against the API table.
 */
import type { BrokerConfig } from "../../partitions/config/broker_config.ts";
import { FetchSessions } from "../fetch_sessions.ts";
import { ProducerIds } from "../producer_ids.ts";
import type { AnyHandler } from "../router.ts";
import { handleProduce } from "./00_produce.ts";
import { fetchHandler } from "./01_fetch.ts";
import { handleListOffsets } from "./02_list_offsets.ts";
import { handleMetadata } from "./03_metadata.ts";
import { handleFindCoordinator } from "./10_find_coordinator.ts";
import { handleApiVersions } from "./18_api_versions.ts";
import { handleCreateTopics } from "./19_create_topics.ts";
import { handleDeleteTopics } from "./20_delete_topics.ts";
import { initProducerIdHandler } from "./22_init_producer_id.ts";
import { handleOffsetForLeaderEpoch } from "./23_offset_for_leader_epoch.ts";
import { handleDescribeConfigs } from "./32_describe_configs.ts";
import { handleDescribeCluster } from "./60_describe_cluster.ts";

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
    [10, handleFindCoordinator],
    [18, handleApiVersions],
    [19, handleCreateTopics],
    [20, handleDeleteTopics],
    [22, initProducerIdHandler(new ProducerIds())],
    [23, handleOffsetForLeaderEpoch],
    [32, handleDescribeConfigs],
    [60, handleDescribeCluster],
  ];
  return new Map(handlers);
}
