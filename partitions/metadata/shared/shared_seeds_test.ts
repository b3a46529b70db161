/**
 * Random changes through the control planes of several brokers over one store, by seed: answers and news of changes come late, answers are
 * lost, brokers are fenced and start anew, leaders are elected. A failure names its seed; BARNABAS_SEED replays it, BARNABAS_SLOW=1 runs
 * many more.
 *
 * After each change that a broker publishes, its shards know exactly what the store said at that version.
 */
import assert from "node:assert/strict";
import { createRandom } from "../../../storage/base/random.ts";
import type { ClusterPartitionRow } from "../../cluster/cluster_rows.ts";
import { ListedDirectories, MemoryStore } from "../controller_testing.ts";
import type { ImageDelta } from "../image.ts";
import { changeState, directoryId, Plane, register, storedTopics, topicsOf } from "./shared_testing.ts";

const BROKERS = [1, 2, 3];
const NAMES = ["a", "b", "c", "d.e", "d_e", "f"];
const STEPS = 60;
const fixedSeed = Deno.env.get("BARNABAS_SEED");
const seedsCount = Deno.env.get("BARNABAS_SLOW") === "1" ? 3000 : 40;
/** What a request may be answered with. */
const ANSWERS = new Set(["NONE", "REQUEST_TIMED_OUT"]);
const CREATION_ANSWERS = new Set([...ANSWERS, "TOPIC_ALREADY_EXISTS", "INVALID_TOPIC_EXCEPTION"]);
const CHANGE_ANSWERS = new Set([...ANSWERS, "UNKNOWN_TOPIC_OR_PARTITION"]);

/** Brokers over one store. */
class World {
  readonly store = new MemoryStore();
  readonly planes = new Map<number, Plane>();
  readonly counts: Record<string, number> = {};
  readonly #random: () => number;
  /** What the store said of topics, as text, by version. */
  readonly #said = new Map<number, string>();
  #topics = 0;
  readonly #failure = Promise.withResolvers<never>();
  /** Whether answers are lost. */
  isFaulty = false;

  readonly #misses: boolean;

  /** @param misses whether shards miss a topic of a change now and then, which has to be found */
  constructor(seed: number, { misses = false } = {}) {
    this.#misses = misses;
    this.#random = createRandom(seed);
    this.store.limits = { transactionKeysMax: 4 + this.below(20), transactionBytesMax: 1e6 };
    this.store.changed = (version) => this.#said.set(version, JSON.stringify(storedTopics(this.store)));
    this.store.delay = async () => {
      for (let turns = this.below(12); turns > 0; turns--) await Promise.resolve();
    };
    this.store.loses = () =>
      this.isFaulty && this.below(25) === 0 ? this.below(2) === 0 ? "request" : "answer" : "nothing";
  }

  /** Rejects when a broker cannot publish changes, or has published something else than the store said. */
  get failure(): Promise<never> {
    return this.#failure.promise;
  }

  below(bound: number): number {
    return Math.floor(this.#random() * bound);
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T;
  }

  async start(nodeId: number): Promise<void> {
    this.planes.get(nodeId)?.[Symbol.dispose]();
    this.planes.delete(nodeId);
    let last = 0;
    const plane: Plane = await Plane.start(this.store, nodeId, {
      directories: new ListedDirectories({}, [directoryId(nodeId)]),
      random: this.#random,
      newTopicId: () => `${String(++this.#topics).padStart(21, "t")}A`,
      publish: async (delta) => {
        await this.store.delay();
        last = this.#checkOrder(delta, last);
      },
      failed: (error) => this.#failure.reject(error),
      heard: (delta) => {
        if (!this.#misses || delta.changed.length === 0 || this.below(10) > 0) return delta;
        return { ...delta, changed: delta.changed.slice(1) };
      },
      published: ({ version }, image) => {
        if (version !== undefined) {
          assert.equal(JSON.stringify(topicsOf(image)), this.#saidAt(version), `version ${version}`);
        }
      },
    });
    this.planes.set(nodeId, plane);
  }

  /** One request through a broker, or one change that others make. */
  async step(): Promise<void> {
    const plane = this.pick([...this.planes.values()]);
    const name = this.pick(NAMES);
    switch (this.below(11)) {
      case 0:
      case 1:
      case 2:
        return this.#answered(
          "create",
          await plane.create({ [name]: 1 + this.below(30), [this.pick(NAMES)]: 1 }),
          CREATION_ANSWERS,
        );
      case 3:
      case 4:
        return this.#answered("delete", await plane.delete(name), CHANGE_ANSWERS);
      case 5:
      case 6: {
        const count = (plane.shard.topic(name)?.partitions.length ?? 0) + 1 + this.below(30);
        return this.#answered(
          "grow",
          [await plane.grow(name, count)],
          new Set([...CHANGE_ANSWERS, "INVALID_PARTITIONS"]),
        );
      }
      case 7: {
        const value = String(1000 + this.below(1000));
        return this.#answered("alter", [await plane.alter({ topic: name }, "retention.ms", value)], CHANGE_ANSWERS);
      }
      case 8:
        return this.#answered("elect", [await this.#elect()], ANSWERS);
      case 9:
        return await changeState(this.store, this.pick([2, 3]), this.pick(["active", "active", "fenced"]));
      default:
        await plane.controller.call("awaitChanges", {});
    }
  }

  /** Ends the faults, and compares all images with the store. */
  async finish(): Promise<void> {
    this.isFaulty = false;
    for (let round = 0; round < 3; round++) {
      for (const plane of this.planes.values()) await plane.catchUp(this.store);
    }
    const expected = storedTopics(this.store);
    for (const { shard, controller, reports } of this.planes.values()) {
      assert.deepEqual(topicsOf(shard), expected);
      assert.deepEqual(topicsOf(controller.image), expected);
      assert.deepEqual(reports.filter((text) => !text.includes("The next start")), []);
      const here = [...shard.topics()].flatMap(({ partitions }) => partitions).filter(({ slot }) => slot >= 0);
      assert.equal(controller.partitionsCount, here.length, "no place is lost");
      assert.equal(new Set(here.map(({ slot }) => slot)).size, here.length, "no place is taken twice");
    }
  }

  /** What the store said after a transaction. Those that changed nothing have no entry. */
  #saidAt(version: number): string | undefined {
    for (let at = version; at >= 0; at--) if (this.#said.has(at)) return this.#said.get(at);
    return undefined;
  }

  #checkOrder({ version }: ImageDelta, last: number): number {
    if (version === undefined) return last;
    assert.ok(version > last, `version ${version} is published after ${last}`);
    return version;
  }

  #answered(what: string, answers: readonly string[], allowed: ReadonlySet<string>): void {
    for (const answer of answers) {
      assert.ok(allowed.has(answer), `${what}: ${answer}`);
      this.counts[`${what} ${answer}`] = (this.counts[`${what} ${answer}`] ?? 0) + 1;
    }
  }

  /** What the elected controller does to some row. */
  async #elect(): Promise<string> {
    const rows = [...this.store.entries.values()].filter(({ key }) => key.startsWith("partitions/"));
    if (rows.length === 0) return "NONE";
    const { key, value, version } = this.pick(rows);
    const row: ClusterPartitionRow = JSON.parse(value);
    const leader = row.leader < 0 ? row.replicas[0] : -1;
    const next = { ...row, leader, leaderEpoch: row.leaderEpoch + 1, partitionEpoch: row.partitionEpoch + 1 };
    await this.store.transact({ compare: [{ key, version }], set: [{ key, value: JSON.stringify(next) }] });
    return "NONE";
  }
}

async function live(world: World): Promise<Readonly<Record<string, number>>> {
  for (const id of BROKERS) await register(world.store, id);
  for (const id of BROKERS) await world.start(id);
  world.isFaulty = true;
  for (let left = STEPS; left > 0;) {
    const together = 1 + world.below(4);
    left -= together;
    const rereading = world.below(4) === 0 ? world.pick([...world.planes.values()]).follower.reread() : null;
    await Promise.all([rereading, ...Array.from({ length: together }, () => world.step())]);
    if (world.below(10) === 0) await world.start(world.pick(BROKERS));
  }
  await world.finish();
  return world.counts;
}

function run(seed: number, options: { misses?: boolean } = {}): Promise<Readonly<Record<string, number>>> {
  const world = new World(seed, options);
  return Promise.race([live(world), world.failure]);
}

Deno.test("all brokers see what the store says, in its order, whatever they change at the same time", async () => {
  const seeds = fixedSeed !== undefined
    ? [Number(fixedSeed)]
    : Array.from({ length: seedsCount }, (_, index) => index + 1);
  const counts: Record<string, number> = {};
  for (const seed of seeds) {
    try {
      for (const [what, count] of Object.entries(await run(seed))) counts[what] = (counts[what] ?? 0) + count;
    } catch (cause) {
      throw new Error(`Seed ${seed} failed: BARNABAS_SEED=${seed} replays it`, { cause });
    }
  }
  if (fixedSeed !== undefined) return;
  for (
    const what of ["create NONE", "create TOPIC_ALREADY_EXISTS", "create REQUEST_TIMED_OUT", "delete NONE", "grow NONE"]
  ) {
    assert.ok((counts[what] ?? 0) > 10, `${what}: ${counts[what]}`);
  }
});

Deno.test("the comparison with the store finds a shard that misses a change", async () => {
  await assert.rejects(run(1, { misses: true }), /version \d+/);
});
