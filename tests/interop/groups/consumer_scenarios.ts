/** Scenarios of proper use of consumer groups (KIP-848): joining, revoking partitions, leaving, static members, patterns. */
import {
  consumerGroupDescribe,
  consumerGroupHeartbeat,
  describeGroups,
  offsetCommit,
  offsetFetch,
  versionsOf,
} from "./apis.ts";
import {
  beat,
  consumer,
  consumerAlone,
  describeConsumers,
  idle,
  joining,
  report,
  untilAssigned,
} from "./consumer_steps.ts";
import type { Scenario } from "./session.ts";

/** Member epochs with which a member leaves. */
const LEAVE = -1;
const LEAVE_STATIC = -2;

const lives = versionsOf(consumerGroupHeartbeat).map((version): Scenario => ({
  name: `life of a member, ConsumerGroupHeartbeat v${version}`,
  async run(session) {
    const group = session.group();
    const client = await session.client("alive");
    const send = (request: Parameters<typeof beat>[1]) => client.call(consumerGroupHeartbeat, version, request);
    const { memberId, memberEpoch, assignment } = await send(joining(group, version === 0 ? "" : "own-id"));
    const topicPartitions = assignment?.topicPartitions ?? [];
    await client.call(consumerGroupDescribe, version, { groupIds: [group], includeAuthorizedOperations: true });
    const identity = { groupId: group, memberId: memberId!, memberEpoch };
    await send({ ...identity, topicPartitions });
    await send(identity);
    await client.call(consumerGroupDescribe, version, { groupIds: [group], includeAuthorizedOperations: false });
    await send({ ...identity, subscribedTopicNames: ["diff-three", "diff-one"] });
    await send({ ...identity, memberEpoch: memberEpoch + 1, subscribedTopicNames: [] });
    await send({ ...identity, memberEpoch: LEAVE });
    await send(identity);
    await client.call(consumerGroupDescribe, version, { groupIds: [group], includeAuthorizedOperations: false });
  },
}));

const together: readonly Scenario[] = [
  {
    name: "two members: partitions are handed on when the owner lets go",
    async run(session) {
      const group = session.group();
      let first = await consumerAlone(session, group);
      let second = await consumer(session, group, { memberId: "member-b" });
      await describeConsumers(first.client, group);
      second = await idle(second, group);
      first = await idle(first, group);
      await describeConsumers(first.client, group);
      first = await idle(first, group); // it still has the partitions
      second = await idle(second, group);
      first = await report(first, group);
      await describeConsumers(first.client, group);
      second = await idle(second, group);
      second = await report(second, group);
      first = await idle(first, group);
      await describeConsumers(first.client, group);
      await beat(first.client, { groupId: group, memberId: first.memberId, memberEpoch: LEAVE });
      second = await idle(second, group);
      await report(second, group);
      await describeConsumers(second.client, group);
    },
  },
  {
    name: "three members come one after the other",
    async run(session) {
      const group = session.group();
      const request = { subscribedTopicNames: ["diff-six"] };
      let members = [await consumerAlone(session, group, { request })];
      for (const memberId of ["member-b", "member-c"]) {
        members.push(await consumer(session, group, { memberId, request }));
        for (let round = 0; round < 2; round++) {
          const next = [];
          for (const member of members) next.push(await report(await idle(member, group), group));
          members = next;
        }
        await describeConsumers(members[0]!.client, group);
      }
    },
  },
  ...["range", "uniform"].map((serverAssignor): Scenario => ({
    name: `the assignor ${serverAssignor}`,
    async run(session) {
      const group = session.group();
      // With several topics, uniform orders them by their ids, which differ from run to run.
      const topics = serverAssignor === "range" ? ["diff-six", "diff-three"] : ["diff-six"];
      const request = { serverAssignor, subscribedTopicNames: topics };
      let first = await consumerAlone(session, group, { request });
      let second = await consumer(session, group, { memberId: "member-b", request });
      first = await report(await idle(first, group), group);
      second = await report(await idle(second, group), group);
      await describeConsumers(first.client, group);
      // The assignor that one member chooses is not used while the other member chooses another.
      const other = serverAssignor === "range" ? "uniform" : "range";
      const { memberId, memberEpoch } = second;
      await beat(second.client, { groupId: group, memberId, memberEpoch, serverAssignor: other });
      await describeConsumers(first.client, group);
    },
  })),
  {
    name: "different subscriptions, some to a topic that is not there",
    async run(session) {
      const group = session.group();
      const first = await consumerAlone(session, group, {
        request: { subscribedTopicNames: ["diff-three", "nowhere"] },
      });
      const second = await consumer(session, group, {
        memberId: "member-b",
        request: { subscribedTopicNames: ["diff-one", "diff-three", "diff-three"] },
      });
      await report(await idle(first, group), group);
      await report(await idle(second, group), group);
      await describeConsumers(first.client, group);
      await consumerAlone(session, session.group("nothing"), { request: { subscribedTopicNames: ["nowhere"] } });
      await consumerAlone(session, session.group("empty"), { request: { subscribedTopicNames: [] } });
      await describeConsumers(first.client, session.group("nothing"), session.group("empty"));
    },
  },
  {
    name: "a pattern instead of names",
    async run(session) {
      const group = session.group();
      const request = { subscribedTopicNames: null, subscribedTopicRegex: "diff-(one|six)" };
      let member = await consumer(session, group, { request });
      member = await untilAssigned(member, group, request);
      await report(member, group);
      await describeConsumers(member.client, group);
      const { memberId, memberEpoch } = member;
      await beat(member.client, { groupId: group, memberId, memberEpoch, subscribedTopicRegex: "" });
      await describeConsumers(member.client, group);
    },
  },
  {
    name: "a member that joins again with its id",
    async run(session) {
      const group = session.group();
      const member = await consumerAlone(session, group);
      await beat(member.client, joining(group, member.memberId));
      await beat(member.client, joining(group, member.memberId, { rackId: "rack", rebalanceTimeoutMs: 5000 }));
      await describeConsumers(member.client, group);
    },
  },
  {
    name: "static members of a consumer group",
    async run(session) {
      const group = session.group();
      const request = { instanceId: "one" };
      const member = await consumerAlone(session, group, { request });
      const identity = { groupId: group, memberId: member.memberId, instanceId: "one" };
      // Another client joins under the name of a member that is in the group.
      const other = await session.client("other");
      await beat(other, joining(group, "member-b", request));
      // A static member leaves for a moment: it keeps its partitions and gets them back under a new id.
      await beat(member.client, { ...identity, memberEpoch: LEAVE_STATIC });
      await describeConsumers(member.client, group);
      await beat(member.client, { ...identity, memberEpoch: member.memberEpoch });
      const back = await beat(other, joining(group, "member-b", request));
      await describeConsumers(other, group);
      await beat(member.client, { ...identity, memberEpoch: member.memberEpoch });
      await beat(other, { ...identity, memberId: "member-b", memberEpoch: back.memberEpoch, instanceId: "wrong" });
      await beat(other, { ...identity, memberId: "wrong", memberEpoch: back.memberEpoch });
      await beat(other, { ...identity, memberId: "member-b", memberEpoch: back.memberEpoch });
      await beat(other, { ...identity, memberId: "member-b", memberEpoch: LEAVE });
      await describeConsumers(other, group);
    },
  },
  {
    name: "offsets of a consumer group",
    async run(session) {
      const group = session.group();
      const { client, memberId, memberEpoch } = await consumerAlone(session, group);
      const commit = (version: number, changes: { memberId?: string; generationIdOrMemberEpoch?: number }) =>
        client.call(offsetCommit, version, {
          groupId: group,
          memberId,
          generationIdOrMemberEpoch: memberEpoch,
          topics: [{
            name: "diff-three",
            partitions: [{ partitionIndex: 0, committedOffset: 5, committedMetadata: "m" }],
          }],
          ...changes,
        });
      for (const version of [2, 8, 9]) await commit(version, {});
      for (const version of [8, 9]) {
        await commit(version, { generationIdOrMemberEpoch: memberEpoch + 1 });
        await commit(version, { generationIdOrMemberEpoch: memberEpoch - 1 });
        await commit(version, { generationIdOrMemberEpoch: -1 });
        await commit(version, { memberId: "nobody" });
        await commit(version, { memberId: "", generationIdOrMemberEpoch: -1 });
      }
      const identities = [
        { memberId, memberEpoch },
        { memberId, memberEpoch: memberEpoch + 1 },
        { memberId, memberEpoch: memberEpoch - 1 },
        { memberId: "nobody", memberEpoch },
        { memberId: null, memberEpoch: -1 },
        { memberId: null, memberEpoch },
        { memberId: "", memberEpoch: -1 },
      ];
      for (const identity of identities) {
        await client.call(offsetFetch, 9, { groups: [{ groupId: group, topics: null, ...identity }] });
      }
      await client.call(offsetFetch, 7, { groupId: group, topics: null });
      await beat(client, { groupId: group, memberId, memberEpoch: LEAVE });
      await commit(9, { memberId: "", generationIdOrMemberEpoch: -1 });
      await commit(9, {});
    },
  },
];

const described = versionsOf(consumerGroupDescribe).map((version): Scenario => ({
  name: `ConsumerGroupDescribe v${version}`,
  async run(session) {
    const group = session.group();
    const { client } = await consumerAlone(session, group, { request: { instanceId: "i", rackId: "r" } });
    await client.call(offsetCommit, 9, {
      groupId: session.group("simple"),
      topics: [{ name: "diff-one", partitions: [{ partitionIndex: 0, committedOffset: 1, committedMetadata: "" }] }],
    });
    const lists = [[group], [session.group("none")], [session.group("simple")], [group, "", group], []];
    for (const groupIds of lists) {
      await client.call(consumerGroupDescribe, version, { groupIds, includeAuthorizedOperations: true });
    }
    await client.call(describeGroups, 6, { groups: [group], includeAuthorizedOperations: true });
  },
}));

/** Proper use of consumer groups. */
export const consumerScenarios: readonly Scenario[] = [...lives, ...together, ...described];
