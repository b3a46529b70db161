import assert from "node:assert/strict";
import { errorCode } from "../../../../net/protocol/error_codes.ts";
import type { GroupLog } from "../group_ports.ts";
import type { ConsumerGroupRegularExpressionValue, GroupRecord } from "../records/group_record.ts";
import { type HeartbeatOptions, TestConsumerGroup } from "./consumer_testing.ts";

/** After this time the next turn ran and the assignment interval ended. */
const LATER_MS = 1001;

const regex = (subscribedTopicRegex: string) => ({ subscribedTopicNames: null, subscribedTopicRegex });

function resolutions(test: TestConsumerGroup): (ConsumerGroupRegularExpressionValue | null)[] {
  return test.records.flatMap((record) => record.kind === "consumer-group-regular-expression" ? [record.value] : []);
}

/** Makes a group with topics a-1, a-2 and b. */
function group(): TestConsumerGroup {
  const test = new TestConsumerGroup();
  test.setTopics({ "a-1": 1, "a-2": 1, b: 1 });
  return test;
}

/** Joins with an expression, and sends the heartbeat whose answer has its topics. */
function joinAndGet(test: TestConsumerGroup, memberId: string, options: HeartbeatOptions) {
  const { memberEpoch } = test.join(memberId, [], options);
  test.advance(LATER_MS);
  return test.heartbeat(memberId, memberEpoch, { owned: [] });
}

/** Sends a heartbeat that starts the resolution that is due, and the one whose answer has the result. */
function beatTwice(test: TestConsumerGroup, memberId: string, memberEpoch: number) {
  test.heartbeat(memberId, memberEpoch);
  test.advance(LATER_MS);
  return test.heartbeat(memberId, memberEpoch);
}

Deno.test("RegexResolver resolves an expression after the heartbeat that joins, and writes the result to the log", () => {
  const test = group();
  const joined = test.join("m", [], regex("a-.*"));
  assert.deepEqual([joined.memberEpoch, test.assigned(joined), resolutions(test)], [1, [], []]);
  test.advance(0);
  assert.deepEqual(resolutions(test), [{ topics: ["a-1", "a-2"], version: 0, timestamp: test.clock.wallMs() }]);
  test.advance(LATER_MS);
  const answer = test.heartbeat("m", 1, { owned: [] });
  assert.equal(answer.memberEpoch, 2);
  assert.deepEqual(test.assigned(answer), ["a-1-0", "a-2-0"]);
  assert.equal(test.consumers.describe().members[0]!.subscribedTopicRegex, "a-.*");
  assert.deepEqual(test.assigned(test.join("n", [], regex("a-.*"))), []);
  assert.equal(resolutions(test).length, 1, "it is already resolved");
});

Deno.test("RegexResolver refuses an invalid expression before anything changes", () => {
  const test = group();
  const answer = test.join("m", [], regex("("));
  assert.equal(answer.errorCode, errorCode.INVALID_REGULAR_EXPRESSION);
  assert.equal(answer.errorMessage, "SubscribedTopicRegex `(` is not a valid regular expression: missing closing ).");
  assert.equal(test.consumers.isVacant, true);
});

Deno.test("RegexResolver accepts names and an expression together", () => {
  const test = group();
  const answer = joinAndGet(test, "m", { subscribedTopicNames: ["b"], subscribedTopicRegex: "a-1" });
  assert.deepEqual(test.assigned(answer), ["a-1-0", "b-0"]);
});

Deno.test("RegexResolver resolves again when topics are created and deleted, at most every 10 s", () => {
  const test = group();
  joinAndGet(test, "m", regex("a-.*"));
  test.setTopics({ "a-3": 1, c: 1 });
  assert.equal(beatTwice(test, "m", 2).memberEpoch, 2, "too early");
  test.advance(10_001);
  assert.deepEqual(test.assigned(beatTwice(test, "m", 2)), ["a-1-0", "a-2-0", "a-3-0"]);
  assert.deepEqual(resolutions(test).at(-1)?.topics, ["a-1", "a-2", "a-3"]);
  test.setTopics({ "a-2": null });
  test.heartbeat("m", 3, { owned: ["a-1-0", "a-3-0"] });
  test.advance(10_001);
  beatTwice(test, "m", 4);
  assert.deepEqual(resolutions(test).at(-1)?.topics, ["a-1", "a-3"]);
});

Deno.test("RegexResolver writes nothing for topics that no expression matches", () => {
  const test = group();
  joinAndGet(test, "m", regex("a-.*"));
  test.setTopics({ other: 1 });
  test.advance(10_001);
  assert.equal(beatTwice(test, "m", 2).memberEpoch, 2);
  const { batchesCount } = test;
  test.heartbeat("m", 2);
  assert.equal(test.batchesCount, batchesCount, "and resolves once");
});

Deno.test("RegexResolver resolves all again after group.consumer.regex.refresh.interval.ms", () => {
  const test = group();
  joinAndGet(test, "m", regex("a-.*"));
  for (let passedMs = 0; passedMs <= test.settings.consumerRegexRefreshIntervalMs; passedMs += 10_000) {
    test.advance(10_000);
    test.heartbeat("m", 2);
  }
  assert.equal(beatTwice(test, "m", 2).memberEpoch, 2, "with the same result");
  assert.equal(resolutions(test).length, 2);
});

Deno.test("RegexResolver forgets an expression with its last member", () => {
  const test = group();
  joinAndGet(test, "m", regex("a-.*"));
  test.join("n", [], regex("a-.*"));
  test.heartbeat("n", -1);
  assert.notEqual(resolutions(test).at(-1), null);
  test.heartbeat("m", 2, { subscribedTopicRegex: "b" });
  test.advance(LATER_MS);
  assert.deepEqual(resolutions(test).map((value) => value?.topics ?? null), [["a-1", "a-2"], null, ["b"]]);
  test.heartbeat("m", -1);
  assert.equal(resolutions(test).at(-1), null);
  assert(!test.consumers.isSubscribedTo("b"));
});

Deno.test("RegexResolver revokes partitions of a member that leaves its expression", () => {
  const test = group();
  joinAndGet(test, "m", regex("a-.*"));
  const answer = test.heartbeat("m", 2, { subscribedTopicRegex: "" });
  assert.equal(answer.memberEpoch, 2);
  assert.deepEqual(test.assigned(answer), []);
  assert.equal(test.consumers.state, "Reconciling");
  assert.equal(test.heartbeat("m", 2, { owned: [] }).memberEpoch, 3);
});

Deno.test("RegexResolver finds topics that were created while the broker was down", () => {
  const test = group();
  joinAndGet(test, "m", regex("a-.*"));
  test.group!.dispose();
  test.group = null;
  test.setTopics({ "a-9": 1 });
  test.restart();
  assert.deepEqual(test.assigned(beatTwice(test, "m", 2)), ["a-1-0", "a-2-0", "a-9-0"]);
});

Deno.test("RegexResolver continues a long resolution in later turns, one slice in each", () => {
  const test = group();
  // Every read of the clock takes 30 ms, so one name fits into a slice.
  const slow = { ...test.ports, nowMs: () => (test.clock.advance(30), test.clock.monotonicMs()) };
  Object.assign(test.ports, { nowMs: slow.nowMs });
  const joined = test.join("m", [], regex("a-.*|b"));
  assert.deepEqual(test.assigned(joined), []);
  assert.equal(joined.memberEpoch, 1, "no assignment for an unresolved expression, as in Kafka");
  assert.deepEqual(resolutions(test), []);
  test.join("n", ["b"]);
  const { groupEpoch } = test.consumers.describe();
  test.advance(1500);
  assert.deepEqual(resolutions(test).at(-1)?.topics, ["a-1", "a-2", "b"]);
  assert.equal(test.consumers.describe().groupEpoch, groupEpoch + 1);
  test.advance(LATER_MS);
  assert.equal(test.assigned(test.heartbeat("m", 1, { owned: [] }))!.length, 2);
});

Deno.test("RegexResolver tries again when the log refused the results", () => {
  const test = group();
  joinAndGet(test, "m", regex("a-.*"));
  test.setTopics({ "a-3": 1 });
  test.advance(10_001);
  test.refusal = errorCode.NOT_COORDINATOR;
  assert.equal(beatTwice(test, "m", 2).errorCode, errorCode.NONE, "the member stays in the group");
  test.refusal = errorCode.NONE;
  assert.equal(beatTwice(test, "m", 2).assignment, null, "it is tried again after 10 s");
  test.advance(10_001);
  assert.deepEqual(test.assigned(beatTwice(test, "m", 2)), ["a-1-0", "a-2-0", "a-3-0"]);
});

Deno.test("RegexResolver writes results that are too large for one batch in several batches, and the group stays usable", () => {
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
  const epochs = expressions.map((expression, index) => joinAndGet(test, `m${index}`, regex(expression)).memberEpoch);
  assert.deepEqual(epochs.filter((epoch) => epoch > 1).length, 4);
  test.setTopics({ "xx-new": 1 });
  test.advance(10_001);
  const answer = beatTwice(test, "m0", epochs[0]!);
  assert.equal(answer.errorCode, errorCode.NONE);
  assert.deepEqual(resolutions(test).slice(-4).map((value) => value?.topics.length), [1001, 1001, 1001, 1001]);
  const { batchesCount } = test;
  test.advance(1000);
  test.heartbeat("m0", answer.memberEpoch);
  assert(test.batchesCount <= batchesCount + 4, "they are written once");
  assert.equal(resolutions(test).length, 8);
});

Deno.test("RegexResolver keeps members without the topics of an expression that the log refuses", () => {
  const test = group();
  const { append } = test.ports.log;
  const isRefused = ({ kind, value }: GroupRecord) => kind === "consumer-group-regular-expression" && value !== null;
  const log: GroupLog = {
    append: (records) => records.some(isRefused) ? errorCode.UNKNOWN_SERVER_ERROR : append(records),
  };
  joinAndGet(test, "m", regex("a-.*"));
  Object.assign(test.ports, { log });
  test.setTopics({ "a-3": 1 });
  test.advance(10_001);
  assert.deepEqual(beatTwice(test, "m", 2).assignment, null);
  Object.assign(test.ports, { log: { append } });
  assert.equal(beatTwice(test, "m", 2).assignment, null, "it is tried again after 10 s");
  test.advance(10_001);
  assert.deepEqual(test.assigned(beatTwice(test, "m", 2)), ["a-1-0", "a-2-0", "a-3-0"]);
});

Deno.test("RegexResolver pauses for all groups after a long slice, and then resolves expressions that were added meanwhile", () => {
  const test = group();
  Object.assign(test.ports, { nowMs: () => (test.clock.advance(40), test.clock.monotonicMs()) });
  test.join("m", [], regex("a-.*"));
  test.join("n", [], regex("b"));
  const slice = () => {
    const { nextMs } = test.timers;
    test.timers.takeExpired(nextMs)!.onDue(nextMs);
    return test.timers.nextMs - test.clock.monotonicMs();
  };
  test.clock.advance(Math.max(0, test.timers.nextMs - test.clock.monotonicMs()));
  const pauseMs = slice();
  assert(pauseMs >= 200, `${pauseMs} ms of pause after 40 ms of work`);
  assert.equal(resolutions(test).length, 0, "one name is done");
  Object.assign(test.ports, { nowMs: () => test.clock.monotonicMs() });
  test.advance(5000);
  assert.deepEqual(resolutions(test).map((value) => value?.topics), [["a-1", "a-2"], ["b"]]);
});

Deno.test("RegexResolver drops an expression that loses its last member during a resolution", () => {
  const test = group();
  joinAndGet(test, "m", regex("a-.*"));
  test.setTopics({ "a-3": 1 });
  test.advance(10_001);
  test.heartbeat("m", 2); // starts to resolve all again
  test.heartbeat("m", 2, { subscribedTopicRegex: "b" });
  test.advance(LATER_MS);
  const last = test.records.findLast((record) =>
    record.kind === "consumer-group-regular-expression" && record.key.regularExpression === "a-.*"
  );
  assert.equal(last?.value, null);
  test.setTopics({ "a-4": 1 });
  joinAndGet(test, "n", regex("a-.*"));
  assert(test.consumers.isSubscribedTo("a-4"), "it was resolved again");
});

Deno.test("RegexResolver ignores the old record of an expression that no member subscribes to", () => {
  const test = group();
  test.join("m", ["b"]);
  test.consumers.replay({
    kind: "consumer-group-regular-expression",
    key: { groupId: "group", regularExpression: "a-.*" },
    value: { topics: ["a-1"], version: 1, timestamp: test.clock.wallMs() },
  });
  assert.deepEqual(test.assigned(joinAndGet(test, "n", regex("a-.*"))), ["a-1-0", "a-2-0"]);
});
