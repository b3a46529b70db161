/**
 * A partition's leader among several replicas: follower progress, high watermark, changes of the in-sync set. Pure; the shard that owns the
 * partition. A replica that is alone needs none of it: ReplicaState.acknowledged() is the same rule with an ISR of one.
 *
 *   event               what changes                              what may follow
 *   appended()          log end                                   high watermark (ISR = {self})
 *   followerFetched()   a follower's progress                     answer; high watermark; a proposal that adds it
 *   rowChanged()        committed ISR, minimum                    high watermark; an older proposal is over
 *   proposalEnded()     the proposal                              high watermark; the next proposal
 *   ticked()            -                                         a proposal that removes those that lag
 *   configured()        setting of min.insync.replicas            a proposal
 *   cannotWrite()       -                                         a proposal that gives the partition to another in-sync replica
 *
 * Changes of the row are proposals: `takeProposal()` returns one until it has ended, and the caller executes it as a compare-and-set.
 *
 *   none --takeProposal()--> in flight --"committed"--> none
 *                            in flight --"unknown"----> in flight, proposed again as it is: at most one copy can succeed
 *                            in flight --"refused": the row is as it was, a broker is not--> none
 *                            in flight --"conflict": there is another row; or a committed row has another epoch--> settling
 *                            in flight, settling --a newer row--> none: the proposal was written before that row, or never will be
 *
 * Must always hold: the stored ISR is a subset of the maximal ISR, because only the leader adds members. The high watermark does not move
 * below the minimum ISR and never falls. min.insync.replicas counts by the committed ISR, the high watermark by the maximal one.
 * Source: Kafka's Partition (maybeExpandIsr, maybeShrinkIsr, maybeIncrementLeaderHW, PartitionState); KIP-497, KIP-966.
 */
import { assert } from "../../storage/base/assert.ts";
import { type Offset, toOffset } from "../../storage/base/units.ts";
import type { BrokerEntry, Comparison } from "../cluster/cluster_image.ts";
import { changeRow, type PartitionRow, replicationFactorOf, type VersionedRow } from "../cluster/partition_row.ts";
import { type FetchPosition, positionOf, type ReplicaLog } from "./epoch_divergence.ts";
import { FollowerProgress } from "./follower_progress.ts";
import { type LeaderRules, leaderRules, type LeaderView } from "./leader_rules.ts";

/** A change of the partition's row that this leader wants. */
export interface IsrProposal {
  readonly base: VersionedRow;
  readonly row: PartitionRow;
  /** Beside the row: this broker and those added are active, and added ones are the processes that fetched. */
  readonly comparisons: readonly Comparison[];
}

/** How a proposal ended; see above. A committed one has the version of its row. */
export type ProposalOutcome = "unknown" | "refused" | "conflict" | { readonly version: number };

/** One fetch of a follower. */
export interface FollowerFetch {
  readonly replica: number;
  readonly brokerEpoch: number;
  readonly leaderEpoch: number;
  readonly lastFetchedEpoch: number;
  readonly offset: Offset;
  readonly logStartOffset: Offset;
}

/** Why a fetch of a follower is refused. */
export type FetchRefusal = "fenced-leader-epoch" | "unknown-leader-epoch" | "not-leader-or-follower";

/** What becomes of a produce with acks=all. */
export type ProduceVerdict = "waits" | "committed" | "not-enough-replicas-after-append" | "not-leader-or-follower";

/** What a leader needs to know of a broker. */
export type MemberEntry = Pick<BrokerEntry, "state" | "stateVersion" | "brokerEpoch">;

/** What a leader needs around it. */
export interface LeaderParts {
  readonly self: number;
  readonly log: ReplicaLog;
  /** Brokers of the image; null for one that is not registered. */
  broker(id: number): MemberEntry | null;
  /** replica.lag.time.max.ms */
  readonly lagMaxMs: number;
  readonly rules?: LeaderRules;
}

/** One leadership, or several in a row of the same leader. */
export class LeaderState implements LeaderView {
  readonly #parts: LeaderParts;
  readonly #rules: LeaderRules;
  readonly #followers = new Map<number, FollowerProgress>();
  #base: VersionedRow;
  #highWatermark: Offset;
  #epochStart: Offset;
  #configuredMinIsr: number;
  #proposal: IsrProposal | null = null;
  #isSettling = false;
  /** Why another replica should lead, until this one can append again. */
  #obstacle: "refused" | "lost" | null = null;
  #maximalIsr: readonly number[];
  /** Log end after the last append. */
  #logEnd: Offset;

  /** @param base the row that names this broker @param highWatermark as this replica knew it @param configuredMinIsr the setting */
  constructor(
    parts: LeaderParts,
    base: VersionedRow,
    { highWatermark, configuredMinIsr, nowMs }: { highWatermark: Offset; configuredMinIsr: number; nowMs: number },
  ) {
    assert(base.row.leader === parts.self, "a leader is named by the row");
    this.#parts = parts;
    this.#rules = parts.rules ?? leaderRules;
    this.#base = base;
    this.#highWatermark = highWatermark;
    this.#epochStart = this.#logEnd = parts.log.logEndOffset;
    this.#configuredMinIsr = configuredMinIsr;
    this.#maximalIsr = base.row.isr;
    this.#addFollowers(nowMs);
    this.#moveHighWatermark(nowMs);
  }

  /** Records below it are committed. */
  get highWatermark(): Offset {
    return this.#highWatermark;
  }

  /** Log end at which this leader epoch began. Latest offsets are not answered while the high watermark is below it (KIP-207). */
  get epochStart(): Offset {
    return this.#epochStart;
  }

  /** The row as this leader knows it. */
  get base(): VersionedRow {
    return this.#base;
  }

  /** In-sync set of the row. */
  get committedIsr(): readonly number[] {
    return this.#base.row.isr;
  }

  /** Every replica that may be in the stored ISR. */
  get maximalIsr(): readonly number[] {
    return this.#maximalIsr;
  }

  /** min.insync.replicas of the row. */
  get minIsr(): number {
    return this.#base.row.minIsr;
  }

  /** The topic's setting. */
  get configuredMinIsr(): number {
    return this.#configuredMinIsr;
  }

  /** Whether a change of the row is under way. */
  get isChanging(): boolean {
    return this.#proposal !== null;
  }

  /** Whether a produce with acks=all may be appended; else NOT_ENOUGH_REPLICAS. */
  get hasEnoughReplicas(): boolean {
    return this.committedIsr.length >= this.minIsr;
  }

  /** Whether another replica should lead, because this one cannot write. */
  get givesUp(): boolean {
    return this.#obstacle !== null;
  }

  /** Lowest log start of the live replicas: DeleteRecords waits for it. */
  get lowWatermark(): Offset {
    let low: number = this.#parts.log.logStartOffset;
    for (const [broker, progress] of this.#followers) {
      if (this.#parts.broker(broker)?.state === "active") low = Math.min(low, progress.logStartOffset);
    }
    return toOffset(low);
  }

  /** Records that the follower lacks that is furthest behind. */
  get followerLag(): number {
    let lag = 0;
    for (const { logEndOffset } of this.#followers.values()) {
      lag = Math.max(lag, this.#logEnd - Math.max(logEndOffset, this.#parts.log.logStartOffset));
    }
    return lag;
  }

  /** The log has grown. @returns whether the high watermark moved */
  appended(nowMs: number): boolean {
    if (this.#obstacle === "refused") this.#obstacle = null;
    const lastEnd = this.#logEnd;
    this.#logEnd = this.#parts.log.logEndOffset;
    for (const progress of this.#followers.values()) progress.leaderAppended(lastEnd, nowMs);
    return this.#maximalIsr.length === 1 && this.#moveHighWatermark(nowMs);
  }

  /** A follower fetches. Its progress counts only if it reads on where its log ends (KAFKA-13141). */
  followerFetched(fetch: FollowerFetch, nowMs: number): FetchRefusal | FetchPosition {
    const epoch = this.#base.row.leaderEpoch;
    if (fetch.leaderEpoch !== epoch) {
      return fetch.leaderEpoch < epoch ? "fenced-leader-epoch" : "unknown-leader-epoch";
    }
    const progress = this.#followers.get(fetch.replica);
    if (progress === undefined) return "unknown-leader-epoch"; // It may know a newer row, and tries again.
    const known = Math.max(progress.brokerEpoch, this.#parts.broker(fetch.replica)?.brokerEpoch ?? -1);
    const brokerEpoch = this.#rules.lifeOf(fetch.brokerEpoch, known);
    if (brokerEpoch === null) return "not-leader-or-follower";
    const { log } = this.#parts;
    const position = positionOf(log, fetch.lastFetchedEpoch, fetch.offset);
    if (position !== "continues") return position;
    progress.brokerEpoch = brokerEpoch;
    progress.logStartOffset = fetch.logStartOffset;
    if (progress.fetched(fetch.offset, log.logEndOffset, nowMs)) this.#moveHighWatermark(nowMs);
    return position;
  }

  /** A newer row names this leader: the same leadership, or the next one of the same broker. @returns whether the high watermark moved */
  rowChanged(base: VersionedRow, nowMs: number): boolean {
    if (base.version <= this.#base.version) return false;
    const { leaderEpoch: lastEpoch, isr: lastIsr } = this.#base.row;
    this.#base = base;
    this.#endProposal();
    for (const broker of lastIsr) if (!base.row.isr.includes(broker)) this.#followers.get(broker)?.leftIsr();
    if (base.row.leaderEpoch !== lastEpoch) {
      this.#epochStart = this.#parts.log.logEndOffset;
      if (!this.#rules.keepsProgress(lastEpoch, base.row.leaderEpoch)) this.#followers.clear();
      for (const [broker, progress] of this.#followers) progress.beginEpoch(base.row.isr.includes(broker), nowMs);
    }
    this.#addFollowers(nowMs);
    return this.#moveHighWatermark(nowMs);
  }

  /** The topic's min.insync.replicas is another one. It counts once the row has it, so that whoever elects knows it, too. */
  configured(configuredMinIsr: number): void {
    this.#configuredMinIsr = configuredMinIsr;
  }

  /**
   * The disk of this replica takes no records: another one that is in sync should lead. (In Kafka its log directory goes offline.)
   * @param isLost whether what was written may be lost, too: then this one is not eligible any more
   */
  cannotWrite(isLost: boolean): void {
    this.#obstacle = isLost ? "lost" : this.#obstacle ?? "refused";
  }

  /**
   * The change of the row that is to be executed: the one under way again, or the next one.
   * @param isTick whether lagging members are looked for, twice in each replica.lag.time.max.ms
   */
  takeProposal(nowMs: number, isTick = false): IsrProposal | null {
    if (this.#isSettling) return null;
    this.#proposal ??= this.#nextProposal(nowMs, isTick);
    const proposed = this.#proposal;
    if (proposed !== null) this.#maximalIsr = union(this.committedIsr, proposed.row.isr);
    return proposed;
  }

  /** The proposal ended; see the states above. @returns whether the high watermark moved */
  proposalEnded(proposal: IsrProposal, outcome: ProposalOutcome, nowMs: number): boolean {
    if (this.#proposal !== proposal || outcome === "unknown") return false;
    // A row with another epoch ends this leadership when it arrives.
    const isNewEpoch = typeof outcome === "object" && proposal.row.leaderEpoch !== this.#base.row.leaderEpoch;
    if (isNewEpoch || (outcome === "conflict" && !this.#rules.isOverOnConflict())) {
      this.#isSettling = true;
      return false;
    }
    if (typeof outcome === "object") return this.rowChanged({ row: proposal.row, version: outcome.version }, nowMs);
    this.#endProposal();
    return this.#moveHighWatermark(nowMs);
  }

  /** What becomes of records with acks=all. @param leaderEpoch in which they were appended @param nextOffset after the last of them */
  verdictOf(leaderEpoch: number, nextOffset: Offset): ProduceVerdict {
    if (!this.#rules.isSameLeadership(leaderEpoch, this.#base.row.leaderEpoch)) return "not-leader-or-follower";
    if (this.#highWatermark < nextOffset) return "waits";
    return this.#maximalIsr.length >= this.minIsr ? "committed" : "not-enough-replicas-after-append";
  }

  #nextProposal(nowMs: number, isTick: boolean): IsrProposal | null {
    const { row } = this.#base;
    const { self } = this.#parts;
    const own = this.#parts.broker(self);
    if (own === null || own.state !== "active") return null;
    const isActive = (broker: number) => this.#parts.broker(broker)?.state === "active";
    if (this.givesUp && row.isr.some((broker) => broker !== self && isActive(broker))) {
      const tailLost = this.#obstacle === "lost" ? [self] : [];
      const isr = row.isr.filter((broker) => broker !== self);
      return this.#proposalOf(changeRow(row, { isr, tailLost, election: "online" }, { isActive }), [], own);
    }
    const isWhole = row.isr.length === row.replicas.length;
    const added = isWhole ? [] : row.replicas.filter((broker) => !row.isr.includes(broker) && this.#mayAdd(broker));
    const minIsr = Math.min(this.#configuredMinIsr, replicationFactorOf(row));
    if (!isTick && added.length === 0 && minIsr === row.minIsr && !row.recovering) return null;
    // The others may have records that a leader has lost: it must not become the only one that is in sync.
    const looksForLag = isTick && this.#obstacle !== "lost";
    const lags = (broker: number) => looksForLag && broker !== self && !this.#isCaughtUp(broker, nowMs);
    const isr = row.isr.filter((broker) => !lags(broker)).concat(added);
    return this.#proposalOf(
      changeRow(row, { isr, minIsr, recovered: true, election: "none" }, { isActive }),
      added,
      own,
    );
  }

  /** @param added members that enter the ISR @param own entry of this broker */
  #proposalOf(next: PartitionRow | null, added: readonly number[], own: MemberEntry): IsrProposal | null {
    if (next === null) return null;
    const { self } = this.#parts;
    const comparisons: Comparison[] = [{ kind: "state", broker: self, version: own.stateVersion }];
    for (const broker of added) {
      const { stateVersion } = this.#parts.broker(broker) as MemberEntry;
      const { brokerEpoch } = this.#followers.get(broker) as FollowerProgress;
      comparisons.push({ kind: "state", broker, version: stateVersion });
      comparisons.push({ kind: "registration", broker, version: brokerEpoch });
    }
    const chosen = next.leader === self ? null : this.#parts.broker(next.leader);
    if (chosen !== null) comparisons.push({ kind: "state", broker: next.leader, version: chosen.stateVersion });
    return { base: this.#base, row: next, comparisons };
  }

  /** Whether a follower may enter the ISR. */
  #mayAdd(broker: number): boolean {
    const progress = this.#followers.get(broker);
    if (progress === undefined || !progress.hasFetched) return false;
    return this.#isEligible(broker, progress) && this.#rules.hasCommitted(progress, this);
  }

  #isEligible(broker: number, progress: FollowerProgress): boolean {
    const entry = this.#parts.broker(broker);
    return entry !== null && entry.state === "active" && entry.brokerEpoch === progress.brokerEpoch;
  }

  #isCaughtUp(broker: number, nowMs: number): boolean {
    const { log, lagMaxMs } = this.#parts;
    return this.#followers.get(broker)?.isCaughtUp(log.logEndOffset, nowMs, lagMaxMs) === true;
  }

  /**
   * The high watermark: lowest log end of the maximal ISR, and of followers that are about to enter it, so that one which has just caught up
   * is not left behind again.
   */
  #moveHighWatermark(nowMs: number): boolean {
    if (!this.#rules.mayCommit(this)) return false;
    let end: number = this.#parts.log.logEndOffset;
    const holding = this.#rules.holdingBack(this);
    for (const [broker, progress] of this.#followers) {
      if (progress.logEndOffset >= end) continue;
      const isNext = progress.hasFetched && this.#isEligible(broker, progress) && this.#isCaughtUp(broker, nowMs);
      if (isNext || holding.includes(broker)) end = progress.logEndOffset;
    }
    if (end <= this.#highWatermark) return false;
    this.#highWatermark = toOffset(end);
    return true;
  }

  #endProposal(): void {
    this.#proposal = null;
    this.#isSettling = false;
    this.#maximalIsr = this.committedIsr;
  }

  #addFollowers(nowMs: number): void {
    const { replicas, isr } = this.#base.row;
    for (const broker of this.#followers.keys()) if (!replicas.includes(broker)) this.#followers.delete(broker);
    for (const broker of replicas) {
      if (broker === this.#parts.self || this.#followers.has(broker)) continue;
      this.#followers.set(broker, new FollowerProgress(isr.includes(broker) ? nowMs : -Infinity));
    }
  }
}

function union(a: readonly number[], b: readonly number[]): readonly number[] {
  const added = b.filter((broker) => !a.includes(broker));
  return added.length === 0 ? a : [...a, ...added];
}
