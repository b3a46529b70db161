/**
 * Where the values of a broker's settings come from, the strongest layer first. Pure data; any isolate.
 *
 * ```
 *   broker    dynamic, of this broker   kafka-configs --entity-name <id>
 *   default   dynamic, of all brokers   kafka-configs --entity-default
 *   static    the file, flags and overrides
 *             broker_definitions.ts
 * ```
 *
 * Source: DynamicBrokerConfig of Apache Kafka 4.3.1. There a dynamic value also hides static values of its synonyms, which are weaker and
 * so without effect in any case.
 */

/** Values by Kafka's names, layer by layer. */
export interface ConfigLayers {
  /** Dynamic values of this broker, as they were set. */
  readonly broker: Readonly<Record<string, string>>;
  /** Dynamic values of all brokers, as they were set. */
  readonly default: Readonly<Record<string, string>>;
  /** What the broker was started with, or has read at a SIGHUP, checked; "[hidden]" for passwords. */
  readonly static: Readonly<Record<string, string>>;
}

/** What is in force: of each name the strongest layer's value. */
export function effectiveProperties(layers: ConfigLayers): Record<string, string> {
  return { ...layers.static, ...layers.default, ...layers.broker };
}
