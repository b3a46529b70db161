import assert from "node:assert/strict";
import { errorCode } from "../../net/protocol/error_codes.ts";
import { ZERO_UUID } from "../../net/protocol/text_cache.ts";
import type { MutationClient } from "../quotas/mutation_quotas.ts";
import type { Controller } from "./controller.ts";
import { MemoryStore, startController } from "./controller_testing.ts";

const { NONE, THROTTLING_QUOTA_EXCEEDED } = errorCode;

/** A controller whose clients may create or delete a partition a second, and save up 11. */
async function limited(): Promise<{ controller: Controller; clock: { nowMs: number } }> {
  const clock = { nowMs: 0 };
  const { controller } = await startController(new MemoryStore(), { nowMs: () => clock.nowMs });
  const quota = { entity: { "client-id": null }, values: { controller_mutation_rate: 1 } };
  controller.image.apply({ changed: [], deletedIds: [], clientQuotas: [quota] });
  return { controller, clock };
}

function client(changes: Partial<MutationClient> = {}): MutationClient {
  return { principal: "User:ANONYMOUS", clientId: "c", isStrict: true, ...changes };
}

async function create(controller: Controller, counts: Record<string, number>, by = client(), validateOnly = false) {
  const topics = Object.entries(counts).map(([name, numPartitions]) => ({
    ...{ name, numPartitions, replicationFactor: 1, assignments: [], configs: [] },
  }));
  const request = { topics, timeoutMs: 1000, validateOnly };
  const answer = await controller.call("createTopics", { request, apiVersion: 7, client: by });
  return [answer.topics.map((topic) => topic.errorCode), answer.throttleTimeMs];
}

Deno.test("createTopics refuses the topics beyond the quota of a strict client, in the order of the request, and creates the others", async () => {
  const { controller, clock } = await limited();
  const codes = [NONE, NONE, THROTTLING_QUOTA_EXCEEDED];
  assert.deepEqual(await create(controller, { a: 11, b: 4, c: 1 }), [codes, 4000]);
  assert.deepEqual(Array.from(controller.image.topics(), ({ name }) => name), ["a", "b"]);
  assert.deepEqual(
    await create(controller, { a: 1 }),
    [[errorCode.TOPIC_ALREADY_EXISTS], 0],
    "only changes are charged",
  );
  clock.nowMs += 4000;
  assert.deepEqual(await create(controller, { c: 1 }), [[NONE], 0]);
  assert.deepEqual(await create(controller, { d: 1 }, client({ clientId: "other" })), [[NONE], 0]);
  assert.deepEqual(await create(controller, { e: 1 }, client({ isStrict: false })), [[NONE], 2000]);
});

Deno.test("createPartitions and deleteTopics charge the partitions that they add and remove", async () => {
  const { controller } = await limited();
  await create(controller, { a: 3, b: 3 });
  const grow = async (name: string, count: number, by = client()) => {
    const request = { topics: [{ name, count, assignments: null }], timeoutMs: 1000, validateOnly: false };
    const answer = await controller.call("createPartitions", { request, client: by });
    return [answer.results[0]?.errorCode, answer.throttleTimeMs];
  };
  const remove = async (names: readonly string[], by = client()) => {
    const topics = names.map((name) => ({ name, topicId: ZERO_UUID }));
    const request = { topics, topicNames: [], timeoutMs: 1000 };
    const answer = await controller.call("deleteTopics", { request, apiVersion: 6, client: by });
    return [answer.responses.map((topic) => topic.errorCode), answer.throttleTimeMs];
  };
  assert.deepEqual(await grow("a", 9), [NONE, 0]);
  assert.deepEqual(await grow("b", 4), [THROTTLING_QUOTA_EXCEEDED, 1000]);
  assert.equal(controller.image.topic("b")?.partitions.length, 3);
  assert.deepEqual(await remove(["b"]), [[THROTTLING_QUOTA_EXCEEDED], 1000]);
  assert.deepEqual(await remove(["b", "missing"], client({ isStrict: false })), [
    [NONE, errorCode.UNKNOWN_TOPIC_OR_PARTITION],
    4000,
  ]);
  assert.deepEqual(Array.from(controller.image.topics(), ({ name }) => name), ["a"]);
});

Deno.test("autoCreateTopics refuses what exceeds the quota, and the broker's own topics have none", async () => {
  const { controller } = await limited();
  const auto = async (names: string[], by?: MutationClient) =>
    (await controller.call("autoCreateTopics", { names, client: by })).map((topic) => topic.errorCode);
  await create(controller, { a: 12 });
  assert.deepEqual(await auto(["b"], client()), [THROTTLING_QUOTA_EXCEEDED]);
  assert.deepEqual(await auto(["b", "c"]), [NONE, NONE]);
});
