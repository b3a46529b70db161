import assert from "node:assert/strict";
import { brokerConfigFrom } from "../config/broker/broker_properties.ts";
import { DirectoryPlacement } from "../placement/directory_placement.ts";
import { ELSEWHERE } from "./image.ts";
import type { PartitionRow } from "./records.ts";
import { TopicTable } from "./topic_table.ts";

const ID = "MTIzNDU2Nzg5MDEyMzQ1Ng";

function rowOn(...replicas: number[]): PartitionRow {
  const [leader = -1] = replicas;
  const directories = replicas.map((id) => `directory-of-${id}`);
  return { replicas, directories, isr: replicas, leader, leaderEpoch: 0, partitionEpoch: 0 };
}

/** The table of broker 1, which has two shards. */
function tableOf(slotsMax: number): TopicTable {
  const built = brokerConfigFrom(new Map([["node.id", "1"]]));
  assert.ok("config" in built);
  const table = new TopicTable(built.config, { shardsCount: 2, slotsMax });
  table.directories = new DirectoryPlacement(["directory-of-1"]);
  return table;
}

Deno.test("TopicTable gives a place to partitions with a replica on this broker alone, and frees no others", () => {
  const table = tableOf(3);
  const rows = [rowOn(2), rowOn(1), rowOn(2, 3), rowOn(2, 1)];
  const versions = { topic: 1, partitions: rows.map(() => 1) };
  table.add([{ name: "t", id: ID, configs: {}, rows, versions }]);
  const places = () => table.image.topic("t")?.partitions.map(({ slot, shard, directory }) => [slot, shard, directory]);
  const none = [ELSEWHERE, ELSEWHERE, ELSEWHERE];
  assert.deepEqual(places(), [none, [0, 0, 0], none, [1, 1, 0]]);
  assert.deepEqual(table.image.topic("t")?.partitions.map(({ leader }) => leader), [2, 1, 2, 2]);
  assert.equal(table.freeCount, 1, "others take no room");
  const topic = table.image.topic("t");
  assert.ok(topic !== undefined);
  const grown = table.grow(topic, [rowOn(3), rowOn(1)], 2);
  table.image.apply({ changed: [grown], deletedIds: [] });
  assert.deepEqual(places()?.slice(4), [none, [2, 0, 0]]);
  const shrunk = table.shrink(grown, 4);
  table.image.apply({ changed: [shrunk.topic], deletedIds: [] });
  shrunk.release();
  assert.equal(table.freeCount, 1);
  table.remove([shrunk.topic]).release();
  assert.equal(table.freeCount, 3);
});
