/**
 * What a replica of a partition is by the rows that reach it: leader, follower, or neither. Pure; the shard that owns the partition.
 *
 *   a row that names another leader, none, or a new epoch ends the leadership at once: "resigned"
 *   a row that names this broker begins one: "leads", as soon as the follower's write under way has ended
 *
 * Must always hold: whoever waits for the leadership is answered at "resigned", before the follower is asked for its first action: what was
 * not committed may be cut off then, and other records take the same offsets. Rows older than the known one are ignored.
 * Source: Kafka's Partition.makeLeader and makeFollower; KAFKA-13266, KAFKA-18991, KAFKA-20634.
 */
import { type Offset, toOffset } from "../../storage/base/units.ts";
import { NO_LEADER, type VersionedRow } from "../cluster/partition_row.ts";
import { FollowerState } from "./follower_state.ts";
import type { FollowerRules } from "./follower_rules.ts";
import { type LeaderParts, LeaderState, type ProduceVerdict } from "./leader_state.ts";

/** What a row does to a replica. "resigned": requests and coordinators that wait for the leadership are answered now. */
export type RoleChange = "nothing" | "resigned" | "resigned-and-leads" | "leads";

/** What a replica needs around it. */
export interface ReplicaParts extends LeaderParts {
  readonly backoffMs: number;
  /** Enters a leader epoch that begins at the log end into the log's epochs, even before it has a record (KAFKA-7415). */
  noteEpoch(leaderEpoch: number): void;
  /** The topic's min.insync.replicas. */
  configuredMinIsr(): number;
  readonly followerRules?: FollowerRules;
}

/** One replica. */
export class ReplicaRole<Slice> {
  /** Idle while the replica leads. */
  readonly follower: FollowerState<Slice>;
  readonly #parts: ReplicaParts;
  #base: VersionedRow | null = null;
  #leader: LeaderState | null = null;

  /** @param highWatermark as checkpointed, at most the log end */
  constructor(parts: ReplicaParts, highWatermark: Offset) {
    const { log, backoffMs, followerRules } = parts;
    this.#parts = parts;
    this.follower = new FollowerState(
      followerRules ? { log, backoffMs, rules: followerRules } : { log, backoffMs },
      highWatermark,
    );
  }

  /** The leader's state; null while the replica does not lead. */
  get leader(): LeaderState | null {
    return this.#leader;
  }

  /** Records below it are committed, as far as this replica knows. */
  get highWatermark(): Offset {
    return this.#leader?.highWatermark ?? this.follower.highWatermark;
  }

  /** A row of the partition arrived. */
  rowChanged(base: VersionedRow, nowMs: number): RoleChange {
    const last = this.#base;
    if (last !== null && base.version <= last.version) return "nothing";
    this.#base = base;
    const leader = this.#leader;
    const isNewEpoch = last?.row.leaderEpoch !== base.row.leaderEpoch;
    if (leader !== null && !isNewEpoch) {
      leader.rowChanged(base, nowMs);
      return "nothing";
    }
    if (leader !== null && base.row.leader === this.#parts.self) {
      this.#parts.noteEpoch(base.row.leaderEpoch);
      leader.rowChanged(base, nowMs);
      return "resigned-and-leads";
    }
    if (leader !== null) this.follower.stopFollowing(leader.highWatermark);
    this.#leader = null;
    const begins = this.#begin(isNewEpoch, nowMs);
    if (leader !== null) return begins ? "resigned-and-leads" : "resigned";
    return begins ? "leads" : "nothing";
  }

  /** The follower's write has ended. @returns whether the replica leads from now on */
  written(nowMs: number): boolean {
    this.follower.written();
    return this.#leader === null && this.#base?.row.leader === this.#parts.self && this.#lead(this.#base, nowMs);
  }

  /** What becomes of records that wait for a leadership. */
  verdictOf(leaderEpoch: number, nextOffset: Offset): ProduceVerdict {
    return this.#leader?.verdictOf(leaderEpoch, nextOffset) ?? "not-leader-or-follower";
  }

  #begin(isNewEpoch: boolean, nowMs: number): boolean {
    const base = this.#base as VersionedRow;
    const { leader, leaderEpoch, replicas } = base.row;
    if (leader === this.#parts.self) {
      this.follower.stopFollowing();
      return this.#lead(base, nowMs);
    }
    if (leader === NO_LEADER || !replicas.includes(this.#parts.self)) this.follower.stopFollowing();
    else if (isNewEpoch || this.follower.phase === "idle") this.follower.follow({ leader, leaderEpoch });
    return false;
  }

  #lead(base: VersionedRow, nowMs: number): boolean {
    if (this.follower.isWriting && this.#waitsForWrite) return false;
    const { log } = this.#parts;
    this.#parts.noteEpoch(base.row.leaderEpoch);
    const highWatermark = toOffset(Math.min(this.follower.highWatermark, log.logEndOffset));
    const configuredMinIsr = this.#parts.configuredMinIsr();
    this.#leader = new LeaderState(this.#parts, base, { highWatermark, configuredMinIsr, nowMs });
    return true;
  }

  get #waitsForWrite(): boolean {
    return this.#parts.followerRules?.waitsForWrite() ?? true;
  }
}
