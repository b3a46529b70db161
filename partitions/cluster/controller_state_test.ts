import { strict as assert } from "node:assert";
import { BrokerLife } from "./broker_life.ts";
import { ABSENT, type BrokerEntry, type BrokerState, type ClusterImage, type Write } from "./cluster_image.ts";
import { candidacy, ControllerState, PREFERRED_ELECTIONS_MAX, startKindOf } from "./controller_state.ts";
import { createRow, NO_LEADER, type PartitionRow } from "./partition_row.ts";
import { repairs, repairTransaction, type StartKind } from "./repairs.ts";

const SESSION_MS = 700;
const CONTROLLER_EPOCH = 9;

const entry = (state: BrokerState, brokerEpoch = 1): BrokerEntry => ({
  state,
  stateVersion: brokerEpoch + 100,
  brokerEpoch,
  incarnation: `process ${brokerEpoch}`,
  directoryId: "disk",
});

function imageOf(states: Record<number, BrokerEntry>, rows: readonly PartitionRow[] = []): ClusterImage {
  return {
    revision: 200,
    brokers: new Map(Object.entries(states).map(([id, broker]) => [Number(id), broker])),
    partitions: new Map(rows.map((row, index) => [`${index}`, { row, version: 50 + index }])),
    configuredMinIsrOf: () => 2,
    isUncleanElectionEnabled: () => false,
    directoryOf: () => null,
    directoriesOf: () => null,
    controllerEpoch: CONTROLLER_EPOCH,
  };
}

const row = createRow([1, 2, 3], 2, { isActive: () => true });
const second = { ...row, replicas: [2, 1, 3], leader: 2 };
const writesOf = (controller: ControllerState, image: ClusterImage, nowMs: number): Write[] =>
  controller.decide(image, nowMs).flatMap(({ writes }) => writes);
const started = (kind: StartKind, directories: readonly string[] = []) => ({ kind, directories });
const beat = (broker: number, wantsStop = false) => ({ broker, brokerEpoch: 1, revision: 200, wantsStop });

/** A process that asks for the place of broker 2. */
const request = {
  broker: 2,
  incarnation: "new",
  directoryId: "disk",
  directories: [],
  cleanEpoch: -1,
  knownEpoch: 1,
};

Deno.test("repairs() takes inactive brokers out of every ISR, partitions without a live leader first, and compares the chosen leader's state", () => {
  const image = imageOf({ 1: entry("active"), 2: entry("fenced"), 3: entry("active", 3) }, [row, second]);
  const found = repairs(image, new Map());
  assert.deepEqual(found.map(({ partition, row: { leader, isr } }) => [partition, leader, isr]), [
    ["1", 1, [1, 3]],
    ["0", 1, [1, 3]],
  ]);
  const comparisons = found.map((repair) => repairTransaction(repair, image).comparisons);
  const controller = { kind: "controller", version: CONTROLLER_EPOCH };
  assert.deepEqual(comparisons[0], [
    controller,
    { kind: "row", partition: "1", version: 51 },
    { kind: "state", broker: 1, version: 101 },
  ]);
  assert.deepEqual(comparisons[1], [controller, { kind: "row", partition: "0", version: 50 }]);
  const repaired = imageOf(
    { 1: entry("active"), 2: entry("fenced"), 3: entry("active", 3) },
    found.map(({ row }) => row),
  );
  assert.deepEqual(repairs(repaired, new Map()), [], "nothing is left to repair");
});

Deno.test("repairs() takes a process that started uncleanly out of the ELR, a clean one stays eligible", () => {
  const below = { ...row, isr: [1], elr: [2] };
  const image = imageOf({ 1: entry("active"), 2: entry("fenced"), 3: entry("fenced") }, [below]);
  assert.deepEqual(repairs(image, new Map([[2, started("clean")]])), []);
  assert.deepEqual(repairs(image, new Map([[2, started("tail-lost")]]))[0]?.row.elr, []);
});

Deno.test("repairs() takes a replica without the directory that its row names out of ISR and ELR, and elects it only with the directory", () => {
  const active = { 1: entry("active"), 2: entry("active"), 3: entry("active") };
  const named = { 1: "a", 2: "b", 3: "c" } as Record<number, string>;
  const registered = (directories: Record<number, readonly string[]>, rows: readonly PartitionRow[]): ClusterImage => ({
    ...imageOf(active, rows),
    directoryOf: (_, broker) => named[broker] ?? null,
    directoriesOf: (broker) => directories[broker] ?? null,
  });
  const all = { 1: ["a"], 2: ["b"], 3: ["c", "d"] };
  assert.deepEqual(repairs(registered(all, [row, second]), new Map()), [], "every directory is there");
  const [led] = repairs(registered({ ...all, 1: ["other"] }, [row]), new Map());
  assert.deepEqual([led?.row.leader, led?.row.isr, led?.row.elr], [2, [2, 3], []]);
  const eligible = { ...row, isr: [2], elr: [1, 3], leader: 2 };
  assert.deepEqual(repairs(registered({ ...all, 1: ["other"] }, [eligible]), new Map())[0]?.row.elr, [3]);
  // Even a clean stop does not help the directory that is gone, and a new registration the one that is back.
  const [gone] = repairs(registered(all, [{ ...row, isr: [1, 3] }]), new Map([[1, started("clean", ["other"])]]));
  assert.deepEqual(gone?.row.isr, [3]);
  const last = { ...row, replicas: [1], isr: [1], minIsr: 1 };
  const [leaderless] = repairs(registered({ ...all, 1: ["other"] }, [last]), new Map());
  assert.deepEqual(
    [leaderless?.row.leader, leaderless?.row.lastKnownElr],
    [NO_LEADER, [1]],
    "it is not silently empty",
  );
  const left = leaderless?.row as PartitionRow;
  assert.deepEqual(repairs(registered({ ...all, 1: ["other"] }, [left]), new Map()), []);
  assert.deepEqual(repairs(registered(all, [left]), new Map([[1, started("log-lost", ["a"])]])), []);
  assert.equal(repairs(registered(all, [left]), new Map())[0]?.row.leader, 1, "the directory is back");
});

Deno.test("ControllerState registers a process with another directory only after the rows do not count on what it has lost", () => {
  const controller = new ControllerState(CONTROLLER_EPOCH, SESSION_MS, 0);
  const request = { broker: 2, incarnation: "new", directoryId: "disk", cleanEpoch: 1, knownEpoch: 1 };
  controller.register({ ...request, directories: ["kept", "new"] }, 0);
  const states = { 1: entry("active"), 2: entry("fenced"), 3: entry("active") };
  const below = { ...row, minIsr: 3, isr: [1], elr: [2, 3] };
  const image: ClusterImage = {
    ...imageOf(states, [below, below]),
    configuredMinIsrOf: () => 3,
    directoryOf: (partition, broker) => broker === 2 ? partition === "0" ? "kept" : "lost" : null,
    directoriesOf: () => ["kept", "lost"],
  };
  const [write, ...others] = writesOf(controller, image, 1);
  assert.deepEqual(others, []);
  assert(write?.kind === "row" && write.partition === "1");
  assert.deepEqual(write.row.elr, [3]);
  const repaired = { ...image, partitions: new Map(image.partitions).set("1", { row: write.row, version: 60 }) };
  assert.deepEqual(writesOf(controller, repaired, 1).map(({ kind }) => kind), ["registration", "state"]);
});

Deno.test("ControllerState.balance() gives partitions to preferred leaders that are active and in sync, and changes nothing else", () => {
  const controller = new ControllerState(CONTROLLER_EPOCH, SESSION_MS, 0);
  const elsewhere = { ...row, leader: 2 };
  const rows = [
    row,
    elsewhere,
    { ...elsewhere, isr: [2, 3] }, // not in sync
    { ...elsewhere, replicas: [4, 2, 3], isr: [4, 2, 3] }, // not active, so a repair comes first
    { ...elsewhere, isr: [], leader: NO_LEADER, elr: [1] }, // likewise
  ];
  const image = imageOf({ 1: entry("active"), 2: entry("active"), 3: entry("active"), 4: entry("stopping") }, rows);
  assert.deepEqual(controller.balance(image, 1), [{
    subject: "1",
    comparisons: [
      { kind: "controller", version: CONTROLLER_EPOCH },
      { kind: "row", partition: "1", version: 51 },
      { kind: "state", broker: 1, version: 101 },
    ],
    writes: [{ kind: "row", partition: "1", row: { ...elsewhere, leader: 1, leaderEpoch: 1, partitionEpoch: 1 } }],
  }]);
  const many = imageOf({ 1: entry("active"), 2: entry("active"), 3: entry("active") }, Array(1100).fill(elsewhere));
  assert.equal(controller.balance(many, 1).length, PREFERRED_ELECTIONS_MAX);
  assert.deepEqual(controller.balance({ ...image, controllerEpoch: CONTROLLER_EPOCH + 1 }, 1), []);
});

Deno.test("ControllerState registers a process only after the last one is fenced and out of the rows", () => {
  const controller = new ControllerState(CONTROLLER_EPOCH, SESSION_MS, 0);
  controller.register(request, 0);
  const active = { 1: entry("active"), 2: entry("active"), 3: entry("active") };
  assert.deepEqual(writesOf(controller, imageOf(active, [row]), 1).filter(({ kind }) => kind !== "row"), []);
  controller.refused(2);
  assert(
    writesOf(controller, imageOf(active, [row]), 1).some((write) => write.kind === "state" && write.state === "fenced"),
  );
  const fenced = { ...active, 2: entry("fenced") };
  assert.deepEqual(writesOf(controller, imageOf(fenced, [row]), 1).map(({ kind }) => kind), ["row"]);
  assert.deepEqual(writesOf(controller, imageOf(fenced, [{ ...row, isr: [1, 3] }]), 1), [
    { kind: "registration", broker: 2, incarnation: "new", directoryId: "disk" },
    { kind: "state", broker: 2, state: "fenced" },
  ]);
  const registered = { ...fenced, 2: { ...entry("fenced", 60), incarnation: "new" } };
  assert.deepEqual(writesOf(controller, imageOf(registered, [{ ...row, isr: [1, 3] }]), 1), []);
  controller.register({ ...request, incarnation: "older" }, 1);
  assert.deepEqual(writesOf(controller, imageOf(registered, [{ ...row, isr: [1, 3] }]), 1), [], "a late request");
});

Deno.test("ControllerState refuses a process whose place is taken once two heartbeats of the other one came after its request", () => {
  const controller = new ControllerState(CONTROLLER_EPOCH, SESSION_MS, 0);
  const image = imageOf({ 1: entry("active"), 2: entry("active") });
  controller.heard(beat(2), image, 1);
  assert.equal(controller.register(request, 2), false);
  controller.heard(beat(2), image, 3);
  assert.equal(controller.register(request, 4), false, "one may have been on its way when the process died");
  controller.heard(beat(2), image, 5);
  assert.equal(controller.register(request, 6), true);
  assert.equal(
    controller.register({ ...request, incarnation: "newer" }, 7),
    false,
    "each process waits for its own proof",
  );
});

Deno.test("ControllerState fences after a session, or a refused connection, and unfences who knows its registration and is out of the rows", () => {
  const controller = new ControllerState(CONTROLLER_EPOCH, SESSION_MS, 0);
  const image = imageOf({ 1: entry("active"), 2: entry("active") });
  controller.heard(beat(1), image, 600);
  assert.deepEqual(writesOf(controller, image, SESSION_MS), [], "everybody gets a session from the start of the term");
  assert.deepEqual(writesOf(controller, image, SESSION_MS + 1), [{ kind: "state", broker: 2, state: "fenced" }]);
  controller.refused(1);
  assert.equal(writesOf(controller, image, SESSION_MS + 1).length, 2);
  const fenced = imageOf({ 1: entry("active"), 2: entry("fenced") }, [row]);
  controller.heard(beat(1), fenced, 1000);
  controller.heard({ ...beat(2), brokerEpoch: 0 }, fenced, 1000);
  const without = imageOf({ 1: entry("active"), 2: entry("fenced") }, [{ ...row, isr: [1], elr: [2, 3] }]);
  assert.deepEqual(writesOf(controller, without, 1001), [], "a heartbeat of a former process is none");
  controller.heard(beat(2), fenced, 1000);
  assert.deepEqual(writesOf(controller, fenced, 1001).map(({ kind }) => kind), ["row"]);
  assert.deepEqual(writesOf(controller, without, 1001), [{ kind: "state", broker: 2, state: "active" }]);
});

Deno.test("ControllerState gives a process that comes back three times in five minutes twice the session, up to nine seconds, until it restarts", () => {
  const controller = new ControllerState(CONTROLLER_EPOCH, SESSION_MS, 0);
  const image = imageOf({ 1: entry("active") });
  let nowMs = 0;
  /** How long it is silent until it is fenced. */
  const fencedAfterMs = (brokerEpoch = 1) => {
    const current = imageOf({ 1: entry("active", brokerEpoch) });
    controller.heard({ ...beat(1), brokerEpoch }, current, nowMs);
    const heardMs = nowMs;
    while (!controller.hasExpired(current, nowMs)) nowMs += 100;
    return nowMs - heardMs;
  };
  const first = Array.from({ length: 4 }, () => fencedAfterMs());
  assert.deepEqual(first, [800, 800, 800, 1500], "it has come back three times");
  assert.deepEqual(Array.from({ length: 3 }, () => fencedAfterMs()), [1500, 1500, 2900]);
  for (let round = 0; round < 20; round++) fencedAfterMs();
  assert.equal(fencedAfterMs(), 9100);
  controller.heard(beat(1), image, nowMs);
  assert.equal(fencedAfterMs(70), 800, "another process");
  for (let round = 0; round < 6; round++) {
    nowMs += 200_000;
    assert.equal(fencedAfterMs(70), 800, "it comes back seldom");
  }
});

Deno.test("ControllerState lets a broker stop when it leads nothing, is in no ISR, and all active ones know it; a broker's life follows", () => {
  const controller = new ControllerState(CONTROLLER_EPOCH, SESSION_MS, 0);
  const image = imageOf({ 1: entry("active"), 2: entry("active"), 3: entry("active") }, [row]);
  assert.equal(controller.heard(beat(1, true), image, 1), false);
  assert.deepEqual(writesOf(controller, image, 2), [{ kind: "state", broker: 1, state: "stopping" }]);
  const stopping = imageOf({ 1: entry("stopping"), 2: entry("active"), 3: entry("active") }, [row]);
  assert.equal(controller.heard(beat(1, true), stopping, 3), false);
  const [repair] = repairs(stopping, new Map());
  assert.equal(repair?.row.leader, 2);
  const moved = imageOf({ 1: entry("stopping"), 2: entry("active"), 3: entry("active") }, [repair!.row]);
  assert.equal(controller.heard(beat(1, true), moved, 4), false, "the others may not know it");
  controller.heard(beat(2), moved, 4);
  controller.heard({ ...beat(3), revision: 199 }, moved, 4);
  assert.equal(controller.heard(beat(1, true), { ...moved, revision: 300 }, 4), false, "broker 3 does not know it");
  controller.heard(beat(3), moved, 5);
  assert.equal(controller.heard(beat(1, true), { ...moved, revision: 300 }, 5), true);

  const life = new BrokerLife({
    broker: 1,
    incarnation: "process 1",
    directoryId: "disk",
    directories: [],
    cleanEpoch: -1,
  });
  assert.equal(life.request(), null);
  life.recovered();
  assert.equal(life.request()?.kind, "register");
  life.imageChanged(image);
  assert.deepEqual([life.state, life.brokerEpoch], ["active", 1]);
  life.stop(5000);
  life.imageChanged(stopping);
  assert.deepEqual(life.request(), { kind: "heartbeat", heartbeat: beat(1, true) });
  life.answered(false, 4999);
  assert.equal(life.state, "stopping");
  life.answered(true, 4999);
  assert.deepEqual([life.state, life.request()], ["stopped", null]);
  const other = new BrokerLife({
    broker: 1,
    incarnation: "process 1",
    directoryId: "disk",
    directories: [],
    cleanEpoch: -1,
  });
  other.imageChanged(image);
  other.imageChanged(imageOf({ 1: entry("active", 7) }));
  assert.deepEqual([other.state, other.request()], ["superseded", null]);
});

Deno.test("BrokerLife ends when its broker is unregistered; one that waits for its registration asks without the one that is gone", () => {
  const identity = { broker: 1, incarnation: "process 1", directoryId: "disk", directories: [], cleanEpoch: -1 };
  const registered = new BrokerLife(identity);
  registered.imageChanged(imageOf({ 1: entry("fenced") }));
  registered.imageChanged(imageOf({}));
  assert.deepEqual([registered.state, registered.request()], ["superseded", null]);
  const waiting = new BrokerLife(identity);
  waiting.recovered();
  waiting.imageChanged(imageOf({ 1: entry("fenced", 7) }));
  assert.deepEqual(waiting.request(), { kind: "register", request: { ...identity, knownEpoch: 7 } });
  waiting.imageChanged(imageOf({}));
  assert.deepEqual(waiting.request(), { kind: "register", request: { ...identity, knownEpoch: ABSENT } });
});

Deno.test("candidacy() needs a free controller's key, a deposed controller decides nothing, startKindOf() believes only the proof", () => {
  const image = imageOf({ 1: entry("active") });
  assert.equal(candidacy(image, 1, "x"), null);
  assert.deepEqual(candidacy({ ...image, controllerEpoch: ABSENT }, 1, "x")?.writes, [
    { kind: "controller", broker: 1, incarnation: "x" },
  ]);
  assert.deepEqual(new ControllerState(8, SESSION_MS, 0).decide(image, 10_000), []);
  const request = { broker: 1, incarnation: "x", directoryId: "disk", directories: [], cleanEpoch: 1, knownEpoch: 1 };
  assert.equal(startKindOf(request, entry("active", 1)), "clean");
  assert.equal(startKindOf(request, entry("active", 2)), "tail-lost");
  assert.equal(startKindOf({ ...request, directoryId: "other" }, entry("active", 1)), "log-lost");
});
