/**
 * What a cluster lacks that should be whole: all brokers active with the same image, every partition with a leader and all replicas in sync,
 * equal logs, nobody who waits. Test code.
 */
import type { BrokerProcess } from "./simulated_process.ts";
import type { SimulatedStore } from "./simulated_store.ts";

/** What is missing, as a sentence; null when the cluster is whole. @param brokers by node id, from 1 on */
export function unfinished(store: SimulatedStore, brokers: readonly (BrokerProcess | null)[]): string | null {
  const { head } = store;
  if (head.controller < 0) return "there is no controller";
  for (let id = 1; id < brokers.length; id++) {
    const broker = brokers[id];
    const state = broker?.life.state;
    if (!broker || state !== "active" || head.brokers.get(id)?.state !== "active") return `broker ${id} is ${state}`;
    if (broker.image.revision !== head.revision) return `the image of broker ${id} is old`;
  }
  for (const partition of head.partitions.keys()) {
    const missing = unfinishedPartition(partition, store, brokers as readonly BrokerProcess[]);
    if (missing !== null) return `partition ${partition}: ${missing}`;
  }
  return null;
}

function unfinishedPartition(
  partition: string,
  { head }: SimulatedStore,
  brokers: readonly BrokerProcess[],
): string | null {
  const { row } = head.partitions.get(partition)!;
  const text = JSON.stringify(row);
  if (row.leader < 0 || row.isr.length !== row.replicas.length) return text;
  if (row.recovering || row.adding.length + row.removing.length > 0 || row.elr.length > 0) return text;
  if (row.minIsr !== Math.min(head.minIsr, row.replicas.length)) return text;
  const leader = brokers[row.leader]!.replicas[Number(partition)]!;
  const { highWatermark } = leader.role;
  if (highWatermark !== leader.log.logEndOffset) return `the high watermark is ${highWatermark}, ${text}`;
  for (const id of row.replicas) {
    const { log, waiters } = brokers[id]!.replicas[Number(partition)]!;
    const isSame = log.logEndOffset === leader.log.logEndOffset && (log.isEmpty || log.last === leader.log.last);
    if (!isSame) return `the log of broker ${id} is another one, ${text}`;
    if (waiters.length > 0) return `someone waits at broker ${id}, ${text}`;
  }
  return null;
}
