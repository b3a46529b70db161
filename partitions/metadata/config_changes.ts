/**
 * Plans AlterConfigs and IncrementalAlterConfigs: checks a request and gives, for each resource, its new configs or why it is refused. If
 * one change of a resource is refused, the resource stays as it is. Pure; the main isolate runs it.
 *
 * Topics and groups can be changed. No setting of a running broker can change, so all of them are refused as Kafka refuses settings that
 * are not dynamic; deleting one that was never set changes nothing and succeeds. Broker loggers and client metrics are not served.
 * Source: Kafka's ConfigAdminManager.preprocess, ConfigurationControlManager and ControllerConfigurationValidator, with their
 * sentences and in their order of checks.
 */
import { errorCode } from "../../net/protocol/error_codes.ts";
import type { BrokerConfig } from "../config/broker/broker_config.ts";
import { brokerDefinitions } from "../config/broker/broker_definitions.ts";
import type { ConfigDefinition } from "../config/config_definitions.ts";
import { validateGroupConfigs } from "../config/groups/group_configs.ts";
import { groupDefinitions } from "../config/groups/group_definitions.ts";
import { resourceTypes } from "../config/resource_types.ts";
import { validateTopicConfigs } from "../config/topics/topic_configs.ts";
import { topicDefinitions } from "../config/topics/topic_definitions.ts";
import type { TopicImage } from "./image.ts";
import { refuseTopicName } from "./topic_names.ts";

/** Kinds of change to one config (AlterConfigOp.OpType). */
export const configOperations = { set: 0, delete: 1, append: 2, subtract: 3 } as const;

/** One change of a config. */
export interface ConfigOperation {
  readonly name: string;
  readonly configOperation: number;
  readonly value: string | null;
}

/** The changes that a request makes to one resource. */
export interface ConfigAlteration {
  readonly resourceType: number;
  readonly resourceName: string;
  readonly operations: readonly ConfigOperation[];
  /** AlterConfigs: configs that are not named are removed. */
  readonly replacesAll: boolean;
}

/** The plan for one resource. */
export interface PlannedAlteration {
  readonly errorCode: number;
  readonly errorMessage: string | null;
  /** null when nothing changes. */
  readonly change: TopicConfigChange | GroupConfigChange | null;
}

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
export interface AlterationRules {
  readonly broker: BrokerConfig;
  topic(name: string): TopicImage | undefined;
  groupConfigs(groupId: string): Readonly<Record<string, string>> | undefined;
  /** How many groups have configs. */
  readonly configuredGroupsCount: number;
}

/** Most groups with configs: every shard holds all of them in memory. */
export const CONFIGURED_GROUPS_MAX = 100_000;
/** Longest string of older protocol versions, in bytes (Short.MAX_VALUE). */
const VALUE_CHARACTERS_MAX = 32_767;
const NAME_CHARACTERS_MAX = 200;
const MESSAGE_CHARACTERS_MAX = 2000;

type Change = TopicConfigChange | GroupConfigChange;
type Refusal = { readonly errorCode: number; readonly errorMessage: string };

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
  return `${resourceType} ${resourceName}`;
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

const operationNames: Readonly<Record<number, string>> = { 0: "SET", 1: "DELETE", 2: "APPEND", 3: "SUBTRACT" };

function plan(resource: ConfigAlteration, rules: AlterationRules): Change | Refusal | null {
  switch (resource.resourceType) {
    case resourceTypes.topic:
      return planTopic(resource, rules);
    case resourceTypes.group:
      return planGroup(resource, rules);
    case resourceTypes.broker:
      return refuseBrokerName(resource.resourceName, rules.broker.nodeId) ?? refuseBrokerConfigs(resource.operations);
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
  return isSame(altered, topic.configs) ? null : { topic, configs };
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
  if (isSame(altered, current ?? {})) return null;
  if (current !== undefined || rules.configuredGroupsCount < CONFIGURED_GROUPS_MAX) return { groupId, configs };
  return refuse("POLICY_VIOLATION", `No more than ${CONFIGURED_GROUPS_MAX} groups can have configs.`);
}

function refuseBrokerName(name: string, nodeId: number): Refusal | null {
  if (name === "") return null; // the default of all brokers
  if (!/^[+-]?\d{1,10}$/.test(name)) {
    return refuse("INVALID_REQUEST", `Node id must be an integer, but it is: ${shown(name)}`);
  }
  if (Number(name) === nodeId) return null;
  return refuse("INVALID_REQUEST", `Unexpected broker id, expected ${nodeId}, but received ${name}`);
}

function refuseBrokerConfigs(operations: readonly ConfigOperation[]): Refusal | null {
  for (const { name, configOperation } of operations) {
    if (configOperation !== configOperations.append && configOperation !== configOperations.subtract) continue;
    const type = brokerDefinitions.get(name)?.type;
    if (type === undefined) return refuse("INVALID_CONFIG", `Unknown config name: ${shown(name)}`);
    if (type === "LIST") continue;
    const word = operationNames[configOperation]?.toLowerCase();
    return refuse("INVALID_CONFIG", `Config value ${word} is not allowed for config key: ${shown(name)}`);
  }
  const changed = operations.filter(({ configOperation }) => configOperation !== configOperations.delete);
  if (changed.length === 0) return null;
  const names = changed.map(({ name }) => shown(name)).join(", ");
  return refuse("INVALID_REQUEST", `Cannot update these configs dynamically: [${names}]`);
}

/** @returns all configs of the resource afterwards */
function alter(
  { operations, replacesAll }: ConfigAlteration,
  { current, definitions }: {
    current: Readonly<Record<string, string>>;
    definitions: ReadonlyMap<string, ConfigDefinition>;
  },
): Map<string, string> | Refusal {
  const configs = new Map(replacesAll ? [] : Object.entries(current));
  for (const operation of operations) {
    const { name } = operation;
    const value = operate(operation, configs.get(name), definitions.get(name));
    if (isRefusal(value)) return value;
    if (value === null) configs.delete(name);
    else if (value.length <= VALUE_CHARACTERS_MAX) configs.set(name, value);
    else {
      const why = `it exceeds the maximum value size of ${VALUE_CHARACTERS_MAX} bytes.`;
      return refuse("INVALID_CONFIG", `The configuration value cannot be added because ${why}`);
    }
  }
  return configs;
}

/** @returns the new value, null for none */
function operate(
  { name, configOperation, value }: ConfigOperation,
  current: string | undefined,
  definition: ConfigDefinition | undefined,
): string | Refusal | null {
  if (configOperation === configOperations.delete) return null;
  if (configOperation === configOperations.set) return value;
  if (definition?.type !== "LIST") {
    const operation = operationNames[configOperation];
    return refuse("INVALID_CONFIG", `Can't ${operation} to key ${shown(name)} because its type is not LIST.`);
  }
  const items = (current ?? definition.defaultText ?? "").split(",").filter((item) => item !== "");
  const given = (value ?? "").split(",");
  while (given.length > 1 && given.at(-1) === "") given.pop(); // as Java's split does
  if (configOperation === configOperations.append) return [...new Set([...items, ...given])].join(",");
  return items.filter((item) => !given.includes(item)).join(",");
}

function isSame(altered: ReadonlyMap<string, string>, current: Readonly<Record<string, string>>): boolean {
  return altered.size === Object.keys(current).length &&
    [...altered].every(([name, value]) => Object.hasOwn(current, name) && current[name] === value);
}

function isRefusal(result: object | string | null): result is Refusal {
  return typeof result === "object" && result !== null && "errorCode" in result;
}

function refuse(name: keyof typeof errorCode, errorMessage: string): Refusal {
  return { errorCode: errorCode[name], errorMessage: errorMessage.slice(0, MESSAGE_CHARACTERS_MAX) };
}

function shown(text: string): string {
  return text.slice(0, NAME_CHARACTERS_MAX);
}
