/** The compared clusters: three brokers of Apache Kafka, and three of this tree with their etcd, on 127.0.0.1. Main isolate. */
import { ApacheKafkaCluster } from "../peer/apache_kafka_cluster.ts";
import { processCpuSeconds, type RunningProcess } from "../peer/processes.ts";
import { ClusterRig, metadataOf } from "../../tests/interop/cluster/cluster_rig.ts";

/** One broker. */
export interface ClusterBroker {
  readonly nodeId: number;
  readonly port: number;
  readonly process: RunningProcess;
}

/** A cluster. Disposal ends its processes. */
export interface Cluster extends AsyncDisposable {
  /** For people and tables. */
  readonly title: string;
  /** In the order of their ids, which begin with 1. */
  readonly nodes: readonly ClusterBroker[];
  /** Processes of the metadata store, besides the brokers. */
  readonly storePids: readonly number[];
  /** Node id of the active controller. */
  controller(): Promise<number>;
  /** Starts a broker that was killed. @returns when all brokers list it */
  restart(node: ClusterBroker): Promise<void>;
  /** Kills the leader of the metadata store, which is none of the brokers. @returns starts it again; null where it cannot be spared */
  killStoreLeader(): Promise<(() => void) | null>;
}

/** Topics of a finished run must not occupy the disk for a minute. */
const SHARED_PROPERTIES = { "log.segment.delete.delay.ms": "1000", "min.insync.replicas": "2" };

/** Kafka's default sessions, for brokers of this tree. */
export const KAFKA_SESSIONS = { "broker.session.timeout.ms": "9000", "broker.heartbeat.interval.ms": "2000" };

/** The default sessions of this tree. */
export const OWN_SESSIONS = { "broker.session.timeout.ms": "700", "broker.heartbeat.interval.ms": "100" };

/** Starts Apache Kafka with its defaults: heaps of 1 GiB, of which three fit into the memory of a machine for benchmarks. */
export async function startKafka(directory: string): Promise<Cluster> {
  const cluster = await ApacheKafkaCluster.start({ directory, properties: SHARED_PROPERTIES });
  return {
    title: "Apache Kafka",
    nodes: cluster.nodes,
    storePids: [],
    controller: () => cluster.activeController(),
    restart: async ({ nodeId }) => {
      await cluster.node(nodeId).launch();
      await cluster.allListed();
    },
    killStoreLeader: () => Promise.resolve(null),
    [Symbol.asyncDispose]: () => cluster[Symbol.asyncDispose](),
  };
}

/** Starts brokers of this tree, each with one shard: they share the cores. */
export async function startBarnabas(
  directory: string,
  options: { etcdMembers?: number; sessions?: Readonly<Record<string, string>> } = {},
): Promise<Cluster> {
  const { etcdMembers = 1, sessions = OWN_SESSIONS } = options;
  const rig = await ClusterRig.start({ directory, etcdMembers, overrides: { ...SHARED_PROPERTIES, ...sessions } });
  return {
    title: "Barnabas",
    nodes: rig.nodes,
    get storePids() {
      return rig.etcd.members.map(({ process }) => process.pid);
    },
    controller: async () => (await metadataOf(rig.node(1), [])).controllerId ?? -1,
    restart: async ({ nodeId }) => {
      await rig.node(nodeId).start();
      await rig.allListed();
    },
    killStoreLeader: async () => {
      if (etcdMembers === 1) return null;
      const leader = await rig.etcd.leader();
      await rig.etcd.kill(leader);
      return () => rig.etcd.restart(leader);
    },
    [Symbol.asyncDispose]: () => rig[Symbol.asyncDispose](),
  };
}

/** CPU seconds of each process of a cluster so far. */
export interface ClusterCpu {
  /** In the order of the brokers. */
  readonly brokers: readonly number[];
  readonly store: number;
}

/** Reads the CPU seconds of all processes. */
export function cpuOf({ nodes, storePids }: Cluster): ClusterCpu {
  return {
    brokers: nodes.map(({ process }) => processCpuSeconds(process.pid)),
    store: storePids.reduce((sum, pid) => sum + processCpuSeconds(pid), 0),
  };
}

/** What was used since then. */
export function cpuSince(cluster: Cluster, before: ClusterCpu): ClusterCpu {
  const now = cpuOf(cluster);
  return {
    brokers: now.brokers.map((seconds, index) => seconds - (before.brokers[index] as number)),
    store: now.store - before.store,
  };
}
