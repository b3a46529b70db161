import assert from "node:assert/strict";
import { errorCode } from "../protocol/error_codes.ts";
import { testServices } from "../handlers/handler_testing.ts";
import { CurrentLeaders, refuseUnled, untilEpochOf } from "./leadership.ts";

const { NONE, NOT_LEADER_OR_FOLLOWER, KAFKA_STORAGE_ERROR, FENCED_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH } = errorCode;

Deno.test("refuseUnled() looks at the log directory, then at the epochs, then at the leader, and only here at the first two", () => {
  const here = { slot: 7, directory: 0, leader: 1, leaderEpoch: 5 };
  const elsewhere = { slot: -1, directory: -1, leader: 2, leaderEpoch: 5 };
  const codes = (partition: typeof here) => [-1, 4, 5, 6].map((epoch) => refuseUnled(partition, 1, epoch));
  assert.deepEqual(codes(here), [NONE, NONE, NONE, NONE], "its owner compares the epochs");
  const followed = [NOT_LEADER_OR_FOLLOWER, FENCED_LEADER_EPOCH, NOT_LEADER_OR_FOLLOWER, UNKNOWN_LEADER_EPOCH];
  for (const leader of [2, -1]) assert.deepEqual(codes({ ...here, leader }), followed);
  const offline = { ...here, leader: 2, directory: -1 };
  assert.deepEqual(codes(offline), Array(4).fill(KAFKA_STORAGE_ERROR));
  for (const leader of [2, -1, 1]) {
    assert.deepEqual(codes({ ...elsewhere, leader }), Array(4).fill(NOT_LEADER_OR_FOLLOWER));
  }
});

Deno.test("CurrentLeaders names each leader, and the address of each that the client reaches once", () => {
  const advertised = [{ name: "PLAINTEXT", host: "two", port: 9092 }];
  const { services } = testServices([], {
    brokers: [
      { nodeId: 2, rack: "r", state: "active", advertised, directories: [] },
      { nodeId: 3, rack: null, state: "fenced", advertised, directories: [] },
    ],
  });
  const client = { listenerName: "PLAINTEXT", localHost: "192.0.2.7", localPort: 9092 };
  const leaders = new CurrentLeaders(services.cluster, client);
  const led = (leader: number) => ({ ...leaders.of({ slot: -1, directory: -1, leader, leaderEpoch: leader + 10 }) });
  assert.deepEqual([2, 3, -1, 2].map(led), [
    { leaderId: 2, leaderEpoch: 12 },
    { leaderId: 3, leaderEpoch: 13 },
    { leaderId: -1, leaderEpoch: 9 },
    { leaderId: 2, leaderEpoch: 12 },
  ]);
  assert.equal(leaders.of(undefined), undefined);
  assert.deepEqual(leaders.endpoints, [{ nodeId: 2, host: "two", port: 9092, rack: "r" }]);
});

Deno.test("untilEpochOf() is the last epoch in which no other broker can have stored what this one refused", () => {
  const cases: [Parameters<typeof untilEpochOf>[0], number | null][] = [
    [undefined, 0],
    [{ leader: 1, leaderEpoch: 5 }, 5],
    [{ leader: -1, leaderEpoch: 5 }, 6],
    [{ leader: 2, leaderEpoch: 5 }, null],
  ];
  for (const [partition, epoch] of cases) assert.equal(untilEpochOf(partition, 1), epoch);
});
