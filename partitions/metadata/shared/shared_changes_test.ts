/** Control planes of several brokers over one store: topics, partitions, configs and producer ids through any of them. */
import assert from "node:assert/strict";
import { errorName } from "../../../net/protocol/error_codes.ts";
import { ListedDirectories, MemoryStore } from "../controller_testing.ts";
import { ELSEWHERE } from "../image.ts";
import { changeState, directoryId, incarnationOf, Plane, register, storedTopics, topicsOf } from "./shared_testing.ts";

/** Starts planes of brokers 1 to 3, all registered and active. */
async function cluster(
  options: { keysMax?: number; ids?: readonly number[] } = {},
): Promise<{ store: MemoryStore; planes: Plane[]; all: () => Promise<void> }> {
  const store = new MemoryStore();
  if (options.keysMax !== undefined) store.limits = { transactionKeysMax: options.keysMax, transactionBytesMax: 1e6 };
  const ids = options.ids ?? [1, 2, 3];
  for (const id of ids) await register(store, id);
  const planes = await Promise.all(ids.map((id) => Plane.start(store, id)));
  const all = async () => {
    for (const plane of planes) await plane.catchUp(store);
    for (const plane of planes) await plane.catchUp(store);
  };
  return { store, planes, all };
}

function assertEqualImages(store: MemoryStore, planes: readonly Plane[]): void {
  for (const { shard, controller, reports } of planes) {
    assert.deepEqual(topicsOf(shard), storedTopics(store));
    assert.deepEqual(topicsOf(controller.image), storedTopics(store));
    assert.deepEqual(reports, []);
  }
}

Deno.test("a topic created through one broker is in the image of each, placed where it has replicas", async () => {
  const { store, planes: [first, second, third], all } = await cluster();
  assert.deepEqual(await second!.create({ t: 9 }, { "min.insync.replicas": "2" }), ["NONE"]);
  assert.equal(second!.shard.topic("t")?.partitions.length, 9, "the answer comes after the own shards");
  await all();
  const leaders = second!.shard.topic("t")!.partitions.map(({ leader }) => leader);
  assert.deepEqual(leaders.toSorted(), [1, 1, 1, 2, 2, 2, 3, 3, 3]);
  for (const [index, plane] of [first, second, third].entries()) {
    for (const { leader, slot, shard, directory } of plane!.shard.topic("t")!.partitions) {
      const isHere = leader === index + 1;
      assert.deepEqual([slot >= 0, shard >= 0, directory], [isHere, isHere, isHere ? 0 : ELSEWHERE]);
    }
    assert.equal(plane!.controller.partitionsCount, 3);
  }
  assertEqualImages(store, [first!, second!, third!]);
  const { id } = second!.shard.topic("t")!;
  const rows = store.rows(`partitions/${id}/`) as Record<
    string,
    { minIsr: number; directories: string[]; leader: number }
  >;
  for (const { minIsr, directories, leader } of Object.values(rows)) {
    assert.deepEqual([minIsr, directories], [1, [directoryId(leader)]]);
  }
});

Deno.test("a topic with more partitions than a transaction takes is seen whole or not at all, also when it is deleted", async () => {
  const { store, planes, all } = await cluster({ keysMax: 10 });
  assert.deepEqual(await planes[0]!.create({ large: 47, small: 3, other: 4 }), ["NONE", "NONE", "NONE"]);
  await all();
  assertEqualImages(store, planes);
  for (const { published } of planes) {
    for (const { changed } of published) {
      for (const { name, partitions } of changed) if (name === "large") assert.equal(partitions.length, 47);
    }
  }
  assert.deepEqual(await planes[2]!.delete("large", "small"), ["NONE", "NONE"]);
  await all();
  assertEqualImages(store, planes);
  assert.deepEqual(
    store.keys().filter((key) => /^(partitions|deleted)/.test(key)).length,
    4,
    "only other's rows are left",
  );
});

Deno.test("a name that two brokers want is created once, and what else they want is created all the same", async () => {
  const { store, planes, all } = await cluster();
  const [one, other] = await Promise.all([
    planes[0]!.create({ a: 1, same: 2, b: 1 }),
    planes[1]!.create({ c: 1, same: 4, d: 1 }),
  ]);
  const codes = [one[1], other[1]].sort();
  assert.deepEqual(codes, ["NONE", "TOPIC_ALREADY_EXISTS"]);
  assert.deepEqual([one[0], one[2], other[0], other[2]], ["NONE", "NONE", "NONE", "NONE"]);
  await all();
  assertEqualImages(store, planes);
  const auto = await Promise.all(
    planes.map(({ controller }) => controller.call("autoCreateTopics", { names: ["auto"] })),
  );
  assert.deepEqual(auto.map(([result]) => result?.errorCode), [0, 0, 0], "to be there is what they wanted");
});

Deno.test("a broker that is fenced while a topic is created gets none of it", async () => {
  const { store, planes: [first], all } = await cluster();
  let isFenced = false;
  store.refusal = ({ set = [] }) => {
    if (!isFenced && set.some(({ key }) => key.startsWith("topics/"))) {
      isFenced = true;
      void changeState(store, 3, "fenced");
    }
    return null;
  };
  store.delay = () => new Promise((resolve) => setTimeout(resolve));
  assert.deepEqual(await first!.create({ t: 6 }), ["NONE"]);
  await all();
  assert.deepEqual(new Set(first!.shard.topic("t")!.partitions.map(({ leader }) => leader)), new Set([1, 2]));
  assert.deepEqual(first!.shard.brokers.get(3)?.state, "fenced");
});

Deno.test("rows that name this broker as leader are led only once its process is registered", async () => {
  const store = new MemoryStore();
  await register(store, 1, { incarnation: incarnationOf(77) });
  await register(store, 2);
  const second = await Plane.start(store, 2);
  assert.deepEqual(await second.create({ t: 4 }), ["NONE"]);
  const first = await Plane.start(store, 1);
  const leadersOf = ({ shard }: Plane) => new Set(shard.topic("t")!.partitions.map(({ leader }) => leader));
  assert.deepEqual([leadersOf(first), leadersOf(second)], [new Set([-1, 2]), new Set([1, 2])]);
  assert.deepEqual(await first.create({ u: 4 }), ["NONE"]);
  assert.deepEqual(new Set(first.shard.topic("u")!.partitions.map(({ leader }) => leader)), new Set([-1, 2]));
  await register(store, 1, { state: "fenced" });
  await first.catchUp(store);
  assert.deepEqual([leadersOf(first), leadersOf(second)], [new Set([1, 2]), new Set([1, 2])]);
  assertEqualImages(store, [first, second]);
});

Deno.test("partitions are added once, also when the topic is deleted or grows through another broker meanwhile", async () => {
  const { store, planes, all } = await cluster({ keysMax: 8 });
  await planes[0]!.create({ t: 2, u: 2 });
  await all();
  const results = await Promise.all([planes[0]!.grow("t", 30), planes[1]!.grow("t", 20), planes[2]!.grow("t", 30)]);
  assert.ok(results.every((name) => name === "NONE" || name === "INVALID_PARTITIONS"), results.join());
  await all();
  assert.equal(planes[0]!.shard.topic("t")?.partitions.length, 30);
  assertEqualImages(store, planes);
  const [grown, deleted] = await Promise.all([planes[0]!.grow("u", 40), planes[1]!.delete("u")]);
  assert.ok(grown === "NONE" || grown === "UNKNOWN_TOPIC_OR_PARTITION", grown);
  assert.deepEqual(deleted, ["NONE"]);
  await all();
  assertEqualImages(store, planes);
  assert.equal(
    store.keys().filter((key) => key.startsWith("partitions/")).length,
    30,
    "no row of the deleted one is left",
  );
});

Deno.test("configs that brokers change at the same time are all kept", async () => {
  const { store, planes, all } = await cluster();
  await planes[0]!.create({ t: 1 });
  await all();
  const changes = [["retention.ms", "5000"], ["segment.bytes", "2000000"], ["max.message.bytes", "7000"]] as const;
  const alter = (plane: Plane, [name, value]: readonly [string, string]) => plane.alter({ topic: "t" }, name, value);
  const codes = await Promise.all(planes.map((plane, index) => alter(plane, changes[index]!)));
  assert.deepEqual(codes, ["NONE", "NONE", "NONE"]);
  await all();
  for (const { shard } of planes) assert.deepEqual(shard.topic("t")?.configs, Object.fromEntries(changes));
  const group = "consumer.session.timeout.ms";
  const groups = await Promise.all(planes.map((plane, index) => plane.alter({ group: "g" }, group, `5000${index}`)));
  assert.deepEqual(groups, ["NONE", "NONE", "NONE"]);
  await all();
  const kept = new Set(planes.map(({ shard }) => shard.groupConfigs("g")?.[group]));
  assert.equal(kept.size, 1);
  assert.equal(await planes[1]!.alter({ group: "g" }, group, null), "NONE");
  await all();
  assert.deepEqual(planes.map(({ shard }) => shard.groupConfigs("g")), [undefined, undefined, undefined]);
  assertEqualImages(store, planes);
});

Deno.test("fields that a later version has added to a topic's row stay when its configs change", async () => {
  const { store, planes: [first] } = await cluster({ ids: [1] });
  await first!.create({ t: 1 });
  const { id } = first!.shard.topic("t")!;
  await store.transact({ set: [{ key: "topics/t", value: JSON.stringify({ id, configs: {}, color: "red" }) }] });
  await first!.catchUp(store);
  assert.equal(await first!.alter({ topic: "t" }, "retention.ms", "5"), "NONE");
  assert.deepEqual(store.rows("topics/"), { t: { id, configs: { "retention.ms": "5" }, color: "red" } });
  assert.equal(await first!.grow("t", 2), "NONE");
  assert.deepEqual(store.rows("topics/"), { t: { id, configs: { "retention.ms": "5" }, color: "red" } });
});

Deno.test("no producer id is given twice, whichever brokers ask at the same time", async () => {
  const { planes } = await cluster();
  const asked = planes.flatMap(({ controller }) => [1, 2, 3, 4].map(() => controller.call("allocateProducerIds", {})));
  const blocks = await Promise.all(asked);
  const firstIds = blocks.map(({ firstId }) => firstId).sort((a, b) => a - b);
  assert.deepEqual(firstIds, Array.from({ length: 12 }, (_, index) => index * 1000));
});

Deno.test("a change whose answer is lost is made once; one that the store does not answer at all is REQUEST_TIMED_OUT", async () => {
  const { store, planes: [first, second], all } = await cluster({ ids: [1, 2] });
  store.loses = () => "answer";
  assert.deepEqual(await first!.create({ t: 3 }), ["NONE"]);
  assert.equal(await first!.grow("t", 5), "NONE");
  store.loses = () => "request";
  assert.deepEqual(await first!.create({ u: 3 }), ["REQUEST_TIMED_OUT"]);
  assert.deepEqual(await first!.delete("t"), ["REQUEST_TIMED_OUT"]);
  store.loses = () => "nothing";
  store.refusal = () => "etcd does not answer";
  assert.deepEqual(await first!.create({ u: 3 }), ["REQUEST_TIMED_OUT"]);
  assert.equal(await first!.alter({ topic: "t" }, "retention.ms", "5"), "REQUEST_TIMED_OUT");
  await assert.rejects(first!.controller.call("allocateProducerIds", {}), /etcd does not answer/);
  store.refusal = () => null;
  assert.deepEqual(await second!.delete("t"), ["NONE"]);
  await all();
  assertEqualImages(store, [first!, second!]);
});

Deno.test("directories of a deleted topic are removed where they are, and the last broker forgets it", async () => {
  const store = new MemoryStore();
  const lists = [1, 2].map((id) => new ListedDirectories({}, [directoryId(id, 0), directoryId(id, 1)]));
  for (const id of [1, 2]) await register(store, id, { directories: [directoryId(id, 0), directoryId(id, 1)] });
  const saved: string[] = [];
  const planes: Plane[] = [];
  for (const [index, directories] of lists.entries()) {
    const saveCheckpoints = () => Promise.resolve(void saved.push(`${index + 1}`));
    planes.push(await Plane.start(store, index + 1, { directories, saveCheckpoints }));
  }
  assert.deepEqual(await planes[0]!.create({ t: 4, kept: 2 }), ["NONE", "NONE"]);
  for (const plane of planes) await plane.catchUp(store);
  const ownOf = (index: number) =>
    planes[index]!.shard.topic("t")!.partitions.filter(({ slot }) => slot >= 0).map(({ partition }) =>
      `remove t-${partition}`
    );
  const expected = [ownOf(0), ownOf(1)];
  assert.deepEqual(await planes[1]!.delete("t"), ["NONE"]);
  for (const plane of [...planes, ...planes]) await plane.catchUp(store);
  for (const [index, { actions }] of lists.entries()) {
    assert.deepEqual(actions, [...expected[index]!, "sync"]);
  }
  assert.deepEqual(saved.sort(), ["1", "2"]);
  assert.deepEqual(store.rows("deleted/"), {});
});

Deno.test("a new topic of a deleted one's name is published after its directories are gone", async () => {
  const { store, planes: [first, second], all } = await cluster({ ids: [1, 2] });
  await first!.create({ t: 2 });
  await all();
  store.isWatched = false;
  const changes = [second!.delete("t")];
  while (store.rows("topics/").t !== undefined) await Promise.resolve();
  const row = { id: "MTIzNDU2Nzg5MDEyMzQ1Ng", configs: {} };
  const partition = { ...partitionRow, replicas: [1], isr: [1], leader: 1, directories: [directoryId(1)] };
  await store.transact({
    set: [
      { key: "topics/t", value: JSON.stringify(row) },
      { key: `partitions/${row.id}/0`, value: JSON.stringify(partition) },
    ],
  });
  store.isWatched = true;
  assert.deepEqual(await Promise.all(changes), [["NONE"]]);
  await all();
  for (const { published } of [first!, second!]) {
    const kinds = published.map(({ changed, deletedIds }) => [changed.length, deletedIds.length]);
    assert.deepEqual(kinds.slice(1, 3), [[0, 1], [1, 0]]);
  }
  assertEqualImages(store, [first!, second!]);
});

const partitionRow = {
  ...{ leaderEpoch: 0, partitionEpoch: 0, minIsr: 1, elr: [], lastKnownElr: [] },
  ...{ recovering: false, adding: [], removing: [] },
};

Deno.test("a row that this version cannot read is reported and left out", async () => {
  const { store, planes: [first] } = await cluster({ ids: [1] });
  await first!.create({ t: 1 });
  const { id } = first!.shard.topic("t")!;
  await store.transact({ set: [{ key: `partitions/${id}/0`, value: "{}" }, { key: "later/version", value: "?" }] });
  await first!.catchUp(store);
  assert.match(first!.reports.join(), /left out: .*partitions/);
  assert.equal(first!.shard.topic("t")?.partitions[0]?.leader, 1);
  assert.deepEqual(await first!.create({ u: 1 }), ["NONE"], "others go on");
});

Deno.test("partitions for which this broker has no room are offline here, and said", async () => {
  const store = new MemoryStore();
  for (const id of [1, 2]) await register(store, id);
  const small = await Plane.start(store, 1, { slotsMax: 2 });
  const large = await Plane.start(store, 2);
  assert.deepEqual(await large.create({ t: 10 }), ["NONE"]);
  await small.catchUp(store);
  const here = small.shard.topic("t")!.partitions.filter(({ replicas }) => replicas.includes(1));
  assert.deepEqual(here.map(({ slot, leader }) => [slot, leader]), [[0, 1], [1, 1], [-1, -1], [-1, -1], [-1, -1]]);
  assert.match(small.reports.join(), /no room for 3 partitions of t/);
  assert.deepEqual(await large.delete("t"), ["NONE"]);
  for (const plane of [small, large, small]) await plane.catchUp(store);
  assert.deepEqual(store.rows("deleted/"), {});
  assert.equal(small.controller.partitionsCount, 0);
});

Deno.test("a change that is made while the broker stops is answered at once", async () => {
  const { store, planes: [first, second] } = await cluster({ ids: [1, 2] });
  store.isWatched = false;
  const creating = first!.create({ t: 1 });
  while (store.rows("topics/").t === undefined) await Promise.resolve();
  for (let turns = 0; turns < 20; turns++) await Promise.resolve();
  await first!.changes.stop();
  assert.deepEqual(await creating, ["REQUEST_TIMED_OUT"]);
  assert.deepEqual(await first!.create({ u: 1 }), ["REQUEST_TIMED_OUT"]);
  store.isWatched = true;
  await second!.catchUp(store);
  assertEqualImages(store, [second!]);
});

Deno.test("settings of all brokers are in force on each of them, those of one on this one, and topics get what they inherit", async () => {
  const { store, planes, all } = await cluster();
  const [first, second] = planes as [Plane, Plane];
  assert.deepEqual(await first.create({ t: 3, own: 1 }), ["NONE", "NONE"]);
  await all();
  assert.equal(await first.alter({ topic: "own" }, "retention.ms", "7"), "NONE");
  const retention = () =>
    planes.map(({ shard }) => ["t", "own"].map((name) => shard.topic(name)?.logConfig.retentionMs));
  assert.equal(await second.alter({ broker: "" }, "log.retention.ms", "50"), "NONE");
  assert.deepEqual(retention()[1], [50, 7], "the answer comes after the own shards");
  assert.equal(await second.alter({ broker: "2" }, "log.retention.ms", "60"), "NONE");
  assert.equal(await first.alter({ broker: "2" }, "log.retention.ms", "70"), "INVALID_REQUEST");
  await all();
  assert.deepEqual(retention(), [[50, 7], [60, 7], [50, 7]]);
  assert.deepEqual(Object.keys(store.rows("broker-configs/")).sort(), ["2", "default"]);
  const settings = first.published.flatMap(({ brokerSettings }) => brokerSettings ?? []);
  assert.deepEqual(settings.map(({ properties }) => properties["log.retention.ms"]), ["50"], "others' are not told");
  const late = await Plane.start(store, 2, { incarnation: incarnationOf(2) });
  assert.equal(late.loaded.delta.changed.find(({ name }) => name === "t")?.logConfig.retentionMs, 60);
  late[Symbol.dispose]();
  for (const broker of ["", "2"]) assert.equal(await second.alter({ broker }, "log.retention.ms", null), "NONE");
  await all();
  assert.deepEqual(retention().map(([t]) => t), [604_800_000, 604_800_000, 604_800_000]);
  assert.deepEqual(store.rows("broker-configs/"), {});
});

Deno.test("a broker changes no configs that it cannot read, and says with which version to do it; what a later version added stays", async () => {
  const { store, planes: [first], all } = await cluster();
  const plane = first as Plane;
  await plane.create({ t: 1 });
  assert.equal(await plane.alter({ group: "g" }, "consumer.session.timeout.ms", "50000"), "NONE");
  const keys = ["topics/t", "groups/g", "broker-configs/1", "broker-configs/default"];
  const resources = [{ topic: "t" }, { group: "g" }, { broker: "1" }, { broker: "" }] as const;
  const names = ["retention.ms", "consumer.session.timeout.ms", "log.retention.ms", "log.retention.ms"];
  const alter = async (index: number, value: string | null) => {
    const { errorCode: code, errorMessage } = await plane.altered(resources[index]!, names[index]!, value);
    return [errorName(code), errorMessage];
  };
  const [topic] = Object.values(store.rows("topics/")) as object[];
  for (const broken of ["?", '{"later":1}']) {
    await store.transact({ set: keys.map((key) => ({ key, value: broken })) });
    await all();
    for (const [index, key] of keys.entries()) {
      const [code, message] = await alter(index, "60000");
      assert.equal(code, "UNSUPPORTED_VERSION", key);
      assert.match(
        message ?? "",
        new RegExp(`cannot read the row ${key} .*: change it with the version that wrote it`),
      );
      assert.equal(store.entries.get(key)?.value, broken);
    }
  }
  assert.equal(await plane.alter({ broker: "1" }, "log.retention.ms", null), "UNSUPPORTED_VERSION");
  const readable = keys.map((key) => ({ ...(key === "topics/t" ? topic : {}), configs: {}, later: key }));
  await store.transact({ set: keys.map((key, index) => ({ key, value: JSON.stringify(readable[index]) })) });
  await all();
  for (const [index, key] of keys.entries()) {
    assert.deepEqual(await alter(index, "60000"), ["NONE", null], key);
    const configs = { [names[index] as string]: "60000" };
    assert.deepEqual(JSON.parse(store.entries.get(key)!.value), { ...readable[index], configs });
  }
});

Deno.test("brokers that change the settings of all at the same time lose none of them", async () => {
  const { store, planes, all } = await cluster();
  const names = ["log.retention.ms", "log.roll.ms", "message.max.bytes"];
  const changes = planes.map((plane, index) => plane.alter({ broker: "" }, names[index] as string, "5000"));
  assert.deepEqual(await Promise.all(changes), ["NONE", "NONE", "NONE"]);
  await all();
  const row = store.rows("broker-configs/").default as { configs: Record<string, string> };
  assert.deepEqual(Object.keys(row.configs).sort(), names.toSorted());
});
