/** Scenarios of groups that change their protocol while they have members, and of clients with the wrong protocol. */
import {
  consumerGroupHeartbeat,
  deleteGroups,
  describeGroups,
  heartbeat,
  joinGroup,
  leaveGroup,
  listGroups,
  offsetCommit,
  offsetFetch,
  syncGroup,
} from "./apis.ts";
import {
  joinRequest,
  memberOf,
  stableAlone,
  stableTwo,
  subscription,
  subscriptionWithOwned,
  syncAsLeader,
  syncing,
} from "./classic_steps.ts";
import { beat, consumerAlone, describeConsumers, idle, joining, report } from "./consumer_steps.ts";
import type { Client, Scenario } from "./session.ts";

const LEAVE = -1;
const REBALANCE_IN_PROGRESS = 27;

async function describeAsBoth(client: Client, group: string): Promise<void> {
  await client.call(describeGroups, 6, { groups: [group] });
  await describeConsumers(client, group);
  await client.call(listGroups, 5, {});
}

/** What the Java consumer sends: version 1 with its partitions. */
const withOwned = (...owned: number[]) => ({
  protocols: [{ name: "range", metadata: subscriptionWithOwned(["diff-three"], { "diff-three": owned }) }],
});

const upgrades: readonly Scenario[] = [
  {
    name: "upgrade: an empty classic group becomes a consumer group",
    async run(session) {
      const group = session.group();
      const { client, memberId, generationId } = await stableAlone(session, group);
      await client.call(offsetCommit, 9, {
        groupId: group,
        memberId,
        generationIdOrMemberEpoch: generationId,
        topics: [{
          name: "diff-three",
          partitions: [{ partitionIndex: 1, committedOffset: 11, committedMetadata: "" }],
        }],
      });
      await client.call(leaveGroup, 5, { groupId: group, members: [{ memberId }] });
      await consumerAlone(session, group);
      await client.call(offsetFetch, 9, { groups: [{ groupId: group, topics: null }] });
      await describeAsBoth(client, group);
      await client.call(heartbeat, 4, { groupId: group, memberId, generationId });
    },
  },
  {
    name: "upgrade: a consumer joins classic members, then they change one after the other",
    async run(session) {
      const group = session.group();
      const [first, second] = await stableTwo(session, group, [withOwned(), withOwned()]);
      let modern = await consumerAlone(session, group, { memberId: "modern" });
      await describeAsBoth(modern.client, group);
      const identity = (of: typeof first) => ({ groupId: group, memberId: of.memberId, generationId: of.generationId });
      for (const member of [first, second]) {
        await member.client.until(heartbeat, 4, {
          request: identity(member),
          is: ({ errorCode }) => errorCode === REBALANCE_IN_PROGRESS,
        });
        const joined = await member.client.call(joinGroup, 9, {
          ...joinRequest(group, withOwned()),
          memberId: member.memberId,
        });
        await member.client.call(syncGroup, 5, syncing(memberOf(member.client, joined), group));
        await member.client.call(heartbeat, 4, identity({ ...member, generationId: joined.generationId }));
      }
      modern = await report(await idle(modern, group), group);
      await describeConsumers(modern.client, group);
      await first.client.call(leaveGroup, 5, { groupId: group, members: [{ memberId: first.memberId }] });
      await describeConsumers(modern.client, group);
      await second.client.call(leaveGroup, 2, { groupId: group, memberId: second.memberId });
      modern = await report(await idle(modern, group), group);
      await describeAsBoth(modern.client, group);
    },
  },
  {
    name: "upgrade is refused: another protocol type, metadata that cannot be read",
    async run(session) {
      const client = await session.client("modern");
      const connect = session.group("connect");
      await stableAlone(session, connect, {
        request: { protocolType: "connect", protocols: [{ name: "x", metadata: new Uint8Array([1]) }] },
      });
      await beat(client, joining(connect, "modern"));
      const unreadable = session.group("unreadable");
      await stableAlone(session, unreadable, {
        request: { protocols: [{ name: "range", metadata: new Uint8Array([0xff]) }] },
      });
      await beat(client, joining(unreadable, "modern"));
      const custom = session.group("custom");
      const protocols = [{
        name: "own",
        metadata: new Uint8Array([0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 7, 7]), // user data: a custom assignor
      }];
      await stableAlone(session, custom, { request: { protocols } });
      await beat(client, joining(custom, "modern"));
      for (const group of [connect, unreadable, custom]) await describeAsBoth(client, group);
    },
  },
  {
    name: "a classic group and requests of consumer groups",
    async run(session) {
      const group = session.group();
      const { client, memberId, generationId } = await stableAlone(session, group);
      await beat(client, { groupId: group, memberId, memberEpoch: generationId });
      await beat(client, { groupId: group, memberId: "nobody", memberEpoch: LEAVE });
      await client.call(describeGroups, 6, { groups: [group] });
    },
  },
];

const downgrades: readonly Scenario[] = [
  {
    name: "downgrade: an empty consumer group becomes a classic group",
    async run(session) {
      const group = session.group();
      const { client, memberId, memberEpoch } = await consumerAlone(session, group);
      await client.call(offsetCommit, 9, {
        groupId: group,
        memberId,
        generationIdOrMemberEpoch: memberEpoch,
        topics: [{
          name: "diff-three",
          partitions: [{ partitionIndex: 1, committedOffset: 11, committedMetadata: "" }],
        }],
      });
      await beat(client, { groupId: group, memberId, memberEpoch: LEAVE });
      await describeAsBoth(client, group);
      await stableAlone(session, group);
      await client.call(offsetFetch, 9, { groups: [{ groupId: group, topics: null }] });
      await describeAsBoth(client, group);
      await beat(client, { groupId: group, memberId, memberEpoch });
    },
  },
  {
    name: "downgrade: a classic member joins consumers, and the last consumer leaves",
    async run(session) {
      const group = session.group();
      let modern = await consumerAlone(session, group, { memberId: "modern" });
      const client = await session.client("classic");
      const { memberId } = await client.call(joinGroup, 9, joinRequest(group, withOwned()));
      const joined = await client.call(joinGroup, 9, { ...joinRequest(group, withOwned()), memberId });
      await describeAsBoth(client, group);
      modern = await report(await idle(modern, group), group);
      const identity = { groupId: group, memberId, generationId: joined.generationId };
      await client.call(syncGroup, 5, {
        ...identity,
        protocolType: "consumer",
        protocolName: "range",
        assignments: [],
      });
      await client.call(heartbeat, 4, identity);
      await describeConsumers(client, group);
      await beat(modern.client, { groupId: group, memberId: modern.memberId, memberEpoch: LEAVE });
      await describeAsBoth(client, group);
      await client.call(heartbeat, 4, identity);
      const again = await client.call(joinGroup, 9, { ...joinRequest(group, withOwned()), memberId });
      await syncAsLeader(memberOf(client, again), group);
      await describeAsBoth(client, group);
    },
  },
  {
    name: "downgrade is refused: another protocol type, metadata that cannot be read",
    async run(session) {
      const group = session.group();
      await consumerAlone(session, group);
      const client = await session.client("classic");
      const requests = [
        joinRequest(group, { protocolType: "connect" }),
        joinRequest(group, { protocols: [] }),
        joinRequest(group, { protocols: [{ name: "range", metadata: new Uint8Array([0xff]) }] }),
        joinRequest(group, { memberId: "nobody" }),
        joinRequest(group, { memberId: "member-a" }),
        joinRequest(group, { groupInstanceId: "one", memberId: "nobody" }),
      ];
      for (const request of requests) {
        for (const version of [9, 5]) await client.call(joinGroup, version, request);
      }
      await describeConsumers(client, group);
    },
  },
  {
    name: "a consumer group and requests of classic groups",
    async run(session) {
      const group = session.group();
      const { client, memberId, memberEpoch } = await consumerAlone(session, group);
      const identity = { groupId: group, memberId, generationId: memberEpoch };
      await client.call(heartbeat, 4, identity);
      await client.call(heartbeat, 4, { ...identity, memberId: "nobody" });
      await client.call(syncGroup, 4, { ...identity, assignments: [] });
      await client.call(syncGroup, 4, { ...identity, memberId: "nobody", assignments: [] });
      await client.call(leaveGroup, 5, { groupId: group, members: [{ memberId: "nobody" }] });
      await client.call(leaveGroup, 5, { groupId: group, members: [{ memberId }] });
      await client.call(leaveGroup, 1, { groupId: group, memberId });
      await client.call(deleteGroups, 2, { groupsNames: [group] });
      await describeConsumers(client, group);
    },
  },
  {
    name: "classic members of a consumer group: refused",
    async run(session) {
      const group = session.group();
      await consumerAlone(session, group, { memberId: "modern" });
      const client = await session.client("classic");
      const { memberId } = await client.call(joinGroup, 9, joinRequest(group, withOwned()));
      const { generationId } = await client.call(joinGroup, 9, { ...joinRequest(group, withOwned()), memberId });
      const identity = { groupId: group, memberId, generationId };
      await client.call(heartbeat, 4, { ...identity, generationId: generationId + 1 });
      await client.call(syncGroup, 4, { ...identity, generationId: generationId + 1, assignments: [] });
      await client.call(syncGroup, 5, { ...identity, protocolType: "connect", protocolName: "range", assignments: [] });
      await client.call(syncGroup, 5, { ...identity, protocolType: "consumer", protocolName: "none", assignments: [] });
      await client.call(consumerGroupHeartbeat, 1, { groupId: group, memberId, memberEpoch: generationId });
      await client.call(offsetCommit, 9, {
        groupId: group,
        memberId,
        generationIdOrMemberEpoch: generationId + 1,
        topics: [{ name: "diff-one", partitions: [{ partitionIndex: 0, committedOffset: 1, committedMetadata: "" }] }],
      });
      await client.call(offsetCommit, 8, {
        groupId: group,
        memberId,
        generationIdOrMemberEpoch: generationId,
        topics: [{ name: "diff-one", partitions: [{ partitionIndex: 0, committedOffset: 1, committedMetadata: "" }] }],
      });
      await client.call(joinGroup, 9, {
        ...joinRequest(group, { protocols: [{ name: "other", metadata: subscription(["diff-one"]) }] }),
        memberId,
      });
      await describeConsumers(client, group);
    },
  },
];

/** Changes between the protocols. */
export const migrationScenarios: readonly Scenario[] = [...upgrades, ...downgrades];
