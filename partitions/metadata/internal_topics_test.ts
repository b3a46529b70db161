import assert from "node:assert/strict";
import { errorCode } from "../../net/protocol/error_codes.ts";
import { configOf, MemoryStore, startController } from "./controller_testing.ts";
import { autoCreatedTopic, isAutoCreatable } from "./internal_topics.ts";
import { Plane, register } from "./shared/shared_testing.ts";

const OFFSETS = "__consumer_offsets";

Deno.test("autoCreateTopics creates __consumer_offsets as the group coordinator needs it, once for concurrent requests", async () => {
  const { controller, published } = await startController(new MemoryStore());
  const names = [OFFSETS];
  const answers = await Promise.all([1, 2, 3].map(() => controller.call("autoCreateTopics", { names })));
  for (const answer of answers) assert.deepEqual(answer, [{ name: OFFSETS, errorCode: errorCode.NONE }]);
  assert.equal(published.filter(({ changed }) => changed.length > 0).length, 1, "published once");
  const topic = controller.image.topic(OFFSETS);
  assert.equal(topic?.partitions.length, 50);
  assert(topic?.partitions.every(({ replicas }) => replicas.length === 1), "no more replicas than brokers");
  assert.deepEqual(topic?.configs, {
    "cleanup.policy": "compact",
    "compression.type": "producer",
    "segment.bytes": "104857600",
  });
  assert.equal(topic?.isInternal, true);
  assert.equal(topic?.logConfig.compact, true);
});

Deno.test("isAutoCreatable() refuses internal topics without a coordinator here, and invalid names", () => {
  const names = [OFFSETS, "t", "__transaction_state", "__share_group_state", "a b", ""];
  assert.deepEqual(names.filter(isAutoCreatable), [OFFSETS, "t"]);
});

Deno.test("autoCreatedTopic() gives the offsets topic its replication factor in a cluster, one replica on a lone broker", () => {
  const config = configOf({});
  const replicas = (isAlone: boolean) => autoCreatedTopic(OFFSETS, config, isAlone).replicationFactor;
  assert.deepEqual([replicas(true), replicas(false)], [1, 3]);
  assert.equal(autoCreatedTopic("t", config, true).replicationFactor, -1);
});

Deno.test("autoCreateTopics waits for as many brokers as the offsets topic has replicas, says once for how many, and creates it then", async () => {
  const store = new MemoryStore();
  await register(store, 1);
  using plane = await Plane.start(store, 1);
  const ask = async () => {
    await plane.catchUp(store);
    return (await plane.controller.call("autoCreateTopics", { names: [OFFSETS] }))[0]?.errorCode;
  };
  for (const count of [1, 2]) {
    if (count > 1) await register(store, count);
    for (let tries = 0; tries < 3; tries++) assert.equal(await ask(), errorCode.INVALID_REPLICATION_FACTOR);
    assert.equal(plane.reports.length, count);
    const said = `only ${count} broker(s) are registered. Groups wait for as many brokers as offsets.topic.replication`;
    assert(plane.reports.at(-1)?.includes(said), plane.reports.at(-1));
  }
  await register(store, 3);
  assert.equal(await ask(), errorCode.NONE);
  assert.equal(plane.reports.length, 2);
  const partitions = plane.controller.image.topic(OFFSETS)?.partitions;
  assert.deepEqual(partitions?.map(({ replicas }) => replicas.toSorted().join()), Array(50).fill("1,2,3"));
});
