/**
 * What kafka_exporter says of a cluster, which dashboards for it look for. There it is one program for all brokers; here each broker says it
 * of the partitions that it leads, and the controller of topics and brokers, so that the sum over all brokers is that of the cluster. Main
 * isolate.
 *
 * Source: the metrics in the README of danielqsj/kafka_exporter.
 */
import type { MetricFamily, Sample } from "../metric_family.ts";
import { single } from "./families.ts";
import type { MetricSources } from "./metric_sources.ts";
import type { PartitionRow, PartitionsSeen } from "./partition_rows.ts";

/** Kafka_exporter's metrics of a partition. */
const OF_PARTITION: readonly (readonly [name: string, help: string, valueOf: (row: PartitionRow) => number])[] = [
  ["current_offset", "High watermark of a partition", (row) => row.highWatermark],
  ["oldest_offset", "Log start offset of a partition", (row) => row.logStart],
  ["leader", "Node id of a partition's leader", (row) => row.leader],
  ["replicas", "Replicas of a partition", (row) => row.replicas],
  ["in_sync_replica", "In-sync replicas of a partition", (row) => row.inSync],
  ["leader_is_preferred", "1 if the preferred replica leads", (row) => Number(row.isPreferred)],
  ["under_replicated_partition", "1 if a replica is not in sync", (row) => Number(row.isUnderReplicated)],
];

/** Families of kafka_exporter, without those of groups. */
export function exporterFamilies(
  sources: Pick<MetricSources, "image" | "config">,
  { rows }: PartitionsSeen,
): MetricFamily[] {
  const led = rows.filter((row) => row.isLed);
  const isController = sources.image.controllerId === sources.config.nodeId;
  return [
    ...isController ? clusterFamilies(sources) : [],
    ...OF_PARTITION.map(([name, help, valueOf]): MetricFamily => ({
      kind: "gauge",
      name: `kafka_topic_partition_${name}`,
      help,
      samples: led.map((row): Sample => ({ labels: row.labels, value: valueOf(row) })),
    })),
  ];
}

function clusterFamilies({ image, config }: Pick<MetricSources, "image" | "config">): MetricFamily[] {
  const brokers = [...image.brokers.values()];
  const addresses = brokers.map(({ nodeId, advertised: [listener = config.listeners[0]] }) => ({
    labels: { id: String(nodeId), address: listener === undefined ? "" : `${listener.host}:${listener.port}` },
    value: 1,
  }));
  return [
    single("gauge", "kafka_brokers", { help: "Brokers of the cluster", value: brokers.length }),
    {
      kind: "gauge",
      name: "kafka_broker_info",
      help: "1, with the number and address of a broker",
      samples: addresses,
    },
    {
      kind: "gauge",
      name: "kafka_topic_partitions",
      help: "Partitions of a topic",
      samples: [...image.topics()].map(({ name, partitions }) => ({
        labels: { topic: name },
        value: partitions.length,
      })),
    },
  ];
}
