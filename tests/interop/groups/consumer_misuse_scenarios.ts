/** Scenarios of misuse of consumer groups (KIP-848): what ConsumerGroupHeartbeat refuses, and fencing. */
import { consumerGroupHeartbeat, offsetDelete, versionsOf } from "./apis.ts";
import {
  beat,
  consumer,
  consumerAlone,
  describeConsumers,
  type HeartbeatRequest,
  idle,
  joining,
  report,
} from "./consumer_steps.ts";
import { type Scenario, SETTINGS } from "./session.ts";

const LEAVE = -1;
const LEAVE_STATIC = -2;
const UUID_LENGTH_MAX = 36;
/** First version with patterns, and with member ids that the client makes (KIP-1082). */
const OWN_IDS_SINCE = 1;

const requests = versionsOf(consumerGroupHeartbeat).map((version): Scenario => ({
  name: `ConsumerGroupHeartbeat v${version} that is refused`,
  async run(session) {
    const group = session.group();
    const client = await session.client();
    const base = joining(group, "member-a");
    const changes: Partial<HeartbeatRequest>[] = [
      { groupId: "" },
      { groupId: " " },
      { instanceId: "" },
      { instanceId: " " },
      { rackId: "" },
      { rackId: " " },
      { rebalanceTimeoutMs: -1 },
      { rebalanceTimeoutMs: 0 },
      { topicPartitions: null },
      { topicPartitions: [{ topicId: session.topicId("diff-one"), partitions: [0] }] },
      { subscribedTopicNames: null },
      { serverAssignor: "" },
      { serverAssignor: "sticky" },
      { memberEpoch: -3 },
      { memberEpoch: LEAVE_STATIC },
      { memberEpoch: LEAVE },
      { memberEpoch: 1 },
      { memberEpoch: 1, memberId: "" },
      { memberEpoch: LEAVE, memberId: "" },
      { memberId: "x".repeat(UUID_LENGTH_MAX + 1), groupId: session.group("long") },
      { memberId: " ", groupId: session.group("blank") },
    ];
    if (version >= OWN_IDS_SINCE) {
      changes.push(
        { memberId: "" },
        { subscribedTopicNames: null, subscribedTopicRegex: "" },
        { subscribedTopicNames: null, subscribedTopicRegex: "(" },
        { subscribedTopicNames: null, subscribedTopicRegex: "*" },
        { subscribedTopicNames: null, subscribedTopicRegex: "(?=x)x" },
        { subscribedTopicNames: null, subscribedTopicRegex: "(a)\\1" },
      );
    }
    for (const change of changes) await client.call(consumerGroupHeartbeat, version, { ...base, ...change });
    await describeConsumers(client, group);
  },
}));

const others: readonly Scenario[] = [
  {
    name: "a member of a consumer group is fenced",
    async run(session) {
      const group = session.group();
      const { client, memberId, memberEpoch, owned } = await consumerAlone(session, group);
      const identity = { groupId: group, memberId, memberEpoch };
      await beat(client, { ...identity, memberEpoch: memberEpoch + 1 });
      await beat(client, { ...identity, memberEpoch: memberEpoch + 1, topicPartitions: owned });
      await beat(client, { ...identity, memberId: "nobody" });
      await beat(client, { ...identity, memberId: "" });
      await beat(client, { ...identity, instanceId: "not-static" });
      await beat(client, { ...identity, memberEpoch: LEAVE_STATIC });
      await beat(client, { ...identity, memberId: "nobody", memberEpoch: LEAVE });
      await beat(client, { ...identity, serverAssignor: "sticky" });
      await beat(client, { ...identity, subscribedTopicRegex: "(" });
      await beat(client, identity);
      await describeConsumers(client, group);
    },
  },
  {
    name: "the epoch before the last",
    async run(session) {
      const group = session.group();
      const first = await consumerAlone(session, group);
      const { client, memberId, memberEpoch } = first;
      await consumer(session, group, { memberId: "member-b" });
      const next = await report(await idle(first, group), group);
      const before = { groupId: group, memberId, memberEpoch };
      await beat(client, before);
      await beat(client, { ...before, topicPartitions: first.owned });
      await beat(client, { ...before, topicPartitions: next.owned });
      await beat(client, { ...before, topicPartitions: [] });
    },
  },
  {
    name: "partitions that a member was not given",
    async run(session) {
      const group = session.group();
      const { client, memberId, memberEpoch } = await consumerAlone(session, group);
      const topicPartitions = [{ topicId: session.topicId("diff-six"), partitions: [0, 9] }];
      await beat(client, { groupId: group, memberId, memberEpoch, topicPartitions });
      await describeConsumers(client, group);
    },
  },
  {
    name: "more members than group.consumer.max.size",
    async run(session) {
      const group = session.group();
      const size = Number(SETTINGS["group.consumer.max.size"]);
      const client = await session.client();
      for (let index = 0; index <= size; index++) await beat(client, joining(group, `member-${index}`));
    },
  },
  {
    name: "a member that is silent beyond the session timeout of its group",
    async run(session) {
      const group = session.group();
      const { client, memberId } = await consumerAlone(session, group);
      await beat(client, joining(group, "member-b", { rebalanceTimeoutMs: 500 }));
      await beat(client, { groupId: group, memberId, memberEpoch: LEAVE });
      await beat(client, { groupId: group, memberId, memberEpoch: LEAVE });
    },
  },
  {
    name: "a member that does not let go of its partitions within the rebalance timeout",
    async run(session) {
      const group = session.group();
      const first = await consumerAlone(session, group, { request: { rebalanceTimeoutMs: 500 } });
      await consumer(session, group, { memberId: "member-b" });
      const { client, memberId, memberEpoch } = await idle(first, group);
      await client.until(consumerGroupHeartbeat, 1, {
        request: { groupId: group, memberId, memberEpoch },
        is: ({ errorCode }) => errorCode !== 0,
      });
      await describeConsumers(client, group);
    },
  },
  {
    name: "OffsetDelete of a consumer group",
    async run(session) {
      const group = session.group();
      const { client, memberId } = await consumerAlone(session, group);
      const topics = ["diff-three", "diff-one", "nowhere"].map((name) => ({
        name,
        partitions: [{ partitionIndex: 0 }],
      }));
      await client.call(offsetDelete, 0, { groupId: group, topics });
      await beat(client, { groupId: group, memberId, memberEpoch: LEAVE });
      await client.call(offsetDelete, 0, { groupId: group, topics });
    },
  },
];

/** Misuse of consumer groups. */
export const consumerMisuseScenarios: readonly Scenario[] = [...requests, ...others];
