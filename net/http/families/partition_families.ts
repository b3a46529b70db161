/**
 * Partitions, by the names of Kafka's ReplicaManager, Partition, Log and KafkaController. Main isolate.
 */
import type { MetricFamily, Sample } from "../metric_family.ts";
import { kafkaName, single } from "./families.ts";
import type { MetricSources } from "./metric_sources.ts";
import type { PartitionRow, PartitionsSeen } from "./partition_rows.ts";

/** Families of the partitions. */
export function partitionFamilies(sources: MetricSources, { rows, sums }: PartitionsSeen): MetricFamily[] {
  return [
    ...sumFamilies(sources, sums),
    ofEach(rows, "kafka.cluster:type=Partition,name=ReplicasCount", {
      help: "Replicas of a partition",
      valueOf: ({ replicas }) => replicas,
    }),
    ofEach(rows, "kafka.cluster:type=Partition,name=InSyncReplicasCount", {
      help: "In-sync replicas of a partition that is led here",
      valueOf: ({ inSync }) => inSync,
    }),
    ofEach(rows, "kafka.cluster:type=Partition,name=UnderReplicated", {
      help: "Whether a partition that is led here has a replica that is not in sync",
      valueOf: ({ isUnderReplicated }) => Number(isUnderReplicated),
    }),
    ofEach(rows, "kafka.cluster:type=Partition,name=AtMinIsr", {
      help: "Whether a partition that is led here would take no acks=all with one in-sync replica less",
      valueOf: ({ isAtMinIsr }) => Number(isAtMinIsr),
    }),
    ofEach(rows, "kafka.cluster:type=Partition,name=UnderMinIsr", {
      help: "Whether a partition that is led here takes no acks=all, because too few replicas are in sync",
      valueOf: ({ isUnderMinIsr }) => Number(isUnderMinIsr),
    }),
    ofEach(rows, "kafka.cluster:type=Partition,name=LastStableOffsetLag", {
      help: "Records behind the last stable offset: open transactions",
      valueOf: ({ stableLag }) => stableLag,
    }),
    ofEach(rows, "kafka.log:type=Log,name=LogStartOffset", {
      help: "First offset of a log",
      valueOf: (row) => row.logStart,
    }),
    ofEach(rows, "kafka.log:type=Log,name=LogEndOffset", {
      help: "Offset of a log's next record",
      valueOf: (row) => row.logEnd,
    }),
    single("gauge", "barnabas_metrics_partitions_left_out", {
      help: "Partitions without series of their own, because there are too many",
      value: sums.here - rows.length,
    }),
  ];
}

function sumFamilies({ image, config: { nodeId } }: MetricSources, sums: PartitionsSeen["sums"]): MetricFamily[] {
  let [active, fenced] = [0, 0];
  for (const { state } of image.brokers.values()) state === "fenced" ? fenced++ : active++;
  const ofBroker: readonly (readonly [string, number, string])[] = [
    ["PartitionCount", sums.here, "Replicas of this broker"],
    ["LeaderCount", sums.led, "Partitions that this broker leads"],
    ["OfflineReplicaCount", sums.offlineHere, "Replicas of this broker whose log is offline"],
    ["UnderReplicatedPartitions", sums.underReplicated, "Partitions led here with a replica that is not in sync"],
    ["AtMinIsrPartitionCount", sums.atMinIsr, "Partitions led here that could not lose an in-sync replica"],
    ["UnderMinIsrPartitionCount", sums.underMinIsr, "Partitions led here that take no acks=all"],
    ["ReassigningPartitions", sums.reassigning, "Partitions led here whose replicas are being changed"],
  ];
  const ofCluster: readonly (readonly [string, number, string])[] = [
    ["ActiveControllerCount", Number(image.controllerId === nodeId), "1 on the broker that is the controller"],
    ["ActiveBrokerCount", active, "Registered brokers that are not fenced"],
    ["FencedBrokerCount", fenced, "Registered brokers that are fenced"],
    ["GlobalTopicCount", sums.topics, "Topics of the cluster"],
    ["GlobalPartitionCount", sums.partitions, "Partitions of the cluster"],
    ["OfflinePartitionsCount", sums.withoutLeader, "Partitions of the cluster that nobody leads"],
    [
      "PreferredReplicaImbalanceCount",
      sums.notPreferred,
      "Partitions of the cluster that another one than their preferred replica leads",
    ],
  ];
  return [
    ...ofBroker.map(([name, value, help]) =>
      single("gauge", { group: "kafka.server", type: "ReplicaManager", name }, { help, value })
    ),
    ...ofCluster.map(([name, value, help]) =>
      single("gauge", { group: "kafka.controller", type: "KafkaController", name }, { help, value })
    ),
  ];
}

/** A gauge of each partition. Its samples are made when they are read. */
export function ofEach(
  rows: readonly PartitionRow[],
  name: string,
  { help, valueOf }: { help: string; valueOf: (row: PartitionRow) => number },
): MetricFamily {
  function* samples(): Generator<Sample, void> {
    for (const row of rows) yield { labels: row.labels, value: valueOf(row) };
  }
  return { kind: "gauge", name: kafkaName(name), help, samples: samples() };
}
