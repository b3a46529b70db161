/** Steps that many scenarios of consumer groups (KIP-848) begin with. */
import { consumerGroupDescribe, consumerGroupHeartbeat } from "./apis.ts";
import type { Client, Session } from "./session.ts";

/** What a ConsumerGroupHeartbeat is made of. */
export type HeartbeatRequest = Parameters<typeof consumerGroupHeartbeat.request.encode>[2];
type HeartbeatResponse = Awaited<ReturnType<typeof beat>>;

/** What a member has: partitions by topic id. */
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

/** A member that joins and gets what is assigned to it. */
export async function consumer(
  session: Session,
  group: string,
  options: { memberId?: string; request?: Partial<HeartbeatRequest> } = {},
): Promise<ConsumerMember> {
  const { memberId = "member-a", request = {} } = options;
  const client = await session.client(`client-of-${memberId}`);
  const joined = await beat(client, joining(group, memberId, request));
  return settled({ client, memberId, memberEpoch: joined.memberEpoch, owned: [] }, joined);
}

/** A member alone in its group that has reported the partitions it got. */
export async function consumerAlone(
  session: Session,
  group: string,
  options: Parameters<typeof consumer>[2] = {},
): Promise<ConsumerMember> {
  return await report(await consumer(session, group, options), group);
}

/** The member tells what it owns, as a client does when it has taken or let go partitions. */
export async function report(member: ConsumerMember, group: string): Promise<ConsumerMember> {
  const { client, memberId, memberEpoch, owned } = member;
  return settled(member, await beat(client, { groupId: group, memberId, memberEpoch, topicPartitions: owned }));
}

/** A heartbeat that says nothing new. */
export async function idle(member: ConsumerMember, group: string): Promise<ConsumerMember> {
  const { client, memberId, memberEpoch } = member;
  return settled(member, await beat(client, { groupId: group, memberId, memberEpoch }));
}

/** Says everything anew, which asks for the assignment, until there is something in it. */
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
  return settled(member, answer);
}

function settled(member: ConsumerMember, { memberEpoch, assignment }: HeartbeatResponse): ConsumerMember {
  return { ...member, memberEpoch, owned: assignment?.topicPartitions ?? member.owned };
}

/** Writes down what ConsumerGroupDescribe says. */
export async function describeConsumers(client: Client, ...groupIds: string[]): Promise<void> {
  await client.call(consumerGroupDescribe, 1, { groupIds, includeAuthorizedOperations: false });
}
