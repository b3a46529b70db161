/**
 * The settings of a broker that change while it runs, and what they mean. Pure; any isolate.
 */
import { resolveLogConfig } from "../topics/topic_configs.ts";
import { brokerDefinitions } from "./broker_definitions.ts";
import type { BrokerConfig } from "./broker_config.ts";
import type { DynamicSettings } from "./dynamic_fields.ts";
import { connectionOverrides } from "./connection_overrides.ts";
import { type ConfigLayers, effectiveProperties } from "../config_layers.ts";
import { type ConfigValue, parseConfigValue } from "../config_values.ts";

/**
 * What the settings mean.
 * @param layers whose values were checked, one by one and together
 */
export function dynamicSettings(
  layers: ConfigLayers,
  { appendMode }: Pick<BrokerConfig, "appendMode">,
): DynamicSettings {
  const properties = effectiveProperties(layers);
  const number = (name: string) => Number(valueOf(properties, name));
  return {
    minInsyncReplicas: number("min.insync.replicas"),
    maxConnections: number("max.connections"),
    maxConnectionsPerIp: number("max.connections.per.ip"),
    maxConnectionsPerIpOverrides: connectionOverrides(properties["max.connections.per.ip.overrides"] ?? ""),
    maxConnectionCreationRate: number("max.connection.creation.rate"),
    producerIdExpirationMs: number("producer.id.expiration.ms"),
    logCleanerThreads: number("log.cleaner.threads"),
    logCleanerBackoffMs: number("log.cleaner.backoff.ms"),
    logCleanerIoMaxBytesPerSecond: number("log.cleaner.io.max.bytes.per.second"),
    logCleanerDedupeBufferSize: number("log.cleaner.dedupe.buffer.size"),
    logCleanerIoBufferLoadFactor: number("log.cleaner.io.buffer.load.factor"),
    logDefaults: resolveLogConfig({}, { properties, appendMode }),
    properties,
    layers,
  };
}

/**
 * Gives an isolate's settings new values. Everything on the isolate reads them from this object, so what it was built with stays what is
 * in force; it has one writer: BrokerSettings on the main isolate, and the delta's receiver on a shard.
 */
export function applySettings(config: BrokerConfig, settings: DynamicSettings): void {
  Object.assign(config, settings);
}

/** The value set, else the default; "" when there is neither. */
export function valueOf(properties: Readonly<Record<string, string>>, name: string): ConfigValue {
  const definition = brokerDefinitions.get(name);
  const text = properties[name] ?? definition?.defaultText ?? null;
  const parsed = definition === undefined || text === null ? null : parseConfigValue(definition, text);
  return parsed === null || "refused" in parsed ? "" : parsed.value;
}
