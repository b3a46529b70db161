import assert from "node:assert/strict";
import { createRandom } from "../../storage/base/random.ts";
import { type PlaceableBroker, placeReplicas, type Replicas } from "./replica_placement.ts";

type Wanted = Parameters<typeof placeReplicas>[0];

/** Brokers of as many racks, in turn; one rack is none. */
function cluster(brokersCount: number, racksCount: number): PlaceableBroker[] {
  return Array.from({ length: brokersCount }, (_, nodeId) => ({
    nodeId,
    rack: racksCount === 1 ? null : `rack ${nodeId % racksCount}`,
    state: "active",
  }));
}

function place(wanted: Wanted, brokers: readonly PlaceableBroker[], seed: number): Replicas {
  const random = createRandom(seed);
  const placed = placeReplicas(wanted, brokers, (bound) => Math.floor(random() * bound));
  assert(!("refused" in placed));
  return placed;
}

/** How far the largest and the smallest number are apart. @param names all that are counted @param seen one entry for each time */
function spreadOf(names: readonly unknown[], seen: readonly unknown[]): number {
  const counts = names.map((name) => seen.filter((other) => other === name).length);
  return Math.max(...counts) - Math.min(...counts);
}

function commonFactor(a: number, b: number): number {
  return b === 0 ? a : commonFactor(b, a % b);
}

Deno.test("placeReplicas() spreads leaders and replicas over racks and brokers, within one", () => {
  for (const [racks, perRack] of [[1, 1], [1, 5], [3, 1], [3, 3], [2, 4], [5, 2], [4, 3]] as const) {
    const brokers = cluster(racks * perRack, racks);
    const [nodeIds, names] = [brokers.map(({ nodeId }) => nodeId), [...new Set(brokers.map(({ rack }) => rack))]];
    const rackOf = (id: number) => brokers[id]?.rack;
    for (let replicationFactor = 1; replicationFactor <= Math.min(5, brokers.length); replicationFactor++) {
      // Otherwise the turns of racks and brokers coincide until the next shuffle (see "Not done").
      const isEven = commonFactor(Math.min(replicationFactor, racks), perRack) === 1;
      for (let seed = 1; seed <= 20; seed++) {
        const count = 1 + seed * 7;
        const what = `seed ${seed}, ${racks} racks of ${perRack}, ${replicationFactor} replicas`;
        const placed = place({ count, replicationFactor }, brokers, seed);
        assert.equal(placed.length, count, what);
        for (const replicas of placed) {
          assert.equal(new Set(replicas).size, replicationFactor, what);
          assert(spreadOf(names, replicas.map(rackOf)) <= 1, `${what}: racks of a partition`);
        }
        const leaders = placed.map(([leader]) => leader as number);
        assert(spreadOf(names, leaders.map(rackOf)) <= 1, `${what}: racks of leaders`);
        if (!isEven) continue;
        assert(spreadOf(nodeIds, leaders) <= 1, `${what}: leaders`);
        // Of followers, only whole rounds are even.
        assert(spreadOf(nodeIds, placed.flat()) <= (replicationFactor === 1 ? 1 : 2), `${what}: replicas`);
      }
    }
  }
});

Deno.test("placeReplicas() takes fenced brokers last and never as leaders, and stopping ones not at all", () => {
  const states = ["active", "fenced", "stopping", "active"] as const;
  const brokers = cluster(8, 2).map((broker, index) => ({ ...broker, state: states[index % 4] ?? "active" }));
  const stateOf = (id: number) => brokers[id]?.state;
  for (let seed = 1; seed <= 50; seed++) {
    for (let replicationFactor = 1; replicationFactor <= 6; replicationFactor++) {
      for (const replicas of place({ count: 9, replicationFactor }, brokers, seed)) {
        assert.equal(stateOf(replicas[0] as number), "active");
        assert(!replicas.map(stateOf).includes("stopping"));
        assert.equal(new Set(replicas).size, replicationFactor);
      }
    }
  }
  // In a rack with one of each kind, the fenced one comes after the active one.
  const oneRack = cluster(2, 1).map((broker) => ({ ...broker, state: states[broker.nodeId] ?? "active" }));
  assert.deepEqual(place({ count: 2, replicationFactor: 2 }, oneRack, 1), [[0, 1], [0, 1]]);
});

Deno.test("placeReplicas() goes on to the next rack with each partition, racks in the order of their names", () => {
  const brokers: PlaceableBroker[] = [["b", 7], ["a", 9], [null, 3], ["B", 1]].map(([rack, nodeId]) => ({
    nodeId: nodeId as number,
    rack: rack as string | null,
    state: "active",
  }));
  const placed = placeReplicas({ count: 4, replicationFactor: 2 }, brokers, () => 0);
  assert.deepEqual(placed, [[3, 1], [1, 9], [9, 7], [7, 3]]);
});

Deno.test("placeReplicas() places every partition of a lone broker on it", () => {
  const [broker] = cluster(1, 1);
  assert(broker !== undefined);
  const placed = place({ count: 10_000, replicationFactor: 1 }, [{ ...broker, nodeId: 7 }], 1);
  assert(placed.length === 10_000 && placed.every((replicas) => replicas.length === 1 && replicas[0] === 7));
});

Deno.test("placeReplicas() refuses in Kafka's words what no brokers can be found for", () => {
  const refused = (replicationFactor: number, brokers: readonly PlaceableBroker[]) => {
    const placed = placeReplicas({ count: 1, replicationFactor }, brokers, () => 0);
    return "refused" in placed ? placed.refused : "";
  };
  const away = cluster(2, 1).map((broker): PlaceableBroker => ({ ...broker, state: "fenced" }));
  assert.equal(refused(1, away), "All brokers are currently fenced.");
  assert.equal(refused(1, []), "All brokers are currently fenced.");
  assert.equal(refused(0, cluster(1, 1)), "Invalid replication factor 0: the replication factor must be positive.");
  assert.equal(
    refused(3, cluster(2, 1)),
    "The target replication factor of 3 cannot be reached because only 2 broker(s) are registered.",
  );
});
