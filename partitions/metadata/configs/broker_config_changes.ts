/**
 * Plans changes of the dynamic settings of brokers: those of this broker, and of all (the resource named ""). Pure; the main isolate runs it.
 *
 * As in Kafka, all brokers' settings are checked as this broker would use them, and min.insync.replicas is one for all brokers, because it
 * stands in rows that all read. Unlike Kafka, names that this broker does not have are refused: Kafka stores them for its plugins, and
 * keeps thread counts and TLS under others.
 * Source: DynamicBrokerConfig.validateConfigs, ConfigAdminManager and LogCleaner.validateReconfiguration of Apache Kafka 4.3.1, with their
 * sentences and in their order of checks.
 */
import type { BrokerConfig } from "../../config/broker/broker_config.ts";
import { brokerDefinitions } from "../../config/broker/broker_definitions.ts";
import { refuseTogether, refuseUnknownSetting } from "../../config/broker/broker_properties.ts";
import { isDynamic } from "../../config/broker/described_broker.ts";
import { valueOf } from "../../config/broker/dynamic_settings.ts";
import { effectiveProperties } from "../../config/config_layers.ts";
import { parseConfigValue } from "../../config/config_values.ts";
import { isBrokerNumber } from "../../config/resource_types.ts";
import { refuseStored } from "./broker_settings.ts";
import {
  alter,
  type ConfigAlteration,
  configOperations,
  isRefusal,
  isSame,
  operationNames,
  type Refusal,
  refuse,
  refuseUnreadable,
  shown,
} from "./config_operations.ts";
import { brokerConfigsKey, type BrokerConfigsOwner } from "../records.ts";

/** All dynamic settings of a broker, or of all brokers, after the change; without any, the row is deleted. */
export interface BrokerConfigChange {
  readonly owner: BrokerConfigsOwner;
  readonly configs: Readonly<Record<string, string>>;
}

/** What the checks depend on. */
export interface BrokerConfigRules {
  /** What is in force. */
  readonly broker: BrokerConfig;
  /** What the store has; null where this version cannot read it. */
  storedConfigs(owner: BrokerConfigsOwner): Readonly<Record<string, string>> | null;
}

const MIN_ISR = "min.insync.replicas";
const THREADS = "log.cleaner.threads";

/** Plans the change of one resource. @returns null when nothing changes */
export function planBroker(resource: ConfigAlteration, rules: BrokerConfigRules): BrokerConfigChange | Refusal | null {
  const owner = ownerOf(resource.resourceName, rules.broker.nodeId);
  if (isRefusal(owner)) return owner;
  const current = rules.storedConfigs(owner);
  if (current === null) return refuseUnreadable(brokerConfigsKey(owner));
  const altered = refuseListOperations(resource) ?? alter(resource, { current, definitions: brokerDefinitions });
  if (isRefusal(altered)) return altered;
  const configs = Object.fromEntries(altered);
  const changed = Object.keys(configs).filter((name) =>
    !Object.hasOwn(current, name) || current[name] !== configs[name]
  );
  const refused = refuseNames(changed, owner) ?? refuseTypes(changed, configs) ??
    refusePerBroker(changed) ?? refuseSettings({ owner, configs }, rules.broker);
  if (refused !== null) return refuse("INVALID_REQUEST", refused);
  if (owner !== "default" && resource.operations.some(({ name }) => name === MIN_ISR)) {
    return refuse("INVALID_CONFIG", `Broker-level ${MIN_ISR} cannot be altered while ELR is enabled.`);
  }
  return isSame(configs, current) ? null : { owner, configs };
}

/** Whose settings a resource's name names. */
function ownerOf(name: string, nodeId: number): BrokerConfigsOwner | Refusal {
  if (name === "") return "default";
  if (!isBrokerNumber(name)) {
    return refuse("INVALID_REQUEST", `Node id must be an integer, but it is: ${shown(name)}`);
  }
  if (Number(name) === nodeId) return nodeId;
  return refuse("INVALID_REQUEST", `Unexpected broker id, expected ${nodeId}, but received ${name}`);
}

function refuseListOperations({ operations }: ConfigAlteration): Refusal | null {
  for (const { name, configOperation } of operations) {
    if (configOperation !== configOperations.append && configOperation !== configOperations.subtract) continue;
    const type = brokerDefinitions.get(name)?.type;
    if (type === undefined) return refuse("INVALID_CONFIG", `Unknown config name: ${shown(name)}`);
    if (type === "LIST") continue;
    const word = operationNames[configOperation]?.toLowerCase();
    return refuse("INVALID_CONFIG", `Config value ${word} is not allowed for config key: ${shown(name)}`);
  }
  return null;
}

function refuseNames(names: readonly string[], owner: BrokerConfigsOwner): string | null {
  const fixed = names.filter((name) => {
    const definition = brokerDefinitions.get(name);
    if (definition === undefined || isDynamic(definition)) return false;
    return definition.update === "read-only" || owner !== "default";
  });
  if (fixed.length > 0) return `Cannot update these configs dynamically: [${fixed.sort().join(", ")}]`;
  const unknown = names.find((name) => !brokerDefinitions.has(name));
  const sentence = unknown === undefined ? null : refuseUnknownSetting(shown(unknown)) ?? unknown;
  return sentence === null ? null : `T${sentence.slice(1)}`;
}

function refuseTypes(names: readonly string[], configs: Readonly<Record<string, string>>): string | null {
  for (const name of names) {
    const definition = brokerDefinitions.get(name);
    const parsed = definition === undefined ? null : parseConfigValue(definition, configs[name] as string);
    if (parsed !== null && "refused" in parsed) return parsed.refused;
  }
  return null;
}

/** Called for what passed `refuseNames()`: such a setting is meant for all brokers. */
function refusePerBroker(names: readonly string[]): string | null {
  const perBroker = names.filter((name) => brokerDefinitions.get(name)?.update === "per-broker");
  return perBroker.length === 0
    ? null
    : `Cannot update these configs at default cluster level, broker id must be specified: [${
      perBroker.sort().join(", ")
    }]`;
}

/** Checks what would be in force, as the broker will take it from the store. */
function refuseSettings(
  { owner, configs }: BrokerConfigChange,
  { layers, logCleanerThreads }: BrokerConfig,
): string | null {
  const usable = Object.fromEntries(
    Object.entries(configs).filter(([name, text]) => refuseStored(name, text) === null),
  );
  const properties = effectiveProperties(
    owner === "default" ? { ...layers, default: usable } : { ...layers, broker: usable },
  );
  return refuseTogether(properties) ?? refuseThreads(Number(valueOf(properties, THREADS)), logCleanerThreads);
}

/** A mistyped number must not start hundreds of workers. */
function refuseThreads(threads: number, current: number): string | null {
  const problem = threads === current
    ? null
    : threads < 1
    ? "should be at least 1"
    : threads < Math.floor(current / 2)
    ? `cannot be reduced to less than half the current value ${current}`
    : threads > current * 2
    ? `cannot be increased to more than double the current value ${current}`
    : null;
  if (problem === null) return null;
  const cause = `org.apache.kafka.common.config.ConfigException: Log cleaner threads ${problem}`;
  return `Invalid value ${cause} for configuration Invalid dynamic configuration`; // Kafka swaps its arguments
}
