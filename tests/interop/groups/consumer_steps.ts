/** First steps of many scenarios of consumer groups (KIP-848). */
import { consumerGroupDescribe, consumerGroupHeartbeat } from "./apis.ts";
import type { Client, Session } from "./session.ts";

/** Fields of a ConsumerGroupHeartbeat. */
export type HeartbeatRequest = Parameters<typeof consumerGroupHeartbeat.request.encode>[2];
type HeartbeatResponse = Awaited<ReturnType<typeof beat>>;

/** A member's partitions by topic id. */
export type Owned = NonNullable<HeartbeatRequest["topicPartitions"]>;

/** A member of a consumer group as its client knows it. */
export interface ConsumerMember {
  readonly client: Client;
  readonly memberId: string;
  readonly memberEpoch: number;
  readonly owned: Owned;
}

/** The heartbeat that joins. */
export function joining(groupId: string, memberId: string, changes: Partial<HeartbeatRequest> = {}): HeartbeatRequest {
  return {
    groupId,
    memberId,
    memberEpoch: 0,
    rebalanceTimeoutMs: 10_000,
    subscribedTopicNames: ["diff-three"],
    topicPartitions: [],
    ...changes,
  };
}

/** Sends a ConsumerGroupHeartbeat of the newest version. */
export function beat(client: Client, request: HeartbeatRequest) {
  return client.call(consumerGroupHeartbeat, 1, request);
}

/** A member that joins and gets its assignment. */
export async function consumer(
  session: Session,
  group: string,
  options: { memberId?: string; request?: Partial<HeartbeatRequest> } = {},
): Promise<ConsumerMember> {
  const { memberId = "member-a", request = {} } = options;
  const client = await session.client(`client-of-${memberId}`);
  const joined = await beat(client, joining(group, memberId, request));
  return afterAnswer({ client, memberId, memberEpoch: joined.memberEpoch, owned: [] }, joined);
}

/** The only member of a group, which has reported its partitions. */
export async function consumerAlone(
  session: Session,
  group: string,
  options: Parameters<typeof consumer>[2] = {},
): Promise<ConsumerMember> {
  return await report(await consumer(session, group, options), group);
}

/** The member reports its partitions, as a client does after it took or revoked some. */
export async function report(member: ConsumerMember, group: string): Promise<ConsumerMember> {
  const { client, memberId, memberEpoch, owned } = member;
  return afterAnswer(member, await beat(client, { groupId: group, memberId, memberEpoch, topicPartitions: owned }));
}

/** A heartbeat without changes. */
export async function idle(member: ConsumerMember, group: string): Promise<ConsumerMember> {
  const { client, memberId, memberEpoch } = member;
  return afterAnswer(member, await beat(client, { groupId: group, memberId, memberEpoch }));
}

/** Sends full heartbeats, which request the assignment, until the assignment is not empty. */
export async function untilAssigned(
  member: ConsumerMember,
  group: string,
  said: Partial<HeartbeatRequest>,
): Promise<ConsumerMember> {
  const { client, memberId, memberEpoch } = member;
  const answer = await client.until(consumerGroupHeartbeat, 1, {
    request: { ...joining(group, memberId, said), memberEpoch },
    is: ({ assignment, errorCode }) => (assignment?.topicPartitions.length ?? 0) > 0 || errorCode !== 0,
  });
  return afterAnswer(member, answer);
}

function afterAnswer(member: ConsumerMember, { memberEpoch, assignment }: HeartbeatResponse): ConsumerMember {
  return { ...member, memberEpoch, owned: assignment?.topicPartitions ?? member.owned };
}

/** Records the answer to a ConsumerGroupDescribe. */
export async function describeConsumers(client: Client, ...groupIds: string[]): Promise<void> {
  await client.call(consumerGroupDescribe, 1, { groupIds, includeAuthorizedOperations: false });
}
