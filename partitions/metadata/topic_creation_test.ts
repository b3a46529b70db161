import assert from "node:assert/strict";
import { errorCode, errorName } from "../../net/protocol/error_codes.ts";
import type { CreatableTopic } from "../../net/protocol/messages/19_create_topics.ts";
import type { PlaceableBroker } from "../placement/replica_placement.ts";
import { type CreationRules, planTopics, scarcest } from "./topic_creation.ts";

const active = (...nodeIds: number[]) =>
  nodeIds.map((nodeId): PlaceableBroker => ({ nodeId, rack: null, state: "active" }));

const rules: CreationRules = {
  numPartitions: 4,
  replicationFactor: 1,
  brokers: active(1),
  random: () => 0,
  freeCount: 20_000,
  exists: (name) => name === "exists" || name === "a_b",
  colliding: (key) => key === "a_b" ? "a_b" : undefined,
};

function wanted(name: string, settings: Partial<CreatableTopic> = {}): CreatableTopic {
  return { name, numPartitions: 1, replicationFactor: 1, assignments: [], configs: [], ...settings };
}

/** Error and message of one topic; "" when it may be created. */
function verdict(topic: CreatableTopic, changes: Partial<CreationRules> = {}): string {
  const [planned] = planTopics([topic], { ...rules, ...changes });
  assert.ok(planned !== undefined);
  return "errorCode" in planned ? `${errorName(planned.errorCode)} ${planned.errorMessage}` : "";
}

function assigned(...replicas: [partition: number, brokerIds: number[]][]): Partial<CreatableTopic> {
  const assignments = replicas.map(([partitionIndex, brokerIds]) => ({ partitionIndex, brokerIds }));
  return { numPartitions: -1, replicationFactor: -1, assignments };
}

const refusals: [what: string, topic: CreatableTopic, verdict: RegExp, changes?: Partial<CreationRules>][] = [
  ["an empty name", wanted(""), /^INVALID_TOPIC_EXCEPTION Topic name is invalid: the empty string is not allowed$/],
  [".", wanted("."), /^INVALID_TOPIC_EXCEPTION .*'\.' is not allowed/],
  ["..", wanted(".."), /^INVALID_TOPIC_EXCEPTION .*'\.\.' is not allowed/],
  ["a path", wanted("../../etc/passwd"), /^INVALID_TOPIC_EXCEPTION .*other than ASCII alphanumerics/],
  ["NUL", wanted("a\0b"), /^INVALID_TOPIC_EXCEPTION/],
  ["a line break", wanted("a\nb"), /^INVALID_TOPIC_EXCEPTION/],
  ["a trailing line break", wanted("ab\n"), /^INVALID_TOPIC_EXCEPTION/],
  ["letters beyond ASCII", wanted("straße"), /^INVALID_TOPIC_EXCEPTION/],
  ["250 characters", wanted("x".repeat(250)), /^INVALID_TOPIC_EXCEPTION .*longer than the max allowed length 249$/],
  ["a colliding name", wanted("a.b"), /^INVALID_TOPIC_EXCEPTION Topic 'a\.b' collides with existing topic: a_b$/],
  ["an existing name", wanted("exists"), /^TOPIC_ALREADY_EXISTS Topic 'exists' already exists\.$/],
  ["an existing name that collides with itself", wanted("a_b"), /^TOPIC_ALREADY_EXISTS/],
  ["Kafka's metadata log", wanted("__cluster_metadata"), /^INVALID_REQUEST Creation of internal topic/],
  ["0 partitions", wanted("t", { numPartitions: 0 }), /^INVALID_PARTITIONS .*non-positive/],
  ["-2 partitions", wanted("t", { numPartitions: -2 }), /^INVALID_PARTITIONS/],
  ["no room", wanted("t", { numPartitions: 3 }), /^INVALID_PARTITIONS This broker has no room .*2 more fit\.$/, {
    freeCount: 2,
  }],
  ["replication factor 0", wanted("t", { replicationFactor: 0 }), /^INVALID_REPLICATION_FACTOR .*larger than 0, or -1/],
  ["replication factor -2", wanted("t", { replicationFactor: -2 }), /^INVALID_REPLICATION_FACTOR/],
  [
    "more replicas than brokers",
    wanted("t", { replicationFactor: 3 }),
    /^INVALID_REPLICATION_FACTOR Unable to replicate the partition 3 time\(s\): .*only 1 broker\(s\) are registered\.$/,
  ],
  ["more replicas by default", wanted("t", { replicationFactor: -1 }), /^INVALID_REPLICATION_FACTOR/, {
    replicationFactor: 2,
  }],
  [
    "a config without a value",
    wanted("t", { configs: [{ name: "retention.ms", value: null }, { name: "x", value: null }] }),
    /^INVALID_CONFIG Null value not supported for topic configs: retention\.ms,x$/,
  ],
  [
    "an unknown config",
    wanted("t", { configs: [{ name: "retention.mss", value: "1" }] }),
    /^INVALID_CONFIG Unknown topic config name: retention\.mss$/,
  ],
  [
    "a config named __proto__",
    wanted("t", { configs: [{ name: "__proto__", value: "1" }] }),
    /^INVALID_CONFIG Unknown topic config name: __proto__$/,
  ],
  [
    "a bad value",
    wanted("t", { configs: [{ name: "retention.ms", value: "soon" }] }),
    /^INVALID_CONFIG Invalid value soon for configuration retention\.ms/,
  ],
  [
    "a config whose silence would be a lie",
    wanted("t", { configs: [{ name: "remote.storage.enable", value: "true" }] }),
    /^INVALID_CONFIG .*remote\.storage\.enable/,
  ],
  [
    "an assignment with a number of partitions",
    wanted("t", { ...assigned([0, [1]]), numPartitions: 1 }),
    /^INVALID_REQUEST .*numPartitions was not set to -1/,
  ],
  [
    "an assignment with a replication factor",
    wanted("t", { ...assigned([0, [1]]), replicationFactor: 1 }),
    /^INVALID_REQUEST .*replication factor was not set to -1/,
  ],
  [
    "a partition assigned twice",
    wanted("t", assigned([0, [1]], [0, [1]])),
    /^INVALID_REPLICA_ASSIGNMENT Found multiple manual partition assignments for partition 0$/,
  ],
  ["a gap", wanted("t", assigned([0, [1]], [2, [1]])), /^INVALID_REPLICA_ASSIGNMENT .*consecutive 0-based/],
  ["a negative partition", wanted("t", assigned([-1, [1]])), /^INVALID_REPLICA_ASSIGNMENT .*consecutive 0-based/],
  ["no replicas", wanted("t", assigned([0, []])), /^INVALID_REPLICA_ASSIGNMENT .*empty replica list/],
  ["an unknown broker", wanted("t", assigned([0, [7]])), /^INVALID_REPLICA_ASSIGNMENT .*broker 7, but no such broker/],
  ["a broker twice", wanted("t", assigned([0, [1, 1]])), /^INVALID_REPLICA_ASSIGNMENT .*broker 1 more than once/],
  [
    "uneven replicas",
    wanted("t", assigned([0, [1, 2]], [1, [1]])),
    /^INVALID_REPLICA_ASSIGNMENT .*1 replica\(s\), but this is not consistent .* 2 replica\(s\)\.$/,
    { brokers: active(1, 2) },
  ],
];

for (const [what, topic, expected, changes] of refusals) {
  Deno.test(`planTopics() refuses ${what}`, () => assert.match(verdict(topic, changes), expected));
}

Deno.test("planTopics() uses the broker's defaults for -1", () => {
  const [planned] = planTopics([wanted("t", { numPartitions: -1, replicationFactor: -1 })], rules);
  assert.ok(planned !== undefined && "plan" in planned);
  assert.deepEqual(planned.plan, { name: "t", configs: {}, replicas: [[1], [1], [1], [1]] });
});

Deno.test("planTopics() accepts assignments in any order, and spreads leaders when it assigns them itself", () => {
  const brokers = active(1, 2);
  const [manual, spread] = planTopics(
    [wanted("m", assigned([1, [2, 1]], [0, [1, 2]])), wanted("s", { numPartitions: 3, replicationFactor: 2 })],
    { ...rules, brokers },
  );
  assert.ok(manual !== undefined && "plan" in manual && spread !== undefined && "plan" in spread);
  assert.deepEqual(manual.plan.replicas, [[1, 2], [2, 1]]);
  assert.deepEqual(spread.plan.replicas, [[1, 2], [2, 1], [2, 1]]);
});

Deno.test("planTopics() counts replicas before assignments of brokers that are away, and leaves stopping ones out", () => {
  const [fenced, stopping]: PlaceableBroker[] = [
    { nodeId: 2, rack: null, state: "fenced" },
    { nodeId: 3, rack: null, state: "stopping" },
  ];
  assert.ok(fenced !== undefined && stopping !== undefined);
  const brokers = [...active(1), fenced, stopping];
  const [manual, spread] = planTopics(
    [wanted("m", assigned([0, [3, 1]], [1, [2, 1]])), wanted("s", { numPartitions: 2, replicationFactor: 2 })],
    { ...rules, brokers },
  );
  assert.ok(manual !== undefined && "plan" in manual && spread !== undefined && "plan" in spread);
  assert.deepEqual([manual.plan.replicas, spread.plan.replicas], [[[3, 1], [2, 1]], [[1, 2], [1, 2]]]);
  assert.equal(
    verdict(wanted("t", assigned([0, [1]], [1, [2]])), { brokers }),
    "INVALID_REPLICA_ASSIGNMENT All brokers specified in the manual partition assignment for partition 1 are fenced or in " +
      "controlled shutdown.",
  );
  assert.match(
    verdict(wanted("t", { replicationFactor: 3 }), { brokers }),
    /because only 2 broker\(s\) are registered\.$/,
  );
  assert.equal(
    verdict(wanted("t"), { brokers: [fenced, stopping] }),
    "INVALID_REPLICATION_FACTOR Unable to replicate the partition 1 time(s): All brokers are currently fenced.",
  );
});

Deno.test("planTopics() takes each replica from the room that is left, not each partition", () => {
  const cluster = { brokers: active(1, 2, 3), freeCount: 5 };
  assert.equal(verdict(wanted("t", { replicationFactor: 3 }), cluster), "");
  assert.match(
    verdict(wanted("t", { numPartitions: 2, replicationFactor: 3 }), cluster),
    /^INVALID_PARTITIONS This broker has no room for 6 partitions: 5 more fit/,
  );
  assert.match(
    verdict(wanted("t", assigned([0, [1, 2, 3]], [1, [2, 3, 1]])), cluster),
    /^INVALID_PARTITIONS .* 6 partitions/,
  );
});

Deno.test("planTopics() accepts names with every legal character, up to 249 of them", () => {
  assert.equal(verdict(wanted("abcXYZ019-.")), "");
  assert.equal(verdict(wanted("x".repeat(249))), "");
  assert.equal(verdict(wanted("__consumer_offsets")), "");
});

Deno.test("planTopics() refuses a repeated name with one answer, and the second of two colliding names", () => {
  const planned = planTopics([wanted("t"), wanted("x.y"), wanted("x_y"), wanted("t"), wanted("u")], rules);
  assert.deepEqual(
    planned.map((topic) => [topic.name, "errorCode" in topic ? errorName(topic.errorCode) : "planned"]),
    [["t", "INVALID_REQUEST"], ["x.y", "planned"], ["x_y", "INVALID_TOPIC_EXCEPTION"], ["u", "planned"]],
  );
});

Deno.test("planTopics() counts the partitions of earlier topics of the request", () => {
  const topics = [wanted("a", { numPartitions: 2 }), wanted("b", { numPartitions: 2 }), wanted("c")];
  const codes = planTopics(topics, { ...rules, freeCount: 3 }).map((topic) => "plan" in topic);
  assert.deepEqual(codes, [true, false, true]);
});

Deno.test("planTopics() refuses a whole request for more than 10,000 partitions with POLICY_VIOLATION", () => {
  const within = [wanted("a", { numPartitions: 9_996 }), wanted("b", { numPartitions: -1 })];
  assert.ok(planTopics(within, rules).every((topic) => "plan" in topic));
  const beyond = planTopics([...within, wanted("c")], rules);
  assert.ok(beyond.every((topic) => "errorCode" in topic && topic.errorCode === errorCode.POLICY_VIOLATION));
  assert.equal(beyond.length, 3);
  assert.match(verdict(wanted("huge", { numPartitions: 0x7fff_ffff })), /^POLICY_VIOLATION/);
});

Deno.test("planTopics() gives the reason why no more partitions fit, when it is not the limit of partitions", () => {
  const topic = { name: "t", numPartitions: 3, replicationFactor: -1, assignments: [], configs: [] };
  const [refused] = planTopics([topic], { ...rules, ...scarcest(2000, { count: 2, scarcity: "there is a reason" }) });
  const message = "This broker has no room for 3 partitions: 2 more fit, because there is a reason.";
  assert.deepEqual(refused, { name: "t", errorCode: errorCode.INVALID_PARTITIONS, errorMessage: message });
  assert.deepEqual(scarcest(2, { count: 2000, scarcity: "there is a reason" }), { freeCount: 2 });
});
