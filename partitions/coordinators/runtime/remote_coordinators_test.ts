import { strict as assert } from "node:assert";
import type { GroupResponse } from "../groups/group_apis.ts";
import { BLOCK_BYTES_MIN } from "../../shared/arena.ts";
import { fillArena } from "../../shared/arena_testing.ts";
import { OFFSETS_TOPIC } from "../key_partition.ts";
import type { PartitionImage } from "../../metadata/image.ts";
import { elsewhere, topicOn } from "../../owned/partition_testing.ts";
import { GroupShards } from "./shard_coordinators_testing.ts";

const client = { clientId: "consumer-1", clientHost: "/192.0.2.9", apiVersion: 9 };
const MIB = 1024 * 1024;

function joinOf(groupId: string, metadata = new Uint8Array([1, 2, 3])) {
  return {
    groupId,
    sessionTimeoutMs: 30_000,
    rebalanceTimeoutMs: 60_000,
    memberId: "",
    groupInstanceId: null,
    protocolType: "consumer",
    protocols: [{ name: "range", metadata }],
    reason: "because",
  };
}

function joined(memberId: string): GroupResponse<11> {
  return {
    errorCode: 0,
    generationId: 3,
    protocolType: "consumer",
    protocolName: "range",
    leader: memberId,
    memberId,
    members: [{ memberId, groupInstanceId: "i", metadata: new Uint8Array([9, 8]) }],
  };
}

Deno.test("ownerOf() uses Java's hash of the group's UTF-16 units, and is the own shard while the topic has no partitions", () => {
  using shards = new GroupShards(2, 50);
  // Hashes are Java's: 97, 98629247, and one whose absolute value does not exist.
  const partitionOf: [string, number][] = [["a", 97 % 50], ["group", 47], ["polygenelubricants", 0], ["", 0]];
  for (const [groupId, partition] of partitionOf) {
    assert.equal(shards.from(0).ownerOf(OFFSETS_TOPIC, groupId), partition % 2, groupId);
  }
  using none = new GroupShards(2, 0);
  assert.deepEqual([none.from(0).ownerOf(OFFSETS_TOPIC, "a"), none.from(1).ownerOf(OFFSETS_TOPIC, "a")], [0, 1]);
});

Deno.test("ownerOf() is the own shard, whose coordinator refuses, while another broker leads the partition of a key, or none", () => {
  using shards = new GroupShards(2, 2);
  const here = topicOn([0, 1], { name: OFFSETS_TOPIC });
  const [first, second] = here.partitions as [PartitionImage, PartitionImage];
  const owners = (partitions: PartitionImage[]) => {
    shards.image.apply({ changed: [{ ...here, partitions }], deletedIds: [] });
    return ["b", "a"].map((key) => [0, 1].map((shard) => shards.from(shard).ownerOf(OFFSETS_TOPIC, key)));
  };
  assert.deepEqual(owners([first, second]), [[0, 0], [1, 1]]);
  assert.deepEqual(owners([{ ...first, leader: 2 }, { ...second, leader: -1 }]), [[0, 1], [0, 1]]);
  assert.deepEqual(owners([...elsewhere(here, [0, 1]).partitions]), [[0, 1], [0, 1]]);
});

Deno.test("at() calls the own shard's coordinator at once, with the request itself", () => {
  using shards = new GroupShards(2);
  const request = joinOf("g");
  const answers: unknown[] = [];
  shards.call(1, { shard: 1, apiKey: 11, request, client }, (response) => answers.push(response));
  const call = shards.coordinator(1).take();
  assert.deepEqual([call.request === request, call.client], [true, client]);
  call.reply(joined("m"));
  assert.deepEqual(answers, [joined("m")]);
  assert.equal(shards.from(1).inFlight, 0);
});

Deno.test("at() sends request and client to another shard, and receives the answer minutes later", () => {
  using shards = new GroupShards(2);
  const answers: unknown[] = [];
  const request = joinOf("g", new Uint8Array(50_000).fill(1));
  shards.call(0, { shard: 1, apiKey: 11, request, client }, (response) => answers.push(response));
  assert.ok(shards.arena(0).usedBytes > 0);
  shards.pump();
  const call = shards.coordinator(1).take();
  assert.deepEqual([call.apiKey, call.request, call.client], [11, request, client]);
  assert.equal(shards.from(0).inFlight, 1);
  assert.equal(shards.arena(0).usedBytes, 0, "a call that waits holds no memory: its parcel was taken");
  shards.call(0, { shard: 1, apiKey: 11, request: joinOf("g", new Uint8Array(50_000).fill(7)), client }, () => {});
  shards.pump();
  const { protocols } = call.request as typeof request;
  assert.deepEqual(protocols[0]?.metadata, new Uint8Array(50_000).fill(1), "what is asked later lies where that lay");
  call.reply(joined("m"));
  shards.pump();
  assert.deepEqual(answers, [{ ...joined("m"), throttleTimeMs: 0, skipAssignment: false }]);
  assert.equal(shards.from(0).inFlight, 1);
});

Deno.test("at() keeps the order of the calls to a shard, also when the arena had no room for some", () => {
  using shards = new GroupShards(2);
  const arena = shards.arena(0);
  const blocks = fillArena(arena);
  const ids = Array.from({ length: 50 }, (_, index) => `g${index}`);
  const answers: string[] = [];
  for (const groupId of ids) {
    const call = { shard: 1, apiKey: 12 as const, request: heartbeatOf(groupId), client: { ...client, apiVersion: 4 } };
    shards.call(0, call, () => answers.push(groupId));
  }
  shards.pump();
  assert.equal(shards.coordinator(1).calls.length, 0);
  assert.equal(shards.from(0).inFlight, 50);
  for (const block of blocks) arena.release(block);
  shards.pump();
  const { calls } = shards.coordinator(1);
  assert.deepEqual(calls.map(({ request }) => (request as { groupId: string }).groupId), ids);
  for (const { reply } of [...calls].reverse()) reply({ errorCode: 0 });
  shards.pump();
  assert.deepEqual(answers, [...ids].reverse(), "answers come in the order in which they were given");
  assert.equal(shards.from(0).inFlight, 0);
});

Deno.test("an answer that finds no room in the coordinator's arena is sent when there is room", () => {
  using shards = new GroupShards(2);
  const answers: unknown[] = [];
  const call = { shard: 1, apiKey: 12 as const, request: heartbeatOf("g"), client: { ...client, apiVersion: 4 } };
  shards.call(0, call, (response) => answers.push(response));
  shards.pump();
  const arena = shards.arena(1);
  const blocks = fillArena(arena);
  shards.coordinator(1).take().reply({ errorCode: 27 });
  shards.pump();
  assert.deepEqual(answers, []);
  for (const block of blocks) arena.release(block);
  shards.pump();
  assert.deepEqual(answers, [{ errorCode: 27, throttleTimeMs: 0 }]);
});

Deno.test("at() replies null for a request or an answer that its version cannot carry", () => {
  using shards = new GroupShards(2);
  const answers: unknown[] = [];
  const done = (response: unknown) => void answers.push(response);
  const long = { ...client, clientId: "x".repeat(40_000) };
  shards.call(0, { shard: 1, apiKey: 11, request: joinOf("g"), client: long }, done);
  assert.deepEqual(answers, [null]);
  const old = { ...client, apiVersion: 0 };
  shards.call(0, { shard: 1, apiKey: 11, request: { ...joinOf("g"), rebalanceTimeoutMs: -1 }, client: old }, done);
  shards.pump();
  shards.coordinator(1).take().reply({ ...joined("m"), protocolName: null });
  shards.pump();
  assert.deepEqual(answers, [null, null]);
  assert.equal(shards.from(0).inFlight, 0);
});

Deno.test("an answer of many megabytes arrives whole, and its memory is released", () => {
  using shards = new GroupShards(2);
  const members = Array.from({ length: 20 }, (_, index) => ({
    memberId: `m${index}`,
    groupInstanceId: null,
    metadata: new Uint8Array(MIB).fill(index),
  }));
  const answers: (GroupResponse<11> | null)[] = [];
  shards.arena(1).allocate(1); // the answer then does not lie at the start of the arena
  shards.call(0, { shard: 1, apiKey: 11, request: joinOf("g"), client }, (response) => answers.push(response));
  shards.pump();
  shards.coordinator(1).take().reply({ ...joined("m0"), members });
  assert.ok(shards.arena(1).usedBytes > 20 * MIB);
  shards.pump();
  assert.deepEqual(answers[0]?.members, members);
  assert.equal(shards.arena(1).usedBytes, BLOCK_BYTES_MIN);
});

function heartbeatOf(groupId: string) {
  return { groupId, generationId: 1, memberId: "m", groupInstanceId: null };
}
