/**
 * The rebalance of a classic group: one function per phase, the only place that changes the group's state. Runs on shards.
 *
 *   prepare ──► (first one: wait `group.initial.rebalance.delay.ms`, again while members join) ──► completeJoin ──► Empty, or:
 *   everybody is told the generation, the leader all members ──► the leader's SyncGroup: sync_group.ts ──► Stable
 *
 * What must always hold: every request that waits is answered when its phase ends, whatever ends it; nobody waits longer than
 * the longest rebalance timeout of the members, because each phase has a timer.
 *
 * Source: Kafka's GroupMetadataManager (prepareRebalance, tryCompleteInitialRebalanceElseSchedule, completeClassicGroupJoin,
 * expirePendingSync, expireClassicGroupMemberHeartbeat).
 */
import { errorCode } from "../../../../net/protocol/error_codes.ts";
import type { JoinGroupResponse } from "../../../../net/protocol/messages/11_join_group.ts";
import type { SyncGroupResponse } from "../../../../net/protocol/messages/14_sync_group.ts";
import { LazyTimer } from "../../runtime/lazy_timer.ts";
import type { GroupPorts } from "../group_ports.ts";
import { refuseSync } from "./answers.ts";
import { ClassicMember, type ClassicMemberFacts, NO_BYTES } from "./classic_member.ts";
import type { ClassicState } from "./classic_state.ts";

/** Shortest wait before a rebalance without anybody is tried again: a client chooses its rebalance timeout, 0 if it likes. */
const RETRY_MS_MIN = 100;

/** How long the first rebalance of a group waits for more members. */
interface FirstDelay {
  readonly delayMs: number;
  /** What is left of the rebalance timeout after it. */
  readonly remainingMs: number;
  /** Whether somebody joined since it began. */
  isExtended: boolean;
}

/** Leads a group from generation to generation. */
export class Rebalance {
  readonly state: ClassicState;
  readonly #joinTimer: LazyTimer;
  readonly #syncTimer: LazyTimer;
  #firstDelay: FirstDelay | null = null;

  constructor(state: ClassicState) {
    this.state = state;
    const { timers } = state.ports;
    this.#joinTimer = new LazyTimer(timers, () => this.#endJoinPhase());
    this.#syncTimer = new LazyTimer(timers, () => this.#endSyncPhase());
  }

  /** What the group was given. */
  get ports(): GroupPorts {
    return this.state.ports;
  }

  /** Makes a member whose session this group watches; it is not in the group yet. */
  newMember(facts: ClassicMemberFacts): ClassicMember {
    return new ClassicMember(facts, this.ports.timers, (member) => this.#endSession(member));
  }

  /** Begins a member's session anew. @param timeoutMs other than its session timeout */
  keepAlive(member: ClassicMember, timeoutMs: number = member.sessionTimeoutMs): void {
    member.session.set(this.ports.nowMs() + timeoutMs);
  }

  /** Gives out a member id: it is good for one session timeout. */
  expect(memberId: string, sessionTimeoutMs: number): void {
    const { state, ports } = this;
    state.members.addPending(memberId, ports.timers, ports.nowMs() + sessionTimeoutMs, () => {
      this.dropPending(memberId);
      this.completeJoinIfAll();
    });
  }

  /** Takes back a member id that was not used. @returns whether there was one */
  dropPending(memberId: string): boolean {
    return this.state.members.removePending(memberId);
  }

  /** Somebody joined while the first rebalance waits: it may wait longer. */
  extendFirstDelay(): void {
    if (this.#firstDelay !== null) this.#firstDelay.isExtended = true;
  }

  /** A member joined, or says something new: begins a rebalance, or ends its first phase if everybody has joined. */
  rebalance(): void {
    if (this.state.name !== "PreparingRebalance") this.prepare();
    else if (!this.state.isFirstRebalance) this.completeJoinIfAll();
  }

  /** Members, or ids that were expected to join, are gone: as `rebalance()`, but an Empty group stays as it is. */
  membersLeft(): void {
    if (this.state.name !== "Empty") this.rebalance();
  }

  /** Ends the first phase if everybody has joined. */
  completeJoinIfAll(): void {
    if (this.state.name === "PreparingRebalance" && this.state.members.haveAllJoined) this.#completeJoin();
  }

  /** Asks everybody to join again. */
  prepare(): void {
    const { state } = this;
    if (state.name === "CompletingRebalance") this.refuseSyncs(errorCode.REBALANCE_IN_PROGRESS);
    state.members.forgiveSyncs();
    this.#syncTimer.cancel();
    const isFirst = state.name === "Empty";
    state.transitionTo("PreparingRebalance");
    if (isFirst) {
      const delayMs = this.ports.settings.initialRebalanceDelayMs;
      this.#delayFirst(delayMs, Math.max(state.members.rebalanceTimeoutMs - delayMs, 0));
    } else if (state.members.haveAllJoined) this.#completeJoin();
    else this.#joinTimer.set(this.ports.nowMs() + state.members.rebalanceTimeoutMs);
  }

  /** A member sent its SyncGroup. */
  takeSync(member: ClassicMember): void {
    const { members } = this.state;
    members.setOwesSync(member, false);
    if (members.owingSyncCount === 0) this.#syncTimer.cancel();
  }

  /** Everybody who waits for an assignment is told that there is none. */
  refuseSyncs(code: number): void {
    this.#propagate(() => NO_BYTES, () => refuseSync(code));
  }

  /** Gives the members what the leader assigned, which is in the log: the group is stable. */
  stabilize(assignmentOf: (memberId: string) => Uint8Array): void {
    const { protocolType, protocolName } = this.state;
    this.#propagate(
      assignmentOf,
      ({ assignment }) => ({ errorCode: errorCode.NONE, protocolType, protocolName, assignment }),
    );
    this.state.transitionTo("Stable");
  }

  /** The answer to JoinGroup that a member of the generation gets; the leader is told all members. */
  joinedAnswer(member: ClassicMember): JoinGroupResponse {
    const { state } = this;
    const { leaderId, protocolName } = state;
    return {
      errorCode: errorCode.NONE,
      generationId: state.generation,
      protocolType: state.protocolType,
      protocolName: protocolName === "" ? null : protocolName, // as Kafka, for a client that named it so
      leader: leaderId ?? "",
      skipAssignment: false,
      memberId: member.memberId,
      members: member.memberId !== leaderId || protocolName === null ? [] : Array.from(state.members.all(), (one) => ({
        memberId: one.memberId,
        groupInstanceId: one.groupInstanceId,
        metadata: one.metadataFor(protocolName),
      })),
    };
  }

  /** Stops: the group is not coordinated here any more. @param code what everybody who waits is told */
  stop(code: number): void {
    this.#joinTimer.cancel();
    this.#syncTimer.cancel();
    this.#firstDelay = null;
    this.state.members.clear(code);
    this.state.transitionTo("Dead");
  }

  #delayFirst(delayMs: number, remainingMs: number): void {
    this.#firstDelay = { delayMs, remainingMs, isExtended: false };
    this.#joinTimer.set(this.ports.nowMs() + delayMs);
  }

  #endJoinPhase(): void {
    const first = this.#firstDelay;
    if (first === null || !first.isExtended || first.remainingMs === 0) return this.#completeJoin();
    const { initialRebalanceDelayMs } = this.ports.settings;
    const { delayMs, remainingMs } = first;
    this.#delayFirst(Math.min(initialRebalanceDelayMs, remainingMs), Math.max(remainingMs - delayMs, 0));
  }

  #completeJoin(): void {
    const { state } = this;
    this.#joinTimer.cancel();
    this.#firstDelay = null;
    for (const member of state.members.all()) {
      if (member.joinReply === null && member.groupInstanceId === null) state.remove(member);
    }
    if (state.members.count > 0 && !this.#electJoinedLeader()) {
      // Static members that did not come back: their sessions end, or one of them joins.
      const timeoutMs = Math.max(state.members.rebalanceTimeoutMs, RETRY_MS_MIN);
      this.#joinTimer.set(this.ports.nowMs() + timeoutMs);
      return;
    }
    state.startGeneration();
    if (state.name === "Empty") this.#logEmpty();
    else this.#announceGeneration();
  }

  /** The leader stays if it joined again, else the first who did leads. @returns whether there is one */
  #electJoinedLeader(): boolean {
    const { state } = this;
    const leader = state.leaderId === null ? undefined : state.members.get(state.leaderId);
    if (leader !== undefined && leader.joinReply !== null) return true;
    for (const member of state.members.all()) {
      if (member.joinReply === null) continue;
      state.leaderId = member.memberId;
      return true;
    }
    return false;
  }

  /**
   * Nothing is lost when the log refuses: it keeps the generation before, whose members are gone and would be found missing again
   * after a restart.
   */
  #logEmpty(): void {
    if (this.ports.log.append([this.state.toRecord([])]) === errorCode.NONE) this.state.isLogged = true;
  }

  #announceGeneration(): void {
    const { members } = this.state;
    for (const member of members.all()) {
      members.setOwesSync(member, true);
      member.isNew = false;
      this.keepAlive(member);
    }
    this.#syncTimer.set(this.ports.nowMs() + members.rebalanceTimeoutMs);
    for (const member of members.all()) {
      if (member.joinReply !== null) members.answerJoin(member, this.joinedAnswer(member));
    }
  }

  /** Members that joined and never sent SyncGroup keep the others from nothing, but hold partitions: they go (KAFKA-9752). */
  #endSyncPhase(): void {
    const { state } = this;
    if (state.members.owingSyncCount === 0) return;
    for (const member of state.members.all()) {
      if (member.owesSync) state.remove(member);
    }
    this.prepare();
  }

  #endSession(member: ClassicMember): void {
    if (member.isExcused) return;
    this.state.remove(member);
    this.rebalance();
  }

  /** Whoever is answered gets a new session: one that ended while it waited was not counted, and would never end again. */
  #propagate(
    assignmentOf: (memberId: string) => Uint8Array,
    answer: (member: ClassicMember) => SyncGroupResponse,
  ): void {
    const { members } = this.state;
    for (const member of members.all()) {
      members.assign(member, assignmentOf(member.memberId));
      if (member.syncReply === null) continue;
      this.keepAlive(member);
      members.answerSync(member, answer(member));
    }
  }
}
