/**
 * What the parts of the cluster simulation know of each other: a broker's process, what surrounds it, and the mistakes that are planted.
 * Test code.
 */
import type { BrokerLife, LifeRequest, ProcessIdentity } from "../../partitions/cluster/broker_life.ts";
import type { Transaction } from "../../partitions/cluster/cluster_image.ts";
import type { ControllerState } from "../../partitions/cluster/controller_state.ts";
import type { FetchPlace, FollowerRules } from "../../partitions/replication/follower_rules.ts";
import type { FetchAction, FetchAnswer } from "../../partitions/replication/follower_state.ts";
import type { LeaderRules } from "../../partitions/replication/leader_rules.ts";
import type { IsrProposal, LeaderState } from "../../partitions/replication/leader_state.ts";
import type { ReplicaRole } from "../../partitions/replication/replica_role.ts";
import type { Offset } from "../../storage/base/units.ts";
import type { Entry, SimulatedLog } from "./simulated_log.ts";
import type { SimulatedImage, SimulatedStore } from "./simulated_store.ts";

/** Which faults a history has: a rare mistake needs many of one kind. */
export type Profile = "anything" | "failovers" | "rebirths";

/** Mistakes that the simulation has to find. */
export interface Planted {
  readonly profile?: Profile;
  readonly rules?: { readonly rules?: LeaderRules; readonly followerRules?: FollowerRules };
  readonly answersAfterResignation?: boolean;
  readonly keepsProducers?: boolean;
  /** A process says that the last one stopped cleanly. */
  readonly claimsCleanStop?: boolean;
  /** An answer whose records were cut off since it was begun is sent all the same. */
  readonly sendsCutRecords?: boolean;
  readonly leaderTransaction?: (transaction: Transaction) => Transaction;
  readonly controllerTransaction?: (transaction: Transaction) => Transaction;
  readonly controller?: typeof ControllerState;
}

/** How a transaction ended: its revision, or not known, or a comparison did not hold. */
export type TransactionOutcome = number | "unknown" | "failed";

/** Who waits for a record. */
export interface Waiter {
  readonly entry: Entry;
  readonly leaderEpoch: number;
  /** A commit waits for the coordinator, a produce for the partition. */
  readonly isCommit: boolean;
  answer(outcome: "ok" | "failed" | "after-append"): void;
}

/** What a process has of a partition. */
export interface Replica {
  readonly partition: number;
  readonly log: SimulatedLog;
  role: ReplicaRole<readonly Entry[]>;
  waiters: Waiter[];
  /** Fetches that wait for records. */
  parked: { readonly from: BrokerProcess; readonly fetch: FetchAction }[];
  /** High watermark and leader epoch that the invariants know. */
  seenHighWatermark: number;
  seenEpoch: number;
  /** When the follower's last request was sent, and what for. */
  sentMs: number;
  place: FetchPlace | null;
  sentProposal: IsrProposal | null;
}

/** One process of a broker. */
export interface BrokerProcess {
  readonly id: number;
  readonly identity: ProcessIdentity;
  readonly image: SimulatedImage;
  readonly life: BrokerLife;
  readonly replicas: readonly Replica[];
  readonly controller: ControllerState | null;
  readonly isDead: boolean;
  readonly nowMs: number;
  /** A follower's fetch arrived. */
  fetched(from: BrokerProcess, fetch: FetchAction, partition: number): void;
  /** An answer arrived at the follower. */
  answered(partition: number, fetch: FetchAction, answer: FetchAnswer<readonly Entry[]>): void;
  /** The leader has said where its log starts and ends. */
  offsetsAnswered(partition: number, place: FetchPlace, start: Offset, end: Offset): void;
}

/** Records of an answer, which may be read from the log only when they are sent. */
export interface RecordsAnswer {
  readonly partition: number;
  readonly fetch: FetchAction;
  readonly log: SimulatedLog;
  readonly first: number;
  readonly last: number;
  readonly marks: { readonly highWatermark: Offset; readonly logStartOffset: Offset };
}

/** What is checked at each event. */
export interface Checks {
  appendedByLeader(broker: BrokerProcess, partition: number, entry: Entry): void;
  appendedByFollower(broker: BrokerProcess, partition: number, log: SimulatedLog, entry: Entry): void;
  truncates(broker: BrokerProcess, replica: Replica, to: number): void;
  changed(broker: BrokerProcess, replica: Replica): void;
  followed(broker: BrokerProcess, replica: Replica): void;
  leads(broker: BrokerProcess, replica: Replica): void;
  highWatermarkOf(broker: BrokerProcess, replica: Replica, leader: LeaderState): void;
  answered(broker: BrokerProcess, replica: Replica, waiter: Waiter): void;
}

/** What a process finds around itself. */
export interface Surroundings {
  readonly planted: Planted;
  readonly store: SimulatedStore;
  readonly invariants: Checks;
  /** Most records of an answer. */
  readonly fetchEntriesMax: number;
  random(): number;
  localMs(id: number): number;
  newController(epoch: number, nowMs: number): ControllerState;
  sendToController(from: BrokerProcess, request: LifeRequest): void;
  sendFetch(from: BrokerProcess, fetch: FetchAction, partition: number): void;
  askOffsets(from: BrokerProcess, leader: number, place: FetchPlace, partition: number): void;
  answerFetch(
    from: BrokerProcess,
    to: BrokerProcess,
    answer: { partition: number; fetch: FetchAction; answer: FetchAnswer<readonly Entry[]> },
  ): void;
  answerRecords(from: BrokerProcess, to: BrokerProcess, answer: RecordsAnswer): void;
  /** A write to the process's disk, which ends later. */
  write(broker: BrokerProcess, run: () => void): void;
  /** A transaction, whose outcome may stay unknown, and which may be executed again later. */
  transact(from: BrokerProcess, transaction: Transaction, done: (outcome: TransactionOutcome) => void): void;
  /** What a log that begins anew at an offset never copies, because the leader has deleted it; null when nobody has it any more. */
  entriesBelow(partition: number, offset: number): Entry[] | null;
}
