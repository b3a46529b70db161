/**
 * DescribeConfigs, API key 32: configs of topics, groups and of this broker, from the shard's copies; the control plane is not
 * asked. A group is described whether it exists or not.
 *
 * v1 sources and synonyms (KIP-226) · v3 types and documentation (KIP-569) · v4 flexible.
 *
 * Not done: configs of brokers that change at run time (the broker named "" is the cluster's dynamic default: none), broker
 * loggers, client metrics.
 */
import type { ConfigEntry } from "../../partitions/config/config_entries.ts";
import { describeGroupConfigs } from "../../partitions/config/group_configs.ts";
import { resourceTypes } from "../../partitions/config/resource_types.ts";
import { describeBrokerConfigs, describeTopicConfigs } from "../../partitions/config/topic_configs.ts";
import { refuseTopicName } from "../../partitions/metadata/topic_names.ts";
import { authorize, CLUSTER } from "../authorization.ts";
import type { ConnectionContext, Exchange, ShardServices } from "../handler.ts";
import { errorCode, errorMessage } from "../protocol/error_codes.ts";
import type {
  DescribeConfigsRequest,
  DescribeConfigsResourceResult,
  DescribeConfigsResponse,
  DescribeConfigsResult,
} from "../protocol/messages/32_describe_configs.ts";
import { charge } from "../quota.ts";

type AskedResource = DescribeConfigsRequest["resources"][number];
type Described = { readonly entries: readonly ConfigEntry[] } | { readonly code: number; readonly message: string };

/** Handles DescribeConfigs. */
export function handleDescribeConfigs(
  request: DescribeConfigsRequest,
  exchange: Exchange<DescribeConfigsResponse>,
  services: ShardServices,
): void {
  const { context } = exchange;
  const results = request.resources.map((resource): DescribeConfigsResult => {
    const { resourceType, resourceName, configurationKeys } = resource;
    const described = describe(resource, { context, services });
    if ("code" in described) {
      return { errorCode: described.code, errorMessage: described.message, resourceType, resourceName, configs: [] };
    }
    // No keys means all, whether the list is null or empty (ConfigHelperUtils.toDescribeConfigsResult).
    const keys = new Set(configurationKeys ?? []);
    const shown = described.entries.filter(({ name }) => keys.size === 0 || keys.has(name));
    const configs = shown.map((entry) => toResult(entry, request));
    return { errorCode: errorCode.NONE, errorMessage: null, resourceType, resourceName, configs };
  });
  exchange.respond({ throttleTimeMs: charge(context, "request", 1), results });
}

function describe(
  { resourceType, resourceName }: AskedResource,
  { context, services }: { context: ConnectionContext; services: ShardServices },
): Described {
  if (resourceType === resourceTypes.topic) {
    if (!authorize(context, "DESCRIBE_CONFIGS", { type: "TOPIC", name: resourceName })) {
      return refuse("TOPIC_AUTHORIZATION_FAILED");
    }
    return describeTopic(resourceName, services);
  }
  if (resourceType === resourceTypes.group) {
    if (!authorize(context, "DESCRIBE_CONFIGS", { type: "GROUP", name: resourceName })) {
      return refuse("GROUP_AUTHORIZATION_FAILED");
    }
    return describeGroup(resourceName, services);
  }
  if (!authorize(context, "DESCRIBE_CONFIGS", CLUSTER)) return refuse("CLUSTER_AUTHORIZATION_FAILED");
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
  if (name === "") return { entries: [] };
  if (!/^[+-]?\d{1,10}$/.test(name)) {
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
