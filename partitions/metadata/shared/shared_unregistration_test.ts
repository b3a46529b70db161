/** Brokers that are forgotten through any broker of a cluster. */
import assert from "node:assert/strict";
import { registrationKey, stateKey } from "../../cluster/cluster_rows.ts";
import { errorName } from "../../../net/protocol/error_codes.ts";
import { MemoryStore } from "../controller_testing.ts";
import { changeState, incarnationOf, Plane, register } from "./shared_testing.ts";

/** Brokers 1 to 3, of which the last is fenced. */
async function cluster() {
  const store = new MemoryStore();
  for (const id of [1, 2]) await register(store, id);
  await register(store, 3, { state: "fenced" });
  const plane = await Plane.start(store, 2);
  const unregister = async (broker: number) => {
    const { errorCode, errorMessage } = await plane.controller.call("unregisterBroker", { broker });
    return [errorName(errorCode), errorMessage];
  };
  return { store, plane, unregister, known: () => [...plane.shard.brokers.keys()] };
}

Deno.test("a fenced broker is forgotten: its rows are gone, and the shards know it when it is answered", async () => {
  const { store, plane, unregister, known } = await cluster();
  using _ended = plane;
  assert.deepEqual(known(), [1, 2, 3]);
  assert.deepEqual(await unregister(3), ["NONE", null]);
  assert.deepEqual(known(), [1, 2]);
  assert.deepEqual(Object.keys(store.rows("brokers/")).filter((key) => key.includes("3")), []);
  assert.deepEqual(await unregister(3), [
    "BROKER_ID_NOT_REGISTERED",
    "Broker ID 3 is not currently registered",
  ]);
});

Deno.test("brokers that run, or do not exist, are not forgotten", async () => {
  const { store, plane, unregister, known } = await cluster();
  using _ended = plane;
  await changeState(store, 1, "stopping");
  await plane.changes.settled();
  for (const broker of [1, 2]) {
    const sentence = `Broker ${broker} is running: stop it first, and unregister it when it is fenced`;
    assert.deepEqual(await unregister(broker), ["INVALID_REQUEST", sentence]);
  }
  for (const broker of [-1, 7]) assert.equal((await unregister(broker))[0], "BROKER_ID_NOT_REGISTERED");
  assert.deepEqual(known(), [1, 2, 3]);
});

Deno.test("a broker that is unfenced, or registers anew, while it is forgotten is decided anew", async () => {
  const { store, plane, unregister, known } = await cluster();
  using _ended = plane;
  let meanwhile: (() => Promise<void>) | null = () =>
    register(store, 3, { state: "fenced", incarnation: incarnationOf(9) });
  const change = () => {
    const [now, none] = [meanwhile, null];
    meanwhile = none;
    void now?.();
    return null;
  };
  store.refusal = change;
  assert.equal((await unregister(3))[0], "NONE", "the new process is fenced, too");
  await register(store, 3, { state: "fenced" });
  await plane.changes.settled();
  meanwhile = () => changeState(store, 3, "active");
  assert.equal((await unregister(3))[0], "INVALID_REQUEST");
  assert.deepEqual(known(), [1, 2, 3]);
  assert.deepEqual(store.rows(stateKey(3)), { "": { state: "active" } });
  assert.notDeepEqual(store.rows(registrationKey(3)), {});
});
