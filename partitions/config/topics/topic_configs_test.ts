import assert from "node:assert/strict";
import type { BrokerConfig } from "../broker/broker_config.ts";
import { brokerConfigFrom } from "../broker/broker_properties.ts";
import { describeBrokerConfigs } from "../broker/described_broker.ts";
import {
  describeTopicConfigs,
  resolveLogConfig,
  resolveMinInsyncReplicas,
  validateTopicConfigs,
} from "./topic_configs.ts";

/** Config, value, and the refusal of LogConfig.validate in Apache Kafka 4.3.1 (null: accepted). */
const kafkaAnswers: [string, string, string | null][] = [
  ["cleanup.policy", "", null],
  ["cleanup.policy", "compact,delete", null],
  ["cleanup.policy", "delete, compact ", null],
  [
    "cleanup.policy",
    "Delete",
    "Invalid value Delete for configuration cleanup.policy: String must be one of: compact, delete",
  ],
  ["cleanup.policy", "delete,delete", null],
  [
    "cleanup.policy",
    "foo",
    "Invalid value foo for configuration cleanup.policy: String must be one of: compact, delete",
  ],
  ["cleanup.policy", "compact,", "Configuration 'cleanup.policy' values must not be empty."],
  ["segment.bytes", "abc", "Invalid value abc for configuration segment.bytes: Not a number of type INT"],
  ["segment.bytes", "1", "Invalid value 1 for configuration segment.bytes: Value must be at least 1048576"],
  ["segment.bytes", " 1048576 ", null],
  [
    "segment.bytes",
    "99999999999",
    "Invalid value 99999999999 for configuration segment.bytes: Not a number of type INT",
  ],
  ["segment.bytes", "1.5", "Invalid value 1.5 for configuration segment.bytes: Not a number of type INT"],
  ["segment.bytes", "", "Invalid value  for configuration segment.bytes: Not a number of type INT"],
  ["segment.bytes", "+1048576", null],
  ["segment.bytes", "1048576k", "Invalid value 1048576k for configuration segment.bytes: Not a number of type INT"],
  ["segment.ms", "0", "Invalid value 0 for configuration segment.ms: Value must be at least 1"],
  ["segment.ms", "9223372036854775807", null],
  [
    "segment.ms",
    "9223372036854775808",
    "Invalid value 9223372036854775808 for configuration segment.ms: Not a number of type LONG",
  ],
  ["segment.ms", "x", "Invalid value x for configuration segment.ms: Not a number of type LONG"],
  ["preallocate", "yes", "Invalid value yes for configuration preallocate: Expected value to be either true or false"],
  ["preallocate", "TRUE", null],
  ["preallocate", " false ", null],
  ["preallocate", "", "Invalid value  for configuration preallocate: Expected value to be either true or false"],
  [
    "message.timestamp.type",
    "createtime",
    "Invalid value createtime for configuration message.timestamp.type: String must be one of: CreateTime, LogAppendTime",
  ],
  ["message.timestamp.type", "CreateTime ", null],
  [
    "message.timestamp.type",
    "",
    "Invalid value  for configuration message.timestamp.type: String must be one of: CreateTime, LogAppendTime",
  ],
  [
    "compression.type",
    "lz5",
    "Invalid value lz5 for configuration compression.type: String must be one of: uncompressed, zstd, lz4, snappy, gzip, producer",
  ],
  ["compression.type", "gzip", null],
  ["compression.lz4.level", "17", null],
  [
    "min.cleanable.dirty.ratio",
    "1.5",
    "Invalid value 1.5 for configuration min.cleanable.dirty.ratio: Value must be no more than 1",
  ],
  [
    "min.cleanable.dirty.ratio",
    "x",
    "Invalid value x for configuration min.cleanable.dirty.ratio: Not a number of type DOUBLE",
  ],
  ["min.cleanable.dirty.ratio", "0.5f", null],
  ["min.cleanable.dirty.ratio", "1e-1", null],
  [
    "min.cleanable.dirty.ratio",
    "-1",
    "Invalid value -1.0 for configuration min.cleanable.dirty.ratio: Value must be at least 0",
  ],
  ["min.cleanable.dirty.ratio", "NaN", null],
  [
    "compression.gzip.level",
    "0",
    "Invalid value 0 for configuration compression.gzip.level: Value must be between 1 and 9 or equal to -1",
  ],
  [
    "compression.gzip.level",
    "10",
    "Invalid value 10 for configuration compression.gzip.level: Value must be between 1 and 9 or equal to -1",
  ],
  ["compression.gzip.level", "-1", null],
  ["compression.lz4.level", "0", "Invalid value 0 for configuration compression.lz4.level: Value must be at least 1"],
  [
    "compression.zstd.level",
    "23",
    "Invalid value 23 for configuration compression.zstd.level: Value must be no more than 22",
  ],
  ["leader.replication.throttled.replicas", "*", null],
  ["leader.replication.throttled.replicas", "0:1,1:2", null],
  [
    "leader.replication.throttled.replicas",
    "0-1",
    "Invalid value [0-1] for configuration leader.replication.throttled.replicas: leader.replication.throttled.replicas must be the literal '*' or a list of replicas in the following format: [partitionId]:[brokerId],[partitionId]:[brokerId],...",
  ],
  [
    "leader.replication.throttled.replicas",
    "none",
    "Invalid value [none] for configuration leader.replication.throttled.replicas: leader.replication.throttled.replicas must be the literal '*' or a list of replicas in the following format: [partitionId]:[brokerId],[partitionId]:[brokerId],...",
  ],
  ["leader.replication.throttled.replicas", "", null],
  [
    "leader.replication.throttled.replicas",
    "*,0:1",
    "Invalid value [*, 0:1] for configuration leader.replication.throttled.replicas: leader.replication.throttled.replicas must be the literal '*' or a list of replicas in the following format: [partitionId]:[brokerId],[partitionId]:[brokerId],...",
  ],
  ["retention.ms", "-2", "Invalid value -2 for configuration retention.ms: Value must be at least -1"],
  ["retention.bytes", "-5", null],
  ["local.retention.ms", "-3", "Invalid value -3 for configuration local.retention.ms: Value must be at least -2"],
  ["flush.messages", "0", "Invalid value 0 for configuration flush.messages: Value must be at least 1"],
  ["flush.ms", "-1", "Invalid value -1 for configuration flush.ms: Value must be at least 0"],
  ["max.compaction.lag.ms", "0", "Invalid value 0 for configuration max.compaction.lag.ms: Value must be at least 1"],
  ["nonsense", "1", "Unknown topic config name: nonsense"],
  ["min.insync.replicas", "0", "Invalid value 0 for configuration min.insync.replicas: Value must be at least 1"],
  ["remote.storage.enable", "true", null],
  ["internal.segment.bytes", "100", null],
  ["internal.segment.bytes", "x", "Invalid value x for configuration internal.segment.bytes: Not a number of type INT"],
  ["index.interval.bytes", "-1", "Invalid value -1 for configuration index.interval.bytes: Value must be at least 0"],
  ["segment.index.bytes", "3", "Invalid value 3 for configuration segment.index.bytes: Value must be at least 4"],
  ["max.message.bytes", "-1", "Invalid value -1 for configuration max.message.bytes: Value must be at least 0"],
  ["local.retention.ms", "999999999999", null],
  ["remote.log.delete.on.disable", "true", null],
  ["remote.log.copy.disable", "true", null],
  ["segment.jitter.ms", "-1", "Invalid value -1 for configuration segment.jitter.ms: Value must be at least 0"],
  ["file.delete.delay.ms", "-1", "Invalid value -1 for configuration file.delete.delay.ms: Value must be at least 0"],
  [
    "message.timestamp.before.max.ms",
    "-1",
    "Invalid value -1 for configuration message.timestamp.before.max.ms: Value must be at least 0",
  ],
  ["delete.retention.ms", "-1", "Invalid value -1 for configuration delete.retention.ms: Value must be at least 0"],
];

/** Values that Kafka accepts and this broker refuses, because they would have no effect. */
const unsupported = new Map([
  ["compression.lz4.level=17", /^Invalid value 17 .*Only 9 is supported by this broker so far: its library of lz4 has/],
  ["remote.storage.enable=true", /^Invalid value true .*Only false is supported by this broker so far/],
  ["min.cleanable.dirty.ratio=NaN", /Not a number of type DOUBLE$/],
]);

function broker(properties: Record<string, string> = {}): BrokerConfig {
  const result = brokerConfigFrom(new Map(Object.entries(properties)));
  assert(!("refused" in result), "refused" in result ? result.refused : "");
  return result.config;
}

function described(name: string, topicConfigs: Record<string, string>, properties: Record<string, string> = {}) {
  const found = describeTopicConfigs(topicConfigs, broker(properties)).find((entry) => entry.name === name);
  assert(found !== undefined, name);
  return found;
}

Deno.test("validateTopicConfigs() accepts and refuses values like Kafka, with its messages", () => {
  for (const [name, value, expected] of kafkaAnswers) {
    const found = validateTopicConfigs({ [name]: value });
    const pattern = unsupported.get(`${name}=${value}`);
    if (pattern !== undefined) assert.match(found ?? "", pattern);
    else assert.equal(found, expected, `${name}=${value}`);
  }
});

Deno.test("validateTopicConfigs() refuses compaction lags that contradict each other", () => {
  assert.equal(
    validateTopicConfigs({ "min.compaction.lag.ms": "100", "max.compaction.lag.ms": "10" }),
    "conflict topic config setting min.compaction.lag.ms (100) > max.compaction.lag.ms (10)",
  );
});

Deno.test("validateTopicConfigs() refuses a number of a million digits at once", () => {
  const started = performance.now();
  const message = validateTopicConfigs({ "segment.ms": "9".repeat(1_000_000) }) ?? "";
  assert.match(message, /Not a number of type LONG$/);
  assert(message.length < 400, "the value is cut");
  assert(performance.now() - started < 5000);
});

Deno.test("validateTopicConfigs() does not accept a property name of Object.prototype as a config", () => {
  for (const name of ["constructor", "__proto__", "toString"]) {
    assert.equal(validateTopicConfigs(Object.fromEntries([[name, "1"]])), `Unknown topic config name: ${name}`);
  }
});

Deno.test("resolveLogConfig() prefers the topic's value to the broker's, and the broker's to the default", () => {
  const settings = { "log.segment.bytes": "2097152", "message.max.bytes": "5000" };
  const resolved = resolveLogConfig({ "segment.bytes": "1048576" }, broker(settings));
  assert.equal(resolved.segmentBytes, 1048576);
  assert.equal(resolved.maxMessageBytes, 5000);
  assert.equal(resolved.indexIntervalBytes, 4096);
});

Deno.test("resolveLogConfig() converts hours to milliseconds unless milliseconds are set", () => {
  assert.equal(resolveLogConfig({}, broker({ "log.roll.hours": "2" })).segmentMs, 7_200_000);
  assert.equal(resolveLogConfig({}, broker({ "log.roll.hours": "2", "log.roll.ms": "5" })).segmentMs, 5);
  assert.equal(resolveLogConfig({}, broker({ "log.roll.jitter.hours": "1" })).segmentJitterMs, 3_600_000);
});

Deno.test("resolveLogConfig() prefers log.flush.interval.ms to log.flush.scheduler.interval.ms", () => {
  assert.equal(resolveLogConfig({}, broker()).flushMs, Infinity);
  const scheduled = { "log.flush.scheduler.interval.ms": "1000" };
  assert.equal(resolveLogConfig({}, broker(scheduled)).flushMs, 1000);
  assert.equal(resolveLogConfig({}, broker({ ...scheduled, "log.flush.interval.ms": "50" })).flushMs, 50);
});

Deno.test("resolveLogConfig() reads every config that a log uses", () => {
  const resolved = resolveLogConfig({
    "segment.bytes": "1048577",
    "segment.ms": "11",
    "segment.jitter.ms": "12",
    "segment.index.bytes": "13",
    "index.interval.bytes": "14",
    "max.message.bytes": "15",
    "message.timestamp.type": "LogAppendTime",
    "message.timestamp.before.max.ms": "16",
    "message.timestamp.after.max.ms": "17",
    "flush.messages": "18",
    "flush.ms": "19",
    "compression.type": "uncompressed",
    "compression.gzip.level": "8",
    "compression.zstd.level": "-7",
    "cleanup.policy": "delete,compact",
    "max.compaction.lag.ms": "20",
    "min.compaction.lag.ms": "19",
    "min.cleanable.dirty.ratio": "0.25",
    "delete.retention.ms": "24",
    "preallocate": "true",
    "file.delete.delay.ms": "21",
    "retention.ms": "22",
    "retention.bytes": "23",
  }, broker({ "barnabas.log.append.mode": "mapped", "barnabas.recovery.interval.bytes": "1048599" }));
  assert.deepEqual(resolved, {
    recoveryIntervalBytes: 1048599,
    segmentBytes: 1048577,
    segmentMs: 11,
    segmentJitterMs: 12,
    segmentIndexBytes: 13,
    indexIntervalBytes: 14,
    maxMessageBytes: 15,
    messageTimestampType: "LogAppendTime",
    messageTimestampBeforeMaxMs: 16,
    messageTimestampAfterMaxMs: 17,
    flushMessages: 18,
    flushMs: 19,
    compressionType: "uncompressed",
    compressionLevels: { gzip: 8, lz4: 9, zstd: -7 },
    compact: true,
    delete: true,
    retentionMs: 22,
    retentionBytes: 23,
    maxCompactionLagMs: 20,
    minCompactionLagMs: 19,
    minCleanableDirtyRatio: 0.25,
    deleteRetentionMs: 24,
    preallocate: true,
    fileDeleteDelayMs: 21,
    appendMode: "mapped",
  });
});

Deno.test("resolveLogConfig() lets internal.segment.bytes override segment.bytes without its lower limit", () => {
  assert.equal(resolveLogConfig({ "internal.segment.bytes": "1000" }, broker()).segmentBytes, 1000);
});

Deno.test("resolveLogConfig() takes retention.ms from the topic, else from ms, minutes or hours, the finest that is set; negative is off", () => {
  const retention = (topic: Record<string, string>, properties: Record<string, string> = {}) =>
    resolveLogConfig(topic, broker(properties)).retentionMs;
  const all = { "log.retention.ms": "5", "log.retention.minutes": "6", "log.retention.hours": "7" };
  assert.equal(retention({}), 7 * 24 * 3_600_000);
  assert.equal(retention({}, all), 5);
  assert.equal(retention({}, { ...all, "log.retention.ms": "-1" }), -1, "a value that is set counts, also -1");
  assert.equal(retention({}, { "log.retention.minutes": "6", "log.retention.hours": "7" }), 360_000);
  assert.equal(retention({}, { "log.retention.hours": "7" }), 7 * 3_600_000);
  assert.equal(retention({}, { "log.retention.hours": "-1" }), -1);
  assert.equal(retention({}, { "log.retention.minutes": "-1", "log.retention.hours": "7" }), -1);
  assert.deepEqual([retention({ "retention.ms": "0" }, all), retention({ "retention.ms": "-1" }, all)], [0, -1]);
});

Deno.test("resolveLogConfig() says which policies cleanup.policy contains", () => {
  const policies = (text: string) => {
    const { compact, delete: deletes } = resolveLogConfig({ "cleanup.policy": text }, broker());
    return [compact, deletes];
  };
  assert.deepEqual(policies("delete"), [false, true]);
  assert.deepEqual(policies("compact"), [true, false]);
  assert.deepEqual(policies("compact,delete"), [true, true]);
  assert.deepEqual(policies(""), [false, false]);
});

Deno.test("resolveMinInsyncReplicas() prefers the topic's value to the broker's", () => {
  assert.equal(resolveMinInsyncReplicas({}, broker()), 1);
  assert.equal(resolveMinInsyncReplicas({}, broker({ "min.insync.replicas": "2" })), 2);
  assert.equal(resolveMinInsyncReplicas({ "min.insync.replicas": "3" }, broker({ "min.insync.replicas": "2" })), 3);
});

Deno.test("describeTopicConfigs() shows each value's source and its synonyms", () => {
  const settings = { "log.retention.ms": "7", "log.retention.hours": "2" };
  assert.deepEqual(described("retention.ms", { "retention.ms": " 5 " }, settings), {
    name: "retention.ms",
    value: "5",
    source: 1,
    readOnly: false,
    isSensitive: false,
    synonyms: [
      { name: "retention.ms", value: "5", source: 1 },
      { name: "log.retention.ms", value: "7", source: 4 },
      { name: "log.retention.hours", value: "2", source: 4 },
      { name: "log.retention.hours", value: "168", source: 5 },
    ],
    type: 5,
    documentation: "Age beyond which the oldest segments go; -1 is no limit.",
  });
  const inherited = described("retention.ms", {}, settings);
  assert.deepEqual([inherited.value, inherited.source], ["7", 4]);
  // Recorded from Apache Kafka: without log.retention.ms none of its family is a synonym (tests/golden/tools/configs.txt).
  const inHours = described("retention.ms", {}, { "log.retention.hours": "2" });
  assert.deepEqual([inHours.value, inHours.source, inHours.synonyms], ["7200000", 5, []]);
  const byDefault = described("retention.ms", {});
  assert.deepEqual([byDefault.value, byDefault.source], ["604800000", 5]);
});

Deno.test("describeTopicConfigs() shows a disabled limit in hours as -1", () => {
  assert.equal(described("retention.ms", {}, { "log.retention.hours": "-1" }).value, "-1");
});

Deno.test("describeTopicConfigs() keeps a LONG's exact digits and lists without spaces", () => {
  assert.equal(described("flush.ms", {}).value, "9223372036854775807");
  assert.equal(described("cleanup.policy", { "cleanup.policy": "compact, delete" }).value, "compact,delete");
  assert.equal(described("follower.replication.throttled.replicas", {}).source, 5);
});

Deno.test("describeTopicConfigs() does not show Kafka's internal configs", () => {
  const names = describeTopicConfigs({ "internal.segment.bytes": "1000" }, broker()).map(({ name }) => name);
  assert.equal(names.filter((name) => name.startsWith("internal.")).length, 0);
  assert.deepEqual(names, [...names].sort());
});

Deno.test("describeBrokerConfigs() shows set values as static and the others as defaults, all read-only", () => {
  const entries = describeBrokerConfigs(broker({ "num.partitions": "7", "log.roll.ms": "9" }));
  const find = (name: string) => entries.find((entry) => entry.name === name);
  const partitions = find("num.partitions");
  assert.deepEqual([partitions?.value, partitions?.source, partitions?.readOnly, partitions?.type], ["7", 4, true, 3]);
  assert.deepEqual(partitions?.synonyms, [
    { name: "num.partitions", value: "7", source: 4 },
    { name: "num.partitions", value: "1", source: 5 },
  ]);
  assert.deepEqual(find("log.roll.ms")?.synonyms, [
    { name: "log.roll.ms", value: "9", source: 4 },
    { name: "log.roll.hours", value: "168", source: 5 },
  ]);
  assert.deepEqual([find("fetch.max.bytes")?.value, find("fetch.max.bytes")?.source], ["57671680", 5]);
  assert.deepEqual([find("advertised.listeners")?.value, find("advertised.listeners")?.source], [null, 5]);
});
