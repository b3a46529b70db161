/**
 * What the cluster's rows need, given which brokers are alive: the core of the controller. Pure; the main isolate.
 *
 * It looks at the image as a whole and keeps no state, so a new controller finds again what the one before it left half done. A broker that
 * is not active leaves every ISR, and what it led gets another leader or none. A partition without a leader gets one as soon as a
 * candidate is active. A broker that starts after an unclean stop leaves the ELR, too, before its registration makes it a candidate.
 * The same rows also say which partitions their preferred leaders could lead, and do not.
 * Source: ReplicationControlManager; KIP-841, KIP-966.
 */
import { brokerView, type ClusterImage, type Comparison, type Transaction } from "./cluster_image.ts";
import { changeRow, NO_LEADER, type PartitionRow, type RowChange, type VersionedRow } from "./partition_row.ts";

/**
 * How a process found its logs: as the last one stopped ("clean"), possibly without their ends ("tail-lost": after a crash), or not at all
 * ("log-lost": another disk).
 */
export type StartKind = "clean" | "tail-lost" | "log-lost";

/** A new row for one partition. */
export interface Repair {
  readonly partition: string;
  readonly base: VersionedRow;
  readonly row: PartitionRow;
}

/**
 * The rows that have to change.
 * @param starts brokers whose new process is not registered yet
 * @param among partitions to look at; all by default
 * @returns partitions without a live leader first: their clients wait
 */
export function repairs(
  image: ClusterImage,
  starts: ReadonlyMap<number, StartKind>,
  among: Iterable<string> = image.partitions.keys(),
): Repair[] {
  const found: Repair[] = [];
  const { isActive } = brokerView(image);
  const brokers = { isActive: (broker: number) => isActive(broker) && !starts.has(broker) };
  for (const partition of among) {
    const base = image.partitions.get(partition);
    if (base === undefined) continue;
    const row = changeRow(base.row, changeFor(base.row, partition, image, starts), brokers);
    if (row !== null) found.push({ partition, base, row });
  }
  return found.sort((a, b) => urgencyOf(b) - urgencyOf(a));
}

/**
 * Partitions that their preferred leader could lead, and does not: the rows with which it does. Those that need a repair are left out, because the
 * repair comes first.
 * @param starts as for `repairs()` @param countMax most of them
 */
export function preferredElections(
  image: ClusterImage,
  starts: ReadonlyMap<number, StartKind>,
  countMax: number,
): Repair[] {
  const found: Repair[] = [];
  const { isActive } = brokerView(image);
  const brokers = { isActive: (broker: number) => isActive(broker) && !starts.has(broker) };
  for (const [partition, base] of image.partitions) {
    if (found.length === countMax) break;
    const [preferred] = base.row.replicas;
    if (base.row.leader === NO_LEADER || base.row.leader === preferred) continue;
    const change = changeFor(base.row, partition, image, starts);
    if (changeRow(base.row, change, brokers) !== null) continue;
    const row = changeRow(base.row, { election: "preferred" }, brokers);
    if (row !== null && row.leader === preferred) found.push({ partition, base, row });
  }
  return found;
}

/** The transaction of a repair, for the controller that has this epoch. */
export function repairTransaction(repair: Repair, image: ClusterImage): Transaction {
  const { partition, base, row } = repair;
  const comparisons: Comparison[] = [
    { kind: "controller", version: image.controllerEpoch },
    { kind: "row", partition, version: base.version },
  ];
  const chosen = image.brokers.get(row.leader);
  if (row.leaderEpoch !== base.row.leaderEpoch && chosen !== undefined) {
    comparisons.push({ kind: "state", broker: row.leader, version: chosen.stateVersion });
  }
  return { subject: partition, comparisons, writes: [{ kind: "row", partition, row }] };
}

/** Whether a row keeps a broker from registering: what it says of the last process is not undone yet. */
export function isHeldBy(row: PartitionRow, broker: number, start: StartKind): boolean {
  if (row.leader === broker || row.isr.includes(broker)) return true;
  if (start === "clean") return false;
  return row.elr.includes(broker) || (start === "log-lost" && row.lastKnownElr.includes(broker));
}

function changeFor(
  row: PartitionRow,
  partition: string,
  image: ClusterImage,
  starts: ReadonlyMap<number, StartKind>,
): RowChange {
  const isActive = (broker: number) => image.brokers.get(broker)?.state === "active";
  const startedAs = (kind: StartKind) => row.replicas.filter((broker) => starts.get(broker) === kind);
  const isr = row.isr.filter(isActive);
  // The leader follows a changed setting by itself, in step with its ISR changes.
  const minIsr = row.leader === NO_LEADER ? image.configuredMinIsrOf(partition) : row.minIsr;
  const election = image.isUncleanElectionEnabled(partition) ? "unclean" : "online";
  return { isr, minIsr, tailLost: startedAs("tail-lost"), logLost: startedAs("log-lost"), election };
}

function urgencyOf({ base, row }: Repair): number {
  return row.leaderEpoch === base.row.leaderEpoch ? 0 : 1;
}
