import assert from "node:assert/strict";
import { type ListedBroker, type ListedPartition, raisedPartitions } from "./raised_partitions.ts";

const broker = (nodeId: number, rack: string | null = null): ListedBroker => ({ nodeId, rack });

function topic(name: string, ...replicas: number[][]): ListedPartition[] {
  return replicas.map((list, partition) => ({ topic: name, partition, replicas: list }));
}

const raised = (
  partitions: ListedPartition[],
  brokers: ListedBroker[],
  replicationFactor = 3,
  topics: string[] | null = null,
) => raisedPartitions(partitions, { replicationFactor, topics }, brokers);

Deno.test("raisedPartitions() of a broker that was alone has all brokers lead and follow as many", () => {
  const alone = topic("t", ...Array.from({ length: 30 }, () => [1]));
  const all = raised(alone, [1, 2, 3].map((id) => broker(id)));
  assert.equal(all.length, 30);
  for (const { replicas } of all) assert.deepEqual(replicas.toSorted(), [1, 2, 3]);
  for (const id of [1, 2, 3]) assert.equal(all.filter(({ replicas }) => replicas[0] === id).length, 10);
  const two = raised(alone, [1, 2, 3, 4, 5].map((id) => broker(id)), 2);
  for (const id of [2, 3, 4, 5]) {
    const { length } = two.filter(({ replicas }) => replicas.includes(id));
    assert.ok(length === 7 || length === 8, `broker ${id} has ${length}`);
  }
});

Deno.test("raisedPartitions() spreads over racks first, and keeps the replicas that there are", () => {
  const brokers = [broker(1, "a"), broker(2, "a"), broker(3, "a"), broker(4, "b"), broker(5, "c")];
  const all = raised(topic("t", [1], [2], [4, 3], [5]), brokers);
  const racks = new Map(brokers.map(({ nodeId, rack }) => [nodeId, rack]));
  for (const [partition, { replicas }] of all.entries()) {
    assert.deepEqual(replicas.map((id) => racks.get(id)).sort(), ["a", "b", "c"], `${partition}: ${replicas}`);
  }
  assert.ok(all[2]!.replicas.includes(3) && all[2]!.replicas.includes(4));
});

Deno.test("raisedPartitions() leaves alone what has enough replicas, or is not named, and counts it", () => {
  const partitions = [...topic("t", [1], [3, 2, 1]), ...topic("u", [1])];
  const brokers = [1, 2, 3].map((id) => broker(id));
  assert.deepEqual(raised(partitions, brokers, 3, ["t"]).map(({ topic, partition }) => [topic, partition]), [["t", 0]]);
  assert.deepEqual(raised(partitions, brokers, 1), []);
  const [first, second] = raised([...topic("led", [2, 1, 3], [3, 1, 2]), ...topic("t", [1], [1])], brokers);
  assert.deepEqual([first!.replicas[0], second!.replicas[0]], [1, 1], "broker 1 leads nothing else");
});

Deno.test("raisedPartitions() counts a replica on a broker that is away", () => {
  const [only] = raised(topic("t", [9, 1]), [broker(1), broker(2), broker(3)]);
  assert.deepEqual([only!.replicas.length, only!.replicas.slice(0, 2)], [3, [9, 1]]);
});
