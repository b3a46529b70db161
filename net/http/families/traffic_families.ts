/**
 * What clients and followers write and read, by the names of Kafka's BrokerTopicMetrics: one series of all topics, without a label, and one
 * of each topic, from its creation on. Main isolate.
 */
import { isHere, type TrafficCounts } from "../../../partitions/control.ts";
import type { MetricFamily, Sample } from "../metric_family.ts";
import { single } from "./families.ts";
import type { MetricSources } from "./metric_sources.ts";

/** Topics that have series of their own, in the order of their creation; the series of all topics count each. */
export const TOPICS_MAX = 1000;

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
export function trafficFamilies({ image, pool: { counters } }: MetricSources): MetricFamily[] {
  const all = counters.allTraffic();
  const topics: { topic: string; counts: TrafficCounts }[] = [];
  let topicsCount = 0;
  for (const { name, partitions } of image.topics()) {
    const slots = partitions.filter(isHere).map(({ slot }) => slot);
    if (slots.length === 0) continue;
    if (++topicsCount <= TOPICS_MAX) topics.push({ topic: name, counts: counters.trafficOf(slots) });
  }
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
      value: topicsCount - topics.length,
    }),
  ];
}

function bean(name: string) {
  return { group: "kafka.server", type: "BrokerTopicMetrics", name };
}
