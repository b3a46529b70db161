/** Scenarios of proper use of the classic protocol: JoinGroup, SyncGroup, Heartbeat, LeaveGroup in all versions, and timeouts. */
import { describeGroups, heartbeat, joinGroup, leaveGroup, syncGroup, versionsOf } from "./apis.ts";
import {
  assignment,
  atMost,
  awaitRebalance,
  joinAlone,
  joinRequest,
  joinTwo,
  memberIdFor,
  stableAlone,
  stableTwo,
  subscription,
  syncAsLeader,
  syncing,
} from "./classic_steps.ts";
import type { Client, Scenario } from "./session.ts";

const ILLEGAL_GENERATION = 22;
const UNKNOWN_MEMBER_ID = 25;

/** Joins, synchronises, leaves, everything in one version. */
const lives = versionsOf(joinGroup).map((version): Scenario => ({
  name: `life of a member, JoinGroup v${version}`,
  async run(session) {
    const group = session.group();
    const member = await joinAlone(session, group, { version });
    const { client, memberId, generationId } = member;
    const beat = () => client.call(heartbeat, atMost(version, heartbeat), { groupId: group, generationId, memberId });
    await beat();
    await describe(client, group);
    await syncAsLeader(member, group, { version: atMost(version, syncGroup) });
    await beat();
    await describe(client, group);
    await syncAsLeader(member, group, { version: atMost(version, syncGroup) });
    const leave = atMost(version, leaveGroup);
    await client.call(leaveGroup, leave, {
      groupId: group,
      ...(leave < 3 ? { memberId } : { members: [{ memberId }] }),
    });
    await beat();
    await describe(client, group);
  },
}));

async function describe(client: Client, group: string): Promise<void> {
  await client.call(describeGroups, 6, { groups: [group], includeAuthorizedOperations: true });
}

const together: readonly Scenario[] = [
  {
    name: "two members, the leader leaves",
    async run(session) {
      const group = session.group();
      const [first, second] = await joinTwo(session, group);
      await describe(first.client, group);
      const waiting = await second.client.send(syncGroup, 5, syncing(second, group));
      await syncAsLeader(first, group, {
        assignments: {
          [first.memberId]: assignment({ "diff-three": [0, 1] }),
          [second.memberId]: assignment({ "diff-three": [2] }),
          nobody: assignment({ "diff-one": [0] }),
        },
      });
      await waiting.answer();
      await describe(first.client, group);
      await first.client.call(leaveGroup, 5, {
        groupId: group,
        members: [{ memberId: first.memberId, reason: "done" }],
      });
      await awaitRebalance(second, group);
      await describe(second.client, group);
      const alone = await second.client.call(joinGroup, 9, { ...joinRequest(group), memberId: second.memberId });
      await syncAsLeader({ ...second, generationId: alone.generationId }, group);
      await describe(second.client, group);
    },
  },
  {
    name: "the leader names nobody in its SyncGroup",
    async run(session) {
      const group = session.group();
      const [first, second] = await joinTwo(session, group);
      await syncAsLeader(first, group, { assignments: {} });
      await second.client.call(syncGroup, 5, syncing(second, group));
      await describe(first.client, group);
    },
  },
  {
    name: "empty assignments and metadata",
    async run(session) {
      const group = session.group();
      const request = { protocols: [{ name: "range", metadata: new Uint8Array() }] };
      const member = await joinAlone(session, group, { request });
      await syncAsLeader(member, group, { assignments: { [member.memberId]: new Uint8Array() } });
      await describe(member.client, group);
    },
  },
  {
    name: "the vote for a protocol",
    async run(session) {
      const group = session.group();
      const named = (...names: string[]) => ({
        protocols: names.map((name) => ({ name, metadata: subscription([name]) })),
      });
      const [first, second] = await joinTwo(session, group, [
        named("range", "roundrobin", "sticky"),
        named("sticky", "roundrobin"),
      ]);
      await describe(first.client, group);
      const third = await session.client("third");
      const request = joinRequest(group, named("roundrobin", "other"));
      const memberId = await memberIdFor(third, 9, request);
      const joining = await third.send(joinGroup, 9, { ...request, memberId });
      await awaitRebalance(first, group);
      const back = await second.client.send(joinGroup, 9, {
        ...joinRequest(group, named("sticky", "roundrobin")),
        memberId: second.memberId,
      });
      await first.client.call(joinGroup, 9, {
        ...joinRequest(group, named("range", "roundrobin", "sticky")),
        memberId: first.memberId,
      });
      await joining.answer();
      await back.answer();
    },
  },
  {
    name: "a member of a stable group joins again",
    async run(session) {
      const group = session.group();
      const [first, second] = await stableTwo(session, group);
      // A follower that joins again without changes gets the current generation.
      await second.client.call(joinGroup, 9, { ...joinRequest(group), memberId: second.memberId, reason: "again" });
      await describe(first.client, group);
      // A follower that subscribes to more topics starts a rebalance.
      const protocols = [{ name: "range", metadata: subscription(["diff-three", "diff-one"]) }];
      const joining = await second.client.send(joinGroup, 9, {
        ...joinRequest(group, { protocols }),
        memberId: second.memberId,
      });
      await awaitRebalance(first, group);
      const again = await first.client.call(joinGroup, 9, { ...joinRequest(group), memberId: first.memberId });
      await joining.answer();
      await syncAsLeader({ ...first, generationId: again.generationId }, group);
      // The leader always starts one.
      const leading = await first.client.send(joinGroup, 9, { ...joinRequest(group), memberId: first.memberId });
      await awaitRebalance({ ...second, generationId: again.generationId }, group);
      await second.client.call(joinGroup, 9, { ...joinRequest(group, { protocols }), memberId: second.memberId });
      await leading.answer();
    },
  },
  {
    name: "a member joins again before it has synchronised",
    async run(session) {
      const group = session.group();
      const [first, second] = await joinTwo(session, group);
      await second.client.call(joinGroup, 9, { ...joinRequest(group), memberId: second.memberId });
      await first.client.call(joinGroup, 9, { ...joinRequest(group), memberId: first.memberId });
      await describe(first.client, group);
      const protocols = [{ name: "range", metadata: subscription(["diff-one"]) }];
      const joining = await second.client.send(joinGroup, 9, {
        ...joinRequest(group, { protocols }),
        memberId: second.memberId,
      });
      await awaitRebalance(first, group);
      await first.client.call(joinGroup, 9, { ...joinRequest(group), memberId: first.memberId });
      await joining.answer();
    },
  },
  {
    name: "a group of Connect workers",
    async run(session) {
      const group = session.group();
      const protocols = [
        { name: "sessioned", metadata: new Uint8Array([0, 2, 9]) },
        { name: "compatible", metadata: new Uint8Array([0, 1, 8]) },
      ];
      const member = await stableAlone(session, group, { request: { protocolType: "connect", protocols } });
      await describe(member.client, group);
    },
  },
  {
    name: "client ids: empty and null",
    async run(session) {
      for (const [name, clientId] of [["empty", ""], ["null", null]] as const) {
        const client = await session.client(clientId);
        const group = session.group(name);
        const { memberId } = await client.call(joinGroup, 9, joinRequest(group));
        await client.call(joinGroup, 9, { ...joinRequest(group), memberId });
        await describe(client, group);
      }
    },
  },
];

const timed: readonly Scenario[] = [
  {
    name: "a member that goes silent expires",
    async run(session) {
      const group = session.group();
      const member = await stableAlone(session, group, { request: { sessionTimeoutMs: 500 } });
      await member.client.until(describeGroups, 6, {
        request: { groups: [group] },
        is: ({ groups }) => groups[0]?.groupState !== "Stable",
      });
      const { memberId, generationId } = member;
      await member.client.call(heartbeat, 4, { groupId: group, generationId, memberId });
    },
  },
  {
    name: "a member that does not join again within the rebalance timeout is left out",
    async run(session) {
      const group = session.group();
      const slow = { rebalanceTimeoutMs: 500 };
      const [first, second] = await stableTwo(session, group, [slow, slow]);
      const again = await first.client.call(joinGroup, 9, { ...joinRequest(group, slow), memberId: first.memberId });
      await syncAsLeader({ ...first, generationId: again.generationId }, group);
      const { memberId, generationId } = second;
      await second.client.call(heartbeat, 4, { groupId: group, generationId, memberId });
      await second.client.call(joinGroup, 9, { ...joinRequest(group, slow), memberId });
      await describe(first.client, group);
    },
  },
  {
    name: "a member that joins and never synchronises is left out",
    async run(session) {
      const group = session.group();
      const slow = { rebalanceTimeoutMs: 500 };
      const [first, second] = await joinTwo(session, group, [slow, slow]);
      await syncAsLeader(first, group, { assignments: { [first.memberId]: assignment({ "diff-one": [0] }) } });
      await awaitRebalance(first, group);
      const { memberId, generationId } = second;
      await second.client.until(heartbeat, 4, {
        request: { groupId: group, generationId, memberId },
        is: ({ errorCode }) => errorCode === UNKNOWN_MEMBER_ID || errorCode === ILLEGAL_GENERATION,
      });
      await describe(first.client, group);
    },
  },
  {
    name: "a leader that never synchronises is left out, and who waits for it must join again",
    async run(session) {
      const group = session.group();
      const slow = { rebalanceTimeoutMs: 500 };
      const [first, second] = await joinTwo(session, group, [slow, slow]);
      const { memberId } = second;
      await second.client.call(syncGroup, 5, syncing(second, group));
      await describe(first.client, group);
      await second.client.call(joinGroup, 9, { ...joinRequest(group, slow), memberId });
      await describe(first.client, group);
    },
  },
  {
    name: "an id that is not used to join is forgotten after the session timeout",
    async run(session) {
      const group = session.group();
      const client = await session.client();
      const request = joinRequest(group, { sessionTimeoutMs: 500 });
      const { memberId } = await client.call(joinGroup, 9, request);
      await client.until(heartbeat, 4, {
        request: { groupId: group, generationId: -1, memberId },
        is: ({ errorCode }) => errorCode === UNKNOWN_MEMBER_ID,
      });
    },
  },
];

/** Proper use of the classic protocol. */
export const classicScenarios: readonly Scenario[] = [...lives, ...together, ...timed];
