/** Scenarios of misuse of the classic protocol, in all versions: which requests are refused, with which codes. */
import { describeGroups, heartbeat, joinGroup, leaveGroup, syncGroup, versionsOf } from "./apis.ts";
import {
  awaitRebalance,
  joinAlone,
  joinRequest,
  joinTwo,
  MEMBER_ID_REQUIRED_SINCE,
  memberIdFor,
  stableAlone,
  stableTwo,
  subscription,
  syncing,
} from "./classic_steps.ts";
import { type Scenario, SETTINGS } from "./session.ts";

const minTimeoutMs = Number(SETTINGS["group.min.session.timeout.ms"]);
const maxTimeoutMs = Number(SETTINGS["group.max.session.timeout.ms"]);
const NAME_LENGTH_MAX = 249;

const joins = versionsOf(joinGroup).map((version): Scenario => ({
  name: `JoinGroup v${version} that is refused`,
  async run(session) {
    const group = session.group();
    const { client, memberId } = await stableAlone(session, group, { version });
    const other = await session.client("other");
    const fresh = session.group("fresh");
    const refused = [
      joinRequest(""),
      joinRequest(fresh, { sessionTimeoutMs: minTimeoutMs - 1 }),
      joinRequest(fresh, { sessionTimeoutMs: maxTimeoutMs + 1 }),
      joinRequest(fresh, { sessionTimeoutMs: -1 }),
      joinRequest(fresh, { memberId: "nobody" }),
      joinRequest(fresh, { protocolType: "" }),
      joinRequest(fresh, { protocols: [] }),
      joinRequest(fresh, { protocolType: "", protocols: [], memberId: "nobody" }),
      joinRequest(group, { memberId: "nobody" }),
      joinRequest(group, { protocolType: "connect" }),
      joinRequest(group, { protocols: [{ name: "sticky", metadata: subscription([]) }] }),
      joinRequest(group, { protocols: [] }),
      joinRequest(group, { protocolType: "" }),
      joinRequest(group, { memberId, protocolType: "connect" }),
      joinRequest(group, { memberId, protocols: [{ name: "sticky", metadata: subscription([]) }] }),
    ];
    for (const request of refused) await other.call(joinGroup, version, request);
    await other.call(describeGroups, 6, { groups: [fresh, group] });
    await client.call(joinGroup, version, { ...joinRequest(group), memberId });
  },
}));

const syncs = versionsOf(syncGroup).map((version): Scenario => ({
  name: `SyncGroup v${version} that is refused`,
  async run(session) {
    const group = session.group();
    const member = await joinAlone(session, group);
    const { client, memberId, generationId } = member;
    const sync = (changes: Partial<Parameters<typeof syncGroup.request.encode>[2]>) =>
      client.call(syncGroup, version, { ...syncing(member, group), ...changes });
    await sync({ groupId: "" });
    await sync({ groupId: session.group("none") });
    await sync({ memberId: "nobody" });
    await sync({ memberId: "" });
    await sync({ generationId: generationId + 1 });
    await sync({ generationId: generationId - 1 });
    if (version >= 3) await sync({ groupInstanceId: "not-static" });
    if (version >= 5) {
      await sync({ protocolType: "connect", protocolName: "range" });
      await sync({ protocolType: "consumer", protocolName: "sticky" });
      await sync({ protocolType: "consumer", protocolName: null });
      await sync({ protocolType: null, protocolName: "range" });
    }
    await client.call(leaveGroup, 5, { groupId: group, members: [{ memberId }] });
    await sync({});
  },
}));

const heartbeats = versionsOf(heartbeat).map((version): Scenario => ({
  name: `Heartbeat v${version} that is refused`,
  async run(session) {
    const group = session.group();
    const { client, memberId, generationId } = await stableAlone(session, group);
    const beat = (changes: Partial<Parameters<typeof heartbeat.request.encode>[2]>) =>
      client.call(heartbeat, version, { groupId: group, generationId, memberId, ...changes });
    await beat({ groupId: "" });
    await beat({ groupId: session.group("none") });
    await beat({ memberId: "nobody" });
    await beat({ memberId: "" });
    await beat({ generationId: generationId + 1 });
    await beat({ generationId: generationId - 1 });
    await beat({ generationId: -1 });
    if (version >= 3) await beat({ groupInstanceId: "not-static" });
    await client.call(leaveGroup, 5, { groupId: group, members: [{ memberId }] });
    await beat({});
  },
}));

const leaves = versionsOf(leaveGroup).map((version): Scenario => ({
  name: `LeaveGroup v${version} that is refused`,
  async run(session) {
    const group = session.group();
    const { client, memberId } = await stableAlone(session, group);
    const leave = (groupId: string, ...ids: string[]) =>
      client.call(leaveGroup, version, {
        groupId,
        ...(version < 3 ? { memberId: ids[0]! } : { members: ids.map((memberId) => ({ memberId })) }),
      });
    await leave("", memberId);
    await leave(session.group("none"), memberId);
    await leave(group, "nobody");
    await leave(group, "");
    if (version >= 3) {
      await leave(group);
      await leave(group, "nobody", memberId, memberId);
      await client.call(leaveGroup, version, { groupId: group, members: [{ memberId, groupInstanceId: "none" }] });
    } else {
      await leave(group, memberId);
      await leave(group, memberId);
    }
    await client.call(describeGroups, 6, { groups: [group] });
  },
}));

const others: readonly Scenario[] = [
  {
    name: "bounds of the session timeout",
    async run(session) {
      for (const sessionTimeoutMs of [minTimeoutMs, maxTimeoutMs]) {
        await joinAlone(session, session.group(String(sessionTimeoutMs)), { request: { sessionTimeoutMs } });
      }
    },
  },
  {
    name: "ids that were given and not used yet",
    async run(session) {
      const group = session.group();
      const client = await session.client();
      const { memberId } = await client.call(joinGroup, 9, joinRequest(group));
      const identity = { groupId: group, memberId, generationId: -1 };
      await client.call(heartbeat, 4, identity);
      await client.call(heartbeat, 4, { ...identity, generationId: 0 });
      await client.call(syncGroup, 4, { ...identity, assignments: [] });
      await client.call(joinGroup, 9, joinRequest(group, { memberId, groupInstanceId: "static" }));
      await client.call(leaveGroup, 5, { groupId: group, members: [{ memberId }] });
      await client.call(leaveGroup, 5, { groupId: group, members: [{ memberId }] });
      await client.call(joinGroup, 9, joinRequest(group, { memberId }));
    },
  },
  {
    name: "an id of another version of JoinGroup",
    async run(session) {
      const group = session.group();
      const client = await session.client();
      const { memberId } = await client.call(joinGroup, MEMBER_ID_REQUIRED_SINCE, joinRequest(group));
      await client.call(joinGroup, 0, joinRequest(group, { memberId }));
    },
  },
  {
    name: "while members are joining",
    async run(session) {
      const group = session.group();
      const [first, second] = await stableTwo(session, group);
      const joining = await second.client.send(joinGroup, 9, {
        ...joinRequest(group, { protocols: [{ name: "range", metadata: subscription(["diff-one"]) }] }),
        memberId: second.memberId,
      });
      await awaitRebalance(first, group);
      const identity = { groupId: group, memberId: first.memberId, generationId: first.generationId };
      await first.client.call(syncGroup, 5, syncing(first, group));
      await first.client.call(syncGroup, 5, { ...syncing(first, group), generationId: 99 });
      await first.client.call(syncGroup, 5, { ...identity, assignments: [] });
      await first.client.call(heartbeat, 4, { ...identity, generationId: 99 });
      await first.client.call(describeGroups, 6, { groups: [group] });
      await first.client.call(joinGroup, 9, joinRequest(group, { memberId: first.memberId }));
      await joining.answer();
    },
  },
  {
    name: "a second JoinGroup of a member takes the place of the first",
    async run(session) {
      const group = session.group();
      const [first, second] = await stableTwo(session, group);
      const request = joinRequest(group, {
        memberId: second.memberId,
        protocols: [{ name: "range", metadata: subscription(["diff-one"]) }],
      });
      await second.client.send(joinGroup, 9, request);
      await awaitRebalance(first, group);
      const elsewhere = await session.client("second");
      const after = await elsewhere.send(joinGroup, 9, request);
      await first.client.call(joinGroup, 9, joinRequest(group, { memberId: first.memberId }));
      await after.answer();
    },
  },
  {
    name: "more members than group.max.size",
    async run(session) {
      const group = session.group();
      const size = Number(SETTINGS["group.max.size"]);
      const last = await session.client("last");
      await stableAlone(session, group);
      // A member that has not joined again yet does not count.
      for (let index = 1; index <= size; index++) {
        const client = await session.client(`c${index}`);
        const memberId = await memberIdFor(client, 9, joinRequest(group));
        await client.send(joinGroup, 9, { ...joinRequest(group), memberId });
        await last.until(describeGroups, 6, {
          request: { groups: [group] },
          is: ({ groups }) => groups[0]!.members.length > index,
        });
      }
      for (const version of [0, 3, 5, 9]) await last.call(joinGroup, version, joinRequest(group));
      await last.call(joinGroup, 9, joinRequest(group, { groupInstanceId: "static" }));
      await last.call(describeGroups, 6, { groups: [group] });
    },
  },
  {
    name: "long names",
    async run(session) {
      const client = await session.client("c".repeat(NAME_LENGTH_MAX));
      const group = session.group("g".repeat(1000));
      const { memberId } = await client.call(joinGroup, 9, joinRequest(group));
      await client.call(joinGroup, 9, joinRequest(group, { memberId }));
    },
  },
  {
    name: "instance ids that are no names",
    async run(session) {
      const long = ["i".repeat(NAME_LENGTH_MAX), "i".repeat(NAME_LENGTH_MAX + 1)];
      for (const [index, groupInstanceId] of ["", ".", "..", "a b", "ä", "a/b", ...long].entries()) {
        const client = await session.client();
        await client.call(joinGroup, 9, joinRequest(session.group(String(index)), { groupInstanceId }));
      }
    },
  },
  {
    name: "a protocol named twice",
    async run(session) {
      const twice = [
        { name: "range", metadata: subscription(["diff-one"]) },
        { name: "range", metadata: subscription(["diff-three"]) },
      ];
      await joinAlone(session, session.group(), { request: { protocols: twice } });
    },
  },
  {
    name: "a protocol without a name",
    async run(session) {
      const nameless = [{ name: "", metadata: subscription(["diff-one"]) }];
      await joinAlone(session, session.group(), { request: { protocols: nameless } });
    },
  },
  {
    name: "an assignment of one who does not lead",
    async run(session) {
      const group = session.group();
      const [first, second] = await joinTwo(session, group);
      const waiting = await second.client.send(syncGroup, 5, {
        ...syncing(second, group),
        assignments: [{ memberId: second.memberId, assignment: new Uint8Array([9]) }],
      });
      await first.client.call(syncGroup, 5, {
        ...syncing(first, group),
        assignments: [{ memberId: first.memberId, assignment: new Uint8Array([1]) }],
      });
      await waiting.answer();
    },
  },
];

/** Misuse of the classic protocol. */
export const classicMisuseScenarios: readonly Scenario[] = [...joins, ...syncs, ...heartbeats, ...leaves, ...others];
