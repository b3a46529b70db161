import assert from "node:assert/strict";
import { errorCode } from "../../../net/protocol/error_codes.ts";
import type { GroupLog } from "../ports.ts";
import type { ConsumerGroupRegularExpressionValue, GroupRecord } from "../records/group_record.ts";
import { TestConsumerGroup } from "./consumer_testing.ts";

const regex = (subscribedTopicRegex: string) => ({ subscribedTopicNames: null, subscribedTopicRegex });

function resolutions(test: TestConsumerGroup): (ConsumerGroupRegularExpressionValue | null)[] {
  return test.records.flatMap((record) => record.kind === "consumer-group-regular-expression" ? [record.value] : []);
}

/** A group with topics a-1, a-2 and b. */
function group(): TestConsumerGroup {
  const test = new TestConsumerGroup();
  test.setTopics({ "a-1": 1, "a-2": 1, b: 1 });
  return test;
}

Deno.test("RegexResolver resolves an expression in the heartbeat that joins, and writes it down", () => {
  const test = group();
  const answer = test.join("m", [], regex("a-.*"));
  assert.equal(answer.memberEpoch, 2);
  assert.deepEqual(test.assigned(answer), ["a-1-0", "a-2-0"]);
  assert.deepEqual(resolutions(test), [{ topics: ["a-1", "a-2"], version: 0, timestamp: test.clock.wallMs() }]);
  assert.equal(test.consumers.describe().members[0]!.subscribedTopicRegex, "a-.*");
  assert.deepEqual(test.assigned(test.join("n", [], regex("a-.*"))), []);
  assert.equal(resolutions(test).length, 1, "it is known");
});

Deno.test("RegexResolver refuses what is no expression before anything happens", () => {
  const test = group();
  const answer = test.join("m", [], regex("("));
  assert.equal(answer.errorCode, errorCode.INVALID_REGULAR_EXPRESSION);
  assert.equal(answer.errorMessage, "SubscribedTopicRegex `(` is not a valid regular expression: missing closing ).");
  assert.equal(test.consumers.isVacant, true);
});

Deno.test("RegexResolver takes names and an expression together", () => {
  const test = group();
  const answer = test.join("m", [], { subscribedTopicNames: ["b"], subscribedTopicRegex: "a-1" });
  assert.deepEqual(test.assigned(answer), ["a-1-0", "b-0"]);
});

Deno.test("RegexResolver resolves again when topics come and go, at most every 10 s", () => {
  const test = group();
  test.join("m", [], regex("a-.*"));
  test.setTopics({ "a-3": 1, c: 1 });
  assert.equal(test.heartbeat("m", 2).memberEpoch, 2, "too early");
  test.advance(10_001);
  assert.deepEqual(test.assigned(test.heartbeat("m", 2)), ["a-1-0", "a-2-0", "a-3-0"]);
  assert.deepEqual(resolutions(test).at(-1)?.topics, ["a-1", "a-2", "a-3"]);
  test.setTopics({ "a-2": null });
  test.heartbeat("m", 3, { owned: ["a-1-0", "a-3-0"] });
  test.advance(10_001);
  test.heartbeat("m", 4);
  assert.deepEqual(resolutions(test).at(-1)?.topics, ["a-1", "a-3"]);
});

Deno.test("RegexResolver does not wake a group up for topics that no expression names", () => {
  const test = group();
  test.join("m", [], regex("a-.*"));
  test.setTopics({ other: 1 });
  test.advance(10_001);
  assert.equal(test.heartbeat("m", 2).memberEpoch, 2);
  const { batchesCount } = test;
  test.heartbeat("m", 2);
  assert.equal(test.batchesCount, batchesCount, "and looks once");
});

Deno.test("RegexResolver resolves all again after group.consumer.regex.refresh.interval.ms", () => {
  const test = group();
  test.join("m", [], regex("a-.*"));
  for (let passedMs = 0; passedMs <= test.settings.consumerRegexRefreshIntervalMs; passedMs += 10_000) {
    test.advance(10_000);
    test.heartbeat("m", 2);
  }
  assert.equal(resolutions(test).length, 2);
  assert.equal(test.heartbeat("m", 2).memberEpoch, 2, "with the same result");
});

Deno.test("RegexResolver forgets an expression with its last member", () => {
  const test = group();
  test.join("m", [], regex("a-.*"));
  test.join("n", [], regex("a-.*"));
  test.heartbeat("n", -1);
  assert.notEqual(resolutions(test).at(-1), null);
  test.heartbeat("m", 2, { subscribedTopicRegex: "b" });
  assert.deepEqual(resolutions(test).map((value) => value?.topics ?? null), [["a-1", "a-2"], null, ["b"]]);
  test.heartbeat("m", -1);
  assert.equal(resolutions(test).at(-1), null);
  assert(!test.consumers.isSubscribedTo("b"));
});

Deno.test("RegexResolver takes partitions away from who leaves its expression", () => {
  const test = group();
  test.join("m", [], regex("a-.*"));
  const told = test.heartbeat("m", 2, { subscribedTopicRegex: "" });
  assert.equal(told.memberEpoch, 2);
  assert.deepEqual(test.assigned(told), []);
  assert.equal(test.consumers.state, "Reconciling");
  assert.equal(test.heartbeat("m", 2, { owned: [] }).memberEpoch, 3);
});

Deno.test("RegexResolver looks for what came while the broker was down", () => {
  const test = group();
  test.join("m", [], regex("a-.*"));
  test.group!.dispose();
  test.group = null;
  test.setTopics({ "a-9": 1 });
  test.restart();
  assert.deepEqual(test.assigned(test.heartbeat("m", 2)), ["a-1-0", "a-2-0", "a-9-0"]);
});

Deno.test("RegexResolver goes on later when an expression takes long, and tells with a later heartbeat", () => {
  const test = group();
  // Every look at the clock takes 30 ms: two names fit into a step, one into a slice.
  const slow = { ...test.ports, nowMs: () => (test.clock.advance(30), test.clock.monotonicMs()) };
  Object.assign(test.ports, { nowMs: slow.nowMs });
  const joined = test.join("m", [], regex("a-.*|b"));
  assert.deepEqual(test.assigned(joined), []);
  assert.equal(joined.memberEpoch, 1, "no assignment for what is not known, as in Kafka");
  assert.deepEqual(resolutions(test), []);
  test.join("n", ["b"]);
  const { groupEpoch } = test.consumers.describe();
  test.advance(500);
  assert.deepEqual(resolutions(test).at(-1)?.topics, ["a-1", "a-2", "b"]);
  assert.equal(test.consumers.describe().groupEpoch, groupEpoch + 1);
  assert.deepEqual([...test.assigned(test.heartbeat("m", 1, { owned: [] }))!].length, 2);
});

Deno.test("RegexResolver tries again when the log refused what it found", () => {
  const test = group();
  test.join("m", [], regex("a-.*"));
  test.setTopics({ "a-3": 1 });
  test.advance(10_001);
  test.refusal = errorCode.NOT_COORDINATOR;
  assert.equal(test.heartbeat("m", 2).errorCode, errorCode.NOT_COORDINATOR);
  test.refusal = errorCode.NONE;
  assert.deepEqual(test.assigned(test.heartbeat("m", 2)), ["a-1-0", "a-2-0", "a-3-0"]);
});

Deno.test("RegexResolver writes down what is too much for one batch in several, and the group goes on", () => {
  const test = group();
  const names = Array.from({ length: 1000 }, (_, index) => `${"x".repeat(100)}-${index}`);
  test.setTopics(Object.fromEntries(names.map((name) => [name, 1])));
  const { append } = test.ports.log;
  const isFitting = (records: readonly GroupRecord[]) =>
    JSON.stringify(records, (_, value) => typeof value === "bigint" ? `${value}` : value).length < 250_000;
  const log: GroupLog = {
    append: (records) => isFitting(records) ? append(records) : errorCode.UNKNOWN_SERVER_ERROR,
  };
  Object.assign(test.ports, { log });
  const expressions = ["x.*", "x+-.*", "xx.*", "(x|y).*"];
  const epochs = expressions.map((expression, index) => test.join(`m${index}`, [], regex(expression)).memberEpoch);
  assert.deepEqual(epochs.filter((epoch) => epoch > 1).length, 4);
  test.setTopics({ "xx-new": 1 });
  test.advance(10_001);
  const told = test.heartbeat("m0", epochs[0]!);
  assert.equal(told.errorCode, errorCode.NONE);
  assert.deepEqual(resolutions(test).slice(-4).map((value) => value?.topics.length), [1001, 1001, 1001, 1001]);
  const { batchesCount } = test;
  test.advance(1000);
  test.heartbeat("m0", told.memberEpoch);
  assert(test.batchesCount <= batchesCount + 4, "they are written once");
  assert.equal(resolutions(test).length, 8);
});

Deno.test("RegexResolver lets members go on without an expression whose topics the log does not take", () => {
  const test = group();
  const { append } = test.ports.log;
  const isRefused = ({ kind, value }: GroupRecord) => kind === "consumer-group-regular-expression" && value !== null;
  const log: GroupLog = {
    append: (records) => records.some(isRefused) ? errorCode.UNKNOWN_SERVER_ERROR : append(records),
  };
  test.join("m", [], regex("a-.*"));
  Object.assign(test.ports, { log });
  test.setTopics({ "a-3": 1 });
  test.advance(10_001);
  assert.equal(test.heartbeat("m", 2).errorCode, errorCode.UNKNOWN_SERVER_ERROR);
  assert.equal(test.heartbeat("m", 2).errorCode, errorCode.NONE, "it is tried again after 10 s");
  test.advance(10_001);
  assert.equal(test.heartbeat("m", 2).errorCode, errorCode.UNKNOWN_SERVER_ERROR);
});

Deno.test("RegexResolver rests after a long resolution, for all groups together", () => {
  const test = group();
  let stepMs = 40;
  Object.assign(test.ports, { nowMs: () => (test.clock.advance(stepMs), test.clock.monotonicMs()) });
  test.join("m", [], regex("a-.*"));
  test.join("n", [], regex("b"));
  assert.equal(resolutions(test).length, 0, "the first is not done, the second has not begun");
  stepMs = 0;
  test.advance(5000);
  assert.deepEqual(resolutions(test).map((value) => value?.topics), [["a-1", "a-2"]]);
  test.heartbeat("n", 1);
  assert.deepEqual(resolutions(test).at(-1)?.topics, ["b"]);
});

Deno.test("RegexResolver does not keep an expression that loses its last member while all are resolved again", () => {
  const test = group();
  test.join("m", [], regex("a-.*"));
  test.setTopics({ "a-3": 1 });
  test.advance(10_001);
  test.heartbeat("m", 2, { subscribedTopicRegex: "b" });
  const last = test.records.findLast((record) =>
    record.kind === "consumer-group-regular-expression" && record.key.regularExpression === "a-.*"
  );
  assert.equal(last?.value, null);
  test.setTopics({ "a-4": 1 });
  test.join("n", [], regex("a-.*"));
  assert(test.consumers.isSubscribedTo("a-4"), "it was looked for again");
});

Deno.test("RegexResolver does not trust what another broker left of an expression that nobody subscribes to", () => {
  const test = group();
  test.join("m", ["b"]);
  test.consumers.replay({
    kind: "consumer-group-regular-expression",
    key: { groupId: "group", regularExpression: "a-.*" },
    value: { topics: ["a-1"], version: 1, timestamp: test.clock.wallMs() },
  });
  assert.deepEqual(test.assigned(test.join("n", [], regex("a-.*"))), ["a-1-0", "a-2-0"]);
});
