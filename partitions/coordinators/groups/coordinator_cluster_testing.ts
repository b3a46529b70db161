/**
 * Three brokers with replicas of a partition of `__consumer_offsets`: each may lead, and coordinates the groups while it does. Fetches, rows
 * and changes of the in-sync set are carried by chance; others are elected, and processes are killed. Tests only.
 *
 * A leader that does not know yet that another one was elected goes on; so do the clients that know no other.
 */
import { strict as assert } from "node:assert";
import { toOffset } from "../../../storage/base/units.ts";
import { changeRow, createRow, type PartitionRow } from "../../cluster/partition_row.ts";
import type { RowOutcome, RowProposal } from "../../cluster/row_proposals.ts";
import type { BrokerImage } from "../../metadata/image.ts";
import { brokerOf } from "../../replication/led_partition_testing.ts";
import { CoordinatedReplica, type PlantedMistake } from "./coordinated_replica_testing.ts";
import { TickingClock } from "./coordinator_testing.ts";
import { type CoordinatorWorld, SentCalls } from "./coordinator_world_testing.ts";
import type { GroupApiKey, GroupRequest, GroupResponse } from "./group_apis.ts";
import type { GroupSettings } from "./group_ports.ts";
import { type Call, testSettings } from "./group_ports_testing.ts";

const IDS = [1, 2, 3];
const MIN_ISR = 2;
const OFFSET_FETCH = 9;
/** A former leader that hears of nothing for a session is another matter: its members believe it. */
const CUT_OFF_MS_MAX = 10_000;
/** Steps after which everything has to have come to rest. */
const STEPS_MAX = 10_000;

/** Changes of a row on their way to the store. */
interface Proposed {
  readonly nodeId: number;
  readonly brokerEpoch: number;
  readonly proposals: readonly RowProposal[];
  readonly done: (outcomes: readonly RowOutcome[]) => void;
}

/** How the brokers are started. */
export interface CoordinatorClusterOptions {
  readonly random: () => number;
  readonly settings?: Partial<GroupSettings>;
  readonly mistake?: PlantedMistake | null;
}

/** The brokers, their store, and what is under way between them. */
export class CoordinatorCluster implements CoordinatorWorld {
  readonly isReplicated = true;
  readonly clock = new TickingClock();
  /** How often another broker was elected, and how often a process was killed. */
  readonly counts = { elections: 0, kills: 0 };
  readonly #random: () => number;
  readonly #nodes: readonly CoordinatedReplica[];
  /** The row of the store. */
  #row: PartitionRow;
  #proposed: Proposed[] = [];
  #brokers: ReadonlyMap<number, BrokerImage> = new Map();
  readonly #calls = new SentCalls();
  #lives = 100;
  #ids = 0;

  constructor({ random, settings, mistake = null }: CoordinatorClusterOptions) {
    this.#random = random;
    this.#row = createRow(IDS, MIN_ISR, { isActive: () => true });
    this.#nodes = IDS.map((id) =>
      new CoordinatedReplica(id, {
        ...{ clock: this.clock, random, mistake, settings: { ...testSettings, ...settings } },
        brokers: () => this.#brokers,
        propose: (proposals, done) => {
          const { brokerEpoch } = this.node(id);
          this.#proposed.push({ nodeId: id, brokerEpoch, proposals, done });
        },
        newId: () => `id${String(++this.#ids).padStart(20, "0")}`,
      })
    );
    for (const node of this.#nodes) this.#begin(node);
    this.settle();
  }

  /** Who leads, as the store says. */
  get leader(): CoordinatedReplica {
    return this.node(this.#row.leader);
  }

  /** A broker by its id. */
  node(id: number): CoordinatedReplica {
    return this.#nodes[id - 1] as CoordinatedReplica;
  }

  /** Another broker is elected; nobody knows it yet. */
  elect(leader: number): void {
    const { leaderEpoch, partitionEpoch } = this.#row;
    this.#row = { ...this.#row, leader, leaderEpoch: leaderEpoch + 1, partitionEpoch: partitionEpoch + 1 };
    this.counts.elections++;
  }

  send<Key extends GroupApiKey>(
    apiKey: Key,
    request: GroupRequest<Key>,
    apiVersion: number,
  ): Call<GroupResponse<Key>> {
    const { leader } = this;
    // A client may have been told of an earlier coordinator. What that one reads is old.
    const isLate = apiKey !== OFFSET_FETCH && this.#random() < 0.1;
    const node = isLate || !leader.isRunning ? this.#one(this.#running) : leader;
    return this.#calls.add(node.send(apiKey, request, apiVersion), node.nodeId);
  }

  /** Anything may happen before the answer, but no fault. */
  answerOf<Response>(call: Call<Response>): Response {
    for (let steps = 0; call.isWaiting; steps++) {
      assert(steps < STEPS_MAX, "a request is answered");
      this.#act();
      this.clock.advance(1);
      for (const node of this.#running) node.turn();
    }
    return call.answer;
  }

  turn(): void {
    for (let events = 0; events < 3; events++) this.#act();
    for (const node of this.#running) if (this.#random() < 0.8) node.turn();
  }

  advance(ms: number): void {
    const untilMs = this.clock.monotonicMs() + ms;
    // Sometimes nobody hears of others meanwhile.
    const isCutOff = ms < CUT_OFF_MS_MAX && this.#random() < 0.2;
    for (let steps = 0;; steps++) {
      assert(steps < STEPS_MAX, "time passes");
      if (!isCutOff) this.#deliverAll();
      const nowMs = this.clock.monotonicMs();
      const dueMs = Math.min(...this.#running.map((node) => node.dueMs), untilMs);
      this.clock.advance(Math.max(dueMs - nowMs, 0));
      for (const node of this.#running) node.turn();
      if (dueMs === untilMs) return;
    }
  }

  fillDisk(): void {
    // Followers on a full disk are the subject of other tests.
  }

  fail(): void {
    const { leader, isr } = this.#row;
    if (isr.length < IDS.length || this.#running.length < IDS.length || this.#random() < 0.5) {
      const others = isr.filter((id) => id !== leader && this.node(id).isRunning);
      if (others.length > 0) this.elect(this.#one(others));
      return;
    }
    const killed = this.node(this.#random() < 0.7 ? leader : this.#one(IDS));
    this.counts.kills++;
    killed.kill();
    this.#calls.lose(killed.nodeId);
    const change = { isr: isr.filter((id) => id !== killed.nodeId), election: "online" } as const;
    this.#row = changeRow(this.#row, change, { isActive: (id) => this.node(id).isRunning }) ?? this.#row;
    this.#know();
  }

  isLost(call: object): boolean {
    return this.#calls.isLost(call);
  }

  settle(): void {
    for (let steps = 0; steps < STEPS_MAX; steps++) {
      for (const node of this.#nodes) if (!node.isRunning) this.#begin(node);
      this.#deliverAll();
      this.clock.advance(1);
      for (const node of this.#running) node.turn();
      const ends = new Set(this.#nodes.map(({ partition }) => partition.log.logEndOffset));
      const { partition, coordinator } = this.leader;
      const isCommitted = ends.size === 1 && ends.has(partition.replica.row.highWatermark);
      const isLoaded = coordinator.counts.partitions === 1 && coordinator.counts.loading === 0;
      if (isCommitted && isLoaded && !coordinator.hasGathered && this.#row.isr.length === IDS.length) return;
    }
    const states = this.#running.map(({ nodeId, partition: { log, replica }, fetch, reports }) =>
      `broker ${nodeId} has ${log.logEndOffset} and ${replica.row.highWatermark}, asks ${fetch?.leader} for ${fetch?.offset}, ${reports}`
    );
    throw new Error(`The brokers do not come to rest: ${states.join("; ")}; ${JSON.stringify(this.#row)}`);
  }

  dispose(): number {
    for (const { coordinator } of this.#nodes) coordinator.dispose();
    assert.equal(this.#calls.waitingCount, 0, "every request is answered");
    const counts = this.#nodes.map(({ coordinator }) => coordinator.counts);
    return counts.reduce((sum, { groupBytes, metadataBytes }) => sum + groupBytes + metadataBytes, 0);
  }

  get #running(): readonly CoordinatedReplica[] {
    return this.#nodes.filter(({ isRunning }) => isRunning);
  }

  #one<T>(of: readonly T[]): T {
    return of[Math.floor(this.#random() * of.length)] as T;
  }

  #act(): void {
    const dice = this.#random();
    const node = this.#one(this.#nodes);
    if (!node.isRunning) return dice < 0.1 ? this.#begin(node) : undefined;
    if (dice < 0.7) this.#carryFetch(node);
    else if (dice < 0.85) node.learn(this.#row);
    else this.#execute(Math.floor(this.#random() * this.#proposed.length));
  }

  /** Everything that is under way arrives. */
  #deliverAll(): void {
    while (this.#proposed.length > 0) this.#execute(0);
    for (const node of this.#running) node.learn(this.#row);
    for (let rounds = 0; rounds < 4; rounds++) for (const node of this.#running) this.#carryFetch(node);
  }

  #carryFetch(follower: CoordinatedReplica): void {
    const { fetch } = follower;
    const leader = this.node(follower.knownLeader);
    if (fetch === null) return follower.askOffsets(leader.isRunning ? leader : null);
    follower.answered(fetch, leader.isRunning ? leader.serve(follower, fetch) : null);
  }

  /** A process begins; what was checkpointed of its high watermark may be old. */
  #begin(node: CoordinatedReplica): void {
    this.#know(node.nodeId);
    const checkpointed = toOffset(0);
    const brokerEpoch = this.#brokers.get(node.nodeId)?.brokerEpoch as number;
    node.start(this.#row, brokerEpoch, checkpointed);
  }

  /** Brokers have other states. @param begun whose process is another one */
  #know(begun = 0): void {
    const lives = ++this.#lives;
    this.#brokers = new Map(IDS.map((id) => {
      const known = this.#brokers.get(id);
      if (id === begun || known === undefined) return [id, brokerOf(id, "active", lives)];
      return [id, { ...known, state: this.node(id).isRunning ? "active" : "fenced" }];
    }));
  }

  #execute(at: number): void {
    const [proposed] = this.#proposed.splice(at, 1);
    if (proposed === undefined) return;
    const outcomes = proposed.proposals.map((proposal): RowOutcome => this.#commit(proposal));
    const node = this.node(proposed.nodeId);
    if (node.isRunning && node.brokerEpoch === proposed.brokerEpoch) proposed.done(outcomes);
  }

  #commit({ partitionEpoch, row, comparisons }: RowProposal): RowOutcome {
    if (partitionEpoch !== this.#row.partitionEpoch) return "conflict";
    const isKnown = comparisons.every((comparison) => {
      const entry = "broker" in comparison ? this.#brokers.get(comparison.broker) : undefined;
      if (entry === undefined) return true;
      const version = comparison.kind === "state" ? entry.stateVersion : entry.brokerEpoch;
      return entry.state === "active" && comparison.version === version;
    });
    if (!isKnown) return "refused";
    this.#row = row;
    return "committed";
  }
}
