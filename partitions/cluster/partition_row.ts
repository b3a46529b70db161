/**
 * A partition's row in the metadata store, and the one function that makes the next row: in-sync set, eligible leader replicas (ELR,
 * KIP-966), reassignment, election, epochs. The partition's leader changes its row by it (ISR), the controller (liveness), and every broker
 * (administration). Pure: the main isolate and shards use it; the compare-and-set of the row is the caller's.
 *
 * One change runs in this order, as in Kafka's PartitionChangeBuilder:
 *
 *   the change itself -> a reassignment that is complete ends -> ELR -> election -> epochs
 *
 * Must always hold: leader ∈ ISR ∪ {none}; ISR, ELR ⊆ replicas; ISR ∩ ELR = ∅; ELR = ∅ while |ISR| ≥ minIsr; the partition epoch grows
 * by one with each change, and the leader epoch exactly when a leader (or none) is set, or when a replica leaves the assignment.
 *
 * Two differences from Kafka. `minIsr` stands in the row, so the high watermark's rule, the ELR and the election read one atomic value.
 * Therefore a change of `min.insync.replicas` keeps the ELR, where Kafka empties it: while |ISR| was below the old minimum and is below the
 * new one, the high watermark never moved, so that the members still have everything below it. Emptied, they would be lost as leaders
 * when the last member of the ISR loses its tail.
 * Source: PartitionChangeBuilder, ReplicationControlManager; KIP-455, KIP-841, KIP-966.
 */
import { assert } from "../../storage/base/assert.ts";

/** `leader` of a partition that has none. */
export const NO_LEADER = -1;

/** One partition's row. Lists hold node ids; a row is never changed in place. */
export interface PartitionRow {
  /** The assignment, preferred leader first; during a reassignment the new replicas, then those that leave. */
  readonly replicas: readonly number[];
  /** Replicas that have every record below the high watermark, and hold it back. */
  readonly isr: readonly number[];
  /** Node id, or NO_LEADER. */
  readonly leader: number;
  readonly leaderEpoch: number;
  readonly partitionEpoch: number;
  /** min.insync.replicas, at most the replication factor: below it the high watermark stands still. */
  readonly minIsr: number;
  /** Replicas outside the ISR that have every record below the high watermark too, because it stood still since they left. */
  readonly elr: readonly number[];
  /** The last leader of a partition without one, which may lead again when ISR and ELR are empty. */
  readonly lastKnownElr: readonly number[];
  /** Whether the leader was elected uncleanly and has not confirmed it yet. */
  readonly recovering: boolean;
  /** Replicas that a reassignment adds. */
  readonly adding: readonly number[];
  /** Replicas that a reassignment removes. */
  readonly removing: readonly number[];
}

/** A row with the version that a compare-and-set compares. */
export interface VersionedRow {
  readonly row: PartitionRow;
  /** Revision of the store that wrote it. */
  readonly version: number;
}

/** What an election may choose: "none" keeps the leader, "preferred" tries the first replica first, "unclean" accepts loss. */
export type Election = "none" | "online" | "preferred" | "unclean";

/** One change of a row; what is not given stays. */
export interface RowChange {
  readonly isr?: readonly number[];
  readonly minIsr?: number;
  /** The leader confirms that it was elected uncleanly. */
  readonly recovered?: boolean;
  /** Replicas that may have lost the end of their logs: they leave ISR and ELR. */
  readonly tailLost?: readonly number[];
  /** Replicas that have lost their whole logs: they are no last leader either. */
  readonly logLost?: readonly number[];
  /** The assignment to reach; originalReplicas() cancels a reassignment that is under way. */
  readonly target?: readonly number[];
  readonly election: Election;
}

/** What a change knows about brokers. */
export interface BrokerView {
  /** Whether a broker is registered, unfenced, and not stopping. */
  isActive(broker: number): boolean;
}

type Draft = { -readonly [Field in keyof PartitionRow]: PartitionRow[Field] };

/** The assignment to which a reassignment goes back when it is cancelled; the assignment itself while none is under way. */
export function originalReplicas({ replicas, adding }: Pick<PartitionRow, "replicas" | "adding">): readonly number[] {
  return without(replicas, adding);
}

/** Whether a reassignment is under way. */
export function isReassigning({ adding, removing }: Pick<PartitionRow, "adding" | "removing">): boolean {
  return adding.length > 0 || removing.length > 0;
}

/**
 * Most replicas that min.insync.replicas may ask for: until a reassignment ends, as many as there were before it. With more, a partition
 * that had one replica would take no records with acks=all until the second one has all of them.
 */
export function replicationFactorOf(row: PartitionRow): number {
  return originalReplicas(row).length;
}

/**
 * The row of a new partition.
 * @param replicas preferred leader first; one at least is active
 * @param configuredMinIsr the topic's setting
 */
export function createRow(replicas: readonly number[], configuredMinIsr: number, brokers: BrokerView): PartitionRow {
  const isr = replicas.filter((broker) => brokers.isActive(broker));
  assert(isr.length > 0, "a new partition has an active replica");
  return {
    replicas,
    isr,
    leader: isr[0] as number,
    leaderEpoch: 0,
    partitionEpoch: 0,
    minIsr: Math.min(configuredMinIsr, replicas.length),
    elr: [],
    lastKnownElr: [],
    recovering: false,
    adding: [],
    removing: [],
  };
}

/** Makes the next row. @returns null when the change changes nothing */
export function changeRow(row: PartitionRow, change: RowChange, brokers: BrokerView): PartitionRow | null {
  const next: Draft = { ...row };
  const lost = [...change.tailLost ?? [], ...change.logLost ?? []];
  if (change.target !== undefined) reassign(next, change.target);
  if (change.isr !== undefined) next.isr = change.isr;
  if (lost.length > 0) next.isr = without(next.isr, lost);
  if (change.minIsr !== undefined) next.minIsr = Math.min(change.minIsr, replicationFactorOf(next));
  if (change.recovered) next.recovering = false;
  completeReassignment(next);
  changeElr(next, row, lost);
  next.lastKnownElr = without(next.lastKnownElr, change.logLost ?? []).filter((one) => next.replicas.includes(one));
  const isSet = elect(next, row, change.election, brokers);
  if (isSet || row.replicas.some((broker) => !next.replicas.includes(broker))) next.leaderEpoch = row.leaderEpoch + 1;
  if (isSet) noteLastLeader(next, row, change.logLost ?? []);
  if (isSameRow(row, next)) return null;
  next.partitionEpoch = row.partitionEpoch + 1;
  return next;
}

/** Whether a replica may be elected without loss: it is in the ISR, or in the ELR while the ISR is empty, and active. */
export function canLead(row: PartitionRow, broker: number, brokers: BrokerView): boolean {
  const candidates = row.isr.length > 0 ? row.isr : row.elr;
  return candidates.includes(broker) && brokers.isActive(broker);
}

/**
 * The new replicas come first; those that leave stay replicas until the new ones are in the ISR. Those that an earlier reassignment, which
 * this one replaces, was adding leave at once, unless this one adds them, too.
 */
function reassign(next: Draft, target: readonly number[]): void {
  const originals = originalReplicas(next);
  next.adding = without(target, originals);
  next.removing = without(originals, target);
  next.replicas = [...target, ...next.removing];
  next.isr = next.isr.filter((broker) => next.replicas.includes(broker));
}

/**
 * Ends the reassignment if the new replicas are in the ISR: all of them where it removes more than it adds (KAFKA-15665, 19975). Unlike
 * Kafka, it waits for a target set of minIsr members in sync: those that leave may be all but one of those that have the last records.
 */
function completeReassignment(next: Draft): void {
  if (!isReassigning(next)) return;
  const target = without(next.replicas, next.removing);
  const isr = without(next.isr, next.removing);
  const required = next.adding.length < next.removing.length ? target : next.adding;
  if (isr.length < Math.min(next.minIsr, target.length)) return;
  if (required.some((broker) => !isr.includes(broker))) return;
  next.replicas = target;
  next.isr = isr;
  next.adding = [];
  next.removing = [];
  next.minIsr = Math.min(next.minIsr, target.length);
}

/** Who leaves the ISR below the minimum stays eligible: no record can be committed without it from then on. */
function changeElr(next: Draft, row: PartitionRow, lost: readonly number[]): void {
  if (next.isr.length >= next.minIsr) {
    next.elr = [];
    return;
  }
  const eligible = without(row.elr, row.isr).concat(row.isr);
  next.elr = without(without(eligible, next.isr), lost).filter((broker) => next.replicas.includes(broker));
}

/** @returns whether the leader was set: another one, none, or the same one again */
function elect(next: Draft, row: PartitionRow, election: Election, brokers: BrokerView): boolean {
  const isLeaving = row.leader !== NO_LEADER && !next.replicas.includes(row.leader);
  if (election === "none" && !isLeaving) return false;
  const canStay = canLead(next, row.leader, brokers);
  const isPreferred = election === "preferred" && canLead(next, next.replicas[0] as number, brokers);
  if (canStay && !isPreferred) return false;
  const leader = next.replicas.find((broker) => canLead(next, broker, brokers));
  if (leader !== undefined) {
    if (leader === row.leader && next.isr.includes(leader)) return false;
    if (next.isr.length === 0) next.isr = [leader];
    return setLeader(next, leader);
  }
  const last = next.lastKnownElr[0];
  const hasLast = next.isr.length === 0 && next.elr.length === 0 && last !== undefined && brokers.isActive(last);
  const unclean = hasLast
    ? last
    : election === "unclean"
    ? next.replicas.find((broker) => brokers.isActive(broker))
    : undefined;
  if (unclean === undefined) return row.leader !== NO_LEADER && setLeader(next, NO_LEADER);
  next.isr = [unclean];
  next.recovering = true;
  setLeader(next, unclean);
  next.elr = [];
  return true;
}

function setLeader(next: Draft, leader: number): boolean {
  next.leader = leader;
  next.elr = next.isr.length >= next.minIsr ? [] : without(next.elr, next.isr);
  return true;
}

/** Remembers the leader when the partition loses it, and forgets it when there is one again. */
function noteLastLeader(next: Draft, row: PartitionRow, logLost: readonly number[]): void {
  if (next.leader !== NO_LEADER) next.lastKnownElr = [];
  else if (row.leader !== NO_LEADER) {
    next.lastKnownElr = without([row.leader], logLost).filter((broker) => next.replicas.includes(broker));
  }
}

function without(brokers: readonly number[], others: readonly number[]): readonly number[] {
  return others.length === 0 ? brokers : brokers.filter((broker) => !others.includes(broker));
}

function isSameRow(a: PartitionRow, b: PartitionRow): boolean {
  return a.leader === b.leader && a.leaderEpoch === b.leaderEpoch && a.minIsr === b.minIsr &&
    a.recovering === b.recovering && isSameList(a.isr, b.isr) && isSameList(a.replicas, b.replicas) &&
    isSameList(a.elr, b.elr) && isSameList(a.lastKnownElr, b.lastKnownElr) && isSameList(a.adding, b.adding) &&
    isSameList(a.removing, b.removing);
}

function isSameList(a: readonly number[], b: readonly number[]): boolean {
  return a === b || (a.length === b.length && a.every((broker, index) => broker === b[index]));
}
