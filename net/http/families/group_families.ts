/**
 * Groups that this broker coordinates: how many by state, under Kafka's names, and what they have committed and lag behind, under the names
 * of kafka_exporter, which most dashboards of consumers query. The lag is what lies between the committed offset and the high watermark; it is
 * known where this broker has a replica. Main isolate.
 *
 * Sources: GroupMetadataManager and GroupCoordinatorMetrics of Apache Kafka 4.3.1; kafka_exporter 1.9.
 */
import { emptyWatermarks, isHere, type MetadataImage, type WatermarkTable } from "../../../partitions/control.ts";
import type { ShardSurvey } from "../../shards/metrics/shard_surveys.ts";
import type { MetricFamily, Sample } from "../metric_family.ts";
import { single } from "./families.ts";
import type { MetricSources } from "./metric_sources.ts";

/** Kafka's gauges of classic groups, by the state that they count. */
const CLASSIC_STATES: readonly (readonly [name: string, state: string])[] = [
  ["NumGroupsPreparingRebalance", "PreparingRebalance"],
  ["NumGroupsCompletingRebalance", "CompletingRebalance"],
  ["NumGroupsStable", "Stable"],
  ["NumGroupsDead", "Dead"],
  ["NumGroupsEmpty", "Empty"],
];
/** States of consumer groups in Kafka's metrics, by ours. */
const CONSUMER_STATES = ["Empty", "Assigning", "Reconciling", "Stable", "Dead"] as const;

interface OffsetSample {
  readonly consumergroup: string;
  readonly topic: string;
  readonly partition: string;
  readonly committed: number;
  /** Null where this broker has no replica. */
  readonly lag: number | null;
}

/** Families of the groups. */
export function groupFamilies({ image, watermarks }: MetricSources, surveys: readonly ShardSurvey[]): MetricFamily[] {
  const groups = surveys.map((survey) => survey.groups);
  const states = new Map<string, number>();
  for (const of of groups) {
    for (const [key, count] of Object.entries(of.states)) states.set(key, (states.get(key) ?? 0) + count);
  }
  const offsets = groups.flatMap((of) => offsetSamples(of.offsets, { image, watermarks }));
  const members = groups.flatMap((of) => of.members);
  const offsetsCount = groups.reduce((sum, of) => sum + of.offsetsCount, 0);
  const withLag = offsets.filter(({ lag }) => lag !== null);
  return [
    ...stateFamilies(states),
    single("gauge", manager("NumOffsets"), { help: "Committed offsets", value: offsetsCount }),
    {
      kind: "gauge",
      name: "kafka_consumergroup_members",
      help: "Members of a group that has any",
      samples: members.map(([consumergroup, value]) => ({ labels: { consumergroup }, value })),
    },
    byPartition("kafka_consumergroup_current_offset", "Committed offset", offsets, ({ committed }) => committed),
    byPartition("kafka_consumergroup_lag", "Records behind a committed offset", withLag, ({ lag }) => lag ?? 0),
    byTopic("kafka_consumergroup_current_offset_sum", "Committed offsets of a topic, added", {
      offsets,
      valueOf: ({ committed }) => committed,
    }),
    byTopic("kafka_consumergroup_lag_sum", "Records behind a topic's committed offsets", {
      offsets: withLag,
      valueOf: ({ lag }) => lag ?? 0,
    }),
    single("gauge", "barnabas_metrics_offsets_left_out", {
      help: "Committed offsets without series of their own, because there are too many",
      value: offsetsCount - offsets.length,
    }),
  ];
}

function stateFamilies(states: ReadonlyMap<string, number>): MetricFamily[] {
  const ofType = (type: string) => {
    let sum = 0;
    for (const [key, count] of states) if (key.startsWith(`${type} `)) sum += count;
    return sum;
  };
  const attribute = (name: string) => ({ group: "kafka.server", type: "group-coordinator-metrics", attribute: name });
  return [
    single("gauge", manager("NumGroups"), { help: "Classic groups", value: ofType("classic") }),
    ...CLASSIC_STATES.map(([name, state]) =>
      single("gauge", manager(name), {
        help: `Classic groups that are ${state}`,
        value: states.get(`classic ${state}`) ?? 0,
      })
    ),
    {
      kind: "gauge",
      name: attribute("group-count"),
      help: "Groups by their protocol",
      samples: ["classic", "consumer"].map((protocol) => ({ labels: { protocol }, value: ofType(protocol) })),
    },
    {
      kind: "gauge",
      name: attribute("consumer-group-count"),
      help: "Consumer groups by their state",
      samples: CONSUMER_STATES.map((state) => ({
        labels: { state: state.toLowerCase() },
        value: states.get(`consumer ${state}`) ?? 0,
      })),
    },
  ];
}

function offsetSamples(
  { groups, topics, partitions, committed }: ShardSurvey["groups"]["offsets"],
  { image, watermarks }: { image: MetadataImage; watermarks: WatermarkTable },
): OffsetSample[] {
  const values = emptyWatermarks();
  return groups.map((consumergroup, index) => {
    const topic = topics[index] as string;
    const partition = partitions[index] as number;
    const offset = committed[index] as number;
    const place = image.topic(topic)?.partitions[partition];
    const isKnown = place !== undefined && isHere(place);
    const lag = isKnown ? Math.max(0, watermarks.read(place.slot, values).highWatermark - offset) : null;
    return { consumergroup, topic, partition: String(partition), committed: offset, lag };
  });
}

function byPartition(
  name: string,
  help: string,
  offsets: readonly OffsetSample[],
  valueOf: (offset: OffsetSample) => number,
): MetricFamily {
  function* samples(): Generator<Sample, void> {
    for (const offset of offsets) {
      const { consumergroup, topic, partition } = offset;
      yield { labels: { consumergroup, topic, partition }, value: valueOf(offset) };
    }
  }
  return { kind: "gauge", name, help, samples: samples() };
}

function byTopic(
  name: string,
  help: string,
  { offsets, valueOf }: { offsets: readonly OffsetSample[]; valueOf: (offset: OffsetSample) => number },
): MetricFamily {
  const sums = new Map<string, { labels: { consumergroup: string; topic: string }; value: number }>();
  for (const offset of offsets) {
    const { consumergroup, topic } = offset;
    const key = `${consumergroup}\n${topic}`;
    const sum = sums.get(key) ?? { labels: { consumergroup, topic }, value: 0 };
    sum.value += valueOf(offset);
    sums.set(key, sum);
  }
  return { kind: "gauge", name, help, samples: sums.values() };
}

function manager(name: string) {
  return { group: "kafka.coordinator.group", type: "GroupMetadataManager", name };
}
