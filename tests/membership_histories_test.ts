/**
 * Histories of memberships by seed, in simulated time: brokers are killed, paused, stopped, hung and cut off from the store or each other. No transaction may
 * break what a registration or an election needs, and at the end the cluster has to become whole. A failure prints its seed; BARNABAS_SEED
 * replays it. BARNABAS_SLOW=1 takes twenty times as many.
 */
import assert from "node:assert/strict";
import { createRandom } from "../storage/base/random.ts";
import type { StoreChange } from "../partitions/metadata/store/store.ts";
import { MembershipWorld, type TestBroker } from "./cluster/membership_world.ts";

const isSlow = Deno.env.get("BARNABAS_SLOW") === "1";
const fixedSeed = Deno.env.get("BARNABAS_SEED");
const HISTORIES = isSlow ? 2000 : 100;
const STEPS = 30;
const PARTITIONS = 12;
const IDS = [1, 2, 3];
/** Most have one replica. Of the others nobody copies records here, so who has left the ISR does not come back. */
const replicasOf = (partition: number) => partition < 6 ? 1 : partition < 9 ? 2 : 3;
/** In which the cluster has to become whole. */
const WHOLE_MS = 15_000;

const UNDISTURBED = { isPaused: false, isHung: false, isIsolated: false };

interface Row {
  readonly leader: number;
  readonly leaderEpoch: number;
  readonly isr: readonly number[];
  readonly elr: readonly number[];
  readonly recovering: boolean;
}

/** What the store has, checked at each transaction. */
class Checked {
  readonly #values = new Map<string, unknown>();
  elections = 0;
  registrations = 0;

  see(changes: readonly StoreChange[]): void {
    const last = new Map(this.#values);
    for (const change of changes) {
      if ("deleted" in change) this.#values.delete(change.key);
      else this.#values.set(change.key, JSON.parse(change.value));
    }
    for (const { key } of changes) {
      if (key.startsWith("partitions/")) {
        this.#rowChanged(last.get(key) as Row | undefined, this.#values.get(key) as Row);
      }
      if (key.endsWith("/registration")) this.#registered(Number(key.split("/")[1]), last);
    }
  }

  #rowChanged(last: Row | undefined, row: Row): void {
    if (last === undefined) return;
    assert.ok(row.leaderEpoch >= last.leaderEpoch, "a leader epoch never falls");
    if (row.leader === last.leader) return;
    assert.ok(row.leaderEpoch > last.leaderEpoch, "each leader has an epoch of its own");
    if (row.leader < 0) return;
    this.elections++;
    const state = this.#values.get(`brokers/${row.leader}/state`) as { state: string };
    assert.equal(state.state, "active", "who is elected is active");
    const isEligible = last.isr.includes(row.leader) || last.elr.includes(row.leader);
    assert.ok(isEligible || row.recovering, "who is elected cleanly was eligible");
  }

  #registered(id: number, last: ReadonlyMap<string, unknown>): void {
    this.registrations++;
    const state = (last.get(`brokers/${id}/state`) as { state: string } | undefined)?.state ?? "fenced";
    assert.equal(state, "fenced", "the last process was fenced before");
    for (const [key, value] of last) {
      if (!key.startsWith("partitions/")) continue;
      const { leader, isr } = value as Row;
      assert.ok(leader !== id && !isr.includes(id), "and out of the rows");
    }
  }
}

/** One history. */
async function run(seed: number): Promise<Checked> {
  const random = createRandom(seed);
  const below = (bound: number) => Math.floor(random() * bound);
  const world = new MembershipWorld(seed, below(3) * 50);
  const checked = new Checked();
  world.store.watch((changes) => checked.see(changes));
  await world.startAll(...IDS);
  world.createPartitions(
    Array.from(
      { length: PARTITIONS },
      (_, partition) => [partition, partition + 1, partition + 2].map((one) => 1 + one % 3),
    )
      .map((replicas, partition) => replicas.slice(0, replicasOf(partition))),
  );
  const cleanEpochs = new Map<number, number>();
  const start = async (id: number) => {
    const cleanEpoch = cleanEpochs.get(id) ?? -1;
    cleanEpochs.delete(id);
    if (world.running.every(({ store }) => !store.isCut)) await world.start(id, { cleanEpoch });
  };
  for (let step = 0; step < STEPS; step++) {
    await world.time.pass(below(3) === 0 ? below(3000) : below(300));
    const id = IDS[below(IDS.length)] as number;
    const broker = world.running.find((one) => one.id === id);
    if (broker === undefined) await start(id);
    else await disturb(world, broker, { below, cleanEpochs });
  }
  for (const broker of world.running) {
    Object.assign(broker, UNDISTURBED);
    broker.store.mend();
  }
  await world.time.pass(1000);
  for (const broker of world.running) if (broker.joined !== null && broker.joined !== "joined") world.kill(broker);
  for (const id of IDS) if (world.running.every((one) => one.id !== id)) await start(id);
  await world.time.until("the cluster is whole", () => isWhole(world), WHOLE_MS);
  for (const { failures, id } of world.running) assert.deepEqual(failures, [], `broker ${id}`);
  return checked;
}

/** Something happens to a broker. */
async function disturb(
  world: MembershipWorld,
  broker: TestBroker,
  { below, cleanEpochs }: { below: (bound: number) => number; cleanEpochs: Map<number, number> },
): Promise<void> {
  const isDisturbed = broker.isPaused || broker.isHung || broker.isIsolated || broker.store.isCut;
  if (isDisturbed) {
    Object.assign(broker, UNDISTURBED);
    return broker.store.mend();
  }
  switch (below(6)) {
    case 0:
      return world.kill(broker);
    case 1:
      broker.isPaused = true;
      return;
    case 2:
      broker.isHung = true;
      return;
    case 3:
      for (const one of below(3) === 0 ? world.running : [broker]) one.store.isCut = true;
      return;
    case 4:
      return void cleanEpochs.set(broker.id, await world.stop(broker, 500));
    case 5:
      broker.isIsolated = true;
  }
}

function isWhole(world: MembershipWorld): boolean {
  const { running } = world;
  const isLed = (partition: number) => {
    const { leader, isr, recovering } = world.rowOf(partition);
    if (replicasOf(partition) > 1) return leader > 0 && isr.includes(leader);
    return leader === 1 + partition % 3 && isr.length === 1 && !recovering;
  };
  return running.length === IDS.length && running.every(({ membership }) => membership.state === "active") &&
    running.filter(({ membership }) => membership.isController).length === 1 &&
    Array.from({ length: PARTITIONS }, (_, partition) => partition).every(isLed);
}

Deno.test("memberships become whole again, whatever happens to brokers and their ways to the store, and no row breaks a rule", async () => {
  const counts = { elections: 0, registrations: 0 };
  const seeds = fixedSeed === undefined
    ? Array.from({ length: HISTORIES }, (_, index) => index + (isSlow ? Date.now() % 1_000_000 : 1))
    : [Number(fixedSeed)];
  for (const seed of seeds) {
    try {
      const { elections, registrations } = await run(seed);
      counts.elections += elections;
      counts.registrations += registrations;
    } catch (cause) {
      throw new Error(`The history of seed ${seed} failed: BARNABAS_SEED=${seed} replays it`, { cause });
    }
  }
  if (fixedSeed !== undefined) return;
  assert.ok(counts.elections > HISTORIES && counts.registrations > 3 * HISTORIES, JSON.stringify(counts));
});
