import assert from "node:assert/strict";
import { topicImage } from "../../net/handlers/handler_testing.ts";
import { errorName } from "../../net/protocol/error_codes.ts";
import type { CreatePartitionsTopic } from "../../net/protocol/messages/37_create_partitions.ts";
import type { PlaceableBroker } from "../placement/replica_placement.ts";
import { type GrowthRules, planPartitions } from "./partition_creation.ts";
import { PARTITIONS_PER_REQUEST_MAX } from "./topic_creation.ts";

const existing = topicImage("t", "MTIzNDU2Nzg5MDEyMzQ1Ng", 2);
const internal = topicImage("__consumer_offsets", "YWFhYWFhYWFhYWFhYWFhYQ", 2);
const active = (...nodeIds: number[]) =>
  nodeIds.map((nodeId): PlaceableBroker => ({ nodeId, rack: null, state: "active" }));
const rules: GrowthRules = {
  brokers: active(1),
  random: () => 0,
  freeCount: 20_000,
  topic: (name) => name === "t" || name === "u" ? existing : name === internal.name ? internal : undefined,
};

function wanted(count: number, brokerIds: number[][] | null = null, name = "t"): CreatePartitionsTopic {
  return { name, count, assignments: brokerIds?.map((ids) => ({ brokerIds: ids })) ?? null };
}

/** Error and message of each topic, or the replicas that its new partitions get. */
function outcomes(topics: CreatePartitionsTopic[], changes: Partial<GrowthRules> = {}) {
  return planPartitions(topics, { ...rules, ...changes }).map((planned) =>
    "plan" in planned ? planned.plan.replicas : `${errorName(planned.errorCode)} ${planned.errorMessage}`
  );
}

Deno.test("planPartitions() gives new partitions the replicas that the client assigned, or the brokers in turn", () => {
  assert.deepEqual(outcomes([wanted(4)]), [[[1], [1]]]);
  assert.deepEqual(outcomes([wanted(4, [[1], [1]])]), [[[1], [1]]]);
  assert.deepEqual(outcomes([wanted(5)], { brokers: active(7, 8) }), [[[7], [8], [8]]]);
});

const refused: [what: string, topic: CreatePartitionsTopic, message: RegExp][] = [
  [
    "an unknown topic",
    wanted(3, null, "none"),
    /^UNKNOWN_TOPIC_OR_PARTITION This broker does not host this topic or partition\.$/,
  ],
  ["as many", wanted(2), /^INVALID_PARTITIONS Topic already has 2 partition\(s\)\.$/],
  ["fewer", wanted(1), /^INVALID_PARTITIONS The topic t currently has 2 partition\(s\); 1 would not be an increase\.$/],
  ["a negative number", wanted(-2147483648), /^INVALID_PARTITIONS .* -2147483648 would not be an increase\.$/],
  [
    "too few assignments",
    wanted(5, [[1]]),
    /^INVALID_REPLICA_ASSIGNMENT Attempted to add 3 additional partition\(s\), but only 1 assignment\(s\) were specified\.$/,
  ],
  ["no assignments", wanted(3, []), /^INVALID_REPLICA_ASSIGNMENT Attempted to add 1 additional/],
  [
    "an empty assignment",
    wanted(3, [[]]),
    /^INVALID_REPLICA_ASSIGNMENT The manual partition assignment includes an empty replica list\.$/,
  ],
  [
    "another broker",
    wanted(3, [[2]]),
    /^INVALID_REPLICA_ASSIGNMENT .* includes broker 2, but no such broker is registered\.$/,
  ],
  ["a broker twice", wanted(3, [[1, 1]]), /^INVALID_REPLICA_ASSIGNMENT .* includes the broker 1 more than once\.$/],
  [
    "more than a request may add",
    wanted(2 + PARTITIONS_PER_REQUEST_MAX + 1),
    /^POLICY_VIOLATION Excessively large number/,
  ],
  [
    "an internal topic",
    wanted(3, null, "__consumer_offsets"),
    /^INVALID_PARTITIONS Partitions of internal topic __consumer_offsets/,
  ],
  ["the largest number", wanted(2147483647), /^POLICY_VIOLATION/],
];

for (const [what, topic, message] of refused) {
  Deno.test(`planPartitions() refuses ${what}`, () => assert.match(String(outcomes([topic])[0]), message));
}

Deno.test("planPartitions() refuses another number of replicas than the topic has", () => {
  const [message] = outcomes([wanted(3, [[1, 2]])], { brokers: active(1, 2) });
  assert.match(
    String(message),
    /a partition with 2 replica\(s\), but .* previous partitions, which have 1 replica\(s\)\.$/,
  );
});

Deno.test("planPartitions() refuses brokers that are away, with the number of the partition", () => {
  const brokers: PlaceableBroker[] = [...active(1), { nodeId: 2, rack: null, state: "fenced" }];
  assert.deepEqual(outcomes([wanted(4, [[1], [2]])], { brokers }), [
    "INVALID_REPLICA_ASSIGNMENT All brokers specified in the manual partition assignment for partition 3 are fenced or in " +
    "controlled shutdown.",
  ]);
  assert.deepEqual(outcomes([wanted(3)], { brokers: brokers.slice(1) }), [
    "INVALID_REPLICATION_FACTOR All brokers are currently fenced.",
  ]);
});

Deno.test("planPartitions() counts the new partitions of all topics of a request", () => {
  const [first, second] = outcomes([wanted(4), wanted(4, null, "u")], { freeCount: 3 });
  assert.deepEqual(first, [[1], [1]]);
  assert.equal(second, "INVALID_PARTITIONS This broker has no room for 2 partitions: 1 more fits.");
});

Deno.test("planPartitions() refuses a topic that is named twice, with one answer", () => {
  assert.deepEqual(outcomes([wanted(3), wanted(4), wanted(3, null, "u")]), [
    "INVALID_REQUEST Duplicate topic name.",
    [[1]],
  ]);
});
