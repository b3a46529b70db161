/** A broker whose registration is deleted (UnregisterBroker), over one store in simulated time (tests/cluster/membership_world.ts). */
import assert from "node:assert/strict";
import { registrationKey, stateKey } from "../partitions/cluster/cluster_rows.ts";
import { type TestBroker, threeBrokers } from "./cluster/membership_world.ts";

Deno.test("a process whose broker is unregistered while it sleeps ends with a sentence; one that comes back leads again what it has alone", async () => {
  const { world, brokers, controller } = await threeBrokers();
  const sleeper = brokers.find((broker) => broker !== controller) as TestBroker;
  world.createPartitions([sleeper.id]);
  await world.time.pass(100);
  sleeper.isPaused = true;
  await world.time.until("its partition is leaderless", () => world.rowOf(0).leader === -1, 5000);
  world.store.transact({ delete: [registrationKey(sleeper.id), stateKey(sleeper.id)] });
  await world.time.pass(100);
  assert.equal(controller.membership.image.brokers.has(sleeper.id), false);
  sleeper.isPaused = false;
  await world.time.until("it ends", () => sleeper.failures.length > 0, 1000);
  assert.match(String(sleeper.failures[0]), /was unregistered: its process ends/);
  world.kill(sleeper);
  const again = await world.start(sleeper.id);
  await world.untilActive(again);
  await world.time.until("its partition has a leader", () => world.rowOf(0).leader === sleeper.id, 1000);
});
