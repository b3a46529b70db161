/**
 * Plans AlterConfigs and IncrementalAlterConfigs: checks a request and gives, for each resource, its new configs or why it is refused. If
 * one change of a resource is refused, the resource stays as it is. Pure; the main isolate runs it.
 *
 * Topics, groups and brokers (broker_config_changes.ts) can be changed. Broker loggers and client metrics are not served.
 * Source: Kafka's ConfigAdminManager.preprocess, ConfigurationControlManager and ControllerConfigurationValidator, with their
 * sentences and in their order of checks.
 */
import { errorCode } from "../../../net/protocol/error_codes.ts";
import { validateGroupConfigs } from "../../config/groups/group_configs.ts";
import { groupDefinitions } from "../../config/groups/group_definitions.ts";
import { isBrokerNumber, resourceTypes } from "../../config/resource_types.ts";
import { validateTopicConfigs } from "../../config/topics/topic_configs.ts";
import { topicDefinitions } from "../../config/topics/topic_definitions.ts";
import { type BrokerConfigChange, type BrokerConfigRules, planBroker } from "./broker_config_changes.ts";
import {
  alter,
  type ConfigAlteration,
  type ConfigOperation,
  configOperations,
  isRefusal,
  isSame,
  operationNames,
  type Refusal,
  refuse,
  shown,
} from "./config_operations.ts";
import type { TopicImage } from "../image.ts";
import { refuseTopicName } from "../topic_names.ts";

/** The plan for one resource. */
export interface PlannedAlteration {
  readonly errorCode: number;
  readonly errorMessage: string | null;
  /** null when nothing changes. */
  readonly change: ResourceChange | null;
}

/** A change of the configs of one resource. */
export type ResourceChange = TopicConfigChange | GroupConfigChange | BrokerConfigChange;

/** All configs of a topic after the change. */
export interface TopicConfigChange {
  readonly topic: TopicImage;
  readonly configs: Readonly<Record<string, string>>;
}

/** All configs of a group after the change; without any, the group's row is deleted. */
export interface GroupConfigChange {
  readonly groupId: string;
  readonly configs: Readonly<Record<string, string>>;
}

/** What the checks depend on. */
export interface AlterationRules extends BrokerConfigRules {
  topic(name: string): TopicImage | undefined;
  groupConfigs(groupId: string): Readonly<Record<string, string>> | undefined;
  /** How many groups have configs. */
  readonly configuredGroupsCount: number;
}

/** Most groups with configs: every shard holds all of them in memory. */
export const CONFIGURED_GROUPS_MAX = 100_000;

/** Checks a request. @returns one entry for each resource, in the order of the request */
export function planAlterations(resources: readonly ConfigAlteration[], rules: AlterationRules): PlannedAlteration[] {
  const counts = new Map<string, number>();
  for (const resource of resources) counts.set(keyOf(resource), (counts.get(keyOf(resource)) ?? 0) + 1);
  let { configuredGroupsCount } = rules;
  return resources.map((resource): PlannedAlteration => {
    const result = counts.get(keyOf(resource)) === 1
      ? refuseForm(resource.operations) ?? plan(resource, { ...rules, configuredGroupsCount })
      : refuse("INVALID_REQUEST", "Each resource must appear at most once.");
    if (isRefusal(result)) return { ...result, change: null };
    if (result !== null && "groupId" in result && rules.groupConfigs(result.groupId) === undefined) {
      configuredGroupsCount++;
    }
    return { errorCode: errorCode.NONE, errorMessage: null, change: result };
  });
}

function keyOf({ resourceType, resourceName }: ConfigAlteration): string {
  const isNumber = resourceType === resourceTypes.broker && isBrokerNumber(resourceName);
  return `${resourceType} ${isNumber ? Number(resourceName) : resourceName}`;
}

function refuseForm(operations: readonly ConfigOperation[]): Refusal | null {
  if (new Set(operations.map(({ name }) => name)).size < operations.length) {
    return refuse("INVALID_REQUEST", "Error due to duplicate config keys");
  }
  const nulls = operations.filter(({ configOperation, value }) =>
    value === null && configOperation !== configOperations.delete
  );
  if (nulls.length > 0) {
    return refuse(
      "INVALID_REQUEST",
      `Null value not supported for : ${nulls.map(({ name }) => shown(name)).join(", ")}`,
    );
  }
  const unknown = operations.find(({ configOperation }) => !(configOperation in operationNames));
  return unknown === undefined ? null : refuse("INVALID_REQUEST", `Unknown operations type ${unknown.configOperation}`);
}

function plan(resource: ConfigAlteration, rules: AlterationRules): ResourceChange | Refusal | null {
  switch (resource.resourceType) {
    case resourceTypes.topic:
      return planTopic(resource, rules);
    case resourceTypes.group:
      return planGroup(resource, rules);
    case resourceTypes.broker:
      return planBroker(resource, rules);
    case resourceTypes.clientMetrics:
      return refuse("INVALID_REQUEST", "Client metrics are not served by this broker.");
    case resourceTypes.brokerLogger:
      if (resource.replacesAll) break; // AlterConfigs never knew loggers
      return refuse("INVALID_REQUEST", "The loggers of this broker cannot be changed while it runs.");
  }
  return refuse("INVALID_REQUEST", `Unknown resource type ${resource.resourceType}`);
}

function planTopic(resource: ConfigAlteration, rules: AlterationRules): TopicConfigChange | Refusal | null {
  const name = resource.resourceName;
  const topic = rules.topic(name);
  const altered = alter(resource, { current: topic?.configs ?? {}, definitions: topicDefinitions });
  if (isRefusal(altered)) return altered;
  if (name === "") return refuse("INVALID_REQUEST", "Default topic resources are not allowed.");
  const invalid = refuseTopicName(name);
  if (invalid !== null) return refuse("INVALID_TOPIC_EXCEPTION", invalid);
  const configs = Object.fromEntries(altered);
  const refused = validateTopicConfigs(configs);
  if (refused !== null) return refuse("INVALID_CONFIG", refused);
  if (topic === undefined) return refuse("UNKNOWN_TOPIC_OR_PARTITION", `The topic '${name}' does not exist.`);
  return isSame(configs, topic.configs) ? null : { topic, configs };
}

function planGroup(resource: ConfigAlteration, rules: AlterationRules): GroupConfigChange | Refusal | null {
  const groupId = resource.resourceName;
  const current = rules.groupConfigs(groupId);
  const altered = alter(resource, { current: current ?? {}, definitions: groupDefinitions });
  if (isRefusal(altered)) return altered;
  if (groupId === "") return refuse("INVALID_REQUEST", "Default group resources are not allowed.");
  const configs = Object.fromEntries(altered);
  const refused = validateGroupConfigs(configs, rules.broker);
  if (refused !== null) return refuse("INVALID_CONFIG", refused);
  if (isSame(configs, current ?? {})) return null;
  if (current !== undefined || rules.configuredGroupsCount < CONFIGURED_GROUPS_MAX) return { groupId, configs };
  return refuse("POLICY_VIOLATION", `No more than ${CONFIGURED_GROUPS_MAX} groups can have configs.`);
}
