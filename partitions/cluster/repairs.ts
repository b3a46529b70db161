/**
 * What the cluster's rows need, given which brokers are alive: the core of the controller. Pure; the main isolate.
 *
 * It looks at the image as a whole and keeps no state, so a new controller finds again what the one before it left half done. A broker that
 * is not active leaves every ISR, and what it led gets another leader or none. A partition without a leader gets one as soon as a
 * candidate is active. A broker that starts after an unclean stop leaves the ELR, too, before its registration makes it a candidate. So does
 * a replica whose log directory the broker does not have (any more): the row names it, and the registration says which there are. It is
 * no candidate until the row names another one, or the directory is back (KIP-858).
 * The same rows also say which partitions their preferred leaders could lead, and do not.
 * Source: ReplicationControlManager; KIP-841, KIP-966.
 */
import { brokerView, type ClusterImage, type Comparison, type Transaction } from "./cluster_image.ts";
import {
  type BrokerView,
  changeRow,
  NO_LEADER,
  type PartitionRow,
  type RowChange,
  type VersionedRow,
} from "./partition_row.ts";

/**
 * How a process found its logs: as the last one stopped ("clean"), possibly without their ends ("tail-lost": after a crash), or not at all
 * ("log-lost": another disk).
 */
export type StartKind = "clean" | "tail-lost" | "log-lost";

/** A process that is to be registered. */
export interface ProcessStart {
  readonly kind: StartKind;
  /** `directory.id` of each of its log directories. */
  readonly directories: readonly string[];
}

/** Processes that are to be registered, by broker. */
export type ProcessStarts = ReadonlyMap<number, ProcessStart>;

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
  starts: ProcessStarts,
  among: Iterable<string> = image.partitions.keys(),
): Repair[] {
  const found: Repair[] = [];
  for (const partition of among) {
    const base = image.partitions.get(partition);
    if (base === undefined) continue;
    const of = { partition, image, starts };
    const row = changeRow(base.row, changeFor(base.row, of), candidatesOf(of));
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
  starts: ProcessStarts,
  countMax: number,
): Repair[] {
  const found: Repair[] = [];
  for (const [partition, base] of image.partitions) {
    if (found.length === countMax) break;
    const [preferred] = base.row.replicas;
    if (base.row.leader === NO_LEADER || base.row.leader === preferred) continue;
    const of = { partition, image, starts };
    const brokers = candidatesOf(of);
    if (changeRow(base.row, changeFor(base.row, of), brokers) !== null) continue;
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
export function isHeldBy(row: PartitionRow, broker: number, of: RowSurroundings): boolean {
  if (row.leader === broker || row.isr.includes(broker)) return true;
  const kind = logStateOf(broker, of);
  if (kind === "clean") return false;
  return row.elr.includes(broker) || (kind === "log-lost" && row.lastKnownElr.includes(broker));
}

/** One partition, and what there is around it. */
export interface RowSurroundings {
  readonly partition: string;
  readonly image: ClusterImage;
  readonly starts: ProcessStarts;
}

/** Whether a broker has the log directory that the row names for its replica, as far as somebody knows. */
export function hasDirectory(broker: number, { partition, image, starts }: RowSurroundings): boolean {
  const directory = image.directoryOf(partition, broker);
  const directories = starts.get(broker)?.directories ?? image.directoriesOf(broker);
  return directory === null || directories === null || directories.includes(directory);
}

/** The brokers that may lead a partition, if its row lets them: active ones that have its log. */
export function candidatesOf(of: RowSurroundings): BrokerView {
  const { isActive } = brokerView(of.image);
  return { isActive: (broker) => isActive(broker) && !of.starts.has(broker) && hasDirectory(broker, of) };
}

function changeFor(row: PartitionRow, of: RowSurroundings): RowChange {
  const { partition, image } = of;
  const { isActive } = brokerView(image);
  const found = row.replicas.map((broker) => logStateOf(broker, of));
  const foundAs = (kind: StartKind) => row.replicas.filter((_, index) => found[index] === kind);
  const isr = row.isr.filter(isActive);
  // The leader follows a changed setting by itself, in step with its ISR changes.
  const minIsr = row.leader === NO_LEADER ? image.configuredMinIsrOf(partition) : row.minIsr;
  const election = image.isUncleanElectionEnabled(partition) ? "unclean" : "online";
  return { isr, minIsr, tailLost: foundAs("tail-lost"), logLost: foundAs("log-lost"), election };
}

/**
 * How a broker's process finds the log of a partition; null for one that is registered and has its directory. Without the directory it counts as
 * "tail-lost": it may be the last that knew all records, and lead again when the directory is back.
 */
function logStateOf(broker: number, of: RowSurroundings): StartKind | null {
  const start = of.starts.get(broker);
  if (!hasDirectory(broker, of)) return "tail-lost";
  if (start?.kind !== "log-lost") return start?.kind ?? null;
  return of.image.directoryOf(of.partition, broker) === null ? "log-lost" : "tail-lost";
}

function urgencyOf({ base, row }: Repair): number {
  return row.leaderEpoch === base.row.leaderEpoch ? 0 : 1;
}
