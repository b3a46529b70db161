/**
 * A member of a classic group: its data from JoinGroup, its assignment, and its waiting requests. Runs on shards.
 *
 * Source: Kafka's ClassicGroupMember.
 */
import { assert } from "../../../../storage/base/assert.ts";
import type { JoinGroupResponse } from "../../../../net/protocol/messages/11_join_group.ts";
import type { SyncGroupResponse } from "../../../../net/protocol/messages/14_sync_group.ts";
import type { Deadlines } from "../../../requests/deadlines.ts";
import { LazyTimer } from "../../runtime/lazy_timer.ts";
import type { Reply } from "../../runtime/coordinator.ts";
import type { Timer } from "../../runtime/lazy_timer.ts";
import { areSameProtocols, type MemberProtocol } from "./protocol_votes.ts";

/** The data of a member that does not depend on its group. */
export interface ClassicMemberFacts {
  readonly memberId: string;
  /** `group.instance.id` of a static member (KIP-345), null for a dynamic one. */
  readonly groupInstanceId: string | null;
  readonly clientId: string;
  readonly clientHost: string;
  /** How long other members wait for it to join again. */
  readonly rebalanceTimeoutMs: number;
  readonly sessionTimeoutMs: number;
  readonly protocols: readonly MemberProtocol[];
  /** Assignment of the current generation; opaque bytes, empty for none. */
  readonly assignment: Uint8Array;
}

/** No assignment. */
export const NO_BYTES: Uint8Array = new Uint8Array(0);

/** Approximate memory of a protocol in addition to its bytes. */
const PROTOCOL_BYTES = 100;

/** A member. Only `ClassicMembers` changes it, because it keeps the counts. */
export class ClassicMember implements ClassicMemberFacts {
  readonly memberId: string;
  readonly groupInstanceId: string | null;
  readonly clientId: string;
  readonly clientHost: string;
  rebalanceTimeoutMs: number;
  sessionTimeoutMs: number;
  protocols: readonly MemberProtocol[];
  assignment: Uint8Array;
  /** Ends the membership when the member sends nothing for a session. */
  readonly session: LazyTimer;
  /**
   * Whether it has not received the answer to its first JoinGroup. It cannot send heartbeats then, so the wait itself has a limit:
   * otherwise clients that give up and retry would fill the group with abandoned members.
   */
  isNew = false;
  /** Whether it knows its generation and has not sent SyncGroup. */
  owesSync = false;
  /** Its JoinGroup, which waits for the other members. */
  joinReply: Reply<JoinGroupResponse> | null = null;
  /** Its SyncGroup, which waits for the leader's. */
  syncReply: Reply<SyncGroupResponse> | null = null;

  /** @param onSessionEnd called when the session's deadline has passed */
  constructor(
    facts: ClassicMemberFacts,
    timers: Deadlines<Timer>,
    onSessionEnd: (member: ClassicMember) => void,
  ) {
    this.memberId = facts.memberId;
    this.groupInstanceId = facts.groupInstanceId;
    this.clientId = facts.clientId;
    this.clientHost = facts.clientHost;
    this.rebalanceTimeoutMs = facts.rebalanceTimeoutMs;
    this.sessionTimeoutMs = facts.sessionTimeoutMs;
    this.protocols = facts.protocols;
    this.assignment = facts.assignment;
    this.session = new LazyTimer(timers, () => onSessionEnd(this));
  }

  /** Whether it waits for the group: the end of its session is then not the member's fault. */
  get isExcused(): boolean {
    return !this.isNew && (this.joinReply !== null || this.syncReply !== null);
  }

  /** Approximate memory of the data that the client sent, in bytes. */
  get byteLength(): number {
    return bytesOf(this.protocols);
  }

  /** Its metadata for a protocol that it supports. */
  metadataFor(protocolName: string): Uint8Array {
    return metadataFor(this.protocols, protocolName);
  }

  /** Whether the protocols are the same as before. */
  matches(protocols: readonly MemberProtocol[]): boolean {
    return areSameProtocols(this.protocols, protocols);
  }
}

/** Finds the metadata of a protocol in a list that contains it. */
export function metadataFor(protocols: readonly MemberProtocol[], protocolName: string): Uint8Array {
  const protocol = protocols.find(({ name }) => name === protocolName);
  assert(protocol !== undefined, "the group's protocol is one that every member supports");
  return protocol.metadata;
}

/** Estimates the memory of protocols, in bytes. */
export function bytesOf(protocols: readonly MemberProtocol[]): number {
  let bytes = 0;
  for (const { name, metadata } of protocols) bytes += PROTOCOL_BYTES + 2 * name.length + metadata.length;
  return bytes;
}
