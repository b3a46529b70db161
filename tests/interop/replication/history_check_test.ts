import assert from "node:assert/strict";
import { wireBatch } from "../../../bench/peer/wire_bytes.ts";
import { type Evidence, findingsOf, rules } from "./history_check.ts";
import type { ReplicaBatch, ReplicaLog, SeenLeader } from "./history.ts";

const encoder = new TextEncoder();

/** A batch whose bytes are those of its values. */
function batch(baseOffset: number, leaderEpoch: number, values: readonly string[]): ReplicaBatch {
  const bytes = wireBatch(values.map((value) => ({ value: encoder.encode(value) })), { timestampMs: 1000 });
  return { baseOffset, lastOffset: baseOffset + values.length - 1, leaderEpoch, bytes, values };
}

const BATCHES = [batch(0, 0, ["p-0-0", "p-0-1"]), batch(2, 0, ["q-0-0"]), batch(3, 2, ["p-0-2", "q-0-1"])];

function log(broker: number, changed: Partial<ReplicaLog> = {}): ReplicaLog {
  return { broker, partition: 0, batches: BATCHES, highWatermark: 5, damage: [], ...changed };
}

/** What a sound cluster leaves: producers p and q, a change of the leader at offset 3, an answer whose offset was not known. */
const SOUND: Evidence = {
  acknowledged: [
    { partition: 0, value: "p-0-0", offset: 0, atMs: 1 },
    { partition: 0, value: "p-0-1", offset: 1, atMs: 1 },
    { partition: 0, value: "q-0-0", offset: 2, atMs: 2 },
    { partition: 0, value: "q-0-1", offset: -1, atMs: 3 },
  ],
  reads: [
    { consumer: "c", partition: 0, offset: 0, value: "p-0-0" },
    { consumer: "c", partition: 0, offset: 1, value: "p-0-1" },
    { consumer: "d", partition: 0, offset: 0, value: "p-0-0" },
  ],
  watermarks: [
    { partition: 0, leaderEpoch: 0, highWatermark: 3 },
    { partition: 0, leaderEpoch: 2, highWatermark: 2 },
    { partition: 0, leaderEpoch: 2, highWatermark: 5 },
  ],
  leaders: [
    { broker: 1, partition: 0, leader: 1, leaderEpoch: 0, connection: 1, atMs: 0 },
    { broker: 2, partition: 0, leader: 2, leaderEpoch: 2, connection: 2, atMs: 100 },
    { broker: 1, partition: 0, leader: -1, leaderEpoch: 2, connection: 1, atMs: 110 },
    { broker: 1, partition: 0, leader: 1, leaderEpoch: 0, connection: 3, atMs: 111 }, // another shard hears of it later
  ],
  oddities: [],
  replicas: [log(1), log(2), log(3)],
};

function withLeader(seen: Omit<SeenLeader, "partition">): Evidence {
  return { ...SOUND, leaders: [...SOUND.leaders, { ...seen, partition: 0 }] };
}

function withReplica(changed: Partial<ReplicaLog>): Evidence {
  return { ...SOUND, replicas: [log(1), log(2), log(3, changed)] };
}

const moved = batch(3, 2, ["q-0-1", "p-0-2"]);

/** Faults that are planted: the rule that has to find each. */
const planted: Record<keyof typeof rules, readonly (readonly [what: string, evidence: Evidence])[]> = {
  "an acknowledged record is at its offset in every replica": [
    ["the tail of a replica", withReplica({ batches: BATCHES.slice(0, 2), highWatermark: 3 })],
    ["a record that nobody has", {
      ...SOUND,
      acknowledged: [{ partition: 0, value: "p-0-3", offset: -1, atMs: 4 }],
    }],
    ["another offset", { ...SOUND, acknowledged: [{ partition: 0, value: "p-0-1", offset: 2, atMs: 4 }] }],
    ["a whole replica", withReplica({ batches: [], highWatermark: 0 })],
  ],
  "an offset has one value, in all replicas and for all consumers": [
    ["a replica", withReplica({ batches: [...BATCHES.slice(0, 2), moved] })],
    ["a consumer", { ...SOUND, reads: [{ consumer: "c", partition: 0, offset: 1, value: "q-0-9" }] }],
    ["an acknowledgement", { ...SOUND, acknowledged: [{ partition: 0, value: "q-0-0", offset: 0, atMs: 4 }] }],
    ["two consumers of records that are lost", {
      ...SOUND,
      reads: [
        { consumer: "c", partition: 0, offset: 7, value: "p-0-7" },
        { consumer: "d", partition: 0, offset: 7, value: "q-0-7" },
      ],
    }],
  ],
  "a consumer read what exists": [
    ["a record above the end", { ...SOUND, reads: [{ consumer: "c", partition: 0, offset: 7, value: "p-0-7" }] }],
  ],
  "a value exists once": [
    ["in the logs", { ...SOUND, replicas: [log(1, { batches: [...BATCHES, batch(5, 2, ["p-0-2"])] })] }],
    ["in what was read", {
      ...SOUND,
      reads: [...SOUND.reads, { consumer: "c", partition: 0, offset: 9, value: "p-0-0" }],
    }],
  ],
  "records of a producer keep their order": [
    ["two of a producer", {
      ...SOUND,
      replicas: [log(1, { batches: [batch(0, 0, ["p-0-1", "q-0-0", "p-0-0"])] })],
    }],
    ["a record of nobody", { ...SOUND, replicas: [log(1, { batches: [batch(0, 0, ["garbage"])] })] }],
  ],
  "logs of replicas are byte-equal below the high watermark": [
    [
      "a flipped byte",
      withReplica({ batches: [{ ...BATCHES[0]!, bytes: flipped(BATCHES[0]!.bytes) }, ...BATCHES.slice(1)] }),
    ],
    ["a batch too few", withReplica({ batches: BATCHES.slice(0, 2) })],
    ["a batch in the middle", withReplica({ batches: [BATCHES[0]!, BATCHES[2]!] })],
  ],
  "offsets of a log are dense, and its leader epochs never fall": [
    ["a gap", withReplica({ batches: [BATCHES[0]!, BATCHES[2]!] })],
    ["an epoch", withReplica({ batches: [BATCHES[0]!, BATCHES[1]!, { ...BATCHES[2]!, leaderEpoch: -1 }] })],
    ["a high watermark above the end", withReplica({ highWatermark: 6 })],
  ],
  "a high watermark never falls in a leader epoch": [
    ["it falls", {
      ...SOUND,
      watermarks: [...SOUND.watermarks, { partition: 0, leaderEpoch: 2, highWatermark: 4 }],
    }],
  ],
  "a leader epoch has one leader, and does not fall at a broker": [
    ["it falls at a connection", withLeader({ broker: 1, leader: 1, leaderEpoch: 0, connection: 1, atMs: 120 })],
    ["it falls at a broker", withLeader({ broker: 1, leader: 1, leaderEpoch: 0, connection: 4, atMs: 5000 })],
    ["two lead", withLeader({ broker: 3, leader: 3, leaderEpoch: 2, connection: 5, atMs: 120 })],
  ],
  "files are sound": [["damage", withReplica({ damage: ["a wrong checksum at offset 3"] })]],
  "no client met what it must not": [["a fetch out of range", { ...SOUND, oddities: ["out of range"] }]],
};

function flipped(bytes: Uint8Array): Uint8Array {
  return bytes.map((byte, at) => at === bytes.length - 1 ? byte ^ 1 : byte);
}

Deno.test("findingsOf() finds nothing in a sound history, whose replicas end at different high watermarks", () => {
  assert.deepEqual(findingsOf(SOUND), []);
  // The batch above the high watermark of the third replica is one that it has not truncated yet.
  const uncommitted = [...BATCHES.slice(0, 2), batch(3, 1, ["x-0-0"])];
  const { acknowledged } = SOUND;
  const committed = acknowledged.slice(0, 3);
  assert.deepEqual(
    rules["logs of replicas are byte-equal below the high watermark"]!({
      ...withReplica({ batches: uncommitted, highWatermark: 3 }),
      acknowledged: committed,
    })[Symbol.iterator]().next().done,
    true,
  );
});

for (const [rule, faults] of Object.entries(planted)) {
  for (const [what, evidence] of faults) {
    Deno.test(`findingsOf(): the rule "${rule}" finds a planted fault: ${what}`, () => {
      const found = findingsOf(evidence).filter((finding) => finding.startsWith(`${rule}: `));
      assert.notDeepEqual(found, [], findingsOf(evidence).join("\n"));
    });
  }
}

Deno.test("findingsOf() shows some findings of a rule, and how many more there are", () => {
  const acknowledged = Array.from({ length: 40 }, (_, n) => ({ partition: 0, value: `z-0-${n}`, offset: -1, atMs: 1 }));
  const findings = findingsOf({ ...SOUND, acknowledged });
  assert.equal(findings.length, 11);
  assert.match(findings.at(-1) as string, /110 more$/);
});

Deno.test("every rule has a planted fault", () => {
  assert.deepEqual(Object.keys(planted).sort(), Object.keys(rules).sort());
});
