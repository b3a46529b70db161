/** Scenarios of static members (KIP-345) of classic groups: restarts without a rebalance, fencing, leaving by instance id. */
import { describeGroups, heartbeat, joinGroup, leaveGroup, offsetCommit, syncGroup } from "./apis.ts";
import {
  assignment,
  awaitRebalance,
  joinRequest,
  memberOf,
  stableAlone,
  stableTwo,
  subscription,
  syncAsLeader,
  syncing,
} from "./classic_steps.ts";
import type { Scenario } from "./session.ts";

const instance = (name: string) => ({ groupInstanceId: name });
const STATIC_SINCE = 5;
/** First version in which a leader may be told to skip the assignment (KIP-814). */
const SKIP_SINCE = 9;

const restarts = [STATIC_SINCE, 6, 7, 8, SKIP_SINCE].map((version): Scenario => ({
  name: `static members restart, JoinGroup v${version}`,
  async run(session) {
    const group = session.group();
    const [first, second] = await stableTwo(session, group, [instance("one"), instance("two")]);
    // The follower comes back under its name: there is no rebalance, and its former member id is fenced.
    const follower = await session.client("follower");
    const back = await follower.call(joinGroup, version, joinRequest(group, instance("two")));
    await second.client.call(heartbeat, 4, { ...identityOf(group, second), ...instance("two") });
    await second.client.call(heartbeat, 4, identityOf(group, second));
    await first.client.call(heartbeat, 4, { ...identityOf(group, first), ...instance("one") });
    await follower.call(syncGroup, 5, { ...syncing(memberOf(follower, back), group), ...instance("two") });
    // The leader comes back in the same way.
    const leader = await session.client("leader");
    const leading = await leader.call(joinGroup, version, joinRequest(group, instance("one")));
    await leader.call(describeGroups, 6, { groups: [group] });
    await leader.call(syncGroup, 5, {
      ...syncing(memberOf(leader, leading), group),
      ...instance("one"),
      assignments: [{ memberId: leading.memberId, assignment: assignment({ "diff-one": [0] }) }],
    });
    await follower.call(heartbeat, 4, {
      groupId: group,
      generationId: back.generationId,
      memberId: back.memberId,
      ...instance("two"),
    });
    await leader.call(describeGroups, 4, { groups: [group] });
  },
}));

function identityOf(group: string, of: { memberId: string; generationId: number }) {
  return { groupId: group, memberId: of.memberId, generationId: of.generationId };
}

const others: readonly Scenario[] = [
  {
    name: "a static member restarts with another subscription",
    async run(session) {
      const group = session.group();
      const [first] = await stableTwo(session, group, [instance("one"), instance("two")]);
      const follower = await session.client("follower");
      const protocols = [{ name: "range", metadata: subscription(["diff-one"]) }];
      await follower.call(joinGroup, 9, joinRequest(group, { ...instance("two"), protocols }));
      await first.client.call(heartbeat, 4, identityOf(group, first));
      await first.client.call(describeGroups, 6, { groups: [group] });
    },
  },
  {
    name: "a static member restarts with other protocols than the group has",
    async run(session) {
      const group = session.group();
      await stableTwo(session, group, [instance("one"), instance("two")]);
      const follower = await session.client("follower");
      const protocols = [{ name: "sticky", metadata: subscription(["diff-one"]) }];
      await follower.call(joinGroup, 9, joinRequest(group, { ...instance("two"), protocols }));
      await follower.call(describeGroups, 6, { groups: [group] });
    },
  },
  {
    name: "static members: fenced and unknown",
    async run(session) {
      const group = session.group();
      const member = await stableAlone(session, group, { request: instance("one") });
      const { client, memberId, generationId } = member;
      const identity = { groupId: group, memberId, generationId };
      const wrong = { ...identity, memberId: "wrong" };
      for (const groupInstanceId of ["one", "two"]) {
        await client.call(joinGroup, 9, joinRequest(group, { memberId: "wrong", groupInstanceId }));
        await client.call(syncGroup, 5, { ...syncing(member, group), memberId: "wrong", groupInstanceId });
        await client.call(heartbeat, 4, { ...wrong, groupInstanceId });
        await client.call(heartbeat, 4, { ...identity, groupInstanceId });
        await client.call(leaveGroup, 5, { groupId: group, members: [{ memberId: "wrong", groupInstanceId }] });
        await client.call(offsetCommit, 9, {
          groupId: group,
          generationIdOrMemberEpoch: generationId,
          memberId: "wrong",
          groupInstanceId,
          topics: [{
            name: "diff-one",
            partitions: [{ partitionIndex: 0, committedOffset: 1, committedMetadata: "" }],
          }],
        });
      }
      // A request without the instance id is accepted by its member id.
      await client.call(heartbeat, 4, identity);
      await client.call(describeGroups, 6, { groups: [group] });
    },
  },
  {
    name: "static members leave by their instance ids",
    async run(session) {
      const group = session.group();
      const [, second] = await stableTwo(session, group, [instance("one"), instance("two")]);
      const admin = await session.client("admin");
      for (const version of [3, 4, 5]) {
        await admin.call(leaveGroup, version, {
          groupId: group,
          members: [
            { memberId: "", groupInstanceId: version === 3 ? "one" : "nobody" },
            { memberId: "", groupInstanceId: "one" },
            { memberId: "nobody" },
          ],
        });
      }
      await admin.call(leaveGroup, 5, {
        groupId: group,
        members: [{ memberId: second.memberId, groupInstanceId: "two", reason: "operator" }],
      });
      await admin.call(describeGroups, 6, { groups: [group] });
    },
  },
  {
    name: "a static member comes back while the group rebalances",
    async run(session) {
      const group = session.group();
      const [first, second] = await stableTwo(session, group, [instance("one"), {}]);
      const protocols = [{ name: "range", metadata: subscription(["diff-one"]) }];
      const joining = await second.client.send(
        joinGroup,
        9,
        joinRequest(group, { memberId: second.memberId, protocols }),
      );
      await awaitRebalance(first, group);
      const back = await session.client("back");
      const again = await back.call(joinGroup, 9, joinRequest(group, instance("one")));
      const joined = await joining.answer();
      await back.call(describeGroups, 6, { groups: [group] });
      // It comes back once more before it has synchronised.
      const third = await session.client("third");
      const once = await third.send(joinGroup, 9, joinRequest(group, instance("one")));
      await awaitRebalance({ ...second, generationId: joined.generationId }, group);
      await second.client.call(joinGroup, 9, joinRequest(group, { memberId: second.memberId, protocols }));
      const leading = await once.answer();
      await syncAsLeader(memberOf(third, leading), group);
      await back.call(heartbeat, 4, { ...identityOf(group, again), ...instance("one") });
    },
  },
  {
    name: "a static member of an empty group",
    async run(session) {
      const group = session.group();
      const { client, memberId } = await stableAlone(session, group, { request: instance("one") });
      await client.call(leaveGroup, 5, { groupId: group, members: [{ memberId, groupInstanceId: "one" }] });
      await client.call(joinGroup, 9, joinRequest(group, instance("one")));
      await client.call(joinGroup, 9, joinRequest(group, { ...instance("one"), memberId }));
    },
  },
];

/** Static members of classic groups. */
export const staticScenarios: readonly Scenario[] = [...restarts, ...others];
