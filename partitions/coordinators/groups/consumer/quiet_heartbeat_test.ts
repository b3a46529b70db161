import assert from "node:assert/strict";
import type { ConsumerGroupHeartbeatRequest } from "../../../../net/protocol/messages/68_consumer_group_heartbeat.ts";
import { groupWith } from "./consumer_group_testing.ts";
import { GROUP_ID, REBALANCE_MS } from "./consumer_testing.ts";
import { planDowngrade } from "./downgrade.ts";
import { ConsumerGroupCore } from "./consumer_group_core.ts";
import { handleHeartbeat, isQuietHeartbeat } from "./heartbeat.ts";

const client = { clientId: "client", clientHost: "/127.0.0.1", apiVersion: 1 };

const joining: ConsumerGroupHeartbeatRequest = {
  groupId: GROUP_ID,
  memberId: "a",
  memberEpoch: 0,
  instanceId: "i",
  rackId: "r",
  rebalanceTimeoutMs: REBALANCE_MS,
  subscribedTopicNames: ["orders"],
  subscribedTopicRegex: null,
  serverAssignor: null,
  topicPartitions: [],
};
const quiet: ConsumerGroupHeartbeatRequest = {
  ...joining,
  memberEpoch: 2,
  instanceId: null,
  rackId: null,
  rebalanceTimeoutMs: -1,
  subscribedTopicNames: null,
  topicPartitions: null,
};

Deno.test("isQuietHeartbeat() finds the heartbeats that change nothing, and no others", () => {
  const test = groupWith(2);
  const core = new ConsumerGroupCore(test.ports, GROUP_ID, test, planDowngrade);
  assert.equal(handleHeartbeat(core, joining, client).memberEpoch, 2);
  const isQuiet = (changes: Partial<ConsumerGroupHeartbeatRequest> = {}, from = client) =>
    isQuietHeartbeat(core, { ...quiet, ...changes }, from) !== null;
  assert(isQuiet());
  assert(isQuiet({ instanceId: "i", rackId: "r", rebalanceTimeoutMs: REBALANCE_MS, topicPartitions: [] }));
  const loud: Partial<ConsumerGroupHeartbeatRequest>[] = [
    { memberId: "b" },
    { memberEpoch: 0 },
    { memberEpoch: 1 },
    { memberEpoch: 3 },
    { memberEpoch: -1 },
    { instanceId: "j" },
    { rackId: "s" },
    { rebalanceTimeoutMs: 1 },
    { subscribedTopicNames: ["orders"] },
    { subscribedTopicRegex: "" },
    { serverAssignor: "range" },
  ];
  for (const changes of loud) assert(!isQuiet(changes), JSON.stringify(changes));
  assert(!isQuiet({}, { ...client, clientId: "other" }));
  assert(!isQuiet({}, { ...client, clientHost: "/127.0.0.2" }));

  core.isTopicCheckDue = true;
  assert(!isQuiet(), "topics changed");
  handleHeartbeat(core, quiet, client);
  assert(isQuiet());
  handleHeartbeat(core, { ...joining, memberId: "b", instanceId: null }, client);
  assert(!isQuiet(), "there is a new assignment");
});
