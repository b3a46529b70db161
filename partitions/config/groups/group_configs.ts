/**
 * Configs of groups: checks the configs that a client sets, resolves the settings of a group, and lists what DescribeConfigs shows. Pure;
 * the main isolate checks, shards resolve.
 *
 * A group's value must lie between two broker settings when it is set. If these change afterwards, the value is clamped for use but shown
 * as it was set.
 * Source: GroupConfig.validate and evaluate of Apache Kafka 4.3.1, with their messages.
 */
import type { ConsumerGroupSettings } from "../../coordinators/groups/group_ports.ts";
import type { MetadataImage } from "../../metadata/image.ts";
import { assert } from "../../../storage/base/assert.ts";
import type { BrokerConfig } from "../broker/broker_config.ts";
import { brokerDefinitions } from "../broker/broker_definitions.ts";
import {
  type BrokerProperties,
  type ConfigEntry,
  configSources,
  describeResource,
  resolveConfig,
  type ShownBroker,
} from "../config_entries.ts";
import { type ConfigValue, parseConfigValue } from "../config_values.ts";
import { type Bound, boundedSettings, groupDefinitions } from "./group_definitions.ts";

/** Configs of one group, by Kafka's names; checked by `validateGroupConfigs`. */
export type GroupConfigs = Readonly<Record<string, string>>;

/** How much of an unknown name an answer repeats, in characters. */
const NAME_CHARACTERS_MAX = 200;

/**
 * Checks the configs of a group.
 * @returns null, or the message of Kafka's INVALID_CONFIG
 */
export function validateGroupConfigs(configs: GroupConfigs, broker: Pick<BrokerConfig, "properties">): string | null {
  const unknown = Object.keys(configs).find((name) => !groupDefinitions.has(name));
  if (unknown !== undefined) return `Unknown group config name: ${unknown.slice(0, NAME_CHARACTERS_MAX)}`;
  const values = new Map<string, ConfigValue>();
  for (const definition of groupDefinitions.values()) {
    const own = configs[definition.name];
    if (own === undefined) {
      values.set(definition.name, resolveConfig(definition, undefined, broker.properties).value);
      continue;
    }
    const parsed = parseConfigValue(definition, own);
    if ("refused" in parsed) return parsed.refused;
    values.set(definition.name, parsed.value);
  }
  for (const { name, min, max, ownOnly } of boundedSettings) {
    if (ownOnly && configs[name] === undefined) continue;
    const value = Number(values.get(name));
    if (min !== undefined && value < boundOf(min, broker.properties)) {
      return `${name} must be greater than or equal to ${min[0]}`;
    }
    if (value > boundOf(max, broker.properties)) return `${name} must be less than or equal to ${max[0]}`;
  }
  for (const kind of ["consumer", "share", "streams"]) {
    const [session, heartbeat] = [`${kind}.session.timeout.ms`, `${kind}.heartbeat.interval.ms`];
    if (Number(values.get(session)) <= Number(values.get(heartbeat))) {
      return `${session} must be greater than ${heartbeat}`;
    }
  }
  return null;
}

/** What DescribeConfigs shows of a group, whether it exists or not: every config, ordered by name. */
export function describeGroupConfigs(configs: GroupConfigs, broker: ShownBroker): ConfigEntry[] {
  const entries = describeResource(groupDefinitions.values(), configs, { broker, source: configSources.group });
  return entries.map((entry) => {
    // A setting that inherits from no broker setting has its default as the last synonym. Kafka's numbers inherit from settings of share
    // and streams groups that this broker does not have (GroupConfig.brokerSynonym).
    const { synonyms = [], defaultText = null, type } = groupDefinitions.get(entry.name) ?? {};
    if (synonyms.length > 0 || defaultText === null) return entry;
    const name = type === "INT" ? `group.${entry.name}` : entry.name;
    const inherited = { name, value: defaultText, source: configSources.default };
    return { ...entry, synonyms: [...entry.synonyms, inherited] };
  });
}

/**
 * Makes the function for `GroupPorts.settingsOf`, which gives the settings of any group according to the current image.
 * @returns a function that costs one lookup, except at the first call for a group with configs
 */
export function groupSettings(
  image: MetadataImage,
  broker: Pick<BrokerConfig, "properties">,
): (groupId: string) => ConsumerGroupSettings {
  let { properties } = broker;
  let defaults = resolveGroupSettings({}, properties);
  let resolved = new WeakMap<GroupConfigs, ConsumerGroupSettings>();
  return (groupId) => {
    if (properties !== broker.properties) { // dynamic settings have changed
      properties = broker.properties;
      defaults = resolveGroupSettings({}, properties);
      resolved = new WeakMap();
    }
    const configs = image.groupConfigs(groupId);
    if (configs === undefined) return defaults;
    const known = resolved.get(configs) ?? resolveGroupSettings(configs, broker.properties);
    resolved.set(configs, known);
    return known;
  };
}

function resolveGroupSettings(configs: GroupConfigs, properties: BrokerProperties): ConsumerGroupSettings {
  const value = (name: string) => {
    const definition = groupDefinitions.get(name);
    assert(definition !== undefined, `${name} is a group config`);
    const number = Number(resolveConfig(definition, configs[name], properties).value);
    return configs[name] === undefined ? number : clamp(name, number, properties);
  };
  return {
    sessionTimeoutMs: value("consumer.session.timeout.ms"),
    heartbeatIntervalMs: value("consumer.heartbeat.interval.ms"),
    assignmentIntervalMs: value("consumer.assignment.interval.ms"),
  };
}

function clamp(name: string, value: number, properties: BrokerProperties): number {
  const bounds = boundedSettings.find((bounded) => bounded.name === name);
  if (bounds === undefined) return value;
  const min = bounds.min === undefined ? value : boundOf(bounds.min, properties);
  return Math.min(Math.max(value, min), boundOf(bounds.max, properties));
}

function boundOf([name, defaultValue]: Bound, properties: BrokerProperties): number {
  return Number(properties[name] ?? brokerDefinitions.get(name)?.defaultText ?? defaultValue);
}
