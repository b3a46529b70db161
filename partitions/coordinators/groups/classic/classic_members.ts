/**
 * The members of a classic group by id, with counts that make "have all members joined?" a comparison of two numbers: joining 1,000
 * members costs 1,000 steps, not a million. Runs on shards.
 *
 * What must always hold: the counts match the current data of each member; an instance id belongs to one member; no request waits
 * after its member was removed.
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
 * The most member ids that were issued and not used yet (MEMBER_ID_REQUIRED). A new id then replaces the oldest, whose client has to
 * begin again. Only clients that never return reach this limit: a group of 1,000 members has at most 1,000.
 */
export const PENDING_MEMBERS_MAX = 10_000;

/** Whom an answer to a removed member is for. */
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

  /** How many members wait for the answer to JoinGroup. */
  get joiningCount(): number {
    return this.#joiningCount;
  }

  /** How many members know their generation and have not sent SyncGroup. */
  get owingSyncCount(): number {
    return this.#owingSyncCount;
  }

  /** How many member ids were issued and not used yet. */
  get pendingCount(): number {
    return this.#pending.size;
  }

  /** Approximate memory of the data that clients sent, in bytes. */
  get byteLength(): number {
    return this.#byteLength;
  }

  /** Whether all expected members wait for the answer to JoinGroup. */
  get haveAllJoined(): boolean {
    return this.#joiningCount === this.#byId.size && this.#pending.size === 0;
  }

  /** Longest rebalance timeout of the members in ms, 0 without members. Walks over all members, once per rebalance. */
  get rebalanceTimeoutMs(): number {
    let longest = 0;
    for (const { rebalanceTimeoutMs } of this.#byId.values()) longest = Math.max(longest, rebalanceTimeoutMs);
    return longest;
  }

  /** All members. The visited member may be removed during the iteration. */
  all(): Iterable<ClassicMember> {
    return this.#byId.values();
  }

  /** Finds the member with this id. */
  get(memberId: string): ClassicMember | undefined {
    return this.#byId.get(memberId);
  }

  /** Finds the member with this instance id. */
  ofInstance(groupInstanceId: string): ClassicMember | undefined {
    return this.#byInstanceId.get(groupInstanceId);
  }

  /** Whether all members support one of these protocols. */
  shareOneOf(protocols: readonly MemberProtocol[]): boolean {
    return this.#support.includesCommon(protocols, this.#byId.size);
  }

  /** Adds a new member. Its id is no longer pending. */
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

  /** Removes a member and answers its waiting requests. @param code the error they get */
  remove(member: ClassicMember, code: number = errorCode.UNKNOWN_MEMBER_ID): void {
    this.#forget(member);
    this.answerJoin(member, refuseJoin(code === errorCode.UNKNOWN_MEMBER_ID ? NO_MEMBER_ID : member.memberId, code));
    this.answerSync(member, refuseSync(code));
  }

  /** Replaces the old process of a static member by the new one. The old process is fenced. */
  replace(old: ClassicMember, member: ClassicMember): void {
    assert(old.groupInstanceId === member.groupInstanceId, "a static member keeps its instance id");
    this.remove(old, errorCode.FENCED_INSTANCE_ID);
    this.add(member);
  }

  /** Updates a member with its new JoinGroup. */
  update(
    member: ClassicMember,
    given: Pick<ClassicMember, "protocols" | "rebalanceTimeoutMs" | "sessionTimeoutMs">,
  ): void {
    this.#countOut(member);
    member.protocols = given.protocols;
    member.rebalanceTimeoutMs = given.rebalanceTimeoutMs;
    member.sessionTimeoutMs = given.sessionTimeoutMs;
    this.#countIn(member);
  }

  /** Sets a member's part of the assignment. */
  assign(member: ClassicMember, assignment: Uint8Array): void {
    this.#memory.change(assignment.length - member.assignment.length);
    member.assignment = assignment;
  }

  /** Makes a JoinGroup wait. An earlier one that still waits is answered to join again, because its client sent a newer one. */
  parkJoin(member: ClassicMember, reply: Reply<JoinGroupResponse>): void {
    this.answerJoin(member, refuseJoin(member.memberId, errorCode.REBALANCE_IN_PROGRESS));
    member.joinReply = reply;
    this.#joiningCount++;
  }

  /** Answers a member's waiting JoinGroup. @returns false when none waits */
  answerJoin(member: ClassicMember, response: JoinGroupResponse): boolean {
    const reply = member.joinReply;
    if (reply === null) return false;
    member.joinReply = null;
    this.#joiningCount--;
    reply(response);
    return true;
  }

  /** Makes a SyncGroup wait. An earlier one that still waits is answered to join again. */
  parkSync(member: ClassicMember, reply: Reply<SyncGroupResponse>): void {
    this.answerSync(member, refuseSync(errorCode.REBALANCE_IN_PROGRESS));
    member.syncReply = reply;
  }

  /** Answers a member's waiting SyncGroup. @returns false when none waits */
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

  /** Stops expecting SyncGroup of any member. */
  forgiveSyncs(): void {
    if (this.#owingSyncCount === 0) return;
    for (const member of this.#byId.values()) this.setOwesSync(member, false);
  }

  /** Whether a member id was issued and not used yet. */
  isPending(memberId: string): boolean {
    return this.#pending.has(memberId);
  }

  /** Expects a client to join with the id that was issued to it. @param onEnd called when `untilMs` has passed and it has not joined */
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

  /** Stops expecting a client with this id. @returns whether it was pending */
  removePending(memberId: string): boolean {
    const timer = this.#pending.get(memberId);
    if (timer === undefined) return false;
    timer.cancel();
    this.#memory.change(-bytesOfPending(memberId));
    return this.#pending.delete(memberId);
  }

  /** Removes all members. @param code the error for waiting requests */
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
