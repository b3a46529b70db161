/**
 * The coordinator with faulty disks, damaged logs and excessive requests.
 */
import { strict as assert } from "node:assert";
import { errorCode } from "../../../../net/protocol/error_codes.ts";
import { ZERO_UUID } from "../../../../net/protocol/text_cache.ts";
import { createRandom } from "../../../../storage/base/random.ts";
import { nativeMemory } from "../../../../storage/sys/memory.ts";
import { buildBatch, type TestRecord } from "../../../../tests/record_batch_builder.ts";
import { codesOf, commitOf, fetchAllOf, offsetsOf, ordinaryTopic, TestCoordinator } from "../coordinator_testing.ts";
import { encodeGroupRecord, type GroupRecord } from "../records/group_record.ts";

const NONE = errorCode.NONE;

/** Writes records into the log as another program would. */
function appendForeign(
  test: TestCoordinator,
  records: TestRecord[],
  options: Parameters<typeof buildBatch>[1] = {},
): void {
  const batch = buildBatch(records, { baseTimestamp: test.clock.wallMs(), ...options });
  const memory = nativeMemory(new ArrayBuffer(Math.max(128, batch.length)));
  memory.bytes.set(batch);
  const { refusal, message } = test.partition().append({ memory, start: 0, length: batch.length }, test.clock.wallMs());
  assert.equal(refusal, null, message);
}

function offsetRecord(partition: number, offset: number): TestRecord {
  const value = {
    offset,
    leaderEpoch: -1,
    metadata: "",
    commitTimestamp: 1,
    expireTimestamp: -1,
    topicId: "A".repeat(22),
  };
  const record: GroupRecord = { kind: "offset-commit", key: { group: "g", topic: "a", partition }, value };
  const { key, value: bytes } = encodeGroupRecord(record);
  return { key, value: bytes };
}

function committed(test: TestCoordinator, groupId = "g"): Record<string, number> {
  return offsetsOf(test.ask(9, fetchAllOf(groupId), 8));
}

Deno.test("a commit whose metadata is too long is refused alone", () => {
  const test = new TestCoordinator();
  const long = commitOf("g", "a", { 0: 1 }, { metadata: "x".repeat(4097) });
  const fits = commitOf("g", "b", { 0: 2 }, { metadata: "x".repeat(4096) });
  const answer = test.ask(8, { ...long, topics: [...long.topics, ...fits.topics] }, 8);
  const codes = answer.topics.map(({ partitions }) => partitions[0]?.errorCode);
  assert.deepEqual(codes, [errorCode.OFFSET_METADATA_TOO_LARGE, NONE]);
  assert.deepEqual(committed(test), { "b-0": 2 });
});

Deno.test("commits that are too large together are written one by one, and only the one that is too large by itself is refused", () => {
  const test = new TestCoordinator({ config: { maxMessageBytes: 2000 } });
  const large = commitOf("g", "a", { 0: 1 }, { metadata: "x".repeat(3000) });
  const calls = [commitOf("g", "a", { 1: 1 }), large, commitOf("g", "a", { 2: 1 })].map((one) => test.send(8, one, 8));
  test.turn();
  assert.deepEqual(calls.map(({ answer }) => Object.values(codesOf(answer))), [
    [NONE],
    [errorCode.UNKNOWN_SERVER_ERROR],
    [NONE],
  ]);
  assert.deepEqual(committed(test), { "a-1": 1, "a-2": 1 });
  test.restart();
  assert.deepEqual(committed(test), { "a-1": 1, "a-2": 1 });
});

Deno.test("a full disk refuses commits without a trace, and commits are accepted again when there is room", () => {
  const test = new TestCoordinator();
  test.ask(8, commitOf("g", "a", { 0: 1 }), 8);
  test.files.capacityBytes = 0;
  assert.deepEqual(codesOf(test.ask(8, commitOf("g", "a", { 0: 2, 1: 2 }), 8)), {
    0: errorCode.NOT_COORDINATOR,
    1: errorCode.NOT_COORDINATOR,
  });
  assert.deepEqual(committed(test), { "a-0": 1 });
  test.files.capacityBytes = Infinity;
  assert.deepEqual(codesOf(test.ask(8, commitOf("g", "a", { 1: 3 }), 8)), { 1: NONE });
  test.restart();
  assert.deepEqual(committed(test), { "a-0": 1, "a-1": 3 });
});

Deno.test("a log that is closed has no coordinator", () => {
  const test = new TestCoordinator();
  test.partition().close({ clean: false });
  assert.deepEqual(codesOf(test.ask(8, commitOf("g", "a", { 0: 2 }), 8)), { 0: errorCode.NOT_COORDINATOR });
  assert.equal(test.ask(9, fetchAllOf("g"), 8).groups![0]!.errorCode, errorCode.NOT_COORDINATOR);
});

Deno.test("wherever a loss of power hits, every acknowledged commit of a flushed log is kept, and no offset appears that was not committed", () => {
  for (let seed = 1; seed <= 30; seed++) {
    const random = createRandom(seed);
    const test = new TestCoordinator({ random, config: { flushMessages: 1 } });
    test.files.crashAt = test.files.calls + Math.floor(random() * 60);
    let [acknowledged, attempted] = [0, 0];
    try {
      for (let offset = 1; offset <= 40; offset++) {
        attempted = offset;
        const codes = codesOf(test.ask(8, commitOf("g", "a", { 0: offset }), 8));
        if (codes[0] === NONE) acknowledged = offset;
      }
    } catch (error) {
      assert(test.files.crashed, `seed ${seed}: ${error}`);
    }
    test.restart("random");
    const found = committed(test)["a-0"] ?? 0;
    assert(found >= acknowledged && found <= attempted, `seed ${seed}: ${found} of ${acknowledged} to ${attempted}`);
  }
});

Deno.test("records of later Kafkas and damaged records are left out and counted, the records around them are loaded", () => {
  const test = new TestCoordinator();
  appendForeign(test, [
    offsetRecord(0, 1),
    { key: new Uint8Array([0, 99, 1, 2]), value: new Uint8Array([1]) }, // type 99
    { key: new Uint8Array([0, 1, 127, 127]), value: new Uint8Array([0]) }, // a key that is cut
    { key: new Uint8Array([0]), value: null },
    offsetRecord(1, 2),
  ]);
  test.restart();
  assert.deepEqual(committed(test), { "a-0": 1, "a-1": 2 });
  const [report] = test.reports.filter((text) => text.includes("left out"));
  assert.equal(report, "__consumer_offsets-0: 2 damaged records and 1 of later Kafkas were left out");
});

Deno.test("a damaged batch leaves its partition without a coordinator, because offsets behind it could be older ones", () => {
  const test = new TestCoordinator();
  for (let offset = 1; offset <= 3; offset++) test.ask(8, commitOf("g", "a", { 0: offset }), 8);
  const size = test.partition().log.logFilesBytes;
  assert(test.partition().log.flush());
  test.kill();
  const [path] = test.files.files().find(([name]) => name.endsWith(".log"))!;
  const memory = nativeMemory(new ArrayBuffer(128));
  const fd = test.files.fileSystem.open(path, { write: true });
  memory.bytes[0] = 0xff;
  test.files.fileSystem.pwrite(fd, memory, 0, 1, Math.floor(size / 2));
  test.files.fileSystem.close(fd);
  test.start({ cleanShutdown: true });
  test.load();
  assert.equal(test.ask(9, fetchAllOf("g"), 8).groups![0]!.errorCode, errorCode.NOT_COORDINATOR);
  assert(test.reports.some((text) => text.includes("CRC-32C mismatch")), test.reports.join("\n"));
});

/** Makes reads of files fail while `isRefused` returns true for the number of the read. @returns how many failed */
function refuseReads(test: TestCoordinator, isRefused: (nth: number) => boolean): { refused: number } {
  const counted = { refused: 0 };
  const { pread } = test.files.fileSystem;
  let reads = 0;
  test.files.fileSystem.pread = (...words) => {
    if (!isRefused(++reads)) return pread(...words);
    counted.refused++;
    return -1;
  };
  return counted;
}

/** Commits that take several slices to load. Only the next loading reads them. */
function killedWithCommits(): TestCoordinator {
  const test = new TestCoordinator();
  for (let round = 1; round <= 120; round++) {
    test.ask(8, commitOf("g", "a", { 0: round, 1: round + 1 }, { metadata: "m".repeat(1000) }), 8);
  }
  test.kill();
  test.start();
  return test;
}

Deno.test("a read error during loading causes a pause, and then all offsets are loaded, whichever read failed", () => {
  let isLast = false;
  for (let nth = 1; !isLast; nth++) {
    const test = killedWithCommits();
    const reads = refuseReads(test, (read) => read === nth);
    test.load();
    isLast = reads.refused === 0;
    if (!isLast) {
      assert.equal(test.ask(9, fetchAllOf("g"), 8).groups![0]!.errorCode, errorCode.COORDINATOR_LOAD_IN_PROGRESS);
      const listed = test.ask(16, { statesFilter: [], typesFilter: [] }, 5);
      assert.equal(listed.errorCode, errorCode.COORDINATOR_LOAD_IN_PROGRESS);
      assert.ok(test.coordinator.nextDeadlineMs > test.clock.monotonicMs(), "the shard sleeps meanwhile");
      assert.match(test.reports.at(-1)!, /cannot be loaded now, which is tried again/);
      test.advance(100);
      test.load();
    }
    assert.deepEqual(committed(test), { "a-0": 120, "a-1": 121 }, `read ${nth}`);
  }
});

Deno.test("loading from a disk that keeps refusing is retried less and less often and ends after six minutes, with two reports", () => {
  const test = killedWithCommits();
  const before = test.reports.length;
  const reads = refuseReads(test, () => true);
  test.load();
  test.advance(60_000);
  assert.ok(reads.refused >= 10 && reads.refused <= 40, `${reads.refused} reads in a minute`);
  assert.equal(test.ask(9, fetchAllOf("g"), 8).groups![0]!.errorCode, errorCode.COORDINATOR_LOAD_IN_PROGRESS);
  test.advance(400_000);
  assert.equal(test.ask(9, fetchAllOf("g"), 8).groups![0]!.errorCode, errorCode.NOT_COORDINATOR);
  const { refused } = reads;
  test.advance(400_000);
  assert.equal(reads.refused, refused);
  assert.equal(test.reports.length, before + 2);
  assert.match(test.reports.at(-1)!, /cannot be loaded, its groups have no coordinator/);
});

Deno.test("a log that goes offline while the disk refuses reads has no coordinator, and resigning ends the pause", () => {
  const test = killedWithCommits();
  refuseReads(test, () => true);
  test.load();
  test.partition().close({ clean: false });
  test.advance(100);
  test.load();
  assert.equal(test.ask(9, fetchAllOf("g"), 8).groups![0]!.errorCode, errorCode.NOT_COORDINATOR);
  const paused = killedWithCommits();
  const reads = refuseReads(paused, () => true);
  paused.load();
  paused.coordinator.dispose();
  const { refused } = reads;
  paused.advance(100_000);
  assert.equal(reads.refused, refused);
});

Deno.test("a log of many slices is loaded over many turns, and the last commit of each partition counts", () => {
  const test = new TestCoordinator();
  const expected: Record<string, number> = {};
  for (let round = 0; round < 300; round++) {
    const offsets = Object.fromEntries(
      Array.from({ length: 3 }, (_, partition) => [partition, round * 10 + partition]),
    );
    test.ask(8, commitOf("g", "a", offsets, { metadata: "m".repeat(1000) }), 8);
    for (const [partition, offset] of Object.entries(offsets)) expected[`a-${partition}`] = offset;
  }
  assert(test.partition().log.segments().length > 1, "there are several segments");
  test.kill();
  test.start();
  let turns = 0;
  for (; test.coordinator.counts.loading > 0; turns++) test.coordinator.runTurn(0);
  assert(turns > 3, `${turns} turns`);
  assert.deepEqual(committed(test), expected);
});

Deno.test("group records of the other kind replace a group, and tombstones of unknown groups are ignored", () => {
  const test = new TestCoordinator();
  const key = { groupId: "g" };
  const records: GroupRecord[] = [
    { kind: "consumer-group-metadata", key: { groupId: "x" }, value: null },
    { kind: "group-metadata", key: { group: "x" }, value: null },
    { kind: "consumer-group-member-metadata", key: { groupId: "x", memberId: "m" }, value: null },
    { kind: "consumer-group-metadata", key, value: { epoch: 3, metadataHash: 0n } },
    {
      kind: "group-metadata",
      key: { group: "g" },
      value: { protocolType: "", generation: 4, protocol: null, leader: null, currentStateTimestamp: 1, members: [] },
    },
    { kind: "consumer-group-metadata", key: { groupId: "h" }, value: { epoch: 3, metadataHash: 0n } },
  ];
  appendForeign(test, records.map((record) => encodeGroupRecord(record)));
  test.restart();
  const listed = test.ask(16, { statesFilter: [], typesFilter: [] }, 5).groups;
  assert.deepEqual(listed.map(({ groupId, groupType }) => [groupId, groupType]), [["g", "classic"], ["h", "consumer"]]);
});

Deno.test("a group with more offsets than fit into a batch can be deleted", () => {
  const test = new TestCoordinator({ config: { maxMessageBytes: 150 } });
  for (const topic of ["a", "b"]) {
    for (const partition of [0, 1, 2]) test.ask(8, commitOf("g", topic, { [partition]: 1 }), 8);
  }
  assert.equal(test.ask(42, { groupsNames: ["g"] }, 2).results[0]?.errorCode, NONE);
  test.restart();
  assert.deepEqual(committed(test), {});
});

Deno.test("offsets of a deleted topic that a crash left behind do not belong to a new topic with its name", () => {
  const test = new TestCoordinator();
  test.ask(8, commitOf("g", "a", { 0: 100, 1: 100 }), 8);
  test.kill();
  const old = ordinaryTopic("a");
  test.image.apply({ changed: [{ ...old, id: "bmV3bmV3bmV3bmV3bmV3bg" }], deletedIds: [old.id] });
  test.start();
  test.load();
  assert.deepEqual(committed(test), {});
  const topics = [{ name: "a", topicId: ZERO_UUID, partitionIndexes: [0] }];
  const named = test.ask(9, { groupId: "g", topics, groups: [], requireStable: false }, 7).topics ?? [];
  assert.equal(named[0]?.partitions[0]?.committedOffset, -1);
  test.ask(8, commitOf("g", "a", { 1: 3 }), 8);
  assert.deepEqual(committed(test), { "a-1": 3 });
});

Deno.test("many offsets of a deleted topic are removed some at a time, and those of other topics stay", () => {
  const test = new TestCoordinator();
  for (let group = 0; group < 1000; group++) {
    test.send(8, commitOf(`g${group}`, "a", { 0: 1, 1: 1, 2: 1 }), 8);
    if (group % 2 === 0) test.send(8, commitOf(`g${group}`, "b", { 0: 1 }), 8);
  }
  test.turn();
  const old = ordinaryTopic("a");
  test.change([], [old]);
  const left = test.coordinator.counts.offsets;
  assert.equal(left, 1500, "2000 are removed in the first part");
  test.advance(20);
  test.change([{ ...old, id: "bmV3bmV3bmV3bmV3bmV3bg" }]);
  assert.deepEqual(committed(test, "g999"), {}, "those of the topic before are not seen");
  test.ask(8, commitOf("g999", "a", { 0: 7 }), 8);
  test.advance(1000);
  assert.equal(test.coordinator.counts.offsets, 501);
  assert.deepEqual(committed(test, "g999"), { "a-0": 7 });
  test.restart();
  assert.equal(test.coordinator.counts.offsets, 501);
});
