/**
 * What DescribeConfigs shows of a setting, and how its effective value is found: the resource's own value, else that of the strongest
 * broker property it inherits from, else the default. Pure; any isolate.
 *
 * Source: ConfigHelper.createTopicConfigEntry, createGroupConfigEntry and DynamicBrokerConfig.brokerConfigSynonyms of Apache
 * Kafka 4.3.1.
 */
import { assert } from "../../storage/base/assert.ts";
import { brokerDefinitions } from "./broker/broker_definitions.ts";
import type { ConfigDefinition } from "./config_definitions.ts";
import type { ConfigLayers } from "./config_layers.ts";
import { configTypes, type ConfigValue, parseConfigValue } from "./config_values.ts";

/** Where a value comes from, as DescribeConfigs numbers it (DescribeConfigsResponse.ConfigSource). */
export const configSources = {
  topic: 1,
  dynamicBroker: 2,
  dynamicDefaultBroker: 3,
  staticBroker: 4,
  default: 5,
  group: 8,
} as const;

/** A synonym: the value that would be effective if those before it were not set. */
export interface ConfigSynonymEntry {
  readonly name: string;
  readonly value: string | null;
  readonly source: number;
}

/** One row of a DescribeConfigs answer. */
export interface ConfigEntry extends ConfigSynonymEntry {
  readonly readOnly: boolean;
  readonly isSensitive: boolean;
  /** The effective value first; empty when there is no value. */
  readonly synonyms: readonly ConfigSynonymEntry[];
  /** Number of its type (DescribeConfigsResponse.ConfigType). */
  readonly type: number;
  readonly documentation: string;
}

/** The broker's properties by Kafka's names, checked. */
export type BrokerProperties = Readonly<Record<string, string>>;

/** An effective value. */
export interface ResolvedConfig {
  readonly value: ConfigValue;
  /** Its canonical text; null: not set and without a default. */
  readonly text: string | null;
}

/**
 * Finds the effective value.
 * @param definition of a topic's or a group's setting
 * @param own the configs of the topic or group itself
 */
export function resolveConfig(
  definition: ConfigDefinition,
  own: string | undefined,
  properties: BrokerProperties,
): ResolvedConfig {
  if (own !== undefined) return parseChecked(definition, own);
  for (const synonym of definition.synonyms) {
    const text = properties[synonym.name];
    const broker = brokerDefinitions.get(synonym.name);
    if (text === undefined || broker === undefined) continue;
    const parsed = parseChecked(broker, text);
    // Of times in several units, all that is negative means no limit.
    const isTime = definition.synonyms.some(({ factor }) => factor !== 1);
    if (!isTime || typeof parsed.value !== "number") return parsed;
    const value = parsed.value < 0 ? -1 : parsed.value * synonym.factor;
    return { value, text: String(value) };
  }
  return definition.defaultText === null ? { value: "", text: null } : parseChecked(definition, definition.defaultText);
}

/** What is shown of a broker's settings. */
export interface ShownBroker {
  /** What is in force. */
  readonly properties: BrokerProperties;
  readonly layers: ConfigLayers;
}

/** The rows of all settings of a topic or group. @param source source number of its own configs */
export function describeResource(
  definitions: Iterable<ConfigDefinition>,
  own: Readonly<Record<string, string>>,
  { broker, source }: { broker: ShownBroker; source: number },
): ConfigEntry[] {
  return Array.from(definitions, (definition) => {
    const { text } = resolveConfig(definition, own[definition.name], broker.properties);
    const inherited = brokerSynonyms(definition.synonyms.map(({ name }) => name), broker);
    const synonyms = own[definition.name] === undefined
      ? inherited
      : [{ name: definition.name, value: text, source }, ...inherited];
    return configEntry(definition, { value: text, synonyms, readOnly: false });
  });
}

/** One row. */
export function configEntry(
  definition: ConfigDefinition,
  shown: { value: string | null; synonyms: ConfigSynonymEntry[]; readOnly: boolean },
): ConfigEntry {
  const isSensitive = definition.type === "PASSWORD";
  return {
    name: definition.name,
    value: isSensitive ? null : shown.value,
    source: shown.synonyms[0]?.source ?? configSources.default,
    readOnly: shown.readOnly,
    isSensitive,
    synonyms: isSensitive ? shown.synonyms.map((synonym) => ({ ...synonym, value: null })) : shown.synonyms,
    type: configTypes[definition.type],
    documentation: definition.documentation,
  };
}

/**
 * The values of settings that stand for one another: those of this broker, of all brokers, the static ones and the defaults, each in the
 * order of `names`. As in Kafka, those before the first value of the first name are left out.
 */
export function brokerSynonyms(names: readonly string[], { layers }: ShownBroker): ConfigSynonymEntry[] {
  const valuesOf = (valueOf: (name: string) => string | null | undefined, source: number) =>
    names.map((name) => ({ name, value: valueOf(name) ?? null, source }));
  const all = [
    ...valuesOf((name) => layers.broker[name], configSources.dynamicBroker),
    ...valuesOf((name) => layers.default[name], configSources.dynamicDefaultBroker),
    ...valuesOf((name) => layers.static[name], configSources.staticBroker),
    ...valuesOf((name) => brokerDefinitions.get(name)?.defaultText, configSources.default),
  ].filter(({ value }) => value !== null);
  const first = all.findIndex(({ name }) => name === names[0]);
  return first < 0 ? [] : all.slice(first);
}

function parseChecked(definition: ConfigDefinition, text: string): { value: ConfigValue; text: string } {
  const parsed = parseConfigValue(definition, text);
  assert(!("refused" in parsed), `settings are checked before they are used: ${definition.name}`);
  return parsed;
}
