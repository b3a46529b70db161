import assert from "node:assert/strict";
import { noGroups } from "../../../partitions/mod.ts";
import type { ToShard } from "../shard_messages.ts";
import type { ShardNumbers, SurveyPart } from "./shard_survey.ts";
import { ShardSurveys } from "./shard_surveys.ts";

type Asked = { shard: number; id: number; isFirst: boolean };

/** The surveys of two shards, which the test answers, at a time that the test sets. */
class Scene {
  nowMs = 0;
  readonly asked: Asked[] = [];
  readonly timeouts = new Set<() => void>();
  readonly surveys = new ShardSurveys({
    shardsCount: 2,
    post: (shard: number, message: ToShard) => {
      assert.equal(message.type, "survey");
      if (message.type === "survey") this.asked.push({ shard, id: message.id, isFirst: message.isFirst });
    },
    nowMs: () => this.nowMs,
    after: (_ms, call) => {
      this.timeouts.add(call);
      return () => void this.timeouts.delete(call);
    },
  });

  /** Answers the oldest question, and lets the asker go on. */
  async answer(part: Partial<SurveyPart> = {}): Promise<Asked> {
    const asked = this.asked.shift();
    assert(asked !== undefined);
    const numbers = asked.isFirst ? { connections: 10 + asked.shard } as ShardNumbers : null;
    const apis = asked.isFirst ? [{ key: 0, name: "Produce" }] : [];
    this.surveys.receive(asked.id, { numbers, apis, logs: new Float64Array(0), groups: noGroups(), ...part });
    await Promise.resolve();
    await Promise.resolve();
    return asked;
  }
}

Deno.test("ShardSurveys.take() puts the parts of each shard's answer together", async () => {
  const scene = new Scene();
  const taken = scene.surveys.take();
  assert.deepEqual(scene.asked.map(({ shard, isFirst }) => [shard, isFirst]), [[0, true], [1, true]]);
  await scene.answer({ logs: Float64Array.of(7, 100, 2, 9, 50, 1), groups: null });
  await scene.answer();
  const second = await scene.answer({ logs: Float64Array.of(11, 5, 1), groups: { ...noGroups(), offsetsCount: 3 } });
  assert.deepEqual([second.shard, second.isFirst], [0, false]);
  const [first, other] = await taken;
  assert.deepEqual([...first?.logs ?? []], [[7, { bytes: 100, segments: 2 }], [9, { bytes: 50, segments: 1 }], [11, {
    bytes: 5,
    segments: 1,
  }]]);
  assert.deepEqual([first?.numbers.connections, first?.groups.offsetsCount, first?.apis.length], [10, 3, 1]);
  assert.deepEqual([other?.shard, other?.numbers.connections, other?.logs.size], [1, 11, 0]);
  assert.equal(scene.timeouts.size, 0);
});

Deno.test("ShardSurveys.take() asks once for all who ask meanwhile, and not again before a second and twenty times its duration", async () => {
  const scene = new Scene();
  const all = Array.from({ length: 1000 }, () => scene.surveys.take());
  assert.equal(scene.asked.length, 2);
  scene.nowMs = 70;
  await scene.answer();
  await scene.answer();
  await Promise.all(all);
  for (scene.nowMs = 71; scene.nowMs < 70 + 1400; scene.nowMs += 100) {
    assert.equal((await scene.surveys.take()).length, 2);
  }
  assert.equal(scene.asked.length, 0);
  scene.nowMs = 70 + 1400;
  void scene.surveys.take();
  assert.equal(scene.asked.length, 2);
});

Deno.test("ShardSurveys.take() leaves a shard out that has never answered, whose late answer changes nothing", async () => {
  const scene = new Scene();
  const taken = scene.surveys.take();
  const silent = scene.asked.shift() as Asked;
  await scene.answer();
  for (const call of [...scene.timeouts]) call();
  assert.deepEqual((await taken).map(({ shard }) => shard), [1]);
  scene.surveys.receive(silent.id, { numbers: null, apis: [], logs: new Float64Array(0), groups: noGroups() });
  assert.deepEqual((await scene.surveys.take()).map(({ shard }) => shard), [1]);
});

Deno.test("ShardSurveys.take() has what a silent shard said last, so that sums do not fall, and asks it again", async () => {
  const scene = new Scene();
  const first = scene.surveys.take();
  await scene.answer();
  await scene.answer();
  assert.equal((await first).length, 2);
  scene.nowMs = 1000;
  const second = scene.surveys.take();
  const silent = scene.asked.shift() as Asked;
  await scene.answer({ numbers: { connections: 21 } as ShardNumbers });
  for (const call of [...scene.timeouts]) call();
  assert.deepEqual((await second).map(({ numbers }) => numbers.connections), [10, 21]);
  scene.nowMs = 2000;
  const third = scene.surveys.take();
  scene.surveys.receive(silent.id, { numbers: null, apis: [], logs: new Float64Array(0), groups: noGroups() });
  await scene.answer({ numbers: { connections: 30 } as ShardNumbers });
  await scene.answer();
  assert.deepEqual((await third).map(({ numbers }) => numbers.connections), [30, 11]);
});

Deno.test("ShardSurveys.stop() ends a survey at once, between parts too, and leaves no timer behind", async () => {
  const scene = new Scene();
  const taken = scene.surveys.take();
  await scene.answer({ groups: null });
  assert.deepEqual(scene.asked.map(({ shard }) => shard), [1, 0]);
  void scene.answer({ groups: null });
  scene.surveys.stop();
  assert.deepEqual(await taken, []);
  assert.deepEqual([scene.timeouts.size, scene.asked.length], [0, 1], "the next part is not asked for");
});
