import assert from "node:assert/strict";
import { errorCode } from "../../net/protocol/error_codes.ts";
import { configOf, MemoryStore, startController } from "./controller_testing.ts";
import { autoCreatedTopic, isAutoCreatable } from "./internal_topics.ts";

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
