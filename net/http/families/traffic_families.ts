/**
 * What clients and followers write and read, by the names of Kafka's BrokerTopicMetrics: one series of all topics, without a label, and one
 * of each topic, as long as a partition of it is here. Main isolate.
 */
import type { TrafficCounts } from "../../../partitions/control.ts";
import type { MetricFamily, Sample } from "../metric_family.ts";
import { single } from "./families.ts";
import type { MetricSources } from "./metric_sources.ts";
import type { TopicTraffic } from "./topic_traffic.ts";

const NAMES: readonly (readonly [name: string, of: keyof TrafficCounts, help: string])[] = [
  ["MessagesInPerSec", "messagesIn", "Records that clients have produced"],
  ["BytesInPerSec", "bytesIn", "Bytes of batches that clients have produced"],
  ["BytesOutPerSec", "bytesOut", "Bytes of records in answers to consumers"],
  ["BytesRejectedPerSec", "bytesRejected", "Bytes of batches that were too large"],
  ["TotalProduceRequestsPerSec", "produceRequests", "Produce requests, each for every partition that it names"],
  ["FailedProduceRequestsPerSec", "failedProduceRequests", "Of them, those that failed unexpectedly"],
  ["TotalFetchRequestsPerSec", "fetchRequests", "Fetch requests, each for every partition that it reads"],
  ["FailedFetchRequestsPerSec", "failedFetchRequests", "Of them, those that failed unexpectedly"],
];

/** Families of the traffic. */
export function trafficFamilies(
  { image, pool: { counters } }: Pick<MetricSources, "image" | "pool">,
  traffic: TopicTraffic,
): MetricFamily[] {
  const all = counters.allTraffic();
  const { topics, leftOutCount } = traffic.read(image.topics());
  return [
    ...NAMES.map(([name, of, help]): MetricFamily => {
      const ofTopics = topics.map(({ topic, counts }): Sample => ({ labels: { topic }, value: counts[of] }));
      return { kind: "counter", name: bean(name), help, samples: [{ labels: {}, value: all[of] }, ...ofTopics] };
    }),
    single("counter", bean("ReplicationBytesInPerSec"), {
      help: "Bytes of records that this broker has fetched as a follower",
      value: counters.total("replicationBytesIn"),
    }),
    single("counter", bean("ReplicationBytesOutPerSec"), {
      help: "Bytes of records in answers to followers",
      value: counters.total("replicationBytesOut"),
    }),
    single("gauge", "barnabas_metrics_topics_left_out", {
      help: "Topics without series of their own, because there are too many",
      value: leftOutCount,
    }),
  ];
}

function bean(name: string) {
  return { group: "kafka.server", type: "BrokerTopicMetrics", name };
}
