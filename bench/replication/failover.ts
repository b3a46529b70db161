/**
 * How long the partitions of a broker that is killed, or stopped, take no writes. Main isolate of the benchmark.
 *
 *   1,000 partitions of three replicas, a third led by each broker ─► a write to each ─► the fault ─► at the others, Metadata every 20 ms
 *   ─► a write (acks=all) to each partition whose leader is another broker ─► its first acknowledgement
 *
 * A client that waits longer before it asks again (librdkafka, 100 ms and more) sees so much more.
 */
import type { Figure } from "../compare/figure.ts";
import type { Cluster } from "./clusters.ts";
import { createTopic, deleteTopics, ledBy, type ReplicatedTopic } from "./topics.ts";
import { ASK_EVERY_MS, Writes } from "./writes.ts";
import { metadataOf } from "../../tests/interop/cluster/cluster_rig.ts";

/** What happens to which broker. */
export interface Fault {
  readonly signal: "SIGKILL" | "SIGSTOP";
  readonly victim: "a broker" | "the controller";
  /** Whether the leader of etcd is killed at the same moment. */
  readonly withStoreLeader?: boolean;
}

const PATIENCE_MS = 60_000;

/** For people. */
export function describe({ signal, victim, withStoreLeader = false }: Fault): string {
  const others = victim === "a broker" ? "a broker that is not the controller" : "the controller";
  return `${signal === "SIGKILL" ? "kill -9" : signal} of ${others}${
    withStoreLeader ? ", and etcd's leader killed" : ""
  }`;
}

/** Lets a fault happen, and sets all right again. */
export async function measureFault(cluster: Cluster, partitions: number, fault: Fault): Promise<Figure[]> {
  const topic: ReplicatedTopic = {
    name: `failover-${crypto.randomUUID().slice(0, 8)}`,
    partitions,
    leaders: "in turn",
  };
  await createTopic(cluster, topic);
  const controller = await cluster.controller();
  const victim = cluster.nodes.find(({ nodeId }) => (nodeId === controller) === (fault.victim === "the controller"));
  if (victim === undefined) throw new Error(`Cannot find ${fault.victim}: node ${controller} is the controller`);
  await using writes = await Writes.begin(
    topic.name,
    cluster.nodes.filter((node) => node !== victim),
    ledBy(cluster, topic, victim),
  );
  const startMs = performance.now();
  const storeLeader = fault.withStoreLeader === true ? cluster.killStoreLeader() : null;
  victim.process.signal(fault.signal);
  const restartStore = await storeLeader;
  const times = (await writes.untilAll()).map((ms) => (ms - startMs) / 1000).sort((a, b) => a - b);
  restartStore?.();
  const allLed = (writes.allLedMs - startMs) / 1000;
  if (fault.signal === "SIGSTOP") victim.process.signal("SIGCONT");
  else {
    await victim.process.status;
    await cluster.restart(victim);
  }
  await allBack(cluster, topic.name);
  await deleteTopics(cluster, [topic.name]);
  const [first = NaN, median = NaN, last = NaN] = [times[0], times[times.length >> 1], times.at(-1)];
  return [
    { name: "a client knows all new leaders, s", value: allLed, better: "lower" },
    { name: "first write acknowledged, s", value: first, better: "lower" },
    { name: "on half of the partitions, s", value: median, better: "lower" },
    { name: "on all of them, s", value: last, better: "lower" },
  ];
}

/** Waits until each broker says that all replicas are in sync. */
async function allBack(cluster: Cluster, topic: string): Promise<void> {
  const startMs = performance.now();
  for (const node of cluster.nodes) {
    for (;;) {
      const [found] = (await metadataOf(node, [topic])).topics;
      if (found?.partitions.every(({ isrNodes }) => isrNodes.length === cluster.nodes.length)) break;
      if (performance.now() - startMs > PATIENCE_MS) throw new Error(`${cluster.title}: replicas do not come back`);
      await sleep(ASK_EVERY_MS);
    }
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
