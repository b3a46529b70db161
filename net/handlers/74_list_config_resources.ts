/**
 * ListConfigResources, API key 74 (KIP-1142): names of resources that have configs, from the shard's copy of the image. As in Kafka,
 * all topics and brokers are listed, but only groups with configs of their own.
 *
 * v0 client metrics, of which there are none · v1 any types; an empty list = all types.
 */
import { resourceTypes } from "../../partitions/config/resource_types.ts";
import { api } from "../requests/api.ts";
import { CLUSTER } from "../requests/authorization.ts";
import type { ConnectionContext } from "../requests/connection_context.ts";
import type { Exchange, ShardServices } from "../requests/handler.ts";
import { errorCode } from "../protocol/error_codes.ts";
import {
  type ConfigResource,
  type ListConfigResourcesRequest,
  listConfigResourcesRequest,
  type ListConfigResourcesResponse,
  listConfigResourcesResponse,
} from "../protocol/messages/74_list_config_resources.ts";
import { plainConstructor } from "../protocol/plain_constructor.ts";

/** The row of ListConfigResources. */
export const listConfigResourcesApi = api({
  key: 74,
  name: "ListConfigResources",
  served: [0, 1],
  request: listConfigResourcesRequest,
  response: listConfigResourcesResponse,
  needs: {
    operation: "DESCRIBE_CONFIGS",
    resourceOf: () => CLUSTER,
    refuse: () => ({ errorCode: errorCode.CLUSTER_AUTHORIZATION_FAILED, configResources: [] }),
  },
  elementsMax: 1 << 10, // types
  isReadOnly: true,
  handle: handleListConfigResources,
});

/** One for each topic of the broker, so it is not made by a literal (plain_constructor.ts). */
const Resource = plainConstructor<ConfigResource>()("resourceName", "resourceType");

/** Handles ListConfigResources. */
export function handleListConfigResources(
  request: ListConfigResourcesRequest,
  exchange: Exchange<ListConfigResourcesResponse>,
  services: ShardServices,
): void {
  const { context, apiVersion } = exchange;
  const answer = (code: number, configResources: ConfigResource[] = []) =>
    exchange.respond({ errorCode: code, configResources });
  const supported: number[] = apiVersion === 0 ? [resourceTypes.clientMetrics] : Object.values(resourceTypes);
  const asked = new Set(request.resourceTypes.length === 0 ? supported : request.resourceTypes);
  if ([...asked].some((type) => !supported.includes(type))) return answer(errorCode.UNSUPPORTED_VERSION);
  answer(errorCode.NONE, supported.filter((type) => asked.has(type)).flatMap((type) => list(type, context, services)));
}

function list(
  resourceType: number,
  context: ConnectionContext,
  { image, cluster }: ShardServices,
): ConfigResource[] {
  switch (resourceType) {
    case resourceTypes.group:
      return Array.from(image.configuredGroups(), ({ groupId }) => new Resource(groupId, resourceType));
    case resourceTypes.broker:
    case resourceTypes.brokerLogger:
      return cluster.brokersFor(context).map(({ nodeId }) => new Resource(String(nodeId), resourceType));
    case resourceTypes.topic:
      return Array.from(image.topics(), ({ name }) => new Resource(name, resourceType));
  }
  return [];
}
