import assert from "node:assert/strict";
import { BoundedPool } from "./bounded_pool.ts";

Deno.test("BoundedPool lends in order, and refuses what comes when too many wait", async () => {
  const pool = new BoundedPool(["a"], { waitingMax: 2, waitMs: 60_000 });
  assert.equal(await pool.take(), "a");
  const order: string[] = [];
  const first = pool.take().then((item) => order.push(`first ${item}`));
  const second = pool.take().then((item) => order.push(`second ${item}`));
  await assert.rejects(pool.take(), /2 requests wait for etcd already/);
  pool.give("a");
  await first;
  pool.give("a");
  await second;
  assert.deepEqual(order, ["first a", "second a"]);
});

Deno.test("BoundedPool refuses what has waited too long, and all that waits", async () => {
  const pool = new BoundedPool(["a"], { waitingMax: 2, waitMs: 1 });
  await pool.take();
  await assert.rejects(pool.take(), /has not answered earlier requests in time/);
  const patient = new BoundedPool<string>([], { waitingMax: 2, waitMs: 60_000 });
  const waiting = [patient.take(), patient.take()];
  patient.refuseAll(new Error("closed"));
  for (const request of waiting) await assert.rejects(request, /closed/);
});
