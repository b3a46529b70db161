/**
 * The partitions of this broker as the metrics see them, read once for all families. Main isolate.
 */
import { emptyWatermarks, isHere, isLed, partitionState, type Watermarks } from "../../../partitions/control.ts";
import type { MetricLabels } from "../metric_family.ts";
import type { MetricSources } from "./metric_sources.ts";

/** Partitions that have series of their own, in the order of the topics' creation; sums are of all partitions. */
export const PARTITIONS_MAX = 10_000;

/** A replica of this broker. */
export interface PartitionRow {
  readonly labels: MetricLabels;
  readonly slot: number;
  /** Node id, -1 without one. */
  readonly leader: number;
  readonly isPreferred: boolean;
  readonly replicas: number;
  /** Of what this broker leads; 0 else, as in Kafka. */
  readonly inSync: number;
  readonly isLed: boolean;
  /** Of what this broker leads. */
  readonly isUnderReplicated: boolean;
  readonly isAtMinIsr: boolean;
  readonly isUnderMinIsr: boolean;
  readonly logStart: number;
  readonly logEnd: number;
  readonly highWatermark: number;
  readonly stableLag: number;
}

/** Sums over all partitions. */
export interface PartitionSums {
  /** Of the cluster. */
  topics: number;
  partitions: number;
  withoutLeader: number;
  notPreferred: number;
  /** Of this broker. */
  here: number;
  led: number;
  offlineHere: number;
  underReplicated: number;
  atMinIsr: number;
  underMinIsr: number;
  reassigning: number;
}

/** The partitions at one time. */
export interface PartitionsSeen {
  readonly rows: readonly PartitionRow[];
  readonly sums: Readonly<PartitionSums>;
}

/** Looks at all partitions. */
export function lookAtPartitions(
  { image, watermarks, config: { nodeId } }: Pick<MetricSources, "image" | "watermarks" | "config">,
): PartitionsSeen {
  const rows: PartitionRow[] = [];
  const sums = noPartitions();
  const values = emptyWatermarks();
  for (const topic of image.topics()) {
    sums.topics++;
    for (const partition of topic.partitions) {
      sums.partitions++;
      if (partition.leader < 0) sums.withoutLeader++;
      else if (partition.leader !== partition.replicas[0]) sums.notPreferred++;
      if (!isHere(partition)) continue;
      const row = rowOf({ topic: topic.name, ...partition }, watermarks.read(partition.slot, values), nodeId);
      count(sums, row, values);
      if (row.isLed && (partition.adding?.length ?? 0) + (partition.removing?.length ?? 0) > 0) sums.reassigning++;
      if (rows.length < PARTITIONS_MAX) rows.push(row);
    }
  }
  return { rows, sums };
}

interface Seen {
  readonly topic: string;
  readonly partition: number;
  readonly slot: number;
  readonly leader: number;
  readonly replicas: readonly number[];
  readonly isr: readonly number[];
  readonly replication?: { readonly minIsr: number };
}

/** Source: Kafka's Partition (isUnderMinIsr, isAtMinIsr with the effective min.insync.replicas). */
function rowOf(seen: Seen, values: Readonly<Watermarks>, nodeId: number): PartitionRow {
  const { topic, partition, slot, leader, replicas, isr, replication } = seen;
  const isLeader = leader === nodeId;
  const minIsr = Math.min(replication?.minIsr ?? 1, replicas.length);
  return {
    labels: { topic, partition: String(partition) },
    slot,
    leader,
    isPreferred: leader === replicas[0],
    replicas: replicas.length,
    inSync: isLeader ? isr.length : 0,
    isLed: isLeader && isLed(values),
    isUnderReplicated: isLeader && isr.length < replicas.length,
    isAtMinIsr: isLeader && isr.length === minIsr,
    isUnderMinIsr: isLeader && isr.length < minIsr,
    logStart: values.logStartOffset,
    logEnd: values.logEndOffset,
    highWatermark: values.highWatermark,
    stableLag: isLeader ? values.highWatermark - values.lastStableOffset : 0,
  };
}

function count(sums: PartitionSums, row: PartitionRow, { state }: Readonly<Watermarks>): void {
  sums.here++;
  if (row.isLed) sums.led++;
  if (state === partitionState.offline) sums.offlineHere++;
  if (row.isUnderReplicated) sums.underReplicated++;
  if (row.isAtMinIsr) sums.atMinIsr++;
  if (row.isUnderMinIsr) sums.underMinIsr++;
}

function noPartitions(): PartitionSums {
  return {
    topics: 0,
    partitions: 0,
    withoutLeader: 0,
    notPreferred: 0,
    here: 0,
    led: 0,
    offlineHere: 0,
    underReplicated: 0,
    atMinIsr: 0,
    underMinIsr: 0,
    reassigning: 0,
  };
}
