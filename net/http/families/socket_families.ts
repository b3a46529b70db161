/**
 * Connections by listener, and how much of their time the shards wait, by the names of Kafka's SocketServer. A shard is network thread and
 * request handler in one, so both of Kafka's idle ratios are its. Main isolate.
 */
import type { MetricFamily, Sample } from "../metric_family.ts";
import { kafkaAttribute, kafkaName } from "./families.ts";
import type { MetricSources } from "./metric_sources.ts";
import type { ShardTimes } from "./recent_rates.ts";

const NANOSECONDS_PER_US = 1000;

/** Families of the sockets. @param times of the shards */
export function socketFamilies(
  { config: { listeners }, pool: { counters } }: MetricSources,
  { rates, elapsedMs, waitedUs }: ShardTimes,
): MetricFamily[] {
  const connections = listeners.map(({ name }, index) => ({
    labels: { listener: name },
    ...counters.connections(index),
  }));
  const byListener = (valueOf: (of: { created: number; closed: number }) => number): Sample[] =>
    connections.map(({ labels, ...counts }) => ({ labels, value: valueOf(counts) }));
  const ofRates = (values: readonly number[]): Sample[] =>
    connections.map(({ labels }, index) => ({ labels, value: values[index] ?? 0 }));
  const nanoseconds = average(waitedUs) * NANOSECONDS_PER_US;
  return [
    {
      kind: "gauge",
      name: kafkaAttribute("kafka.server:type=socket-server-metrics,connection-count"),
      help: "Open connections",
      samples: byListener(({ created, closed }) => (created - closed) | 0),
    },
    {
      kind: "counter",
      name: kafkaAttribute("kafka.server:type=socket-server-metrics,connection-creation-total"),
      help: "Connections that were accepted",
      samples: byListener(({ created }) => created),
    },
    {
      kind: "counter",
      name: kafkaAttribute("kafka.server:type=socket-server-metrics,connection-close-total"),
      help: "Connections that were closed",
      samples: byListener(({ closed }) => closed),
    },
    {
      kind: "gauge",
      name: kafkaAttribute("kafka.server:type=socket-server-metrics,connection-creation-rate"),
      help: "Connections that were accepted a second, in the last half minute",
      samples: ofRates(rates.created),
    },
    {
      kind: "gauge",
      name: kafkaAttribute("kafka.server:type=socket-server-metrics,connection-close-rate"),
      help: "Connections that were closed a second, in the last half minute",
      samples: ofRates(rates.closed),
    },
    {
      kind: "gauge",
      name: kafkaName("kafka.network:type=SocketServer,name=NetworkProcessorAvgIdlePercent"),
      help: "Share of the last half minute in which the shards waited for something to do, 0 to 1",
      samples: [{ labels: {}, value: average(rates.idle) }],
    },
    {
      kind: "idle",
      name: kafkaName("kafka.server:type=KafkaRequestHandlerPool,name=RequestHandlerAvgIdlePercent"),
      help: "Share of the time since the start in which they did, or the nanoseconds of it",
      samples: [{ labels: {}, ratio: Math.min(1, nanoseconds / Math.max(1, elapsedMs * 1e6)), nanoseconds }],
    },
    {
      kind: "counter",
      name: "barnabas_shard_waited_seconds_total",
      help: "How long a shard has waited for something to do",
      samples: waitedUs.map((us, shard) => ({ labels: { shard: String(shard) }, value: us / 1e6 })),
    },
  ];
}

function average(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
}
