/**
 * DescribeConfigs, API key 32: configs of topics, groups, of this broker, and what all brokers have in common (the broker named ""), from
 * the shard's copies, without the control plane. A group is described whether it exists or not.
 *
 * v1 sources and synonyms (KIP-226) · v3 types and documentation (KIP-569) · v4 flexible.
 *
 * A resource that is named twice is answered once. Resources after DESCRIBED_BYTES_MAX are refused (INVALID_REQUEST).
 *
 * Not done: broker loggers, client metrics.
 */
import { describeBrokerConfigs, describeDefaultConfigs } from "../../partitions/config/broker/described_broker.ts";
import type { ConfigEntry } from "../../partitions/config/config_entries.ts";
import { describeGroupConfigs } from "../../partitions/config/groups/group_configs.ts";
import { isBrokerNumber, resourceTypes } from "../../partitions/config/resource_types.ts";
import { describeTopicConfigs } from "../../partitions/config/topics/topic_configs.ts";
import { refuseTopicName } from "../../partitions/metadata/topic_names.ts";
import { api } from "../requests/api.ts";
import { refuseConfigAccess } from "../requests/config_access.ts";
import { encodeInSlices } from "../requests/encoded_slices.ts";
import type { ConnectionContext } from "../requests/connection_context.ts";
import type { Exchange, ShardServices } from "../requests/handler.ts";
import { errorCode, errorMessage } from "../protocol/error_codes.ts";
import {
  describeConfigsElement,
  type DescribeConfigsRequest,
  describeConfigsRequest,
  type DescribeConfigsResourceResult,
  type DescribeConfigsResponse,
  describeConfigsResponse,
  type DescribeConfigsResult,
} from "../protocol/messages/32_describe_configs.ts";

/** The row of DescribeConfigs. */
export const describeConfigsApi = api({
  key: 32,
  name: "DescribeConfigs",
  served: [1, 4],
  request: describeConfigsRequest,
  response: describeConfigsResponse,
  isReadOnly: true,
  handle: handleDescribeConfigs,
});

type AskedResource = DescribeConfigsRequest["resources"][number];
type Described = { readonly entries: readonly ConfigEntry[] } | { readonly code: number; readonly message: string };

/**
 * Largest answer: 3,000 topics with everything that can be asked, or 7,000 without synonyms and documentation. Kafka has no limit; its
 * clients ask once for each resource that they want.
 */
const DESCRIBED_BYTES_MAX = 12 * 1024 * 1024;
const FULL = `The answer has ${DESCRIBED_BYTES_MAX} bytes already: ask for fewer resources at a time.`;

/** Handles DescribeConfigs. */
export function handleDescribeConfigs(
  request: DescribeConfigsRequest,
  exchange: Exchange<DescribeConfigsResponse>,
  services: ShardServices,
): void {
  const { context } = exchange;
  // Questions that were answered.
  const seen = new Set<string>();
  encodeInSlices<AskedResource, DescribeConfigsResult>(
    {
      items: request.resources,
      element: describeConfigsElement,
      describe: (resource, { bytes }) => {
        const question = JSON.stringify([resource.resourceType, resource.resourceName, resource.configurationKeys]);
        if (seen.has(question)) return null;
        seen.add(question);
        const isFull = bytes.length >= DESCRIBED_BYTES_MAX;
        const described = isFull ? refuse("INVALID_REQUEST", FULL) : describe(resource, { context, services });
        return resultOf(described, resource, request);
      },
    },
    { slices: services.slices, exchange },
    (results) => exchange.respond({ results }),
  );
}

function resultOf(
  described: Described,
  { resourceType, resourceName, configurationKeys }: AskedResource,
  request: DescribeConfigsRequest,
): DescribeConfigsResult {
  if ("code" in described) {
    return { errorCode: described.code, errorMessage: described.message, resourceType, resourceName, configs: [] };
  }
  // No keys mean all, whether the list is null or empty (ConfigHelperUtils.toDescribeConfigsResult).
  const keys = new Set(configurationKeys ?? []);
  const shown = described.entries.filter(({ name }) => keys.size === 0 || keys.has(name));
  const configs = shown.map((entry) => toResult(entry, request));
  return { errorCode: errorCode.NONE, errorMessage: null, resourceType, resourceName, configs };
}

function describe(
  { resourceType, resourceName }: AskedResource,
  { context, services }: { context: ConnectionContext; services: ShardServices },
): Described {
  const refusal = refuseConfigAccess(context, "DESCRIBE_CONFIGS", { resourceType, resourceName });
  if (refusal !== null) return refuse(refusal);
  if (resourceType === resourceTypes.topic) return describeTopic(resourceName, services);
  if (resourceType === resourceTypes.group) return describeGroup(resourceName, services);
  if (resourceType === resourceTypes.broker) return describeBroker(resourceName, services);
  return refuse("INVALID_REQUEST", `Unsupported resource type: ${resourceType}`);
}

function describeTopic(name: string, { image, config }: ShardServices): Described {
  const invalid = refuseTopicName(name);
  if (invalid !== null) return refuse("INVALID_TOPIC_EXCEPTION", invalid);
  const topic = image.topic(name);
  if (topic === undefined) return refuse("UNKNOWN_TOPIC_OR_PARTITION");
  return { entries: describeTopicConfigs(topic.configs, config) };
}

function describeGroup(groupId: string, { image, config }: ShardServices): Described {
  if (groupId === "") return refuse("INVALID_REQUEST", "Group name must not be empty");
  return { entries: describeGroupConfigs(image.groupConfigs(groupId) ?? {}, config) };
}

function describeBroker(name: string, { config, nodeId }: ShardServices): Described {
  if (name === "") return { entries: describeDefaultConfigs(config) };
  if (!isBrokerNumber(name)) {
    return refuse("INVALID_REQUEST", `Broker id must be an integer, but it is: ${name}`);
  }
  if (Number(name) === nodeId) return { entries: describeBrokerConfigs(config) };
  return refuse(
    "INVALID_REQUEST",
    `Unexpected broker id, expected ${nodeId} or empty string, but received ${name}`,
  );
}

function toResult(
  entry: ConfigEntry,
  { includeSynonyms, includeDocumentation }: DescribeConfigsRequest,
): DescribeConfigsResourceResult {
  return {
    name: entry.name,
    value: entry.value,
    readOnly: entry.readOnly,
    configSource: entry.source,
    isSensitive: entry.isSensitive,
    synonyms: includeSynonyms ? [...entry.synonyms] : [],
    configType: entry.type,
    documentation: includeDocumentation ? entry.documentation : null,
  };
}

function refuse(name: keyof typeof errorCode, message = errorMessage(errorCode[name])): Described {
  return { code: errorCode[name], message };
}
