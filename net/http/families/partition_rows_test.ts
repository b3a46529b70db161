import { strict as assert } from "node:assert";
import { emptyWatermarks, MetadataImage, type PartitionImage, WatermarkTable } from "../../../partitions/mod.ts";
import { brokerConfigFrom } from "../../../partitions/config/broker/broker_properties.ts";
import { toOffset } from "../../../storage/base/units.ts";
import { topicImage } from "../../handlers/handler_testing.ts";
import type { MetricFamily } from "../metric_family.ts";
import { metricLines } from "../metric_text.ts";
import { exporterFamilies } from "./exporter_families.ts";
import { lookAtPartitions, PARTITIONS_MAX } from "./partition_rows.ts";

const built = brokerConfigFrom(new Map());
assert.ok("config" in built);
const { config } = built;

/** Broker 1 of a cluster, with a topic whose partitions are as given. */
function newSources(partitions: readonly Partial<PartitionImage>[], controllerId = 1) {
  const image = new MetadataImage();
  const watermarks = new WatermarkTable(WatermarkTable.allocate());
  const topic = topicImage("t", "id", partitions.length);
  const changed = topic.partitions.map((partition, index) => ({ ...partition, ...partitions[index] }));
  const broker = { rack: null, state: "active", directories: [] } as const;
  const advertised = [{ name: "PLAINTEXT", host: "a", port: 9092 }];
  image.apply({
    changed: [{ ...topic, partitions: changed }],
    deletedIds: [],
    controllerId,
    brokers: [1, 2].map((nodeId) => ({ ...broker, nodeId, advertised })),
  });
  for (const { slot, leader } of changed) {
    if (slot < 0) continue;
    const [logStartOffset, highWatermark, logEndOffset] = [2, 7, 9].map(toOffset) as [
      ReturnType<typeof toOffset>,
      ReturnType<typeof toOffset>,
      ReturnType<typeof toOffset>,
    ];
    const offsets = { logStartOffset, highWatermark, logEndOffset, lastStableOffset: toOffset(4) };
    watermarks.write(slot, { ...emptyWatermarks(), ...offsets, state: 1, leadership: leader === 1 ? 1 : 0 });
  }
  return { config, image, watermarks };
}

const replicas = [1, 2, 3];
const replication = (minIsr: number) => ({ minIsr, recovering: false });
/** What a partition is for each count of PartitionSums. */
const partitions: readonly Partial<PartitionImage>[] = [
  { replicas, isr: [1, 2, 3], replication: replication(2) },
  { replicas, isr: [1, 2], replication: replication(2) }, // under-replicated, and at the minimum
  { replicas, isr: [1], replication: replication(2), adding: [4] }, // below the minimum, and being changed
  { replicas: [2, 1], isr: [2, 1], leader: 2, replication: replication(1) }, // followed
  { replicas: [2, 1], isr: [1], replication: replication(5) }, // not the preferred leader; the minimum is two at most
  { replicas: [2], isr: [2], leader: 2, slot: -1, shard: -1, directory: -1 }, // elsewhere
  { replicas: [2], isr: [2], leader: -1, slot: -1, shard: -1, directory: -1 }, // nobody's
];

Deno.test("lookAtPartitions() counts as Kafka's ReplicaManager, Partition and KafkaController do", () => {
  const { rows, sums } = lookAtPartitions(newSources(partitions));
  assert.deepEqual(sums, {
    topics: 1,
    partitions: 7,
    withoutLeader: 1,
    notPreferred: 1,
    here: 5,
    led: 4,
    offlineHere: 0,
    underReplicated: 3,
    atMinIsr: 1,
    underMinIsr: 2,
    reassigning: 1,
  });
  assert.deepEqual(rows.map(({ inSync }) => inSync), [3, 2, 1, 0, 1], "followers know nothing of the in-sync set");
  assert.deepEqual(rows[0], {
    labels: { topic: "t", partition: "0" },
    slot: 0,
    leader: 1,
    isPreferred: true,
    replicas: 3,
    inSync: 3,
    isLed: true,
    isUnderReplicated: false,
    isAtMinIsr: false,
    isUnderMinIsr: false,
    logStart: 2,
    logEnd: 9,
    highWatermark: 7,
    stableLag: 3,
  });
});

Deno.test("lookAtPartitions() gives so many partitions series of their own, and sums all", () => {
  const { rows, sums } = lookAtPartitions(newSources(Array(PARTITIONS_MAX + 5).fill({})));
  assert.deepEqual([rows.length, sums.here, sums.led], [PARTITIONS_MAX, PARTITIONS_MAX + 5, PARTITIONS_MAX + 5]);
});

function textOf(families: readonly MetricFamily[]): string {
  return families.flatMap((family) => [...metricLines(family, "jmx-exporter")]).join("");
}

Deno.test("exporterFamilies() are of the partitions that this broker leads, and of the cluster on the controller alone", () => {
  const sources = newSources(partitions);
  const text = textOf(exporterFamilies(sources, lookAtPartitions(sources)));
  for (
    const line of [
      "kafka_brokers 2",
      'kafka_broker_info{id="2",address="a:9092"} 1',
      'kafka_topic_partitions{topic="t"} 7',
      'kafka_topic_partition_current_offset{topic="t",partition="0"} 7',
      'kafka_topic_partition_oldest_offset{topic="t",partition="0"} 2',
      'kafka_topic_partition_leader{topic="t",partition="4"} 1',
      'kafka_topic_partition_replicas{topic="t",partition="1"} 3',
      'kafka_topic_partition_in_sync_replica{topic="t",partition="1"} 2',
      'kafka_topic_partition_leader_is_preferred{topic="t",partition="4"} 0',
      'kafka_topic_partition_under_replicated_partition{topic="t",partition="1"} 1',
    ]
  ) assert.ok(text.includes(`${line}\n`), line);
  assert.ok(!text.includes('partition="3"'), "what another broker leads, it tells");
  const other = newSources(partitions, 2);
  assert.doesNotMatch(
    textOf(exporterFamilies(other, lookAtPartitions(other))),
    /^kafka_(brokers|broker_info|topic_partitions)/m,
  );
});
