/**
 * The state of a classic group: where it stands in a rebalance, its generation, its members, and the record that says it in the log.
 * Runs on shards. It decides nothing: rebalance.ts does.
 *
 *                   ┌───────────────────────────────────────────────┐
 *                   ▼                                               │ nobody is left
 *                 Empty ──somebody joins──► PreparingRebalance ─────┘
 *                                             ▲   ▲      │ all have joined, or the rebalance timeout has passed
 *      a member joins, leaves, fails ─────────┘   │      ▼ (generation + 1)
 *                   │                             │    CompletingRebalance
 *                 Stable ◄────────────────────────┼──────┘ the leader's SyncGroup is in the log
 *                                                 └──────┘ a member joins, leaves, fails, owes its SyncGroup too long
 *      Dead: from each of them, when another broker coordinates the group
 *
 * The log knows Empty and Stable; a restart finds the generation that was last stable, whose members have a session to come back.
 *
 * Source: Kafka's ClassicGroupState, ClassicGroup, GroupCoordinatorRecordHelpers.newGroupMetadataRecord.
 */
import { assert } from "../../../../storage/base/assert.ts";
import { errorCode } from "../../../../net/protocol/error_codes.ts";
import type { GroupPorts } from "../group_ports.ts";
import { CONSUMER_PROTOCOL_TYPE } from "../records/consumer_protocol.ts";
import type { GroupMetadataRecord, GroupMetadataValue } from "../records/group_record.ts";
import { type ClassicMember, type ClassicMemberFacts, metadataFor } from "./classic_member.ts";
import { ClassicMembers } from "./classic_members.ts";
import { type MemberProtocol, selectProtocol } from "./protocol_votes.ts";
import { SubscribedTopics } from "./subscribed_topics.ts";

/** States, as Kafka prints them. */
export type ClassicStateName = "Empty" | "PreparingRebalance" | "CompletingRebalance" | "Stable" | "Dead";

const previousStates: Readonly<Record<ClassicStateName, readonly ClassicStateName[]>> = {
  Empty: ["PreparingRebalance"],
  PreparingRebalance: ["Stable", "CompletingRebalance", "Empty"],
  CompletingRebalance: ["PreparingRebalance"],
  Stable: ["CompletingRebalance"],
  Dead: ["Stable", "PreparingRebalance", "CompletingRebalance", "Empty", "Dead"],
};

const UNKNOWN_TIMESTAMP = -1;
const NO_SUBSCRIPTIONS = new SubscribedTopics([]);

/** The state. */
export class ClassicState {
  readonly groupId: string;
  readonly ports: GroupPorts;
  readonly members: ClassicMembers;
  generation = 0;
  /** null until somebody joined, also for a group that only commits offsets. */
  protocolType: string | null = null;
  /** What the members of the generation use, null without a generation. */
  protocolName: string | null = null;
  leaderId: string | null = null;
  /** Whether the log says that the group exists. */
  isLogged = false;
  #name: ClassicStateName = "Empty";
  #previous: ClassicStateName = "Dead";
  #sinceMs: number;
  #subscribed: SubscribedTopics | null = null;

  constructor(ports: GroupPorts, groupId: string) {
    this.ports = ports;
    this.groupId = groupId;
    this.members = new ClassicMembers(ports.memory);
    this.#sinceMs = ports.wallMs();
  }

  /** The state's name. */
  get name(): ClassicStateName {
    return this.#name;
  }

  /** Whether it is between Empty and its first generation, where a delay lets more members join. */
  get isFirstRebalance(): boolean {
    return this.#name === "PreparingRebalance" && this.#previous === "Empty";
  }

  /** Since when it is in this state, wall-clock ms; null when the log does not say (before Kafka 2.1). */
  get sinceMs(): number | null {
    return this.#sinceMs === UNKNOWN_TIMESTAMP ? null : this.#sinceMs;
  }

  /** Whether its members are consumers. */
  get isOfConsumers(): boolean {
    return this.protocolType === CONSUMER_PROTOCOL_TYPE;
  }

  /** Topics that its members subscribe to; undefined when that is not known. */
  get subscribedTopics(): ReadonlySet<string> | undefined {
    return this.isOfConsumers ? this.#subscribed?.topics : undefined;
  }

  /** The only way from a state to the next. */
  transitionTo(next: ClassicStateName): void {
    assert(previousStates[next].includes(this.#name), `a group goes to ${next} only from ${previousStates[next]}`);
    this.#previous = this.#name;
    this.#name = next;
    this.#sinceMs = this.ports.wallMs();
  }

  /** Whether somebody with these protocols can be a member. */
  supports(protocolType: string, protocols: readonly MemberProtocol[]): boolean {
    if (this.#name === "Empty") return protocolType !== "" && protocols.length > 0;
    return protocolType === this.protocolType && this.members.shareOneOf(protocols);
  }

  /** Adds a member; the first one leads. */
  add(member: ClassicMember, protocolType: string): void {
    if (this.members.count === 0) this.protocolType = protocolType;
    assert(this.protocolType === protocolType, "members have the protocol type of their group");
    this.members.add(member);
    this.leaderId ??= member.memberId;
  }

  /** Takes a member out, telling its waiting requests that it is not known any more; the next one leads. */
  remove(member: ClassicMember): void {
    this.members.remove(member);
    if (this.leaderId !== member.memberId) return;
    const [next] = this.members.all();
    this.leaderId = next?.memberId ?? null;
  }

  /** Whether somebody is the member that it says it is. @returns Kafka's error code, 0 when it is */
  identify(memberId: string, groupInstanceId: string | null): number {
    if (groupInstanceId !== null) {
      const known = this.members.ofInstance(groupInstanceId);
      if (known === undefined) return errorCode.UNKNOWN_MEMBER_ID;
      if (known.memberId !== memberId) return errorCode.FENCED_INSTANCE_ID;
    }
    return this.members.get(memberId) === undefined ? errorCode.UNKNOWN_MEMBER_ID : errorCode.NONE;
  }

  /** The next generation: with the members that there are, or Empty. */
  startGeneration(): void {
    // 2^31 rebalances are never reached; a damaged record could say so.
    this.generation = (this.generation + 1) & 0x7fff_ffff;
    const isEmpty = this.members.count === 0;
    this.setProtocol(isEmpty ? null : selectProtocol([...this.members.all()]));
    assert(isEmpty || this.protocolName !== null, "members have a protocol in common");
    this.transitionTo(isEmpty ? "Empty" : "CompletingRebalance");
  }

  /** Notes the protocol that the present members use, and what they subscribe to with it. */
  setProtocol(protocolName: string | null): void {
    this.protocolName = protocolName;
    if (protocolName === null) this.#subscribed = NO_SUBSCRIPTIONS;
    else this.#subscribed = new SubscribedTopics([...this.members.all()].map((one) => one.metadataFor(protocolName)));
  }

  /**
   * What the log is told.
   * @param members those of the generation with their assignments @param leaderId its leader
   */
  toRecord(
    members: readonly ClassicMemberFacts[],
    leaderId: string | null = this.leaderId,
  ): GroupMetadataRecord {
    const { protocolName } = this;
    assert(members.length === 0 || protocolName !== null, "members have a protocol");
    const value: GroupMetadataValue = {
      protocolType: this.protocolType ?? "",
      generation: this.generation,
      protocol: protocolName,
      leader: leaderId,
      currentStateTimestamp: this.#sinceMs,
      members: members.map((member) => ({
        memberId: member.memberId,
        groupInstanceId: member.groupInstanceId,
        clientId: member.clientId,
        clientHost: member.clientHost,
        rebalanceTimeout: member.rebalanceTimeoutMs,
        sessionTimeout: member.sessionTimeoutMs,
        subscription: metadataFor(member.protocols, protocolName ?? ""),
        assignment: member.assignment,
      })),
    };
    return { kind: "group-metadata", key: { group: this.groupId }, value };
  }

  /** Takes on what the log says, instead of everything that was. @param members those that the record names */
  restore(value: GroupMetadataValue, members: readonly ClassicMember[]): void {
    this.members.clear(errorCode.NOT_COORDINATOR);
    this.isLogged = true;
    this.#sinceMs = value.currentStateTimestamp;
    this.#become(value.generation, value.protocolType === "" ? null : value.protocolType, members);
    this.setProtocol(value.protocol ?? (members.length === 0 ? null : ""));
    this.leaderId = this.members.get(value.leader ?? "")?.memberId ?? this.leaderId;
  }

  /** Takes on members that had another kind of group. */
  seed(
    of: { readonly generation: number; readonly protocolType: string; readonly protocolName: string },
    members: readonly ClassicMember[],
  ): void {
    assert(members.length > 0, "a group without members is not made of others");
    this.#become(of.generation, of.protocolType, members);
    this.setProtocol(of.protocolName);
  }

  #become(generation: number, protocolType: string | null, members: readonly ClassicMember[]): void {
    this.generation = generation;
    this.protocolType = protocolType;
    for (const member of members) this.members.add(member);
    this.leaderId = members[0]?.memberId ?? null;
    this.#previous = "Dead";
    this.#name = members.length === 0 ? "Empty" : "Stable";
  }
}
