/**
 * Processes of a cluster that end with their connections, over one store, in simulated time (tests/cluster/membership_world.ts).
 */
import assert from "node:assert/strict";
import { type TestBroker, threeBrokers } from "./cluster/membership_world.ts";

Deno.test("a broker whose connections end with it is fenced at once, and so is a controller, which is replaced before", async () => {
  for (const isController of [false, true]) {
    const { world, brokers, controller } = await threeBrokers();
    const victim = brokers.find((broker) => (broker === controller) === isController) as TestBroker;
    const others = brokers.filter((broker) => broker !== victim).map(({ id }) => id);
    world.createPartitions([[victim.id, ...others]]);
    await world.time.pass(120);
    world.killAndReset(victim);
    const tookMs = await world.time.until("another one leads", () => others.includes(world.rowOf(0).leader), 5000);
    assert.ok(tookMs <= (isController ? 120 : 20), `${tookMs} ms`);
    const ended = `Broker ${victim.id} does not listen any more: its process has ended, and it is fenced`;
    assert.deepEqual(world.said, [ended]);
  }
});

Deno.test("the operator is told once that a process has ended, while the store does not answer, too", async () => {
  const { world, brokers, controller } = await threeBrokers();
  const victim = brokers.find((broker) => broker !== controller) as TestBroker;
  for (const { store } of brokers) store.isCut = true;
  world.killAndReset(victim);
  await world.time.pass(1000);
  for (const { store } of brokers) store.mend();
  await world.time.until("it is fenced", () => world.stateOf(victim.id) === "fenced", 3000);
  assert.equal(world.said.length, 1, `${world.said}`);
});

Deno.test("a broker whose connections end stays active while it listens", async () => {
  const { world, brokers, controller } = await threeBrokers();
  const other = brokers.find((broker) => broker !== controller) as TestBroker;
  world.createPartitions([other.id]);
  await world.time.pass(100);
  for (const { membership } of brokers) membership.disconnected(other.id);
  await world.time.pass(1000);
  assert.deepEqual([[1, 2, 3].map((id) => world.stateOf(id)), world.rowOf(0).leaderEpoch], [[
    "active",
    "active",
    "active",
  ], 0]);
});
