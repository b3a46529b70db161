import assert from "node:assert/strict";
import { brokerConfigFrom } from "../../partitions/config/broker/broker_properties.ts";
import { onlyBroker } from "../../partitions/metadata/controller_loading.ts";
import { type BrokerImage, MetadataImage } from "../../partitions/metadata/image.ts";
import { type ClientConnection, ClusterView, NO_CONTROLLER, NO_LEADER } from "./cluster_view.ts";

const INSIDE: ClientConnection = { listenerName: "INSIDE", localHost: "192.0.2.7", localPort: 19092 };
const OUTSIDE: ClientConnection = { listenerName: "OUTSIDE", localHost: "192.0.2.7", localPort: 29092 };

/** Broker 1 is this one. Broker 2 has an address inside and outside, broker 3 only inside. */
const BROKERS: readonly BrokerImage[] = [
  {
    nodeId: 1,
    rack: "a",
    state: "active",
    advertised: [{ name: "OUTSIDE", host: "one.example.org", port: 443 }],
    directories: [],
  },
  {
    nodeId: 2,
    rack: null,
    state: "active",
    advertised: [
      { name: "INSIDE", host: "two", port: 9092 },
      { name: "OUTSIDE", host: "two.example.org", port: 444 },
    ],
    directories: [],
  },
  {
    nodeId: 3,
    rack: "b",
    state: "active",
    advertised: [{ name: "INSIDE", host: "three", port: 9092 }],
    directories: [],
  },
];

/** A view of these brokers, and the image that it reads. */
function viewOf(brokers: readonly BrokerImage[], { ownId = 1, controllerId = 3 } = {}) {
  const image = new MetadataImage();
  image.apply({ changed: [], deletedIds: [], brokers, controllerId });
  return { view: new ClusterView({ clusterId: "test-cluster", ownId, image }), image };
}

/** The brokers, some of them in another state. */
function inState(states: Readonly<Record<number, BrokerImage["state"]>>): BrokerImage[] {
  return BROKERS.map((broker) => ({ ...broker, state: states[broker.nodeId] ?? broker.state }));
}

const { view: three } = viewOf(BROKERS);

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
    for (const { view } of [viewOf(BROKERS), viewOf(inState({ 1: "fenced", 2: "stopping" }))]) {
      const listed = new Map(view.brokersFor(client).map((address) => [address.nodeId, address]));
      for (const nodeId of [-1, 0, 1, 2, 3, 4]) {
        assert.deepEqual(view.addressOf(nodeId, client), listed.get(nodeId) ?? null);
      }
    }
  }
});

Deno.test("ClusterView knows no leader in a log directory of this broker that is offline", () => {
  const lost = (leader: number) => ({ leader, replicas: [1, 2], directory: -1 });
  assert.deepEqual([1, 2].map((leader) => three.leaderOf(lost(leader), INSIDE)), [NO_LEADER, 2]);
  assert.deepEqual(three.offlineOf(lost(1), INSIDE), [1]);
});

Deno.test("ClusterView.offlineOf() has replicas in failed log directories of other brokers", () => {
  const partition = { leader: 1, replicas: [1, 2, 3], directory: 0, offline: [3] };
  assert.deepEqual(three.offlineOf(partition, INSIDE), [3]);
  assert.deepEqual(three.offlineOf({ ...partition, directory: -1 }, INSIDE), [1, 3]);
});

Deno.test("ClusterView.leaderOf() and offlineOf() follow what the client can reach", () => {
  const leaders = (client: ClientConnection) =>
    [-1, 1, 2, 3, 4].map((leader) => three.leaderOf({ leader, directory: 0 }, client));
  assert.deepEqual(leaders(INSIDE), [NO_LEADER, 1, 2, 3, NO_LEADER]);
  assert.deepEqual(leaders(OUTSIDE), [NO_LEADER, 1, 2, NO_LEADER, NO_LEADER]);
  const partition = { leader: 2, replicas: [4, 3, 2, 1], directory: 0 };
  assert.deepEqual(three.offlineOf(partition, INSIDE), [4]);
  assert.deepEqual(three.offlineOf(partition, OUTSIDE), [4, 3]);
  assert.equal(three.clusterId, "test-cluster");
});

Deno.test("ClusterView lists no fenced broker, which leads nothing; one that stops stays until it is fenced", () => {
  const { view, image } = viewOf(inState({ 2: "stopping" }));
  const partition = { leader: 2, replicas: [1, 2, 3], directory: 0 };
  const seen = () => [
    view.brokersFor(INSIDE).map(({ nodeId }) => nodeId),
    view.leaderOf(partition, INSIDE),
    view.offlineOf(partition, INSIDE),
  ];
  assert.deepEqual(seen(), [[1, 2, 3], 2, []]);
  image.apply({ changed: [], deletedIds: [], brokers: inState({ 2: "fenced" }) });
  assert.deepEqual(seen(), [[1, 3], NO_LEADER, [2]], "the view is that of the image");
  assert.deepEqual(view.registeredFor(OUTSIDE), [
    { nodeId: 1, host: "one.example.org", port: 443, rack: "a", isFenced: false },
    { nodeId: 2, host: "two.example.org", port: 444, rack: null, isFenced: true },
  ]);
  image.apply({ changed: [], deletedIds: [], brokers: inState({ 1: "fenced" }) });
  assert.deepEqual(seen(), [[2, 3], 2, [1]], "this broker too");
});

Deno.test("ClusterView.brokersFor() lists this broker when all are fenced, or none is known: a client forgets all brokers otherwise", () => {
  const { view } = viewOf(inState({ 1: "fenced", 2: "fenced", 3: "fenced" }));
  assert.deepEqual(view.brokersFor(OUTSIDE), [{ nodeId: 1, host: "one.example.org", port: 443, rack: "a" }]);
  assert.deepEqual(view.brokersFor(INSIDE), [{ nodeId: 1, host: "192.0.2.7", port: 19092, rack: "a" }]);
  assert.equal(view.leaderOf({ leader: 1, directory: 0 }, INSIDE), NO_LEADER, "it leads nothing");
  assert.deepEqual(viewOf([]).view.brokersFor(INSIDE), [{ nodeId: 1, host: "192.0.2.7", port: 19092, rack: null }]);
});

Deno.test("ClusterView.controllerFor() is the controller, or this broker for a client that cannot reach it", () => {
  const controllers = (states: Readonly<Record<number, BrokerImage["state"]>>) =>
    [INSIDE, OUTSIDE].map((client) => viewOf(inState(states)).view.controllerFor(client));
  assert.deepEqual(controllers({}), [3, 1]);
  assert.deepEqual(controllers({ 3: "fenced" }), [1, 1]);
  assert.deepEqual(controllers({ 1: "fenced" }), [3, NO_CONTROLLER]);
  assert.equal(viewOf(BROKERS, { controllerId: NO_CONTROLLER }).view.controllerFor(INSIDE), 1);
});

Deno.test("onlyBroker() is reached at its end of the client's connection unless the listener is advertised", () => {
  const built = brokerConfigFrom(new Map());
  assert.ok("config" in built);
  const { config } = built;
  const reached = (advertisedListeners: typeof config.advertisedListeners) => {
    const broker = onlyBroker({ ...config, nodeId: 5, advertisedListeners }, { ids: [] });
    const { view } = viewOf([broker], { ownId: 5, controllerId: 5 });
    assert.equal(view.controllerFor(INSIDE), 5);
    return [INSIDE, OUTSIDE].map((client) => view.brokersFor(client));
  };
  const own = { nodeId: 5, host: "192.0.2.7", rack: null };
  assert.deepEqual(reached(null), [[{ ...own, port: 19092 }], [{ ...own, port: 29092 }]]);
  assert.deepEqual(reached([{ name: "OUTSIDE", host: "one.example.org", port: 443 }]), [
    [{ ...own, port: 19092 }],
    [{ ...own, host: "one.example.org", port: 443 }],
  ]);
  assert.deepEqual(reached([{ name: "INSIDE", host: "one", port: 0 }])[0], [{ ...own, host: "one", port: 19092 }]);
});

Deno.test("onlyBroker() names its rack and the log directories that are online", () => {
  const broker = onlyBroker({ nodeId: 5, rack: "r", advertisedListeners: null }, { ids: ["a", null, "c"] });
  assert.deepEqual([broker.rack, broker.directories], ["r", ["a", "c"]]);
});
