/**
 * The members of a classic group by their ids, with the counts that make "has everybody joined?" a comparison of two numbers: 1,000
 * members that join cost 1,000 steps, not a million. Runs on shards.
 *
 * What must always hold: a member is counted with what it has now; an instance id belongs to one member; nobody's request waits
 * after the member is gone.
 *
 * Source: Kafka's ClassicGroup (members, staticMembers, pendingJoinMembers, pendingSyncMembers).
 */
import { assert } from "../../../../storage/base/assert.ts";
import { errorCode } from "../../../../net/protocol/error_codes.ts";
import type { JoinGroupResponse } from "../../../../net/protocol/messages/11_join_group.ts";
import type { SyncGroupResponse } from "../../../../net/protocol/messages/14_sync_group.ts";
import type { Deadlines } from "../../../requests/deadlines.ts";
import { bytesOfText, type GroupMemory, MEMBER_BYTES, PENDING_BYTES } from "../group_memory.ts";
import { LazyTimer } from "../../runtime/lazy_timer.ts";
import type { Reply } from "../../runtime/coordinator.ts";
import type { Timer } from "../../runtime/lazy_timer.ts";
import { refuseJoin, refuseSync } from "./answers.ts";
import type { ClassicMember } from "./classic_member.ts";
import { type MemberProtocol, ProtocolSupport } from "./protocol_votes.ts";

/**
 * Most member ids that were given out and not used yet (MEMBER_ID_REQUIRED); the oldest gives way to a new one, whose client begins
 * again. Only clients that never come back get here: a group of 1,000 members has at most 1,000.
 */
export const PENDING_MEMBERS_MAX = 10_000;

/** Who an answer to a member that is removed is for. */
const NO_MEMBER_ID = "";

/** The members, in the order in which they joined. */
export class ClassicMembers {
  readonly #memory: GroupMemory;
  readonly #byId = new Map<string, ClassicMember>();
  readonly #byInstanceId = new Map<string, ClassicMember>();
  readonly #pending = new Map<string, LazyTimer>();
  readonly #support = new ProtocolSupport();
  #joiningCount = 0;
  #owingSyncCount = 0;
  #byteLength = 0;

  /** @param memory the budget that members are taken from */
  constructor(memory: GroupMemory) {
    this.#memory = memory;
  }

  /** How many there are. */
  get count(): number {
    return this.#byId.size;
  }

  /** How many wait for the answer to JoinGroup. */
  get joiningCount(): number {
    return this.#joiningCount;
  }

  /** How many have been told their generation and have not sent SyncGroup. */
  get owingSyncCount(): number {
    return this.#owingSyncCount;
  }

  /** How many member ids were given out and not used yet. */
  get pendingCount(): number {
    return this.#pending.size;
  }

  /** Memory of what clients sent, about. */
  get byteLength(): number {
    return this.#byteLength;
  }

  /** Whether everybody who is expected waits for the answer to JoinGroup. */
  get haveAllJoined(): boolean {
    return this.#joiningCount === this.#byId.size && this.#pending.size === 0;
  }

  /** Longest of their rebalance timeouts, 0 without members. Walks over all: once per rebalance. */
  get rebalanceTimeoutMs(): number {
    let longest = 0;
    for (const { rebalanceTimeoutMs } of this.#byId.values()) longest = Math.max(longest, rebalanceTimeoutMs);
    return longest;
  }

  /** All. Removing the one that is being visited is fine. */
  all(): Iterable<ClassicMember> {
    return this.#byId.values();
  }

  /** The one with this id. */
  get(memberId: string): ClassicMember | undefined {
    return this.#byId.get(memberId);
  }

  /** The one with this instance id. */
  ofInstance(groupInstanceId: string): ClassicMember | undefined {
    return this.#byInstanceId.get(groupInstanceId);
  }

  /** Whether one of these protocols is supported by all members. */
  shareOneOf(protocols: readonly MemberProtocol[]): boolean {
    return this.#support.includesCommon(protocols, this.#byId.size);
  }

  /** Adds one that is new; its id is not pending any more. */
  add(member: ClassicMember): void {
    assert(!this.#byId.has(member.memberId), "a member is added once");
    const { groupInstanceId } = member;
    if (groupInstanceId !== null) {
      assert(!this.#byInstanceId.has(groupInstanceId), "an instance id belongs to one member");
      this.#byInstanceId.set(groupInstanceId, member);
    }
    this.removePending(member.memberId);
    this.#byId.set(member.memberId, member);
    this.#countIn(member);
  }

  /** Takes a member out and answers what waits. @param code what its waiting requests are told */
  remove(member: ClassicMember, code: number = errorCode.UNKNOWN_MEMBER_ID): void {
    this.#forget(member);
    this.answerJoin(member, refuseJoin(code === errorCode.UNKNOWN_MEMBER_ID ? NO_MEMBER_ID : member.memberId, code));
    this.answerSync(member, refuseSync(code));
  }

  /** Puts the new process of a static member in the place of the old one, which is fenced. */
  replace(old: ClassicMember, member: ClassicMember): void {
    assert(old.groupInstanceId === member.groupInstanceId, "a static member keeps its instance id");
    this.remove(old, errorCode.FENCED_INSTANCE_ID);
    this.add(member);
  }

  /** Takes in what a member says when it joins again. */
  update(
    member: ClassicMember,
    told: Pick<ClassicMember, "protocols" | "rebalanceTimeoutMs" | "sessionTimeoutMs">,
  ): void {
    this.#countOut(member);
    member.protocols = told.protocols;
    member.rebalanceTimeoutMs = told.rebalanceTimeoutMs;
    member.sessionTimeoutMs = told.sessionTimeoutMs;
    this.#countIn(member);
  }

  /** Gives a member its part of an assignment. */
  assign(member: ClassicMember, assignment: Uint8Array): void {
    this.#memory.change(assignment.length - member.assignment.length);
    member.assignment = assignment;
  }

  /** Lets a JoinGroup wait. An earlier one that still waits is told to join again: its client sent a newer one. */
  parkJoin(member: ClassicMember, reply: Reply<JoinGroupResponse>): void {
    this.answerJoin(member, refuseJoin(member.memberId, errorCode.REBALANCE_IN_PROGRESS));
    member.joinReply = reply;
    this.#joiningCount++;
  }

  /** Answers the JoinGroup that waits. @returns false when none does */
  answerJoin(member: ClassicMember, response: JoinGroupResponse): boolean {
    const reply = member.joinReply;
    if (reply === null) return false;
    member.joinReply = null;
    this.#joiningCount--;
    reply(response);
    return true;
  }

  /** Lets a SyncGroup wait. An earlier one that still waits is told to join again. */
  parkSync(member: ClassicMember, reply: Reply<SyncGroupResponse>): void {
    this.answerSync(member, refuseSync(errorCode.REBALANCE_IN_PROGRESS));
    member.syncReply = reply;
  }

  /** Answers the SyncGroup that waits. @returns false when none does */
  answerSync(member: ClassicMember, response: SyncGroupResponse): boolean {
    const reply = member.syncReply;
    if (reply === null) return false;
    member.syncReply = null;
    reply(response);
    return true;
  }

  /** Notes that a member has to send SyncGroup, or that it did. */
  setOwesSync(member: ClassicMember, owes: boolean): void {
    if (member.owesSync === owes) return;
    member.owesSync = owes;
    this.#owingSyncCount += owes ? 1 : -1;
  }

  /** Expects SyncGroup of nobody. */
  forgiveSyncs(): void {
    if (this.#owingSyncCount === 0) return;
    for (const member of this.#byId.values()) this.setOwesSync(member, false);
  }

  /** Whether a member id was given out and not used yet. */
  isPending(memberId: string): boolean {
    return this.#pending.has(memberId);
  }

  /** Expects a member under an id that was given to it. @param onEnd called when `untilMs` has passed without it */
  addPending(memberId: string, timers: Deadlines<Timer>, untilMs: number, onEnd: () => void): void {
    if (this.#pending.size >= PENDING_MEMBERS_MAX) {
      const [oldest] = this.#pending.keys();
      this.removePending(oldest!);
    }
    const timer = new LazyTimer(timers, onEnd);
    this.#pending.set(memberId, timer);
    this.#memory.change(bytesOfPending(memberId));
    timer.set(untilMs);
  }

  /** Expects it no more. @returns whether it was pending */
  removePending(memberId: string): boolean {
    const timer = this.#pending.get(memberId);
    if (timer === undefined) return false;
    timer.cancel();
    this.#memory.change(-bytesOfPending(memberId));
    return this.#pending.delete(memberId);
  }

  /** Takes everybody out. @param code what waiting requests are told */
  clear(code: number): void {
    for (const memberId of this.#pending.keys()) this.removePending(memberId);
    for (const member of this.#byId.values()) this.remove(member, code);
    assert(this.#joiningCount === 0 && this.#owingSyncCount === 0, "nobody waits in an empty group");
  }

  #forget(member: ClassicMember): void {
    const { groupInstanceId } = member;
    assert(this.#byId.delete(member.memberId), "only a member is removed");
    if (groupInstanceId !== null) this.#byInstanceId.delete(groupInstanceId);
    this.#countOut(member);
    this.setOwesSync(member, false);
    member.session.cancel();
  }

  #countIn(member: ClassicMember): void {
    this.#support.add(member);
    this.#byteLength += member.byteLength;
    member.protocols = this.#memory.hold(member.protocols);
    this.#memory.change(bytesOfMember(member));
  }

  #countOut(member: ClassicMember): void {
    this.#support.remove(member);
    this.#byteLength -= member.byteLength;
    this.#memory.release(member.protocols);
    this.#memory.change(-bytesOfMember(member));
  }
}

function bytesOfPending(memberId: string): number {
  return PENDING_BYTES + bytesOfText(memberId);
}

function bytesOfMember({ memberId, groupInstanceId, clientId, clientHost, assignment }: ClassicMember): number {
  const texts = [memberId, groupInstanceId, clientId, clientHost];
  return texts.reduce((sum, text) => sum + bytesOfText(text), MEMBER_BYTES + assignment.length);
}
