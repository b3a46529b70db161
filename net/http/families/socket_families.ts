/**
 * Connections by listener, and how much of their time the shards wait, by the names of Kafka's SocketServer. A shard is network thread and
 * request handler in one, so both of Kafka's idle ratios are its. Main isolate.
 */
import type { IdleSample, MetricFamily, Sample } from "../metric_family.ts";
import { kafkaAttribute, kafkaName } from "./families.ts";
import type { MetricSources } from "./metric_sources.ts";

const NANOSECONDS_PER_US = 1000;

/** Since when the shards serve, and how long they had waited by then. */
export interface ServingSince {
  /** Monotonic time in ms. */
  readonly atMs: number;
  readonly waitedUs: readonly number[];
}

/** Families of the sockets. @param nowMs monotonic time */
export function socketFamilies(
  { config: { listeners }, pool: { counters } }: MetricSources,
  { since, nowMs }: { since: ServingSince; nowMs: number },
): MetricFamily[] {
  const connections = listeners.map(({ name }, index) => ({
    labels: { listener: name },
    ...counters.connections(index),
  }));
  const byListener = (valueOf: (of: { created: number; closed: number }) => number): Sample[] =>
    connections.map(({ labels, ...counts }) => ({ labels, value: valueOf(counts) }));
  const idle = idleSample(since, { nowMs, waitedUs: counters.waitedUs() });
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
      kind: "idle",
      name: kafkaName("kafka.network:type=SocketServer,name=NetworkProcessorAvgIdlePercent"),
      help: "Share of their time that the shards wait for something to do",
      samples: [idle],
    },
    {
      kind: "idle",
      name: kafkaName("kafka.server:type=KafkaRequestHandlerPool,name=RequestHandlerAvgIdlePercent"),
      help: "The same share: a shard is network thread and request handler in one",
      samples: [idle],
    },
    {
      kind: "counter",
      name: "barnabas_shard_waited_seconds_total",
      help: "How long a shard has waited for something to do",
      samples: counters.waitedUs().map((us, shard) => ({ labels: { shard: String(shard) }, value: us / 1e6 })),
    },
  ];
}

function idleSample(since: ServingSince, now: { nowMs: number; waitedUs: readonly number[] }): IdleSample {
  const shards = now.waitedUs.length;
  const waitedUs = sum(now.waitedUs) - sum(since.waitedUs);
  const passedUs = (now.nowMs - since.atMs) * 1000 * shards;
  const ratio = passedUs <= 0 ? 1 : Math.min(1, waitedUs / passedUs);
  return { labels: {}, ratio, nanoseconds: sum(now.waitedUs) * NANOSECONDS_PER_US / shards };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
