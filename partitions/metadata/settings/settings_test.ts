/** Client quotas and credentials through the controller of one broker, and through those of a cluster. */
import assert from "node:assert/strict";
import { MemoryStore, startController } from "../controller_testing.ts";
import { MetadataImage } from "../image.ts";
import { Plane, register } from "../shared/shared_testing.ts";
import { MetadataStoreError } from "../store/store.ts";
import { quotaKey } from "./quota_rows.ts";
import { alterQuotas, alterUsers, quotaEntry, upsertion } from "./settings_testing.ts";
import { userKey } from "./user_rows.ts";

const RATE = "producer_byte_rate";

/** What an image says of clients, in an order of its own. */
function shown(image: MetadataImage) {
  const quotas = Object.fromEntries(image.clientQuotas.map(({ entity, values }) => [quotaKey(entity), values]));
  return {
    quotas,
    users: Object.fromEntries([...image.scramUsers].map(([name, { iterations }]) => [name, iterations])),
  };
}

Deno.test("Controller stores quotas and credentials, publishes each change, and loads them at the next start", async () => {
  const store = new MemoryStore();
  const { controller, loaded, published } = await startController(store);
  const shard = new MetadataImage();
  shard.apply(loaded.delta);
  assert.deepEqual(
    await alterQuotas(controller, [
      quotaEntry({ user: "alice", "client-id": "c/1" }, { [RATE]: 1024, request_percentage: 0.5 }),
      quotaEntry({ user: null }, { consumer_byte_rate: 5 }),
      quotaEntry({ user: "" }, { consumer_byte_rate: 5 }),
    ]),
    ["NONE", "NONE", "INVALID_REQUEST"],
  );
  assert.deepEqual(await alterUsers(controller, { upsertions: [upsertion("ü"), upsertion("bob", { mechanism: 2 })] }), {
    "ü": "NONE",
    bob: "NONE",
  });
  assert.deepEqual(await alterUsers(controller, { upsertions: [upsertion("bob", { iterations: 5000 })] }), {
    bob: "NONE",
  });
  for (const delta of published) shard.apply(delta);
  const key = quotaKey({ user: "alice", "client-id": "c/1" });
  const expected = {
    quotas: { [key]: { [RATE]: 1024, request_percentage: 0.5 }, [quotaKey({ user: null })]: { consumer_byte_rate: 5 } },
    users: { "ü": { "SCRAM-SHA-256": 4096 }, bob: { "SCRAM-SHA-512": 4096, "SCRAM-SHA-256": 5000 } },
  };
  assert.deepEqual(shown(shard), expected);
  assert.equal(shard.quotasOf(key), shard.clientQuotas[0]?.values);
  const again = await startController(store);
  shard.apply(again.loaded.delta);
  assert.deepEqual([shown(again.controller.image), shown(shard)], [expected, expected]);

  assert.deepEqual(
    await alterQuotas(again.controller, [
      quotaEntry({ "client-id": "c/1", user: "alice" }, { [RATE]: null }),
      quotaEntry({ user: null }, { consumer_byte_rate: null }),
    ]),
    ["NONE", "NONE"],
  );
  const deletions = [{ name: "bob", mechanism: 1 }, { name: "ü", mechanism: 1 }];
  assert.deepEqual(await alterUsers(again.controller, { deletions }), { bob: "NONE", "ü": "NONE" });
  for (const delta of again.published) shard.apply(delta);
  const rest = { quotas: { [key]: { request_percentage: 0.5 } }, users: { bob: { "SCRAM-SHA-512": 4096 } } };
  assert.deepEqual(shown(shard), rest);
  assert.deepEqual(store.keys().filter((one) => /^(quotas|users)/.test(one)), [key, userKey("bob")]);
});

Deno.test("shards are told how many iterations a credential has, and nothing that a password can be guessed from", async () => {
  const store = new MemoryStore();
  const { controller, published, reports } = await startController(store);
  const wanted = upsertion("alice", { seed: 9 });
  await alterUsers(controller, { upsertions: [wanted] });
  const [stored] = Object.values(store.rows("users/")) as { scram: Record<string, Record<string, string>> }[];
  const secrets = [...Object.values(stored!.scram["SCRAM-SHA-256"]!).map(String), wanted.saltedPassword.toBase64()];
  const told = JSON.stringify([published, reports, (await startController(store)).loaded.delta]);
  for (const secret of secrets) assert.ok(secret === "4096" || !told.includes(secret));
  assert.ok(!JSON.stringify(stored).includes(wanted.saltedPassword.toBase64()), "a salted password is not stored");
});

Deno.test("quotas that are only validated, or that the disk refuses, change nothing", async () => {
  const store = new MemoryStore();
  const { controller, published } = await startController(store);
  assert.deepEqual(await alterQuotas(controller, [quotaEntry({ user: "u" }, { [RATE]: 1 })], true), ["NONE"]);
  store.refusal = () => "no room";
  assert.deepEqual(await alterQuotas(controller, [quotaEntry({ user: "u" }, { [RATE]: 1 })]), ["KAFKA_STORAGE_ERROR"]);
  assert.deepEqual(await alterUsers(controller, { upsertions: [upsertion("u")] }), { u: "KAFKA_STORAGE_ERROR" });
  assert.deepEqual([published, store.keys()], [[], []]);
  assert.deepEqual(shown(controller.image), { quotas: {}, users: {} });
});

for (
  const [key, value] of [
    [quotaKey({ user: "u" }), "{}"],
    [quotaKey({ user: "u" }), JSON.stringify({ entity: { user: "v" }, values: { [RATE]: 1 } })],
    ["quotas/%", JSON.stringify({ entity: { user: "u" }, values: { [RATE]: 1 } })],
    [userKey("u"), JSON.stringify({ scram: { "SCRAM-SHA-256": { salt: "" } } })],
    ["users/%", JSON.stringify({ scram: {} })],
  ] as const
) {
  Deno.test(`a broker does not start with the damaged row ${key} ${value}`, async () => {
    const store = new MemoryStore();
    await store.transact({ set: [{ key, value }] });
    await assert.rejects(startController(store), MetadataStoreError);
    assert.equal(store.committed.length, 1, "the row is not overwritten");
  });
}

async function cluster() {
  const store = new MemoryStore();
  for (const id of [1, 2, 3]) await register(store, id);
  const planes = await Promise.all([1, 2, 3].map((id) => Plane.start(store, id)));
  const all = async () => {
    for (const plane of planes) await plane.catchUp(store);
  };
  return { store, planes, all };
}

Deno.test("brokers that change the same quotas and users at once all succeed, and each knows all of it", async () => {
  const { planes, all } = await cluster();
  const entity = { user: "alice" };
  const names = [RATE, "consumer_byte_rate", "request_percentage"];
  const answers = await Promise.all(planes.flatMap(({ controller }, index) => [
    alterQuotas(controller, [quotaEntry(entity, { [names[index] as string]: index + 1 })]),
    alterUsers(controller, { upsertions: [upsertion("bob", { mechanism: 1 + index % 2, iterations: 5000 + index })] }),
  ]));
  assert.deepEqual(answers, planes.flatMap(() => [["NONE"], { bob: "NONE" }]));
  await all();
  const quotas = { [quotaKey(entity)]: { [RATE]: 1, consumer_byte_rate: 2, request_percentage: 3 } };
  for (const { shard, controller, reports } of planes) {
    assert.deepEqual(shown(shard).quotas, quotas);
    assert.deepEqual(shown(shard), shown(controller.image));
    assert.equal(shown(shard).users.bob?.["SCRAM-SHA-512"], 5001);
    assert.deepEqual(reports, []);
  }
  assert.deepEqual(new Set(planes.map(({ shard }) => JSON.stringify(shown(shard).users))).size, 1);
});

Deno.test("a user that two brokers delete is deleted once, and the other one is told so", async () => {
  const { store, planes, all } = await cluster();
  await alterUsers(planes[0]!.controller, { upsertions: [upsertion("bob")] });
  await all();
  const deletions = [{ name: "bob", mechanism: 1 }];
  const answers = await Promise.all(planes.map(({ controller }) => alterUsers(controller, { deletions })));
  assert.deepEqual(answers.map(({ bob }) => bob).toSorted(), ["NONE", "RESOURCE_NOT_FOUND", "RESOURCE_NOT_FOUND"]);
  await all();
  assert.deepEqual(Object.keys(store.rows("users/")), []);
  for (const { shard } of planes) assert.equal(shard.scramUsers.size, 0);
});

Deno.test("rows that this version cannot read are not changed in a cluster, whatever they said before, and the answer says what to do", async () => {
  const { store, planes: [first], all } = await cluster();
  const { controller } = first as Plane;
  const entities = [{ user: "u" }, { user: "v" }];
  assert.deepEqual(await alterQuotas(controller, [quotaEntry({ user: "u" }, { [RATE]: 1 })]), ["NONE"]);
  assert.deepEqual(await alterUsers(controller, { upsertions: [upsertion("u")] }), { u: "NONE" });
  const keys = [...entities.map(quotaKey), userKey("u"), userKey("v")];
  await store.transact({ set: keys.map((key) => ({ key, value: '{"later":1}' })) });
  await all();
  for (const value of [2, null]) {
    const entries = [...entities, { user: "w" }].map((entity) => quotaEntry(entity, { [RATE]: value }));
    // Without the row, nothing is there that could be removed.
    const other = value === null ? "NONE" : "UNSUPPORTED_VERSION";
    assert.deepEqual(await alterQuotas(controller, entries), ["UNSUPPORTED_VERSION", other, "NONE"]);
  }
  const upsertions = ["u", "v", "w"].map((name) => upsertion(name, { seed: 8 }));
  const refused = { u: "UNSUPPORTED_VERSION", v: "UNSUPPORTED_VERSION" };
  assert.deepEqual(await alterUsers(controller, { upsertions }), { ...refused, w: "NONE" });
  const deletions = [{ name: "u", mechanism: 1 }];
  assert.deepEqual(await alterUsers(controller, { deletions }), { u: "UNSUPPORTED_VERSION" });
  for (const key of keys) assert.equal(store.entries.get(key)?.value, '{"later":1}', key);
});

Deno.test("a row that a later version wrote is left out of the image of a cluster, and reported; what it adds to known rows stays", async () => {
  const { store, planes: [first], all } = await cluster();
  const [known, other] = [quotaKey({ user: "u" }), quotaKey({ user: "v" })];
  await store.transact({
    set: [
      { key: known, value: JSON.stringify({ entity: { user: "u" }, values: { [RATE]: 1 }, since: 5 }) },
      { key: other, value: JSON.stringify({ entity: { user: "v" }, shares: 3 }) },
    ],
  });
  await all();
  assert.deepEqual(shown(first!.shard).quotas, { [known]: { [RATE]: 1 } });
  assert.match(first!.reports.join(), /cannot read: quotas\/.*v.*start the version that wrote it/);
  assert.deepEqual(await alterQuotas(first!.controller, [quotaEntry({ user: "u" }, { [RATE]: 2 })]), ["NONE"]);
  assert.equal((store.rows("quotas/") as Record<string, { since?: number }>)[known.slice("quotas/".length)]?.since, 5);
});
