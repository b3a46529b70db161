import assert from "node:assert/strict";
import { errorCode } from "../../../../net/protocol/error_codes.ts";
import type { ConsumerGroupHeartbeatRequest } from "../../../../net/protocol/messages/68_consumer_group_heartbeat.ts";
import { refuseMalformedHeartbeat } from "./heartbeat_rules.ts";

const joining: ConsumerGroupHeartbeatRequest = {
  groupId: "g",
  memberId: "m",
  memberEpoch: 0,
  instanceId: null,
  rackId: null,
  rebalanceTimeoutMs: 1000,
  subscribedTopicNames: ["t"],
  subscribedTopicRegex: null,
  serverAssignor: null,
  topicPartitions: [],
};
const going = { ...joining, memberEpoch: 3, subscribedTopicNames: null, topicPartitions: null, rebalanceTimeoutMs: -1 };

function codeOf(request: ConsumerGroupHeartbeatRequest, version = 1): number {
  const refusal = refuseMalformedHeartbeat(request, version, ["uniform", "range"]);
  assert(refusal === null || refusal.errorMessage !== null, "a refusal says why");
  return refusal?.errorCode ?? errorCode.NONE;
}

Deno.test("refuseMalformedHeartbeat() accepts well-formed requests", () => {
  const fine: Partial<ConsumerGroupHeartbeatRequest>[] = [
    {},
    { subscribedTopicNames: [] },
    { subscribedTopicNames: null, subscribedTopicRegex: "" },
    { rebalanceTimeoutMs: 0 },
    { serverAssignor: "range" },
    { instanceId: "i", rackId: "r" },
  ];
  for (const changes of fine) assert.equal(codeOf({ ...joining, ...changes }), errorCode.NONE, JSON.stringify(changes));
  assert.equal(codeOf({ ...joining, memberId: "" }, 0), errorCode.NONE, "the broker makes the id");
  assert.equal(codeOf(going), errorCode.NONE);
  assert.equal(codeOf({ ...going, memberEpoch: -1 }), errorCode.NONE);
  assert.equal(codeOf({ ...going, memberEpoch: -2, instanceId: "i" }), errorCode.NONE);
});

Deno.test("refuseMalformedHeartbeat() refuses requests that contradict themselves", () => {
  const wrong: ConsumerGroupHeartbeatRequest[] = [
    { ...joining, groupId: "" },
    { ...joining, groupId: " " },
    { ...joining, memberId: "" },
    { ...joining, instanceId: "" },
    { ...joining, rackId: " " },
    { ...joining, rebalanceTimeoutMs: -1 },
    { ...joining, topicPartitions: null },
    { ...joining, topicPartitions: [{ topicId: "t", partitions: [0] }] },
    { ...joining, subscribedTopicNames: null },
    { ...joining, subscribedTopicNames: new Array(100_001).fill("t") },
    { ...going, memberId: "" },
    { ...going, memberEpoch: -2 },
    { ...going, memberEpoch: -3 },
  ];
  for (const request of wrong) {
    assert.equal(codeOf(request), errorCode.INVALID_REQUEST, JSON.stringify(request).slice(0, 500));
  }
  for (const memberEpoch of [1, -1]) {
    assert.equal(codeOf({ ...going, memberEpoch, memberId: "" }, 0), errorCode.INVALID_REQUEST);
  }
});

Deno.test("refuseMalformedHeartbeat() refuses assignors that are not configured or not implemented", () => {
  for (const serverAssignor of ["sticky", ""]) {
    assert.equal(codeOf({ ...joining, serverAssignor }), errorCode.UNSUPPORTED_ASSIGNOR);
  }
  const own = refuseMalformedHeartbeat({ ...joining, serverAssignor: "org.example.Own" }, 1, ["org.example.Own"]);
  assert.equal(own?.errorCode, errorCode.UNSUPPORTED_ASSIGNOR);
  assert.equal(refuseMalformedHeartbeat({ ...joining, serverAssignor: "range" }, 1, ["uniform"])?.errorCode, 112);
});

Deno.test("refuseMalformedHeartbeat() refuses too many names and partitions before it processes them", () => {
  const names = (count: number) => Array.from({ length: count }, (_, index) => `${index}`);
  assert.equal(codeOf({ ...joining, subscribedTopicNames: names(10_000) }), errorCode.NONE);
  assert.equal(codeOf({ ...joining, subscribedTopicNames: names(10_001) }), errorCode.INVALID_REQUEST);
  const owned = (topics: number, partitions: number) =>
    Array.from(
      { length: topics },
      () => ({ topicId: "YWFhYWFhYWFhYWFhYWFhYQ", partitions: Array(partitions).fill(0) }),
    );
  assert.equal(codeOf({ ...going, topicPartitions: owned(9, 10_000) }), errorCode.NONE);
  assert.equal(codeOf({ ...going, topicPartitions: owned(10, 10_000) }), errorCode.INVALID_REQUEST);
  assert.equal(codeOf({ ...going, topicPartitions: owned(100_001, 0) }), errorCode.INVALID_REQUEST);
});
