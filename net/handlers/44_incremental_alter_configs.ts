/**
 * IncrementalAlterConfigs, API key 44 (KIP-339): sets, deletes, appends to and subtracts from single configs of topics and groups;
 * 33_alter_configs.ts does the rest.
 *
 * v1 flexible.
 *
 * Not done: as for AlterConfigs.
 */
import type { Exchange, ShardServices } from "../requests/handler.ts";
import type {
  IncrementalAlterConfigsRequest,
  IncrementalAlterConfigsResponse,
} from "../protocol/messages/44_incremental_alter_configs.ts";
import { alterConfigs } from "./33_alter_configs.ts";

/** Handles IncrementalAlterConfigs. */
export function handleIncrementalAlterConfigs(
  { resources, validateOnly }: IncrementalAlterConfigsRequest,
  exchange: Exchange<IncrementalAlterConfigsResponse>,
  services: ShardServices,
): void {
  const alterations = resources.map(({ resourceType, resourceName, configs }) => ({
    resourceType,
    resourceName,
    operations: configs.map(({ name, configOperation, value }) => ({ name, configOperation, value })),
    replacesAll: false,
  }));
  alterConfigs({ alterations, validateOnly }, exchange, services);
}
