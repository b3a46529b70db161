/**
 * The leader's side of a partition that other brokers have replicas of. The decisions are those of `LeaderState`; here its events come from
 * the log and from fetches, and what follows is published. Runs on the shard that owns the partition.
 *
 *   append                       ─► acknowledged() ─► followers that wait for the log end are woken
 *   fetch of a follower          ─► fetched()      ─► high watermark ─► acks=all, consumers
 *   row, outcome of a proposal   ─► rowChanged(), proposal ended ─► high watermark, the next proposal
 *   time, brokers                ─► looked()       ─► a proposal: members that lag leave, those that caught up enter
 *   the disk takes no records    ─► cannotWrite()  ─► a proposal: another one leads
 *
 * Always: one proposal of a partition is under way, and its outcome counts once. Nothing is published once the leadership is over.
 * Source: Kafka's Partition.
 */
import type { Log, Offset } from "../../storage/mod.ts";
import type { VersionedRow } from "../cluster/partition_row.ts";
import type { RowOutcome, RowProposal } from "../cluster/row_proposals.ts";
import type { FetchPosition } from "./epoch_divergence.ts";
import type { LeaderRules } from "./leader_rules.ts";
import {
  type FetchRefusal,
  type FollowerFetch,
  type IsrProposal,
  LeaderState,
  type MemberEntry,
} from "./leader_state.ts";
import { ReplicaLogView } from "./replica_log.ts";
import type { Consequence, ReplicaState } from "./replica_state.ts";

/** What leaders of one shard share. */
export interface LeaderSurroundings {
  readonly nodeId: number;
  /** replica.lag.time.max.ms */
  readonly lagMaxMs: number;
  /** For tests, which plant mistakes. */
  readonly rules?: LeaderRules;
  /** Monotonic time. */
  nowMs(): number;
  /** A broker of the image; null for one that is not registered. */
  broker(id: number): MemberEntry | null;
  /** Executes a change of the row. @param ended gets the outcome, on a later turn */
  propose(proposal: RowProposal, ended: (outcome: RowOutcome) => void): void;
  /** Whether a partition may be given to another broker now, whose disk may be full, too. */
  mayGiveUp(topicId: string, partition: number): boolean;
  /** A leadership begins: `looked()` has to be called from time to time. */
  began(leader: LeaderPartition): void;
  /** It is over. */
  ended(leader: LeaderPartition): void;
}

/** The row that makes this broker the leader of several replicas. */
export interface LedRow {
  readonly topicId: string;
  readonly partition: number;
  /** Its version is the partition epoch. */
  readonly base: VersionedRow;
  /** The topic's min.insync.replicas. */
  readonly configuredMinIsr: number;
  readonly surroundings: LeaderSurroundings;
}

/** The partition that is led (partitions/owned/partition.ts). */
export interface LedPartition {
  readonly log: Log;
  /** It leads, and is not alone. */
  readonly replica: ReplicaState;
}

/** After an unknown outcome, the proposal is repeated at the earliest after this time (Kafka's retry of AlterPartition). */
const PROPOSAL_RETRY_MS = 50;

/** The leader's side of one partition. */
export class LeaderPartition {
  readonly #partition: LedPartition;
  readonly #led: LedRow;
  readonly #follow: (consequence: Consequence) => void;
  readonly #state: LeaderState;
  /** The proposal that the main isolate has. */
  #sent: IsrProposal | null = null;
  #proposesAtMs = -Infinity;
  #isOver = false;

  /**
   * A leadership begins: its epoch is entered into the log, and the row says that it leads with followers.
   * @param follow carries out the consequence of an event of the replica
   */
  constructor(partition: LedPartition, led: LedRow, follow: (consequence: Consequence) => void) {
    const { base, configuredMinIsr, surroundings } = led;
    this.#partition = partition;
    this.#led = led;
    this.#follow = follow;
    this.#state = new LeaderState(
      {
        self: surroundings.nodeId,
        log: new ReplicaLogView(partition.log),
        lagMaxMs: surroundings.lagMaxMs,
        broker: (id) => surroundings.broker(id),
        rules: surroundings.rules,
      },
      base,
      { highWatermark: partition.replica.row.highWatermark, configuredMinIsr, nowMs: surroundings.nowMs() },
    );
    surroundings.began(this);
    this.#advance();
  }

  /** Whether a produce with acks=all may be appended; else NOT_ENOUGH_REPLICAS. */
  get hasEnoughReplicas(): boolean {
    return this.#state.hasEnoughReplicas;
  }

  /** Log end at which the epoch began: until the high watermark is there, nobody knows the latest offset (KIP-207). */
  get epochStart(): Offset {
    return this.#state.epochStart;
  }

  /** Lowest log start of the live replicas. */
  get lowWatermark(): Offset {
    return this.#state.lowWatermark;
  }

  /** Records that the follower lacks that is furthest behind. */
  get followerLag(): number {
    return this.#state.followerLag;
  }

  /** Whether a change of the row may be under way: then only this object knows what may be in the stored ISR. */
  get isChanging(): boolean {
    return this.#state.isChanging;
  }

  /** A newer row names this leader, or the topic's settings changed. */
  rowChanged({ base, configuredMinIsr }: LedRow): void {
    this.#state.configured(configuredMinIsr);
    this.#state.rowChanged(base, this.#nowMs);
    this.#advance();
  }

  /** The log has grown. Followers may read what this replica has not acknowledged. */
  appended(): Consequence {
    this.#state.appended(this.#nowMs);
    this.#publish();
    return "complete"; // followers wait for the log end
  }

  /** This replica acknowledges its log end. */
  acknowledged(): Consequence {
    this.#partition.replica.acknowledged();
    return this.appended();
  }

  /** A follower fetches. @returns where its log stands compared with this one, or why it is refused */
  fetched(fetch: FollowerFetch): FetchRefusal | FetchPosition {
    const { lowWatermark } = this;
    const position = this.#state.followerFetched(fetch, this.#nowMs);
    if (position !== "continues") return position;
    this.#advance();
    // DeleteRecords waits for the log starts of followers.
    if (this.lowWatermark !== lowWatermark) this.#follow("complete");
    return position;
  }

  /** Looks for a change of the row that time, or the state of a broker, calls for. @param isTick whether members that lag leave */
  looked(isTick: boolean): void {
    this.#propose(isTick);
  }

  /** The disk takes no records: another in-sync replica should lead. @param isLost whether the log is offline: it may have lost records */
  cannotWrite(isLost: boolean): void {
    const { topicId, partition, surroundings } = this.#led;
    if (this.#isOver || !(isLost || this.#state.givesUp || surroundings.mayGiveUp(topicId, partition))) return;
    this.#state.cannotWrite(isLost);
    this.#propose(false);
  }

  /** The leadership is over. Idempotent. */
  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#led.surroundings.ended(this);
  }

  get #nowMs(): number {
    return this.#led.surroundings.nowMs();
  }

  /** Publishes what an event changed, and proposes what it calls for. */
  #advance(): void {
    this.#follow(this.#publish());
    this.#propose(false);
  }

  #publish(): Consequence {
    const { replica } = this.#partition;
    if (!replica.isOpen) return "nothing";
    const { highWatermark, maximalIsr, minIsr } = this.#state;
    return replica.replicated(highWatermark, maximalIsr.length >= minIsr);
  }

  #propose(isTick: boolean): void {
    if (this.#isOver || !(this.#partition.replica.isOpen || this.#state.givesUp)) return;
    const nowMs = this.#nowMs;
    const proposal = this.#state.takeProposal(nowMs, isTick);
    if (proposal === null || proposal === this.#sent || nowMs < this.#proposesAtMs) return;
    this.#sent = proposal;
    const { topicId, partition, surroundings } = this.#led;
    const { base: { version: partitionEpoch }, row, comparisons } = proposal;
    surroundings.propose(
      { topicId, partition, partitionEpoch, row, comparisons },
      (outcome) => this.#ended(proposal, outcome),
    );
  }

  #ended(proposal: IsrProposal, outcome: RowOutcome): void {
    if (this.#isOver || this.#sent !== proposal) return;
    this.#sent = null;
    const nowMs = this.#nowMs;
    if (outcome === "unknown") this.#proposesAtMs = nowMs + PROPOSAL_RETRY_MS;
    const ended = outcome === "committed" ? { version: proposal.row.partitionEpoch } : outcome;
    this.#state.proposalEnded(proposal, ended, nowMs);
    this.#advance();
  }
}
