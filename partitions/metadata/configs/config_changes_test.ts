import assert from "node:assert/strict";
import { errorName } from "../../../net/protocol/error_codes.ts";
import { topicImage } from "../../../net/handlers/handler_testing.ts";
import { resourceTypes } from "../../config/resource_types.ts";
import { type AlterationRules, CONFIGURED_GROUPS_MAX, planAlterations } from "./config_changes.ts";
import type { ConfigAlteration, ConfigOperation } from "./config_operations.ts";
import { configOf } from "../controller_testing.ts";

const { topic: TOPIC, broker: BROKER, brokerLogger: LOGGER, clientMetrics: METRICS, group: GROUP } = resourceTypes;
const [SET, DELETE, APPEND, SUBTRACT] = [0, 1, 2, 3];

const existing = {
  ...topicImage("t", "MTIzNDU2Nzg5MDEyMzQ1Ng"),
  configs: { "retention.ms": "1000", "cleanup.policy": "compact" },
};
const rules: AlterationRules = {
  broker: configOf({ "group.consumer.max.session.timeout.ms": "70000" }),
  topic: (name) => name === "t" ? existing : undefined,
  groupConfigs: (groupId) => groupId === "g" ? { "consumer.session.timeout.ms": "50000" } : undefined,
  storedConfigs: () => ({}),
  configuredGroupsCount: 1,
};

function operation(name: string, configOperation: number, value: string | null = null): ConfigOperation {
  return { name, configOperation, value };
}

function alteration(
  resourceType: number,
  resourceName: string,
  operations: ConfigOperation[],
  replacesAll = false,
): ConfigAlteration {
  return { resourceType, resourceName, operations, replacesAll };
}

/** Error and message of one resource, or its new configs. */
function outcome(resource: ConfigAlteration, changes: Partial<AlterationRules> = {}): unknown {
  const [planned] = planAlterations([resource], { ...rules, ...changes });
  assert.ok(planned !== undefined);
  if (planned.errorCode === 0) return planned.change?.configs ?? null;
  assert.equal(planned.change, null);
  return `${errorName(planned.errorCode)} ${planned.errorMessage}`;
}

const accepted: [what: string, resource: ConfigAlteration, configs: Record<string, string> | null][] = [
  ["SET adds", alteration(TOPIC, "t", [operation("segment.bytes", SET, "2000000")]), {
    ...existing.configs,
    "segment.bytes": "2000000",
  }],
  ["SET replaces", alteration(TOPIC, "t", [operation("retention.ms", SET, "5")]), {
    ...existing.configs,
    "retention.ms": "5",
  }],
  ["SET to what it is changes nothing", alteration(TOPIC, "t", [operation("retention.ms", SET, "1000")]), null],
  ["DELETE", alteration(TOPIC, "t", [operation("retention.ms", DELETE)]), { "cleanup.policy": "compact" }],
  ["DELETE of what is not set changes nothing", alteration(TOPIC, "t", [operation("segment.ms", DELETE)]), null],
  ["DELETE of an unknown name changes nothing", alteration(TOPIC, "t", [operation("no.such", DELETE)]), null],
  ["APPEND to what is set", alteration(TOPIC, "t", [operation("cleanup.policy", APPEND, "delete")]), {
    ...existing.configs,
    "cleanup.policy": "compact,delete",
  }],
  [
    "APPEND of what is in it changes nothing",
    alteration(TOPIC, "t", [operation("cleanup.policy", APPEND, "compact")]),
    null,
  ],
  [
    "APPEND to the default, with a comma at its end as Java splits it",
    alteration(TOPIC, "t", [operation("leader.replication.throttled.replicas", APPEND, "0:1,1:1,")]),
    { ...existing.configs, "leader.replication.throttled.replicas": "0:1,1:1" },
  ],
  ["SUBTRACT", alteration(TOPIC, "t", [operation("cleanup.policy", SUBTRACT, "compact,delete")]), {
    ...existing.configs,
    "cleanup.policy": "",
  }],
  ["several keys", alteration(TOPIC, "t", [operation("retention.ms", DELETE), operation("segment.ms", SET, "7")]), {
    "cleanup.policy": "compact",
    "segment.ms": "7",
  }],
  ["all replaced", alteration(TOPIC, "t", [operation("segment.ms", SET, "7")], true), { "segment.ms": "7" }],
  ["all replaced by nothing", alteration(TOPIC, "t", [], true), {}],
  ["a new group", alteration(GROUP, "new", [operation("consumer.session.timeout.ms", SET, "60000")]), {
    "consumer.session.timeout.ms": "60000",
  }],
  [
    "a group within the broker's bounds",
    alteration(GROUP, "g", [operation("consumer.session.timeout.ms", SET, "70000")]),
    {
      "consumer.session.timeout.ms": "70000",
    },
  ],
  ["a group without configs any more", alteration(GROUP, "g", [operation("consumer.session.timeout.ms", DELETE)]), {}],
  ["nothing of an unknown group", alteration(GROUP, "h", []), null],
  ["DELETE of a broker's setting", alteration(BROKER, "1", [operation("log.retention.ms", DELETE)]), null],
  ["a setting of a broker", alteration(BROKER, "1", [operation("log.retention.ms", SET, " 5 ")]), {
    "log.retention.ms": " 5 ",
  }],
  ["a setting of all brokers", alteration(BROKER, "", [operation("log.cleanup.policy", APPEND, "compact")]), {
    "log.cleanup.policy": "delete,compact",
  }],
  ["nothing of all brokers", alteration(BROKER, "", [], true), null],
];

for (const [what, resource, configs] of accepted) {
  Deno.test(`planAlterations() accepts: ${what}`, () => assert.deepEqual(outcome(resource), configs));
}

const refused: [what: string, resource: ConfigAlteration, message: RegExp][] = [
  [
    "a key twice",
    alteration(TOPIC, "t", [operation("a", SET, "1"), operation("a", DELETE)]),
    /^INVALID_REQUEST Error due to duplicate config keys$/,
  ],
  [
    "SET to null",
    alteration(TOPIC, "t", [operation("a", SET), operation("b", APPEND)]),
    /^INVALID_REQUEST Null value not supported for : a, b$/,
  ],
  [
    "an unknown operation",
    alteration(TOPIC, "t", [operation("segment.ms", 9, "1")]),
    /^INVALID_REQUEST Unknown operations type 9$/,
  ],
  [
    "an unknown topic",
    alteration(TOPIC, "u", [operation("segment.ms", SET, "1")]),
    /^UNKNOWN_TOPIC_OR_PARTITION The topic 'u' does not exist\.$/,
  ],
  ["no topic", alteration(TOPIC, "", []), /^INVALID_REQUEST Default topic resources are not allowed\.$/],
  ["an impossible topic", alteration(TOPIC, "a/b", []), /^INVALID_TOPIC_EXCEPTION Topic name is invalid/],
  [
    "an unknown name",
    alteration(TOPIC, "t", [operation("no.such", SET, "1")]),
    /^INVALID_CONFIG Unknown topic config name: no\.such$/,
  ],
  [
    "__proto__",
    alteration(TOPIC, "t", [operation("__proto__", SET, "1")]),
    /^INVALID_CONFIG Unknown topic config name: __proto__$/,
  ],
  [
    "a bad value",
    alteration(TOPIC, "t", [operation("segment.ms", SET, "soon")]),
    /^INVALID_CONFIG Invalid value soon for configuration segment\.ms: Not a number of type LONG$/,
  ],
  [
    "values that do not fit",
    alteration(TOPIC, "t", [
      operation("min.compaction.lag.ms", SET, "9"),
      operation("max.compaction.lag.ms", SET, "8"),
    ]),
    /^INVALID_CONFIG conflict topic config setting/,
  ],
  [
    "APPEND to no list",
    alteration(TOPIC, "t", [operation("segment.ms", APPEND, "1")]),
    /^INVALID_CONFIG Can't APPEND to key segment\.ms because its type is not LIST\.$/,
  ],
  [
    "SUBTRACT from an unknown name",
    alteration(TOPIC, "t", [operation("no.such", SUBTRACT, "1")]),
    /^INVALID_CONFIG Can't SUBTRACT to key no\.such/,
  ],
  [
    "APPEND of an unknown word",
    alteration(TOPIC, "t", [operation("cleanup.policy", APPEND, "keep")]),
    /^INVALID_CONFIG Invalid value keep for configuration cleanup\.policy/,
  ],
  [
    "a value that strings cannot hold",
    alteration(TOPIC, "t", [operation("leader.replication.throttled.replicas", SET, "0:1,".repeat(8192))]),
    /^INVALID_CONFIG .*exceeds the maximum value size of 32767 bytes\.$/,
  ],
  ["no group", alteration(GROUP, "", []), /^INVALID_REQUEST Default group resources are not allowed\.$/],
  [
    "a group's unknown name",
    alteration(GROUP, "g", [operation("segment.ms", SET, "1")]),
    /^INVALID_CONFIG Unknown group config name: segment\.ms$/,
  ],
  [
    "a group beyond the bounds",
    alteration(GROUP, "g", [operation("consumer.session.timeout.ms", SET, "70001")]),
    /^INVALID_CONFIG consumer\.session\.timeout\.ms must be less than or equal to group\.consumer\.max\.session\.timeout\.ms$/,
  ],
  [
    "a broker's static setting",
    alteration(BROKER, "1", [operation("num.partitions", SET, "3"), operation("x", SET, "")]),
    /^INVALID_REQUEST Cannot update these configs dynamically: \[num\.partitions\]$/,
  ],
  [
    "a static setting of all brokers",
    alteration(BROKER, "", [operation("log.retention.hours", SET, "3"), operation("log.dirs", SET, "3")]),
    /^INVALID_REQUEST Cannot update these configs dynamically: \[log\.dirs, log\.retention\.hours\]$/,
  ],
  [
    "listeners of a broker",
    alteration(BROKER, "1", [operation("listeners", SET, "PLAINTEXT://127.0.0.1:1")]),
    /^INVALID_REQUEST Cannot update these configs dynamically: \[listeners\]$/,
  ],
  [
    "a broker's setting that only Kafka has",
    alteration(BROKER, "1", [operation("num.io.threads", SET, "3")]),
    /^INVALID_REQUEST This broker has no setting "num\.io\.threads"; /,
  ],
  [
    "a mistyped setting of a broker",
    alteration(BROKER, "", [operation("log.retention.m", SET, "3")]),
    /^INVALID_REQUEST This broker has no setting "log\.retention\.m"; did you mean log\.retention\.ms\?$/,
  ],
  [
    "connections that are no numbers",
    alteration(BROKER, "", [operation("max.connections.per.ip.overrides", SET, "10.0.0.7")]),
    /^INVALID_REQUEST max\.connections\.per\.ip\.overrides takes addresses with counts/,
  ],
  [
    "no threads for compactions",
    alteration(BROKER, "1", [operation("log.cleaner.threads", SET, "0")]),
    /^INVALID_REQUEST .*Log cleaner threads should be at least 1/,
  ],
  [
    "lags that exclude each other",
    alteration(BROKER, "1", [
      operation("log.cleaner.min.compaction.lag.ms", SET, "9"),
      operation("log.cleaner.max.compaction.lag.ms", SET, "8"),
    ]),
    /^INVALID_REQUEST conflict topic config setting min\.compaction\.lag\.ms/,
  ],
  [
    "a value of a broker that is too long",
    alteration(BROKER, "1", [operation("max.connections.per.ip.overrides", SET, "10.0.0.7:1,".repeat(3000))]),
    /^INVALID_CONFIG The configuration value cannot be added because it exceeds the maximum value size of 32767/,
  ],
  ["another broker", alteration(BROKER, "2", []), /^INVALID_REQUEST Unexpected broker id, expected 1, but received 2$/],
  [
    "a broker that is no number",
    alteration(BROKER, "one", []),
    /^INVALID_REQUEST Node id must be an integer, but it is: one$/,
  ],
  [
    "APPEND to a broker's unknown setting",
    alteration(BROKER, "1", [operation("no.such", APPEND, "1")]),
    /^INVALID_CONFIG Unknown config name: no\.such$/,
  ],
  [
    "APPEND to a broker's number",
    alteration(BROKER, "1", [operation("num.partitions", APPEND, "1")]),
    /^INVALID_CONFIG Config value append is not allowed for config key: num\.partitions$/,
  ],
  [
    "loggers",
    alteration(LOGGER, "1", [operation("root", SET, "DEBUG")]),
    /^INVALID_REQUEST The loggers of this broker cannot be changed/,
  ],
  ["loggers by AlterConfigs", alteration(LOGGER, "1", [], true), /^INVALID_REQUEST Unknown resource type 8$/],
  ["client metrics", alteration(METRICS, "m", []), /^INVALID_REQUEST Client metrics are not served/],
  ["an unknown kind", alteration(-7, "x", []), /^INVALID_REQUEST Unknown resource type -7$/],
];

for (const [what, resource, message] of refused) {
  Deno.test(`planAlterations() refuses: ${what}`, () => assert.match(String(outcome(resource)), message));
}

Deno.test("planAlterations() refuses a resource that is named twice, and not the others", () => {
  const one = alteration(TOPIC, "t", [operation("segment.ms", SET, "1")]);
  const other = alteration(GROUP, "t", [operation("consumer.session.timeout.ms", SET, "60000")]);
  const planned = planAlterations([one, other, one], rules);
  assert.deepEqual(planned.map(({ errorMessage }) => errorMessage), [
    "Each resource must appear at most once.",
    null,
    "Each resource must appear at most once.",
  ]);
});

Deno.test("planAlterations() keeps messages within the string length of every version", () => {
  const nulls = Array.from({ length: 1000 }, (_, index) => operation(`${index}${"x".repeat(1000)}`, SET));
  assert.ok(String(outcome(alteration(TOPIC, "t", nulls))).length < 3000);
});

Deno.test("planAlterations() refuses configs for more groups than the limit; groups with configs can still change theirs", () => {
  const set = operation("consumer.session.timeout.ms", SET, "60000");
  const full = { ...rules, configuredGroupsCount: CONFIGURED_GROUPS_MAX - 1 };
  const names = ["one", "two", "g"];
  const planned = planAlterations(names.map((name) => alteration(GROUP, name, [set])), full);
  assert.deepEqual(planned.map(({ errorCode }) => errorName(errorCode)), ["NONE", "POLICY_VIOLATION", "NONE"]);
});

Deno.test("planAlterations() keeps stored settings of brokers that this version does not take, and replaces the rest", () => {
  const stored = { "log.future.ms": "soon", "log.retention.ms": "7", "log.segment.bytes": "1" };
  const changes = { storedConfigs: () => stored };
  const set = [operation("message.max.bytes", SET, "5000")];
  assert.deepEqual(outcome(alteration(BROKER, "", set), changes), { ...stored, "message.max.bytes": "5000" });
  assert.deepEqual(outcome(alteration(BROKER, "", set, true), changes), { "message.max.bytes": "5000" });
  assert.deepEqual(outcome(alteration(BROKER, "", [operation("log.future.ms", DELETE)]), changes), {
    "log.retention.ms": "7",
    "log.segment.bytes": "1",
  });
});

Deno.test("planAlterations() takes two numbers of one broker for the same resource", () => {
  const set = [operation("log.retention.ms", SET, "5")];
  const planned = planAlterations([alteration(BROKER, "1", set), alteration(BROKER, "+01", set)], rules);
  for (const { errorMessage } of planned) assert.equal(errorMessage, "Each resource must appear at most once.");
});
