/** Elections through any broker of a cluster: rows, candidates, and others who change the same rows. */
import assert from "node:assert/strict";
import { type ClusterPartitionRow, stateKey } from "../../cluster/cluster_rows.ts";
import { createRow, NO_LEADER, type PartitionRow } from "../../cluster/partition_row.ts";
import { MemoryStore } from "../controller_testing.ts";
import { LOST_DIRECTORY } from "../records.ts";
import { directoryId, Plane, register } from "./shared_testing.ts";

const ID = "MTIzNDU2Nzg5MDEyMzQ1Ng";
const whole = createRow([1, 2, 3], 2, { isActive: () => true });
const led: PartitionRow = { ...whole, leader: 2, leaderEpoch: 4, partitionEpoch: 7 };
const leaderless: PartitionRow = { ...led, leader: NO_LEADER, isr: [] };

/** Brokers 1 to 3, all active but 3, and a topic with these rows. */
async function cluster(rows: readonly Partial<ClusterPartitionRow>[]) {
  const store = new MemoryStore();
  for (const id of [1, 2]) await register(store, id);
  await register(store, 3, { state: "fenced" });
  const directories = [1, 2, 3].map((id) => directoryId(id));
  await store.transact({
    set: [
      { key: "topics/t", value: JSON.stringify({ id: ID, configs: {} }) },
      ...rows.map((row, partition) => {
        return { key: `partitions/${ID}/${partition}`, value: JSON.stringify({ directories, kept: 1, ...row }) };
      }),
    ],
  });
  store.limits = { transactionKeysMax: 2, transactionBytesMax: 1e6 };
  const plane = await Plane.start(store, 2);
  const row = (partition: number) => {
    return (store.rows(`partitions/${ID}/`) as Record<number, ClusterPartitionRow>)[partition];
  };
  return { store, plane, row };
}

Deno.test("an election of preferred leaders through any broker changes the rows that need it, and is answered when it is known here", async () => {
  const { plane, row } = await cluster([whole, led, { ...led, replicas: [3, 2, 1], isr: [2, 1] }, leaderless]);
  using _ended = plane;
  const all = [[2, "PREFERRED_LEADER_NOT_AVAILABLE"], [3, "PREFERRED_LEADER_NOT_AVAILABLE"]];
  assert.deepEqual(await plane.elect("preferred", "t", [0, 1, 2, 1]), [
    [0, "ELECTION_NOT_NEEDED"],
    [1, "NONE"],
    [2, "PREFERRED_LEADER_NOT_AVAILABLE"],
    [1, "NONE"],
  ]);
  const { leader, leaderEpoch } = plane.shard.topic("t")!.partitions[1]!;
  assert.deepEqual([leader, leaderEpoch], [1, 5]);
  const { directories } = row(0) as ClusterPartitionRow;
  assert.deepEqual(row(1), { ...led, directories, kept: 1, leader: 1, leaderEpoch: 5, partitionEpoch: 8 });
  assert.deepEqual(await plane.elect("preferred", "t", null), all, "what needs no election is left out");
  assert.deepEqual(await plane.elect("preferred", "t", [9]), [[9, "UNKNOWN_TOPIC_OR_PARTITION"]]);
});

Deno.test("an unclean election takes no replica that has lost its log directory, and no leader that there is", async () => {
  const lost = { directories: [LOST_DIRECTORY, directoryId(2, 9), directoryId(3)] };
  const { plane, row } = await cluster([led, leaderless, { ...leaderless, ...lost }]);
  using _ended = plane;
  assert.deepEqual(await plane.elect("unclean", "t", [0, 1, 2]), [
    [0, "ELECTION_NOT_NEEDED"],
    [1, "NONE"],
    [2, "ELIGIBLE_LEADERS_NOT_AVAILABLE"],
  ]);
  const { leader, isr, recovering } = row(1) as ClusterPartitionRow;
  assert.deepEqual([leader, isr, recovering], [1, [1], true]);
});

Deno.test("an election that meets another change, or a chosen leader that is fenced meanwhile, is decided anew", async () => {
  const { store, plane, row } = await cluster([led, led]);
  using _ended = plane;
  let others = 2;
  store.refusal = ({ compare = [] }) => {
    if (compare.every(({ key }) => !key.endsWith(`${ID}/0`)) || others-- <= 0) return null;
    const value = JSON.stringify({ ...row(0), partitionEpoch: 20 - others });
    void store.transact({ set: [{ key: `partitions/${ID}/0`, value }] });
    return null;
  };
  assert.deepEqual(await plane.elect("preferred", "t", [0]), [[0, "NONE"]]);
  assert.deepEqual([row(0)?.leader, row(0)?.partitionEpoch], [1, 21]);
  let isFenced = false;
  store.refusal = ({ compare = [] }) => {
    if (compare.some(({ key }) => key === stateKey(1)) && !isFenced) {
      isFenced = true;
      void store.transact({ set: [{ key: stateKey(1), value: JSON.stringify({ state: "fenced" }) }] });
    }
    return null;
  };
  assert.deepEqual(await plane.elect("preferred", "t", [1]), [[1, "PREFERRED_LEADER_NOT_AVAILABLE"]]);
  assert.equal(row(1)?.leader, 2);
});
