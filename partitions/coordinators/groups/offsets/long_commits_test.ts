/** Commits of very many partitions, which take several turns: what others get meanwhile, and what may happen before the append. */
import { strict as assert } from "node:assert";
import { errorCode } from "../../../../net/protocol/error_codes.ts";
import { codesOf, commitOf, fetchAllOf, offsetsOf, ordinaryTopic, TestCoordinator } from "../coordinator_testing.ts";
import type { Call } from "../group_ports_testing.ts";
import type { GroupResponse } from "../group_apis.ts";
import { isLongCommit } from "./commits.ts";

const NONE = errorCode.NONE;
const PARTITIONS = 3000;
const LARGE = { maxMessageBytes: 1 << 20, segmentBytes: 1 << 20 };

/** A coordinator whose clock advances with each reading, with topics of many partitions. */
function slowCoordinator(config = LARGE): TestCoordinator {
  const test = new TestCoordinator({ config });
  test.change([ordinaryTopic("a", PARTITIONS), ordinaryTopic("b", PARTITIONS)]);
  test.clock.tickMs = 1;
  return test;
}

function longCommit(topics: readonly string[], offset: number, options: Parameters<typeof commitOf>[3] = {}) {
  const offsets = Object.fromEntries(Array.from({ length: PARTITIONS }, (_, partition) => [partition, offset]));
  const [first, ...others] = topics.map((topic) => commitOf("g", topic, offsets, options));
  return { ...first!, topics: [...first!.topics, ...others.flatMap(({ topics }) => topics)] };
}

/** Runs turns until the call is answered. @returns its error codes, each once */
function finish(test: TestCoordinator, call: Call<GroupResponse<8>>): number[] {
  for (let turns = 0; call.isWaiting; turns++) {
    assert.ok(turns < 1000, "it ends");
    assert.equal(test.coordinator.nextDeadlineMs, 0, "the shard does not sleep on it");
    test.turn();
  }
  test.clock.tickMs = 0;
  return [...new Set(call.answer.topics.flatMap(({ partitions }) => partitions.map((one) => one.errorCode ?? 0)))];
}

function committed(test: TestCoordinator): Record<string, number> {
  return offsetsOf(test.ask(9, fetchAllOf("g"), 8));
}

Deno.test("isLongCommit() counts topics and partitions", () => {
  const { topics, ...rest } = commitOf("g", "a", { 0: 1 });
  assert.equal(isLongCommit({ ...rest, topics }), false);
  assert.equal(isLongCommit(longCommit(["a"], 1)), true);
  assert.equal(isLongCommit({ ...rest, topics: Array.from({ length: 250 }, () => topics[0]!) }), false);
  assert.equal(isLongCommit({ ...rest, topics: Array.from({ length: 251 }, () => topics[0]!) }), true);
  assert.equal(
    isLongCommit({ ...rest, topics: Array.from({ length: 501 }, () => ({ ...topics[0]!, partitions: [] })) }),
    true,
  );
});

Deno.test("a long commit is one batch, whose answer comes after several turns; other commits are answered meanwhile", () => {
  const test = slowCoordinator();
  const long = test.send(8, longCommit(["a", "b"], 7), 8);
  const [short, fetched] = [test.send(8, commitOf("h", "a", { 0: 1 }), 8), test.send(9, fetchAllOf("g"), 8)];
  test.turn();
  assert.deepEqual([codesOf(short.answer)[0], long.isWaiting], [NONE, true]);
  assert.deepEqual(offsetsOf(fetched.answer), {}, "nothing is visible before the append");
  const before = test.partition().log.logEndOffset;
  assert.deepEqual(finish(test, long), [NONE]);
  assert.deepEqual(long.answer.topics.map(({ name, partitions }) => [name, partitions.length]), [["a", PARTITIONS], [
    "b",
    PARTITIONS,
  ]]);
  assert.equal(test.coordinator.counts.appendedBatches, 2);
  assert.equal(test.partition().log.logEndOffset, before + 2 * PARTITIONS);
  test.restart();
  assert.deepEqual([Object.keys(committed(test)).length, committed(test)["b-2999"]], [2 * PARTITIONS, 7]);
});

Deno.test("a long commit equals short ones, whatever is refused in it", () => {
  const test = slowCoordinator();
  const request = longCommit(["a", "b"], 3);
  const [first, b] = request.topics;
  const [zero, one, two, ...others] = first!.partitions;
  const changed = [{ ...one!, committedMetadata: "x".repeat(5000) }, { ...two!, partitionIndex: PARTITIONS }];
  const a = { ...first!, partitions: [zero!, ...changed, ...others] };
  const unknown = { ...b!, name: "absent" };
  const long = test.send(8, { ...request, topics: [a, { ...a, partitions: [] }, unknown, b!] }, 8);
  finish(test, long);
  const codes = long.answer.topics.map((
    { name, partitions },
  ) => [name, ...partitions.slice(0, 4).map((one) => one.errorCode)]);
  const { UNKNOWN_TOPIC_OR_PARTITION: gone, OFFSET_METADATA_TOO_LARGE: tooLarge } = errorCode;
  assert.deepEqual(codes, [["a", NONE, tooLarge, gone, NONE], ["absent", gone, gone, gone, gone], [
    "b",
    NONE,
    NONE,
    NONE,
    NONE,
  ]]);
  const offsets = committed(test);
  assert.deepEqual([Object.keys(offsets).length, offsets["a-1"], offsets["a-3"]], [2 * PARTITIONS - 2, undefined, 3]);
});

Deno.test("a long commit of a member that leaves before the append is refused", () => {
  const test = slowCoordinator();
  const protocols = [{ name: "range", metadata: new Uint8Array(4) }];
  const rest = { rebalanceTimeoutMs: 60_000, groupInstanceId: null, reason: null, protocolType: "x", protocols };
  const joined = test.ask(11, { groupId: "g", memberId: "", sessionTimeoutMs: 10_000, ...rest }, 3);
  const { memberId, generationId: generation = -1 } = joined;
  test.ask(14, {
    groupId: "g",
    memberId,
    generationId: generation,
    groupInstanceId: null,
    protocolType: null,
    protocolName: null,
    assignments: [],
  }, 3);
  const call = test.send(8, longCommit(["a"], 1, { memberId, generation }), 8);
  test.send(13, { groupId: "g", memberId, members: [] }, 2);
  assert.deepEqual(finish(test, call), [errorCode.UNKNOWN_MEMBER_ID]);
  assert.deepEqual(committed(test), {});
});

Deno.test("a long commit keeps nothing for a topic that is deleted, or made again, before the append", () => {
  const test = slowCoordinator();
  const call = test.send(8, longCommit(["a", "b"], 1), 8);
  test.change([], [ordinaryTopic("b", PARTITIONS)]);
  assert.deepEqual(finish(test, call), [NONE, errorCode.UNKNOWN_TOPIC_OR_PARTITION]);
  assert.equal(Object.keys(committed(test)).length, PARTITIONS);
  test.clock.tickMs = 1;
  const again = test.send(8, longCommit(["a"], 2), 8);
  test.change([{ ...ordinaryTopic("a", PARTITIONS), id: "bmV3bmV3bmV3bmV3bmV3bg" }], [ordinaryTopic("a", PARTITIONS)]);
  assert.deepEqual(finish(test, again), [NONE]);
  test.restart();
  assert.equal(committed(test)["a-0"], 2, "the log has the new topic's id");
});

Deno.test("a long commit that cannot be written is refused as a whole and leaves no trace", () => {
  const small = slowCoordinator({ ...LARGE, maxMessageBytes: 20_000 });
  const tooLarge = small.send(8, longCommit(["a"], 1), 8);
  assert.deepEqual(finish(small, tooLarge), [errorCode.UNKNOWN_SERVER_ERROR]);
  assert.deepEqual(committed(small), {});
  for (
    const fail of [
      (test: TestCoordinator) => void (test.files.capacityBytes = 0),
      (test: TestCoordinator) => test.partition().close({ clean: false }),
      (test: TestCoordinator) => test.coordinator.dispose(),
    ]
  ) {
    const test = slowCoordinator();
    const call = test.send(8, longCommit(["a"], 1), 8);
    fail(test);
    assert.deepEqual(finish(test, call), [errorCode.NOT_COORDINATOR]);
    test.files.capacityBytes = Infinity;
    test.restart();
    assert.deepEqual(committed(test), {});
  }
});
