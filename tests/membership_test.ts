/**
 * Memberships of several brokers over one store, in simulated time (tests/cluster/membership_world.ts): starts, ends, pauses, and a store that
 * is out of reach.
 */
import assert from "node:assert/strict";
import {
  MembershipWorld,
  newClusterId,
  SESSION_MS,
  type TestBroker,
  threeBrokers,
  TOPIC_ID,
} from "./cluster/membership_world.ts";

/** Time for a heartbeat that is missing to be noticed, for a knock, and for the row. */
const NOTICED_MS = 500;

const states = (world: MembershipWorld) => [1, 2, 3].map((id) => world.stateOf(id));

Deno.test("three brokers that start together elect one controller, and all are registered and active within a fifth of a second", async () => {
  const world = new MembershipWorld();
  const brokers = [];
  for (const id of [1, 2, 3]) brokers.push(await world.start(id));
  const tookMs = await world.untilActive(...brokers);
  assert.ok(tookMs <= 200, `${tookMs} ms`);
  assert.equal(brokers.filter(({ membership }) => membership.isController).length, 1);
  await world.time.pass(100);
  for (const { membership, id, joined } of brokers) {
    assert.equal(joined, "joined");
    const { image } = membership;
    assert.equal(image.controller?.broker, world.controller?.id);
    const known = [1, 2, 3].map((one) => [image.brokers.get(one)?.state, image.registrations.get(one)?.row.listeners]);
    const expected = [1, 2, 3].map((one) => ["active", [{ name: "PLAINTEXT", host: "localhost", port: 9000 + one }]]);
    assert.deepEqual(known, expected, `broker ${id}`);
  }
  const committed = world.store.committed;
  await world.time.pass(20_000);
  assert.equal(world.store.committed, committed, "an idle cluster writes nothing but ticks");
  assert.equal(world.store.leasesCount, 1, "candidates that lost have given their leases back");
  await world.time.pass(15_000);
  assert.equal(world.store.committed, committed + 1, "a tick");
});

Deno.test("a broker that is killed is fenced once a knock at its door is refused, its partitions are leaderless, and are back when it is", async () => {
  const { world, brokers, controller } = await threeBrokers();
  const victim = brokers.find((broker) => broker !== controller) as TestBroker;
  world.createPartitions([1, 2, 3, victim.id]);
  await world.time.pass(100);
  world.kill(victim);
  const tookMs = await world.time.until("its partition is leaderless", () => world.rowOf(3).leader === -1, 5000);
  assert.ok(tookMs <= NOTICED_MS, `${tookMs} ms`);
  const row = world.rowOf(3);
  assert.deepEqual([row.isr, row.elr, row.lastKnownElr, row.leaderEpoch], [[], [victim.id], [victim.id], 1]);
  assert.equal(world.rowOf(controller.id - 1).leader, controller.id, "others keep their leaders");
  const again = await world.start(victim.id);
  await world.untilActive(again);
  await world.time.until("its partition has a leader", () => world.rowOf(3).leader === victim.id, 1000);
  await world.time.pass(100);
  // The end of the log may be lost: the election counts as unclean, until the leader has confirmed it.
  assert.deepEqual([world.rowOf(3).isr, world.rowOf(3).recovering, world.rowOf(3).leaderEpoch], [
    [victim.id],
    false,
    2,
  ]);
  assert.ok(again.membership.brokerEpoch > victim.membership.brokerEpoch);
});

Deno.test("a broker that is killed and started within its session waits for the end of its last process, and then has its partitions", async () => {
  const { world, brokers, controller } = await threeBrokers();
  const victim = brokers.find((broker) => broker !== controller) as TestBroker;
  world.createPartitions([victim.id]);
  await world.time.pass(100);
  world.kill(victim);
  const again = await world.start(victim.id);
  world.createPartitions([victim.id], { recovering: true });
  await world.time.pass(50);
  assert.equal(world.rowOf(0).recovering, true, "the row names the last process, which has not confirmed it");
  const tookMs = await world.untilActive(again);
  assert.ok(tookMs <= 2 * SESSION_MS, `${tookMs} ms`);
  await world.time.until("its partition has a leader", () => world.rowOf(0).leader === victim.id, 1000);
  assert.ok(world.rowOf(0).leaderEpoch >= 2, "its leadership ended in between");
});

Deno.test("a broker that stops in order may stop at once, and its proof keeps it eligible; without the proof it is not", async () => {
  const { world, brokers: [first, second] } = await threeBrokers();
  world.createPartitions([1, 2]);
  await world.time.pass(100);
  const epoch = await world.stop(first as TestBroker, 5000);
  assert.ok(epoch > 0);
  assert.deepEqual([world.stateOf(1), world.rowOf(0).leader, world.rowOf(0).elr], ["stopping", -1, [1]]);
  const again = await world.start(1, { cleanEpoch: epoch });
  await world.untilActive(again);
  await world.time.until("its partition has a leader", () => world.rowOf(0).leader === 1, 1000);
  assert.equal(world.rowOf(0).recovering, false, "it has lost nothing");

  await world.stop(second as TestBroker, 5000);
  const recovering: boolean[] = [];
  const unclean = await world.start(2, { cleanEpoch: epoch });
  await world.untilActive(unclean);
  await world.time.until("its partition has a leader", () => {
    recovering.push(world.rowOf(1).recovering);
    return world.rowOf(1).leader === 2;
  }, 1000);
  assert.equal(recovering.at(-1), true, "the proof of another epoch is none");
  await world.time.until("the leader confirms it", () => !world.rowOf(1).recovering, 1000);
});

Deno.test("a paused broker is fenced after its session and no sooner, and active again when it goes on", async () => {
  const { world, brokers, controller } = await threeBrokers();
  const sleeper = brokers.find((broker) => broker !== controller) as TestBroker;
  world.createPartitions([sleeper.id]);
  sleeper.isPaused = true;
  await world.time.pass(SESSION_MS - 150);
  assert.equal(world.stateOf(sleeper.id), "active");
  await world.time.until("it is leaderless", () => world.rowOf(0).leader === -1, 500);
  sleeper.isPaused = false;
  await world.untilActive(sleeper);
  await world.time.until("it leads again", () => world.rowOf(0).leader === sleeper.id, 1000);
  assert.deepEqual([sleeper.failures, world.rowOf(0).leaderEpoch], [[], 2]);
});

Deno.test("a broker whose shard hangs is fenced as if it were silent", async () => {
  const { world, brokers: [first, second, third] } = await threeBrokers();
  for (const broker of [first, second, third] as TestBroker[]) {
    broker.isHung = true;
    await world.time.until("it is fenced", () => world.stateOf(broker.id) === "fenced", 2 * SESSION_MS);
    broker.isHung = false;
    await world.untilActive(broker);
  }
});

Deno.test("a second process with a node id is refused with a sentence, the first one stays, and its stop does not let the refused one in", async () => {
  const { world, brokers } = await threeBrokers();
  const first = brokers[1] as TestBroker;
  const second = await world.start(2, { port: 9999, directories: ["another disk"] });
  await world.time.until("it is refused", () => second.joined !== null, 1000);
  assert.match(second.joined as string, /Broker 2 has a node\.id that another running process has, at localhost:9002/);
  await second.membership.close();
  world.kill(second);
  assert.deepEqual([states(world), first.failures], [["active", "active", "active"], []]);
  await world.time.pass(5000);
  await world.stop(first);
  await world.time.pass(5000);
  assert.equal(world.stateOf(2), "fenced");
  assert.equal(world.running[0]?.membership.image.registrations.get(2)?.row.incarnation, first.membership.incarnation);
});

Deno.test("a process whose place another one took while it slept ends with a sentence", async () => {
  const { world, brokers, controller } = await threeBrokers();
  const sleeper = brokers.find((broker) => broker !== controller) as TestBroker;
  sleeper.isPaused = true;
  await world.time.until("it is fenced", () => world.stateOf(sleeper.id) === "fenced", 2000);
  const other = await world.start(sleeper.id, { port: 9999, directories: ["another disk"] });
  await world.untilActive(other);
  sleeper.isPaused = false;
  await world.time.until("it ends", () => sleeper.failures.length > 0, 1000);
  assert.match(String(sleeper.failures[0]), /Another process has registered with node\.id/);
  assert.deepEqual([sleeper.membership.state, sleeper.membership.isRegistered], ["superseded", false]);
  await world.time.pass(2000);
  assert.equal(other.membership.state, "active");
});

Deno.test("a controller that is killed is replaced as soon as its address refuses, and what it led is leaderless", async () => {
  const { world, brokers, controller } = await threeBrokers();
  world.createPartitions([controller.id]);
  await world.time.pass(100);
  world.kill(controller);
  const tookMs = await world.time.until("there is another one", () => world.controller !== undefined, 5000);
  assert.ok(tookMs <= 250, `${tookMs} ms`);
  const leaderlessMs = await world.time.until("the row is leaderless", () => world.rowOf(0).leader === -1, 5000);
  assert.ok(leaderlessMs <= 2 * SESSION_MS, `${leaderlessMs} ms`);
  await world.time.pass(2000);
  const others = brokers.filter((broker) => broker !== controller);
  assert.deepEqual(others.map(({ membership }) => membership.state), ["active", "active"]);
  assert.deepEqual(
    others.map(({ membership }) => membership.image.controller?.broker),
    Array(2).fill(world.controller?.id),
  );
});

Deno.test("rows that change all the time do not put off the election of a controller", async () => {
  const { world, brokers, controller } = await threeBrokers();
  for (const broker of brokers) if (broker !== controller) broker.isHung = true;
  await world.time.until("the others are fenced", () => world.stateOf(3) !== "active", 2000);
  world.kill(controller);
  let writes = 0;
  const isReplaced = () => {
    world.createPartitions([++writes % 3 + 1]);
    return world.controller !== undefined;
  };
  await world.time.until("it is replaced when its lease has ended", isReplaced, 2500);
});

Deno.test("a controller that is killed and started at once answers as a stranger, and is replaced before its lease ends", async () => {
  const { world, brokers, controller } = await threeBrokers();
  world.kill(controller);
  const again = await world.start(controller.id);
  const tookMs = await world.time.until("there is a controller", () => world.controller !== undefined, 5000);
  assert.ok(tookMs <= 700, `${tookMs} ms`);
  await world.untilActive(again, ...brokers.filter((broker) => broker !== controller));
});

Deno.test("a process that becomes the controller long before its image says so stays it", async () => {
  const world = new MembershipWorld(1, 400);
  await world.startAll(1, 2, 3);
  const { controller } = world;
  await world.time.pass(10_000);
  assert.equal(world.controller, controller);
});

Deno.test("a controller that stood still for a second fences nobody for its own silence", async () => {
  const { world, brokers, controller } = await threeBrokers();
  const { committed } = world.store;
  controller.isPaused = true;
  await world.time.pass(1000);
  controller.isPaused = false;
  await world.time.pass(2000);
  assert.equal(world.controller, controller);
  assert.equal(world.store.committed, committed, "nobody's state has changed");
  const sleeper = brokers.find((broker) => broker !== controller) as TestBroker;
  sleeper.isPaused = true;
  await world.time.until("it is fenced", () => world.stateOf(sleeper.id) === "fenced", SESSION_MS + 100);
});

Deno.test("a paused controller is replaced when its lease ends; it wakes as no controller, and harms nothing", async () => {
  const { world, brokers, controller } = await threeBrokers();
  const victim = brokers.find((broker) => broker !== controller) as TestBroker;
  world.createPartitions([1, 2, 3]);
  await world.time.pass(100);
  controller.isPaused = true;
  const tookMs = await world.time.until(
    "there is another one",
    () => world.controller !== undefined && world.controller !== controller,
    5000,
  );
  assert.ok(tookMs >= 1200 && tookMs <= 2200, `${tookMs} ms`);
  await world.time.until("it is fenced", () => world.stateOf(controller.id) === "fenced", 2000);
  await world.time.pass(1000);
  const committed = world.store.committed;
  const successor = world.controller;
  controller.isPaused = false;
  await world.untilActive(controller);
  await world.time.pass(3000);
  assert.equal(world.controller, successor);
  assert.equal(controller.membership.isController, false);
  assert.deepEqual(states(world), ["active", "active", "active"]);
  assert.equal(world.rowOf(victim.id - 1).leaderEpoch, 0, "nobody else was fenced");
  assert.equal(world.store.committed, committed + 2, "active again, and its partition led again");
});

Deno.test("a store that is out of reach for five seconds costs no leadership, and afterwards there is a controller", async () => {
  const { world, brokers } = await threeBrokers();
  world.createPartitions([1, 2, 3]);
  await world.time.pass(100);
  for (const { store } of brokers) store.isCut = true;
  await world.time.pass(5000);
  for (const { store } of brokers) store.mend();
  await world.time.until("there is a controller", () => world.controller?.membership.isController === true, 2000);
  await world.time.pass(2000);
  assert.deepEqual(states(world), ["active", "active", "active"]);
  for (const { id, membership, failures } of brokers) {
    assert.deepEqual([membership.state, failures, world.rowOf(id - 1).leaderEpoch], ["active", [], 0]);
  }
  world.kill(brokers[2] as TestBroker);
  await world.time.until("it is fenced", () => world.stateOf(3) === "fenced", 3000);
});

Deno.test("a controller that is cut off from the store alone is replaced, and a broker that is goes on", async () => {
  const { world, brokers, controller } = await threeBrokers();
  world.createPartitions([1, 2, 3]);
  await world.time.pass(100);
  const [other, third] = brokers.filter((broker) => broker !== controller) as [TestBroker, TestBroker];
  third.store.isCut = true;
  await world.time.pass(3000);
  assert.deepEqual(states(world), ["active", "active", "active"]);
  third.store.mend();
  controller.store.isCut = true;
  await world.time.until("it is replaced", () => ![undefined, controller].includes(world.controller), 5000);
  await world.time.pass(1000);
  assert.notEqual(world.stateOf(other.id), "fenced");
  controller.store.mend();
  await world.untilActive(...brokers);
  await world.time.pass(3000);
  assert.deepEqual(states(world), ["active", "active", "active"]);
  assert.equal(brokers.filter(({ membership }) => membership.isController).length, 1);
});

Deno.test("a whole cluster that was killed starts again, and its partitions have their leaders", async () => {
  const { world, brokers } = await threeBrokers();
  world.createPartitions([1, 2, 3]);
  await world.time.pass(100);
  for (const broker of brokers) world.kill(broker);
  await world.time.pass(10_000);
  const again = [];
  for (const id of [3, 2, 1]) again.push(await world.start(id));
  const tookMs = await world.untilActive(...again);
  assert.ok(tookMs <= 2000, `${tookMs} ms`);
  await world.time.until(
    "all have leaders",
    () => [0, 1, 2].every((partition) => world.rowOf(partition).leader > 0),
    2000,
  );
});

Deno.test("a broker with 3,333 of 10,000 partitions is killed: their rows change in a few joined transactions, and nothing else is written", async () => {
  const { world, brokers, controller } = await threeBrokers();
  const leaders = Array.from({ length: 10_000 }, (_, partition) => 1 + partition % 3);
  world.createPartitions(leaders);
  await world.time.pass(200);
  const victim = brokers.find((broker) => broker !== controller) as TestBroker;
  const led = leaders.flatMap((leader, partition) => leader === victim.id ? [partition] : []);
  const { committed } = world.store;
  world.kill(victim);
  const isLeaderless = () => led.every((partition) => world.rowOf(partition).leader === -1);
  const tookMs = await world.time.until("its partitions are leaderless", isLeaderless, 5000);
  assert.ok(tookMs <= NOTICED_MS, `${tookMs} ms`);
  await world.time.pass(2000);
  const transactions = world.store.committed - committed;
  assert.ok(transactions <= 1 + Math.ceil(led.length / 120), `${transactions} transactions for ${led.length} rows`);
});

Deno.test("a broker of another cluster, of a newer format, or with another broker's directory is refused with a sentence", async () => {
  const { world } = await threeBrokers();
  const foreign = newClusterId();
  await assert.rejects(world.start(4, { clusterId: foreign }), {
    name: "MembershipError",
    message: new RegExp(`directories belong to cluster ${foreign}, but the metadata store has cluster`),
  });
  await assert.rejects(world.start(4, { directories: ["disk 4", "disk 2"] }), {
    name: "MembershipError",
    message: /A log directory of broker 4 belongs to broker 2/,
  });
  const row = JSON.parse(world.store.rows.get("cluster")!.value);
  world.store.transact({ set: [{ key: "cluster", value: JSON.stringify({ ...row, format: 2 }) }] });
  await assert.rejects(world.start(4), {
    name: "MembershipError",
    message: /metadata of format 2, and this version knows 1/,
  });
});

Deno.test("a leader follows min.insync.replicas in its rows, and keeps what it does not know of them", async () => {
  const { world, brokers: [first] } = await threeBrokers();
  world.createPartitions([1, 2], { minIsr: 3, unknown: "kept" });
  world.store.transact({ set: [{ key: "topics/t", value: JSON.stringify({ id: TOPIC_ID, configs: {} }) }] });
  await world.time.pass(200);
  for (const partition of [0, 1]) {
    const { minIsr, leaderEpoch, partitionEpoch } = world.rowOf(partition);
    assert.deepEqual([minIsr, leaderEpoch, partitionEpoch], [1, 0, 1]);
    assert.equal((world.rowOf(partition) as { unknown?: string }).unknown, "kept");
  }
  assert.deepEqual(first?.membership.image.configuredMinIsrOf(`${TOPIC_ID}/0`), 1);
  const configs = { "min.insync.replicas": "2" };
  world.store.transact({ set: [{ key: "topics/t", value: JSON.stringify({ id: TOPIC_ID, configs }) }] });
  await world.time.pass(200);
  assert.equal(first?.membership.image.configuredMinIsrOf(`${TOPIC_ID}/0`), 2);
  assert.equal(world.rowOf(0).partitionEpoch, 1, "one replica needs no more than one in sync");
});

Deno.test("a row that this version cannot read ends the broker with a sentence", async () => {
  const { world, brokers } = await threeBrokers();
  world.store.transact({ set: [{ key: "brokers/2/state", value: '{"state":"resting"}' }] });
  await world.time.pass(100);
  for (const { failures } of brokers) {
    assert.equal(failures.length, 1);
    assert.match(String(failures[0]), /MetadataStoreError: The cluster's metadata has a row .*: brokers\/2\/state/);
  }
});
