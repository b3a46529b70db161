/** First steps of many scenarios: members join a classic group. And the bytes that consumers send. */
import { Writer } from "../../../net/protocol/writer.ts";
import { heartbeat, joinGroup, syncGroup } from "./apis.ts";
import type { Client, Session } from "./session.ts";

/** What a member needs in its next requests. */
export interface Member {
  readonly client: Client;
  readonly memberId: string;
  readonly generationId: number;
  /** The protocol, which SyncGroup must name from version 5 on. */
  readonly protocolType: string;
  readonly protocolName: string | null;
}

type JoinRequest = Parameters<typeof joinGroup.request.encode>[2];

/** Protocol type of consumers. */
const CONSUMER = "consumer";

/** A JoinGroup of a consumer, with the changes of a scenario. */
export function joinRequest(groupId: string, changes: Partial<JoinRequest> = {}): JoinRequest {
  return {
    groupId,
    sessionTimeoutMs: 10_000,
    rebalanceTimeoutMs: 10_000,
    memberId: "",
    protocolType: CONSUMER,
    protocols: [{ name: "range", metadata: subscription(["diff-three"]) }],
    ...changes,
  };
}

/** ConsumerProtocolSubscription v0, what a consumer sends as its metadata. */
export function subscription(topics: readonly string[]): Uint8Array {
  const writer = new Writer();
  writer.int16(0);
  writer.int32(topics.length);
  for (const topic of topics) writer.string(topic);
  writer.int32(-1); // no user data
  return writer.toBytes();
}

/** ConsumerProtocolSubscription v1, which has the member's partitions, too. */
export function subscriptionWithOwned(
  topics: readonly string[],
  owned: Readonly<Record<string, readonly number[]>>,
): Uint8Array {
  const writer = new Writer();
  writer.int16(1);
  writer.int32(topics.length);
  for (const topic of topics) writer.string(topic);
  writer.int32(-1);
  writePartitions(writer, owned);
  return writer.toBytes();
}

/** ConsumerProtocolAssignment v0, what a leader sends for each member. */
export function assignment(partitions: Readonly<Record<string, readonly number[]>>): Uint8Array {
  const writer = new Writer();
  writer.int16(0);
  writePartitions(writer, partitions);
  writer.int32(-1);
  return writer.toBytes();
}

function writePartitions(writer: Writer, partitions: Readonly<Record<string, readonly number[]>>): void {
  writer.int32(Object.keys(partitions).length);
  for (const [topic, indexes] of Object.entries(partitions)) {
    writer.string(topic);
    writer.int32(indexes.length);
    for (const index of indexes) writer.int32(index);
  }
}

/** First version whose members must join with an id (KIP-394). */
export const MEMBER_ID_REQUIRED_SINCE = 4;

/** The id to join with. In versions that need one, a first JoinGroup gets it. */
export async function memberIdFor(client: Client, version: number, request: JoinRequest): Promise<string> {
  if (version < MEMBER_ID_REQUIRED_SINCE || request.groupInstanceId) return request.memberId;
  return (await client.call(joinGroup, version, request)).memberId;
}

/** One client that joins an empty group and becomes its leader. */
export async function joinAlone(
  session: Session,
  group: string,
  options: { version?: number; clientId?: string; request?: Partial<JoinRequest> } = {},
): Promise<Member> {
  const { version = 9, clientId = "first", request = {} } = options;
  const client = await session.client(clientId);
  const memberId = await memberIdFor(client, version, joinRequest(group, request));
  const joined = await client.call(joinGroup, version, { ...joinRequest(group, request), memberId });
  return memberOf(client, joined, request.protocolType);
}

/** The part of the answer to a JoinGroup that the member needs later. */
export function memberOf(
  client: Client,
  joined: { memberId: string; generationId: number; protocolName: string | null },
  protocolType = CONSUMER,
): Member {
  const { memberId, generationId, protocolName } = joined;
  return { client, memberId, generationId, protocolType, protocolName };
}

/** The version of another API that clients of this JoinGroup version used. */
export function atMost(version: number, { versions: [min, max] }: { versions: readonly [number, number] }): number {
  return Math.min(Math.max(version, min), max);
}

/** One client that is the only member of a stable group. */
export async function stableAlone(
  session: Session,
  group: string,
  options: Parameters<typeof joinAlone>[2] = {},
): Promise<Member> {
  const member = await joinAlone(session, group, options);
  await syncAsLeader(member, group, { version: atMost(options.version ?? 9, syncGroup) });
  return member;
}

/** The SyncGroup of a follower. */
export function syncing(member: Member, groupId: string) {
  const { generationId, memberId, protocolType, protocolName } = member;
  return { groupId, generationId, memberId, protocolType, protocolName, assignments: [] };
}

/** The leader's SyncGroup, with an assignment for itself unless others are given. */
export async function syncAsLeader(
  member: Member,
  group: string,
  options: { version?: number; assignments?: Readonly<Record<string, Uint8Array>> } = {},
): Promise<void> {
  const { assignments = { [member.memberId]: assignment({ "diff-three": [0, 1, 2] }) }, version = 5 } = options;
  await member.client.call(syncGroup, version, {
    ...syncing(member, group),
    assignments: Object.entries(assignments).map(([memberId, bytes]) => ({ memberId, assignment: bytes })),
  });
}

/** Waits until heartbeats are answered by REBALANCE_IN_PROGRESS. */
export async function awaitRebalance(member: Member, group: string): Promise<void> {
  await member.client.until(heartbeat, 4, {
    request: { groupId: group, generationId: member.generationId, memberId: member.memberId },
    is: ({ errorCode }) => errorCode !== 0,
  });
}

/** Two clients that have joined and not synchronised; the first leads. */
export async function joinTwo(
  session: Session,
  group: string,
  requests: readonly [Partial<JoinRequest>, Partial<JoinRequest>] = [{}, {}],
): Promise<[Member, Member]> {
  const first = await stableAlone(session, group, { request: requests[0] });
  const client = await session.client("second");
  const memberId = await memberIdFor(client, 9, joinRequest(group, requests[1]));
  const joining = await client.send(joinGroup, 9, { ...joinRequest(group, requests[1]), memberId });
  await awaitRebalance(first, group);
  const again = await first.client.call(joinGroup, 9, {
    ...joinRequest(group, requests[0]),
    memberId: first.memberId,
  });
  const joined = await joining.answer();
  return [
    memberOf(first.client, again, requests[0].protocolType),
    memberOf(client, joined, requests[1].protocolType),
  ];
}

/** Two clients in a stable group; the first leads and has partitions 0 and 1, the second partition 2 of diff-three. */
export async function stableTwo(
  session: Session,
  group: string,
  requests: readonly [Partial<JoinRequest>, Partial<JoinRequest>] = [{}, {}],
): Promise<[Member, Member]> {
  const [first, second] = await joinTwo(session, group, requests);
  await syncAsLeader(first, group, {
    assignments: {
      [first.memberId]: assignment({ "diff-three": [0, 1] }),
      [second.memberId]: assignment({ "diff-three": [2] }),
    },
  });
  await second.client.call(syncGroup, 5, syncing(second, group));
  return [first, second];
}
