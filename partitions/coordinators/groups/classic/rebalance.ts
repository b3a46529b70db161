/**
 * The rebalance of a classic group: one function per phase, the only place that changes the group's state. Runs on shards.
 *
 *   prepare ──► (first one: wait `group.initial.rebalance.delay.ms`, again while members join) ──► completeJoin ──► Empty, or:
 *   each member gets the generation, the leader also the list of members ──► the leader's SyncGroup: sync_group.ts ──► Stable
 *
 * What must always hold: every waiting request is answered when its phase ends, whatever ends it. No request waits longer than the
 * longest rebalance timeout of the members, because each phase has a timer.
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

/** Shortest wait before a rebalance in which nobody joined is retried. The rebalance timeout alone could be 0, as clients choose it. */
const RETRY_MS_MIN = 100;

/** The wait of a group's first rebalance for more members. */
interface FirstDelay {
  readonly delayMs: number;
  /** The rest of the rebalance timeout after this wait, in ms. */
  readonly remainingMs: number;
  /** Whether a member joined since the wait began. */
  isExtended: boolean;
}

/** Moves a group from generation to generation. */
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

  /** The ports of the group. */
  get ports(): GroupPorts {
    return this.state.ports;
  }

  /** Makes a member whose session this group watches. The member is not in the group yet. */
  newMember(facts: ClassicMemberFacts): ClassicMember {
    return new ClassicMember(facts, this.ports.timers, (member) => this.#endSession(member));
  }

  /** Restarts a member's session. @param timeoutMs given if it is not the session timeout */
  keepAlive(member: ClassicMember, timeoutMs: number = member.sessionTimeoutMs): void {
    member.session.set(this.ports.nowMs() + timeoutMs);
  }

  /** Issues a member id, which is valid for one session timeout. */
  expect(memberId: string, sessionTimeoutMs: number): void {
    const { state, ports } = this;
    state.members.addPending(memberId, ports.timers, ports.nowMs() + sessionTimeoutMs, () => {
      this.dropPending(memberId);
      this.completeJoinIfAll();
    });
  }

  /** Revokes a member id that was not used. @returns whether there was one */
  dropPending(memberId: string): boolean {
    return this.state.members.removePending(memberId);
  }

  /** A member joined while the first rebalance waits, which may then wait longer. */
  extendFirstDelay(): void {
    if (this.#firstDelay !== null) this.#firstDelay.isExtended = true;
  }

  /** A member joined or changed its data: begins a rebalance, or ends its first phase if all members have joined. */
  rebalance(): void {
    if (this.state.name !== "PreparingRebalance") this.prepare();
    else if (!this.state.isFirstRebalance) this.completeJoinIfAll();
  }

  /** Members or pending member ids were removed: like `rebalance()`, but an Empty group does not change. */
  membersLeft(): void {
    if (this.state.name !== "Empty") this.rebalance();
  }

  /** Ends the first phase if all members have joined. */
  completeJoinIfAll(): void {
    if (this.state.name === "PreparingRebalance" && this.state.members.haveAllJoined) this.#completeJoin();
  }

  /** Asks all members to join again. */
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

  /** Answers all requests that wait for an assignment with an error. */
  refuseSyncs(code: number): void {
    this.#propagate(() => NO_BYTES, () => refuseSync(code));
  }

  /** Sends the members the leader's assignment, which is in the log. The group is then stable. */
  stabilize(assignmentOf: (memberId: string) => Uint8Array): void {
    const { protocolType, protocolName } = this.state;
    this.#propagate(
      assignmentOf,
      ({ assignment }) => ({ errorCode: errorCode.NONE, protocolType, protocolName, assignment }),
    );
    this.state.transitionTo("Stable");
  }

  /** Makes the answer to the JoinGroup of a member of the generation. The leader's lists all members. */
  joinedAnswer(member: ClassicMember): JoinGroupResponse {
    const { state } = this;
    const { leaderId, protocolName } = state;
    return {
      errorCode: errorCode.NONE,
      generationId: state.generation,
      protocolType: state.protocolType,
      protocolName: protocolName === "" ? null : protocolName, // as in Kafka, for a client that sent an empty name
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

  /** Stops, because the group is no longer coordinated here. @param code the error for all waiting requests */
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
      // Only static members that did not return are left. Their sessions end, or one of them joins.
      const timeoutMs = Math.max(state.members.rebalanceTimeoutMs, RETRY_MS_MIN);
      this.#joinTimer.set(this.ports.nowMs() + timeoutMs);
      return;
    }
    state.startGeneration();
    if (state.name === "Empty") this.#logEmpty();
    else this.#announceGeneration();
  }

  /** Keeps the leader if it joined again, else the first member that did becomes leader. @returns whether there is a leader */
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
   * Nothing is lost when the log refuses: it keeps the previous generation. Its members have left, and a restart would notice again that
   * they are missing.
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

  /** Removes members that joined and never sent SyncGroup. They do not block the others, but they hold partitions (KAFKA-9752). */
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

  /** Starts a new session for a member that is answered. A session that ended during the wait was ignored and would never end again. */
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
