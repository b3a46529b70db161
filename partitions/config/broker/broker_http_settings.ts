/**
 * The settings of the HTTP listener, which tells Prometheus and probes about the broker: this broker's own. Pure; the main isolate runs it.
 */
import { type ConfigDefinition, setting } from "../config_definitions.ts";
import { between, type ConfigValue, oneOf } from "../config_values.ts";

/** How metrics are spelled: by the rules of jmx_exporter, by Strimzi's metrics reporter, or by Confluent's rules of jmx_exporter. */
export const METRIC_SPELLINGS = ["jmx-exporter", "strimzi-reporter", "confluent"] as const;

/** One of the three spellings. */
export type MetricSpelling = (typeof METRIC_SPELLINGS)[number];

/** What the listener does. */
export interface HttpSettings {
  /** `barnabas.http.host`, 127.0.0.1 */
  readonly host: string;
  /** `barnabas.http.port`; 0 for any free one. */
  readonly port: number;
  /** `barnabas.metrics.names`, jmx-exporter */
  readonly names: MetricSpelling;
  /** `barnabas.metrics.kafka.exporter`, false */
  readonly speaksForExporter: boolean;
}

/** The port of the listener; without it there is none. */
const PORT = "barnabas.http.port";

/** Settings of the listener, ordered by name. */
export const brokerHttpDefinitions: readonly ConfigDefinition[] = [
  setting("barnabas.http.host", "STRING", "127.0.0.1", "Address of the HTTP listener; 0.0.0.0 is every one.", {
    check: ({ name, text }) => /^[\w.:-]+$/.test(text) ? null : `${name} is a host name or an address; it is "${text}"`,
  }),
  setting(PORT, "INT", null, "Port of the HTTP listener for metrics and probes; unset, there is none.", {
    check: between(0, 65_535),
  }),
  setting(
    "barnabas.metrics.kafka.exporter",
    "BOOLEAN",
    "false",
    "Whether the metrics include those that kafka_exporter has of brokers, topics and partitions, such as their offsets.",
  ),
  setting(
    "barnabas.metrics.names",
    "STRING",
    "jmx-exporter",
    "Whose spelling of Kafka's metrics is used: jmx-exporter, strimzi-reporter or confluent.",
    { check: oneOf(...METRIC_SPELLINGS) },
  ),
];

/** Builds the settings from properties that are checked. @returns null without a listener */
export function httpSettingsFrom(valueOf: (name: string) => ConfigValue): HttpSettings | null {
  if (valueOf(PORT) === "") return null;
  const names = valueOf("barnabas.metrics.names");
  return {
    host: String(valueOf("barnabas.http.host")),
    port: Number(valueOf(PORT)),
    names: METRIC_SPELLINGS.find((spelling) => spelling === names) ?? "jmx-exporter",
    speaksForExporter: valueOf("barnabas.metrics.kafka.exporter") === true,
  };
}
