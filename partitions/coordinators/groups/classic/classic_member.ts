/**
 * A member of a classic group: what it told when it joined, what it was given, and the requests of it that wait. Runs on shards.
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

/** What a member has by itself, without its group. */
export interface ClassicMemberFacts {
  readonly memberId: string;
  /** `group.instance.id` of a static member (KIP-345), null for a dynamic one. */
  readonly groupInstanceId: string | null;
  readonly clientId: string;
  readonly clientHost: string;
  /** How long others wait for it to join again. */
  readonly rebalanceTimeoutMs: number;
  readonly sessionTimeoutMs: number;
  readonly protocols: readonly MemberProtocol[];
  /** Of the current generation; opaque, empty for none. */
  readonly assignment: Uint8Array;
}

/** No assignment. */
export const NO_BYTES: Uint8Array = new Uint8Array(0);

/** Memory that a protocol takes beside its bytes, about. */
const PROTOCOL_BYTES = 100;

/** A member. Who changes it is `ClassicMembers`, which counts. */
export class ClassicMember implements ClassicMemberFacts {
  readonly memberId: string;
  readonly groupInstanceId: string | null;
  readonly clientId: string;
  readonly clientHost: string;
  rebalanceTimeoutMs: number;
  sessionTimeoutMs: number;
  protocols: readonly MemberProtocol[];
  assignment: Uint8Array;
  /** Ends its membership when it is not heard of. */
  readonly session: LazyTimer;
  /**
   * Has not got the answer to its first JoinGroup. It cannot send heartbeats, so that the wait itself has a limit: otherwise clients
   * that give up and try again would fill the group with members that nobody is.
   */
  isNew = false;
  /** Was told its generation and has not sent SyncGroup. */
  owesSync = false;
  /** Its JoinGroup that waits for the others. */
  joinReply: Reply<JoinGroupResponse> | null = null;
  /** Its SyncGroup that waits for the leader's. */
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

  /** Whether it waits for the group, so that a session that ends now is the group's fault. */
  get isExcused(): boolean {
    return !this.isNew && (this.joinReply !== null || this.syncReply !== null);
  }

  /** Memory of what the client sent, about. */
  get byteLength(): number {
    return bytesOf(this.protocols);
  }

  /** What it says for a protocol that it supports. */
  metadataFor(protocolName: string): Uint8Array {
    return metadataFor(this.protocols, protocolName);
  }

  /** Whether it says nothing new. */
  matches(protocols: readonly MemberProtocol[]): boolean {
    return areSameProtocols(this.protocols, protocols);
  }
}

/** What a list of protocols says for one that is in it. */
export function metadataFor(protocols: readonly MemberProtocol[], protocolName: string): Uint8Array {
  const protocol = protocols.find(({ name }) => name === protocolName);
  assert(protocol !== undefined, "the group's protocol is one that every member supports");
  return protocol.metadata;
}

/** Memory that protocols take, about. */
export function bytesOf(protocols: readonly MemberProtocol[]): number {
  let bytes = 0;
  for (const { name, metadata } of protocols) bytes += PROTOCOL_BYTES + 2 * name.length + metadata.length;
  return bytes;
}
