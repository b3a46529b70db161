/**
 * The balancer with a real controller and real shards; the test sets the time and how long the shards waited.
 */
import { strict as assert } from "node:assert";
import { CrashingFileSystem } from "../../tests/crashing_file_system.ts";
import { Balancer } from "./balancer.ts";
import type { Timers } from "../directory/checkpoint_writer.ts";
import type { Controller } from "../metadata/controller.ts";
import { MemoryStore, startController } from "../metadata/controller_testing.ts";
import { Answers, batchOf, readFrom, TestShards } from "../owned/partition_testing.ts";
import { emptyWatermarks, partitionState } from "../shared/watermarks.ts";

/** Shards, a controller, and a balancer that checks when the test says so. */
class Scene implements AsyncDisposable {
  readonly world: TestShards;
  readonly files: CrashingFileSystem;
  readonly controller: Controller;
  readonly balancer: Balancer;
  readonly reports: string[] = [];
  readonly answers = new Answers();
  /** Microseconds that each shard waited. */
  readonly waited = [0, 0];
  handOverFails = false;
  /** The balancer's pending timer. */
  gate: Promise<void> = Promise.resolve();
  nowMs = 0;
  timersCount = 0;
  handOversCount = 0;
  #fire: () => void = () => {};

  private constructor(
    parts: { world: TestShards; files: CrashingFileSystem; controller: Controller },
    shardsCount: number,
  ) {
    const { world, controller } = parts;
    this.world = world;
    this.files = parts.files;
    this.controller = controller;
    const timers: Timers = {
      every: (_ms, callback) => {
        this.timersCount++;
        this.#fire = callback;
        return () => void (this.timersCount = 0);
      },
    };
    this.balancer = new Balancer({
      shardsCount,
      image: controller.image,
      watermarks: world.table,
      waitedUs: (shard) => (this.waited[shard] as number) | 0,
      handOver: async (handOver) => {
        this.handOversCount++;
        if (this.handOverFails) throw new Error("broken");
        await this.gate;
        return controller.handOverPartition(handOver);
      },
      report: (text) => void this.reports.push(text),
      timers,
      nowMs: () => this.nowMs,
    });
  }

  static async open(shardsCount = 2): Promise<Scene> {
    const files = new CrashingFileSystem(() => 0.5);
    const world = new TestShards(2, [files, files]);
    const { controller } = await startController(new MemoryStore(), {
      publish: ({ changed }) => {
        assert.deepEqual(changed.flatMap((topic) => world.apply(topic)), []);
        return Promise.resolve();
      },
      handOver: ({ shard, slot }) => {
        world.at(shard).partitions.owned.handOver(slot);
        return Promise.resolve(world.table.read(slot, emptyWatermarks()).state === partitionState.handedOver);
      },
    });
    const topics = ["a", "b", "c"].map((name) => ({ name, numPartitions: 1, replicationFactor: 1 }));
    const request = { topics: topics.map((topic) => ({ ...topic, assignments: [], configs: [] })), timeoutMs: 1000 };
    await controller.call("createTopics", { request: { ...request, validateOnly: false }, apiVersion: 7 });
    return new Scene({ world, files, controller }, shardsCount);
  }

  shardOf(name: string): number | undefined {
    return this.controller.image.topic(name)?.partitions[0]?.shard;
  }

  produceTo(name: string): void {
    const [place] = this.controller.image.topic(name)?.partitions ?? [];
    assert.ok(place !== undefined);
    this.world.at(0).partitions.append(place, { ...this.world.putBatch(0, batchOf(name)), acks: 1 }, this.answers, 0);
    this.world.pump();
  }

  /** Advances the time, in which each shard was busy for its given part, and runs one check. Settles when its hand-over has ended. */
  async look(...busy: number[]): Promise<void> {
    this.nowMs += 3000;
    for (const [shard, part] of busy.entries()) this.waited[shard] = (this.waited[shard] as number) + (1 - part) * 3e6;
    this.#fire();
    for (let turn = 0; turn < 20; turn++) await Promise.resolve();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.balancer.stop();
    assert.equal(this.timersCount, 0);
    this.world[Symbol.dispose]();
  }
}

Deno.test("Balancer moves a partition off a shard that stays the bottleneck, and its records are served by the new shard", async () => {
  await using scene = await Scene.open();
  assert.deepEqual(["a", "b", "c"].map((name) => scene.shardOf(name)), [0, 1, 0]);
  // The counters are about to wrap.
  scene.waited.fill(2 ** 32 - 4e6);
  await scene.look(0, 0);
  for (let look = 0; look < 3; look++) {
    assert.deepEqual([scene.shardOf("a"), scene.shardOf("c")], [0, 0]);
    for (const name of ["a", "c"]) scene.produceTo(name);
    await scene.look(0.98, 0.1);
    for (const name of ["a", "c"]) scene.produceTo(name);
  }
  assert.deepEqual(["a", "b", "c"].map((name) => scene.shardOf(name)), [1, 1, 0]);
  assert.deepEqual(scene.reports, ["Moved a-0 from shard 0, a bottleneck, to shard 1"]);
  const slot = scene.controller.image.topic("a")?.partitions[0]?.slot ?? -1;
  scene.world.at(1).partitions.read({ shard: 1, slot }, readFrom(0), scene.answers, 0);
  assert.deepEqual([scene.answers.read[0]?.refusal, scene.answers.read[0]?.highWatermark], [null, 6]);
  assert.deepEqual(new Set(scene.answers.appended.map(({ refusal }) => refusal)), new Set([null]));
});

Deno.test("Balancer moves nothing while all shards are busy, all are idle, or one partition makes all of the load", async () => {
  for (const [busy, names] of [[[1, 0.95], ["a", "c"]], [[0, 0], ["a", "c"]], [[1, 0], ["a"]]] as const) {
    await using scene = await Scene.open();
    for (let look = 0; look < 10; look++) {
      for (const name of names) scene.produceTo(name);
      await scene.look(...busy);
    }
    assert.deepEqual([scene.shardOf("a"), scene.shardOf("c"), scene.reports], [0, 0, []]);
  }
});

Deno.test("Balancer tries again when a partition could not be handed over, and reports why a move failed", async () => {
  await using scene = await Scene.open();
  scene.handOverFails = true;
  for (let look = 0; look < 4; look++) {
    for (const name of ["a", "c"]) scene.produceTo(name);
    await scene.look(1, 0);
  }
  // The first check only records where the counters stand.
  assert.deepEqual(scene.reports, times(2, "Cannot move a-0: broken"));
  scene.handOverFails = false;
  await scene.look(1, 0);
  assert.equal(scene.shardOf("a"), 1);
});

Deno.test("Balancer makes one move at a time, and stop() waits for it", async () => {
  await using scene = await Scene.open();
  const { promise, resolve } = Promise.withResolvers<void>();
  scene.gate = promise;
  for (let look = 0; look < 8; look++) {
    for (const name of ["a", "c"]) scene.produceTo(name);
    await scene.look(1, 0);
  }
  assert.deepEqual([scene.handOversCount, scene.shardOf("a")], [1, 0]);
  const stopped = scene.balancer.stop();
  resolve();
  await stopped;
  assert.equal(scene.shardOf("a"), 1);
});

Deno.test("Balancer moves no partition that is offline", async () => {
  await using scene = await Scene.open();
  const { partitions } = scene.world.at(0);
  for (let look = 0; look < 5; look++) {
    for (const name of ["a", "c"]) scene.produceTo(name);
    if (look === 1) {
      partitions.ownAt(0)?.flushLater();
      for (const { done } of scene.world.at(0).flushes.splice(0)) done("failed");
      assert.equal(partitions.ownAt(0)?.isOpen, false);
    }
    await scene.look(1, 0);
  }
  assert.deepEqual([scene.shardOf("a"), scene.shardOf("c")], [0, 1]);
});

Deno.test("Balancer does nothing with one shard", async () => {
  await using scene = await Scene.open(1);
  assert.equal(scene.timersCount, 0);
});

const times = <T>(count: number, value: T): T[] => new Array<T>(count).fill(value);
