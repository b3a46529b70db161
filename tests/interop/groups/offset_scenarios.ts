/** Scenarios of committed offsets: proper use and misuse of OffsetCommit, OffsetFetch, OffsetDelete in all versions. */
import { ZERO_UUID } from "../../../net/protocol/text_cache.ts";
import { describeGroups, joinGroup, leaveGroup, offsetCommit, offsetDelete, offsetFetch, versionsOf } from "./apis.ts";
import { awaitRebalance, joinAlone, joinRequest, stableAlone, stableTwo } from "./classic_steps.ts";
import { type Client, type Scenario, type Session, TOPICS } from "./session.ts";

type CommitRequest = Parameters<typeof offsetCommit.request.encode>[2];
type FetchRequest = Parameters<typeof offsetFetch.request.encode>[2];
type Topic = keyof typeof TOPICS;

/** First version with topic ids instead of names. */
const TOPIC_IDS_SINCE = 10;
/** First version of OffsetFetch with several groups. */
const GROUPS_SINCE = 8;
const METADATA_MAX_BYTES = 4096;
/** An id that no topic has. */
const UNKNOWN_ID = "AAAAAAAAAAAAAAAAAAAAxQ";

/** Name or id of a topic, whichever the version has. */
function nameIn(session: Session, version: number, topic: string): { name?: string; topicId?: string } {
  if (version < TOPIC_IDS_SINCE) return { name: topic };
  return { topicId: topic in TOPICS ? session.topicId(topic as Topic) : UNKNOWN_ID };
}

function partition(partitionIndex: number, committedOffset: number, committedMetadata: string | null = "") {
  return { partitionIndex, committedOffset, committedMetadata };
}

/** A commit of one offset of diff-one by name. */
function commitOf(groupId: string, changes: Partial<CommitRequest> = {}): CommitRequest {
  return { groupId, topics: [{ name: "diff-one", partitions: [partition(0, 7)] }], ...changes };
}

/** All committed offsets of groups, by the newest version that has topic names. */
async function fetchAll(client: Client, ...groups: string[]): Promise<void> {
  await client.call(offsetFetch, 9, { groups: groups.map((groupId) => ({ groupId, topics: null })) });
}

const commits = versionsOf(offsetCommit).map((version): Scenario => ({
  name: `OffsetCommit v${version} without a group`,
  async run(session) {
    const group = session.group();
    const client = await session.client();
    const named = (topic: string) => nameIn(session, version, topic);
    const commit = (topics: CommitRequest["topics"], changes: Partial<CommitRequest> = {}) =>
      client.call(offsetCommit, version, { groupId: group, topics, ...changes });
    await commit([
      { ...named("diff-one"), partitions: [{ ...partition(0, 42, "here"), committedLeaderEpoch: 3 }] },
      { ...named("diff-three"), partitions: [partition(0, 0), partition(2, 2 ** 40, null)] },
    ]);
    await client.call(describeGroups, 6, { groups: [group] });
    await commit([
      { ...named("nowhere"), partitions: [partition(0, 1), partition(1, 1)] },
      { ...named("diff-one"), partitions: [partition(1, 1), partition(-1, 1), partition(0, 43)] },
    ]);
    await commit([{
      ...named("diff-three"),
      partitions: [
        partition(0, 1, "m".repeat(METADATA_MAX_BYTES)),
        partition(1, 1, "m".repeat(METADATA_MAX_BYTES + 1)),
        partition(2, 1, "ü".repeat(METADATA_MAX_BYTES / 2 + 1)),
      ],
    }]);
    await commit([
      { ...named("diff-one"), partitions: [partition(0, 1), partition(0, 2)] },
      { ...named("diff-one"), partitions: [partition(0, 3)] },
    ]);
    await commit([{
      ...named("diff-three"),
      partitions: [partition(0, -1), partition(1, -9), partition(2, 2 ** 53 - 1)],
    }]);
    await commit([{ ...named("diff-one"), partitions: [] }]);
    await commit([]);
    await commit([{ ...named("diff-one"), partitions: [partition(0, 1)] }], { groupId: "" });
    await commit([{ ...named("diff-one"), partitions: [partition(0, 1)] }], { memberId: "somebody" });
    await commit([{ ...named("diff-one"), partitions: [partition(0, 1)] }], { generationIdOrMemberEpoch: 5 });
    await commit([{ ...named("diff-one"), partitions: [partition(0, 1)] }], {
      groupId: session.group("none"),
      memberId: "somebody",
      generationIdOrMemberEpoch: 0,
    });
    if (version <= 4) {
      await commit([{ ...named("diff-one"), partitions: [partition(0, 99)] }], { retentionTimeMs: 1000 });
    }
    await fetchAll(client, group, session.group("none"));
  },
}));

const memberCommits = versionsOf(offsetCommit).map((version): Scenario => ({
  name: `OffsetCommit v${version} of a member of a classic group`,
  async run(session) {
    const group = session.group();
    const { client, memberId, generationId } = await stableAlone(session, group);
    const commit = (changes: Partial<CommitRequest>) =>
      client.call(offsetCommit, version, {
        groupId: group,
        memberId,
        generationIdOrMemberEpoch: generationId,
        topics: [{ ...nameIn(session, version, "diff-one"), partitions: [partition(0, 7)] }],
        ...changes,
      });
    await commit({});
    await commit({ generationIdOrMemberEpoch: generationId + 1 });
    await commit({ generationIdOrMemberEpoch: generationId - 1 });
    await commit({ generationIdOrMemberEpoch: -1 });
    await commit({ memberId: "nobody" });
    await commit({ memberId: "" });
    await commit({ memberId: "", generationIdOrMemberEpoch: -1 });
    if (version >= 7) await commit({ groupInstanceId: "nobody" });
    await client.call(leaveGroup, 5, { groupId: group, members: [{ memberId }] });
    await commit({});
    await commit({ memberId: "", generationIdOrMemberEpoch: -1 });
    await fetchAll(client, group);
  },
}));

const whileRebalancing: Scenario = {
  name: "OffsetCommit while a classic group rebalances",
  async run(session) {
    const group = session.group();
    const joining = session.group("joining");
    const alone = await joinAlone(session, joining);
    const byMember = ({ memberId, generationId }: typeof alone) => ({
      memberId,
      generationIdOrMemberEpoch: generationId,
    });
    await alone.client.call(offsetCommit, 9, commitOf(joining, byMember(alone)));
    await alone.client.call(offsetCommit, 9, commitOf(joining, { ...byMember(alone), generationIdOrMemberEpoch: 9 }));
    await alone.client.call(offsetCommit, 9, commitOf(joining));
    const [first, second] = await stableTwo(session, group);
    const back = await first.client.send(joinGroup, 9, joinRequest(group, { memberId: first.memberId }));
    await awaitRebalance(second, group);
    await second.client.call(offsetCommit, 9, commitOf(group, byMember(second)));
    await second.client.call(joinGroup, 9, joinRequest(group, { memberId: second.memberId }));
    await back.answer();
    await second.client.call(offsetCommit, 9, commitOf(group, byMember(second)));
    await fetchAll(second.client, group, joining);
  },
};

const fetches = versionsOf(offsetFetch).map((version): Scenario => ({
  name: `OffsetFetch v${version}`,
  async run(session) {
    const group = session.group();
    const client = await session.client();
    await client.call(offsetCommit, 9, {
      groupId: group,
      topics: [
        { name: "diff-one", partitions: [{ ...partition(0, 42, "here"), committedLeaderEpoch: 3 }] },
        { name: "diff-three", partitions: [partition(0, 0), partition(2, 2 ** 40, "ü")] },
      ],
    });
    type Topics = NonNullable<FetchRequest["groups"]>[number]["topics"];
    const fetch = (topics: Topics, groupId = group, more: Partial<FetchRequest> = {}) =>
      client.call(offsetFetch, version, {
        ...(version < GROUPS_SINCE ? { groupId, topics } : { groups: [{ groupId, topics }] }),
        ...more,
      });
    const topic = (name: string, ...partitionIndexes: number[]) => ({
      ...nameIn(session, version, name),
      partitionIndexes,
    });
    await fetch([topic("diff-one", 0), topic("diff-three", 0, 1, 2)]);
    await fetch([topic("nowhere", 0), topic("diff-one", 0, 1, -1)]);
    await fetch([topic("diff-one", 0, 0), topic("diff-one", 0)]);
    await fetch([topic("diff-one")]);
    await fetch([]);
    await fetch([topic("diff-one", 0)], session.group("none"));
    await fetch([topic("diff-one", 0)], "");
    if (version >= 2) {
      await fetch(null);
      await fetch(null, session.group("none"));
      await fetch(null, "");
    }
    if (version >= 7) await fetch([topic("diff-one", 0)], group, { requireStable: true });
    if (version >= GROUPS_SINCE) {
      const groups = [group, session.group("none"), group, ""].map((groupId) => ({ groupId, topics: null }));
      await client.call(offsetFetch, version, { groups });
      await client.call(offsetFetch, version, { groups: [] });
      await client.call(offsetFetch, version, {
        groups: [{ groupId: group, topics: null }, { groupId: group, topics: [topic("diff-one", 0)] }],
        requireStable: true,
      });
    }
    if (version >= 9) {
      const groups = [{ groupId: group, memberId: "nobody", memberEpoch: 1, topics: null }];
      await client.call(offsetFetch, version, { groups });
    }
    if (version >= TOPIC_IDS_SINCE) {
      await fetch([{ topicId: ZERO_UUID, partitionIndexes: [0] }]);
      await client.call(offsetCommit, version, {
        groupId: group,
        topics: [{ topicId: ZERO_UUID, partitions: [partition(0, 1)] }],
      });
    }
  },
}));

const memberFetch: Scenario = {
  name: "OffsetFetch of a member of a classic group",
  async run(session) {
    const group = session.group();
    const { client, memberId, generationId } = await stableAlone(session, group);
    await client.call(offsetCommit, 9, commitOf(group, { memberId, generationIdOrMemberEpoch: generationId }));
    const identities = [
      { memberId, memberEpoch: generationId },
      { memberId, memberEpoch: generationId + 1 },
      { memberId: "nobody", memberEpoch: generationId },
      { memberId: "", memberEpoch: -1 },
      { memberId: null, memberEpoch: generationId },
    ];
    for (const identity of identities) {
      await client.call(offsetFetch, 9, { groups: [{ groupId: group, topics: null, ...identity }] });
    }
  },
};

const deletions: readonly Scenario[] = [
  {
    name: "OffsetDelete of a group without members",
    async run(session) {
      const group = session.group();
      const client = await session.client();
      await client.call(offsetCommit, 9, commitOf(group));
      const three = [{ name: "diff-three", partitions: [partition(0, 1), partition(1, 1)] }];
      await client.call(offsetCommit, 9, commitOf(group, { topics: three }));
      const requests = [
        { groupId: "", topics: deleting("diff-one", 0) },
        { groupId: session.group("none"), topics: deleting("diff-one", 0) },
        { groupId: group, topics: [] },
        { groupId: group, topics: deleting("diff-one") },
        { groupId: group, topics: [...deleting("nowhere", 0, 1), ...deleting("diff-one", 1, -1)] },
        { groupId: group, topics: [...deleting("diff-three", 0, 0, 2), ...deleting("diff-three", 0)] },
        { groupId: group, topics: deleting("diff-one", 0) },
        { groupId: group, topics: deleting("diff-one", 0) },
      ];
      for (const request of requests) await client.call(offsetDelete, 0, request);
      await fetchAll(client, group);
      await client.call(offsetDelete, 0, { groupId: group, topics: deleting("diff-three", 1) });
      await client.call(describeGroups, 6, { groups: [group] });
      await fetchAll(client, group);
    },
  },
  {
    name: "OffsetDelete of a classic group of consumers",
    async run(session) {
      const group = session.group();
      const { client, memberId, generationId } = await stableAlone(session, group);
      const identity = { memberId, generationIdOrMemberEpoch: generationId };
      await client.call(offsetCommit, 9, commitOf(group, identity));
      const three = [{ name: "diff-three", partitions: [partition(0, 1)] }];
      await client.call(offsetCommit, 9, commitOf(group, { ...identity, topics: three }));
      await client.call(offsetDelete, 0, {
        groupId: group,
        topics: [...deleting("diff-one", 0), ...deleting("diff-three", 0), ...deleting("nowhere", 0)],
      });
      await fetchAll(client, group);
      await client.call(leaveGroup, 5, { groupId: group, members: [{ memberId }] });
      await client.call(offsetDelete, 0, { groupId: group, topics: deleting("diff-three", 0) });
      await fetchAll(client, group);
    },
  },
  {
    name: "OffsetDelete of a classic group of others",
    async run(session) {
      const group = session.group();
      const request = { protocolType: "connect", protocols: [{ name: "x", metadata: new Uint8Array([1]) }] };
      const { client, memberId, generationId } = await stableAlone(session, group, { request });
      const identity = { memberId, generationIdOrMemberEpoch: generationId };
      await client.call(offsetCommit, 9, commitOf(group, identity));
      await client.call(offsetDelete, 0, { groupId: group, topics: deleting("diff-one", 0) });
      await client.call(leaveGroup, 5, { groupId: group, members: [{ memberId }] });
      await client.call(offsetDelete, 0, { groupId: group, topics: deleting("diff-one", 0) });
      await fetchAll(client, group);
    },
  },
  {
    name: "OffsetDelete of a group of consumers whose metadata cannot be read",
    async run(session) {
      const group = session.group();
      const request = { protocols: [{ name: "range", metadata: new Uint8Array([0xff]) }] };
      const { client, memberId, generationId } = await stableAlone(session, group, { request });
      const identity = { memberId, generationIdOrMemberEpoch: generationId };
      await client.call(offsetCommit, 9, commitOf(group, identity));
      await client.call(offsetDelete, 0, { groupId: group, topics: deleting("diff-one", 0) });
      await fetchAll(client, group);
    },
  },
];

function deleting(name: string, ...indexes: number[]) {
  return [{ name, partitions: indexes.map((partitionIndex) => ({ partitionIndex })) }];
}

/** Committed offsets. */
export const offsetScenarios: readonly Scenario[] = [
  ...commits,
  ...memberCommits,
  whileRebalancing,
  ...fetches,
  memberFetch,
  ...deletions,
];
