/**
 * What DescribeConfigs shows of a broker: all settings that it uses, or the dynamic ones of all brokers. Pure; any isolate.
 *
 * Source: ConfigHelper.createBrokerConfigEntry and DynamicBrokerConfig.brokerConfigSynonyms of Apache Kafka 4.3.1.
 */
import { brokerSynonyms, type ConfigEntry, configEntry, configSources, type ShownBroker } from "../config_entries.ts";
import type { ConfigDefinition } from "../config_definitions.ts";
import { parseConfigValue } from "../config_values.ts";
import { topicDefinitions } from "../topics/topic_definitions.ts";
import { brokerDefinitions } from "./broker_definitions.ts";

/** Groups of broker settings; the first that is set in a group counts. */
const synonymFamilies: readonly string[][] = [
  ...[...topicDefinitions.values()].map(({ synonyms }) => synonyms.map(({ name }) => name)),
  ["node.id", "broker.id"],
  ["log.dirs", "log.dir"],
];

/** What is shown of this broker: the settings it uses, ordered by name. */
export function describeBrokerConfigs(broker: ShownBroker): ConfigEntry[] {
  const byName = [...brokerDefinitions.values()].sort((a, b) => a.name < b.name ? -1 : 1);
  return byName.map((definition) => {
    const family = synonymFamilies.find((names) => names.includes(definition.name)) ?? [definition.name];
    const synonyms = brokerSynonyms(family.slice(family.indexOf(definition.name)), broker);
    const set = broker.properties[definition.name];
    const value = set === undefined ? definition.defaultText : canonical(definition, set);
    return configEntry(definition, { value, synonyms, readOnly: !isDynamic(definition) });
  });
}

/** What is shown of all brokers: the dynamic settings that they have in common, as they were set. */
export function describeDefaultConfigs({ layers }: ShownBroker): ConfigEntry[] {
  return Object.entries(layers.default).sort(([a], [b]) => a < b ? -1 : 1).flatMap(([name, value]) => {
    const definition = brokerDefinitions.get(name);
    if (definition === undefined) return [];
    const synonyms = [{ name, value, source: configSources.dynamicDefaultBroker }];
    return [configEntry(definition, { value, synonyms, readOnly: !isDynamic(definition) })];
  });
}

/** Whether this broker changes a setting while it runs. */
export function isDynamic({ update }: Pick<ConfigDefinition, "update">): boolean {
  return update === "cluster-wide";
}

/** Dynamic values are kept as they were set, static ones and passwords in the form in which they are shown. */
function canonical(definition: ConfigDefinition, text: string): string {
  if (!isDynamic(definition)) return text;
  const parsed = parseConfigValue(definition, text);
  return "refused" in parsed ? text : parsed.text;
}
