/**
 * The state of a classic group: its phase of a rebalance, its generation, its members, and its record in the log. Runs on shards. It
 * makes no decisions; rebalance.ts does.
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
 * The log holds only Empty and Stable. A restart finds the last stable generation, whose members have one session timeout to return.
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

/** The state of one classic group. */
export class ClassicState {
  readonly groupId: string;
  readonly ports: GroupPorts;
  readonly members: ClassicMembers;
  generation = 0;
  /** null until a member has joined, and for a group that only commits offsets. */
  protocolType: string | null = null;
  /** The protocol that the members of the generation use, null without a generation. */
  protocolName: string | null = null;
  leaderId: string | null = null;
  /** Whether the log has a record of the group. */
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

  /** Whether the group is between Empty and its first generation, while a delay lets more members join. */
  get isFirstRebalance(): boolean {
    return this.#name === "PreparingRebalance" && this.#previous === "Empty";
  }

  /** Since when the group has been in this state, wall-clock ms; null if the log does not tell (before Kafka 2.1). */
  get sinceMs(): number | null {
    return this.#sinceMs === UNKNOWN_TIMESTAMP ? null : this.#sinceMs;
  }

  /** Whether its members are consumers. */
  get isOfConsumers(): boolean {
    return this.protocolType === CONSUMER_PROTOCOL_TYPE;
  }

  /** Topics that its members subscribe to; undefined if unknown. */
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

  /** Whether a client with these protocols can be a member. */
  supports(protocolType: string, protocols: readonly MemberProtocol[]): boolean {
    if (this.#name === "Empty") return protocolType !== "" && protocols.length > 0;
    return protocolType === this.protocolType && this.members.shareOneOf(protocols);
  }

  /** Adds a member. The first one becomes the leader. */
  add(member: ClassicMember, protocolType: string): void {
    if (this.members.count === 0) this.protocolType = protocolType;
    assert(this.protocolType === protocolType, "members have the protocol type of their group");
    this.members.add(member);
    this.leaderId ??= member.memberId;
  }

  /** Removes a member, whose waiting requests get UNKNOWN_MEMBER_ID. If it was the leader, the next member leads. */
  remove(member: ClassicMember): void {
    this.members.remove(member);
    if (this.leaderId !== member.memberId) return;
    const [next] = this.members.all();
    this.leaderId = next?.memberId ?? null;
  }

  /** Checks that a client is the member it claims to be. @returns Kafka's error code, 0 when it is */
  identify(memberId: string, groupInstanceId: string | null): number {
    if (groupInstanceId !== null) {
      const known = this.members.ofInstance(groupInstanceId);
      if (known === undefined) return errorCode.UNKNOWN_MEMBER_ID;
      if (known.memberId !== memberId) return errorCode.FENCED_INSTANCE_ID;
    }
    return this.members.get(memberId) === undefined ? errorCode.UNKNOWN_MEMBER_ID : errorCode.NONE;
  }

  /** Begins the next generation, with the present members or Empty. */
  startGeneration(): void {
    // A group never reaches 2^31 rebalances, but a damaged record can contain that number.
    this.generation = (this.generation + 1) & 0x7fff_ffff;
    const isEmpty = this.members.count === 0;
    this.setProtocol(isEmpty ? null : selectProtocol([...this.members.all()]));
    assert(isEmpty || this.protocolName !== null, "members have a protocol in common");
    this.transitionTo(isEmpty ? "Empty" : "CompletingRebalance");
  }

  /** Sets the protocol that the present members use, and their subscriptions under it. */
  setProtocol(protocolName: string | null): void {
    this.protocolName = protocolName;
    if (protocolName === null) this.#subscribed = NO_SUBSCRIPTIONS;
    else this.#subscribed = new SubscribedTopics([...this.members.all()].map((one) => one.metadataFor(protocolName)));
  }

  /**
   * Makes the group's record for the log.
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

  /** Replaces the whole state by that of a record. @param members the members in the record */
  restore(value: GroupMetadataValue, members: readonly ClassicMember[]): void {
    this.members.clear(errorCode.NOT_COORDINATOR);
    this.isLogged = true;
    this.#sinceMs = value.currentStateTimestamp;
    this.#become(value.generation, value.protocolType === "" ? null : value.protocolType, members);
    this.setProtocol(value.protocol ?? (members.length === 0 ? null : ""));
    this.leaderId = this.members.get(value.leader ?? "")?.memberId ?? this.leaderId;
  }

  /** Takes over the members of a group of the other kind. */
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
