/**
 * Memberships of several brokers whose ways to each other are cut, while the store is in reach, in simulated time
 * (tests/cluster/membership_world.ts): the brokers that hear each other go on.
 */
import assert from "node:assert/strict";
import { SESSION_MS, threeBrokers } from "./cluster/membership_world.ts";

/** Time for a heartbeat that is missing to be noticed, and for the rows. */
const NOTICED_MS = 500;

Deno.test("a controller that is cut off from the others, but not from the store, leaves the office to one of them, and is fenced", async () => {
  const { world, brokers, controller } = await threeBrokers();
  const others = brokers.filter((broker) => broker !== controller);
  world.createPartitions([[controller.id, ...others.map(({ id }) => id)]]);
  await world.time.pass(100);
  controller.isIsolated = true;
  const tookMs = await world.time.until("it is fenced", () => world.stateOf(controller.id) === "fenced", 5000);
  assert.ok(tookMs <= 2 * SESSION_MS + NOTICED_MS, `${tookMs} ms`);
  assert.ok(others.some((broker) => broker === world.controller), "one of the others is the controller");
  for (const { id, membership } of others) {
    assert.equal(world.stateOf(id), "active", "nobody has lost the brokers that hear each other");
    assert.equal(membership.state, "active");
  }
  await world.time.pass(100);
  const { leader, isr } = world.rowOf(0);
  assert.deepEqual([leader, isr.includes(controller.id)], [others[0]?.id, false]);
  await world.time.pass(10_000);
  assert.deepEqual(others.map(({ id }) => world.stateOf(id)), ["active", "active"], "it does not come back by itself");
  controller.isIsolated = false;
  await world.untilActive(controller);
});

Deno.test("a controller fences brokers that all hang at once, for it reaches them", async () => {
  const { world, brokers, controller } = await threeBrokers();
  const others = brokers.filter((broker) => broker !== controller);
  for (const broker of others) broker.isPaused = true;
  const areFenced = () => others.every(({ id }) => world.stateOf(id) === "fenced");
  const tookMs = await world.time.until("they are fenced", areFenced, 5000);
  assert.ok(tookMs <= SESSION_MS + NOTICED_MS, `${tookMs} ms`);
  assert.equal(world.controller, controller);
});

Deno.test("a controller that nobody relieves of the others, who are out of its reach, fences them in the end", async () => {
  const { world, brokers, controller } = await threeBrokers();
  const others = brokers.filter((broker) => broker !== controller);
  for (const round of [1, 2]) {
    // As where the machines of both have failed.
    for (const broker of others) Object.assign(broker, { isPaused: true, isIsolated: true });
    const areFenced = () => others.every(({ id }) => world.stateOf(id) === "fenced");
    const tookMs = await world.time.until(`they are fenced, round ${round}`, areFenced, 10_000);
    assert.ok(tookMs <= 3 * SESSION_MS + NOTICED_MS, `${tookMs} ms`);
    assert.equal(world.controller, controller);
    for (const broker of others) Object.assign(broker, { isPaused: false, isIsolated: false });
    await world.time.until("all are active", () => brokers.every(({ id }) => world.stateOf(id) === "active"), 1000);
    await world.time.pass(200);
  }
});
