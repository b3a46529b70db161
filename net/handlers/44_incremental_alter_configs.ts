/**
 * IncrementalAlterConfigs, API key 44 (KIP-339): sets, deletes, appends to and subtracts from single configs of topics, groups and brokers;
 * 33_alter_configs.ts has the shared part.
 *
 * v1 flexible.
 *
 * Not done: as for AlterConfigs.
 */
import type { Exchange, ShardServices } from "../requests/handler.ts";
import { MadeList } from "../protocol/made_list.ts";
import {
  type IncrementalAlterConfigsRequest,
  incrementalAlterConfigsRequest,
  type IncrementalAlterConfigsResponse,
  incrementalAlterConfigsResponse,
} from "../protocol/messages/44_incremental_alter_configs.ts";
import { alterConfigs } from "./33_alter_configs.ts";
import { api } from "../requests/api.ts";

/** The row of IncrementalAlterConfigs. */
export const incrementalAlterConfigsApi = api({
  key: 44,
  name: "IncrementalAlterConfigs",
  served: [0, 1],
  request: incrementalAlterConfigsRequest,
  response: incrementalAlterConfigsResponse,
  elementsMax: 1 << 13, // resources, configs
  handle: handleIncrementalAlterConfigs,
});

/** Handles IncrementalAlterConfigs. */
export function handleIncrementalAlterConfigs(
  { resources, validateOnly }: IncrementalAlterConfigsRequest,
  exchange: Exchange<IncrementalAlterConfigsResponse>,
  services: ShardServices,
): void {
  const altered = MadeList.from(resources, (resource) => resource);
  alterConfigs({ resources: altered, validateOnly, replacesAll: false }, exchange, services);
}
