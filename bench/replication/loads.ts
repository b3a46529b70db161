/** Loads with acks=all on topics of three replicas, of which two have to be in sync, and their figures. Main isolate of the benchmark. */
import type { Figure } from "../compare/figure.ts";
import { percentileFigures, type Percentiles } from "../compare/percentiles.ts";
import { generate, type Printed } from "../compare/shapes/throughput_shapes.ts";
import { type Cluster, type ClusterCpu, cpuOf, cpuSince } from "./clusters.ts";
import { type Leaders, withTopic } from "./topics.ts";

const GB = 1e9;

/** A load that runs on both clusters in turn. */
export interface ReplicatedLoad {
  /** For --only. */
  readonly name: string;
  /** A sentence for the report. */
  readonly title: string;
  /** Most runs that do not count. */
  readonly warmRunsMax: number;
  /** @param seconds how long it runs */
  run(cluster: Cluster, seconds: number): Promise<Figure[]>;
}

/** Pre-encoded produce. */
interface WireLoad {
  readonly recordBytes: number;
  readonly recordsPerBatch: number;
  readonly leaders: Leaders;
}

/** Two partitions with a connection each for each broker. */
const PARTITIONS = 6;
/** More than any broker takes in the time of a run. */
const RECORDS_MAX = 1e9;
const LATENCY_RATE = 1000;
/** librdkafka stops after so many records, not after a time. */
const CLIENT_RECORDS_PER_SECOND = { 100: 1_000_000, 1024: 150_000 };

/** The loads, in the order of the report. */
export const LOADS: readonly ReplicatedLoad[] = [
  wireLoad("produce-1k-16", 5, { recordBytes: 1024, recordsPerBatch: 16, leaders: "in turn" }),
  wireLoad("produce-100x1000", 3, { recordBytes: 100, recordsPerBatch: 1000, leaders: "in turn" }),
  wireLoad("follower-1k-16", 1, { recordBytes: 1024, recordsPerBatch: 16, leaders: "first" }),
  wireLoad("follower-1k-1000", 1, { recordBytes: 1024, recordsPerBatch: 1000, leaders: "first" }),
  clientLoad("librdkafka-100", 100),
  clientLoad("librdkafka-1k", 1024),
  {
    name: "latency-1000",
    title: `Through librdkafka at ${LATENCY_RATE}/s, 1 KB, linger 0, 1 partition`,
    warmRunsMax: 1,
    run: (cluster, seconds) =>
      withTopic(cluster, { partitions: 1, leaders: "first" }, async (topic) => {
        const { value, cpu } = await measured(cluster, () =>
          generate<LatencyPrinted>("client_load", [
            ...["latency", "-b", firstPort(cluster), "-t", topic, "-a", "all", "-s", "1024"],
            ...["-f", String(LATENCY_RATE), "-d", String(3 * seconds)],
          ]));
        return [
          ...percentileFigures("acknowledged", value.ackMs),
          ...percentileFigures("end to end", value.endToEndMs),
          { name: "all processes, % of a core", value: totalOf(cpu) / value.seconds * 100, better: "lower" },
        ];
      }),
  },
];

interface LatencyPrinted extends Printed {
  readonly ackMs: Percentiles;
  readonly endToEndMs: Percentiles;
}

function wireLoad(name: string, warmRunsMax: number, load: WireLoad): ReplicatedLoad {
  const { recordBytes, recordsPerBatch, leaders } = load;
  const ledBy = leaders === "first" ? "all led by one broker" : "two led by each broker";
  return {
    name,
    title: `Pre-encoded produce: ${recordBytes} B × ${recordsPerBatch} per batch, ${PARTITIONS} partitions, ${ledBy}`,
    warmRunsMax,
    run: (cluster, seconds) =>
      withTopic(cluster, { partitions: PARTITIONS, leaders }, async (topic) => {
        const ports = leaders === "first" ? firstPort(cluster) : cluster.nodes.map(({ port }) => port).join(",");
        const { value, cpu } = await measured(cluster, () =>
          generate("wire_load", [
            ...["produce", "-b", ports, "-t", topic, "-p", String(PARTITIONS), "-n", String(PARTITIONS), "-a", "-1"],
            ...["-s", String(recordBytes), "-r", String(recordsPerBatch), "-c", String(RECORDS_MAX)],
            ...["-d", String(seconds)],
          ]));
        return leaders === "first" ? [...rate(value), ...costsByRole(value, cpu)] : figuresOf(value, cpu);
      }),
  };
}

function clientLoad(name: string, recordBytes: 100 | 1024): ReplicatedLoad {
  return {
    name,
    title: `librdkafka, one producer: ${recordBytes} B, 1 partition, linger 5 ms, batches up to 1 MB`,
    warmRunsMax: 1,
    run: (cluster, seconds) =>
      withTopic(cluster, { partitions: 1, leaders: "first" }, async (topic) => {
        const { value, cpu } = await measured(cluster, () =>
          generate("client_load", [
            ...["produce", "-b", firstPort(cluster), "-t", topic, "-a", "all", "-s", String(recordBytes)],
            ...["-c", String(Math.round(CLIENT_RECORDS_PER_SECOND[recordBytes] * seconds))],
          ]));
        return figuresOf(value, cpu);
      }),
  };
}

function figuresOf(printed: Printed, cpu: ClusterCpu): Figure[] {
  const perGigabyte = (seconds: number) => seconds / (printed.bytes / GB);
  return [
    ...rate(printed),
    { name: "all processes, CPU-s per GB", value: perGigabyte(totalOf(cpu)), better: "lower" },
    { name: "of them etcd", value: perGigabyte(cpu.store), better: "lower" },
  ];
}

function rate({ records, bytes, seconds }: Printed): Figure[] {
  return [
    { name: "MB/s", value: bytes / seconds / 1e6, better: "higher" },
    { name: "M records/s", value: records / seconds / 1e6, better: "higher" },
  ];
}

function costsByRole({ bytes }: Printed, cpu: ClusterCpu): Figure[] {
  const [leader = NaN, ...followers] = cpu.brokers.map((seconds) => seconds / (bytes / GB));
  const follower = followers.reduce((sum, seconds) => sum + seconds, 0) / followers.length;
  return [
    { name: "the leader, CPU-s per GB", value: leader, better: "lower" },
    { name: "a follower, CPU-s per GB", value: follower, better: "lower" },
  ];
}

async function measured<T>(cluster: Cluster, body: () => Promise<T>): Promise<{ value: T; cpu: ClusterCpu }> {
  const before = cpuOf(cluster);
  const value = await body();
  return { value, cpu: cpuSince(cluster, before) };
}

function totalOf({ brokers, store }: ClusterCpu): number {
  return brokers.reduce((sum, seconds) => sum + seconds, store);
}

function firstPort({ nodes }: Cluster): string {
  return String(nodes[0]?.port);
}
