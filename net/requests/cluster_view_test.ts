import assert from "node:assert/strict";
import { type ClientConnection, clusterOfOne, ClusterView, NO_LEADER } from "./cluster_view.ts";

const INSIDE: ClientConnection = { listenerName: "INSIDE", localHost: "192.0.2.7", localPort: 19092 };
const OUTSIDE: ClientConnection = { listenerName: "OUTSIDE", localHost: "192.0.2.7", localPort: 29092 };

/** Broker 1 is this one. Broker 2 has an address inside and outside, broker 3 only inside. */
const three = new ClusterView({
  clusterId: "test-cluster",
  controllerId: 3,
  ownId: 1,
  brokers: [
    { nodeId: 1, rack: "a", advertised: [{ name: "OUTSIDE", host: "one.example.org", port: 443 }] },
    {
      nodeId: 2,
      rack: null,
      advertised: [
        { name: "INSIDE", host: "two", port: 9092 },
        { name: "OUTSIDE", host: "two.example.org", port: 444 },
      ],
    },
    { nodeId: 3, rack: "b", advertised: [{ name: "INSIDE", host: "three", port: 9092 }] },
  ],
});

Deno.test("ClusterView.brokersFor() gives each client the addresses of its own listener, and omits brokers without one there", () => {
  assert.deepEqual(three.brokersFor(INSIDE), [
    { nodeId: 1, host: "192.0.2.7", port: 19092, rack: "a" },
    { nodeId: 2, host: "two", port: 9092, rack: null },
    { nodeId: 3, host: "three", port: 9092, rack: "b" },
  ]);
  assert.deepEqual(three.brokersFor(OUTSIDE), [
    { nodeId: 1, host: "one.example.org", port: 443, rack: "a" },
    { nodeId: 2, host: "two.example.org", port: 444, rack: null },
  ]);
});

Deno.test("ClusterView.addressOf() agrees with brokersFor(), and is null for a broker that is unknown or not reachable", () => {
  for (const client of [INSIDE, OUTSIDE]) {
    const listed = new Map(three.brokersFor(client).map((address) => [address.nodeId, address]));
    for (const nodeId of [-1, 0, 1, 2, 3, 4]) {
      assert.deepEqual(three.addressOf(nodeId, client), listed.get(nodeId) ?? null);
    }
  }
});

Deno.test("ClusterView knows no leader in a log directory of this broker that is offline", () => {
  const lost = (leader: number) => ({ leader, replicas: [1, 2], directory: -1 });
  assert.deepEqual([1, 2].map((leader) => three.leaderOf(lost(leader), INSIDE)), [NO_LEADER, 2]);
  assert.deepEqual(three.offlineOf(lost(1), INSIDE), [1]);
});

Deno.test("ClusterView.leaderOf() and offlineOf() follow what the client can reach", () => {
  const leaders = (client: ClientConnection) =>
    [-1, 1, 2, 3, 4].map((leader) => three.leaderOf({ leader, directory: 0 }, client));
  assert.deepEqual(leaders(INSIDE), [NO_LEADER, 1, 2, 3, NO_LEADER]);
  assert.deepEqual(leaders(OUTSIDE), [NO_LEADER, 1, 2, NO_LEADER, NO_LEADER]);
  const partition = { leader: 2, replicas: [4, 3, 2, 1], directory: 0 };
  assert.deepEqual(three.offlineOf(partition, INSIDE), [4]);
  assert.deepEqual(three.offlineOf(partition, OUTSIDE), [4, 3]);
  assert.deepEqual([three.clusterId, three.controllerId], ["test-cluster", 3]);
});

Deno.test("clusterOfOne() names this broker alone, at its end of the client's connection unless the listener is advertised", () => {
  const advertisedListeners = [{ name: "OUTSIDE", host: "one.example.org", port: 443 }];
  const plain = clusterOfOne("c", { nodeId: 5, advertisedListeners: null });
  const advertised = clusterOfOne("c", { nodeId: 5, advertisedListeners });
  const own = { nodeId: 5, host: "192.0.2.7", rack: null };
  assert.deepEqual([INSIDE, OUTSIDE].map((client) => plain.brokersFor(client)), [
    [{ ...own, port: 19092 }],
    [{ ...own, port: 29092 }],
  ]);
  assert.deepEqual([INSIDE, OUTSIDE].map((client) => advertised.brokersFor(client)), [
    [{ ...own, port: 19092 }],
    [{ ...own, host: "one.example.org", port: 443 }],
  ]);
  assert.equal(plain.controllerId, 5);
  const anyPort = clusterOfOne("c", { nodeId: 5, advertisedListeners: [{ name: "INSIDE", host: "one", port: 0 }] });
  assert.deepEqual(anyPort.brokersFor(INSIDE), [{ ...own, host: "one", port: 19092 }]);
});
