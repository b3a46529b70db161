/**
 * Brokers of a cluster in one process of a test, without their data: memberships over one store in memory, in simulated time, which are
 * started, killed, paused and stopped. Test code.
 */
import assert from "node:assert/strict";
import { createRandom } from "../../storage/base/random.ts";
import { randomUuid } from "../../storage/base/uuid.ts";
import { type BrokerChannel, ChannelRefused } from "../../partitions/cluster/broker_channel.ts";
import { establishCluster } from "../../partitions/cluster/membership/cluster_identity.ts";
import { type ClusterPartitionRow, partitionRowOf, partitionStoreKey } from "../../partitions/cluster/cluster_rows.ts";
import { Membership, type MembershipOptions } from "../../partitions/cluster/membership/membership.ts";
import type { TopicRules } from "../../partitions/cluster/live_image.ts";
import type { MembershipCalls } from "../../partitions/cluster/membership_calls.ts";
import { createRow } from "../../partitions/cluster/partition_row.ts";
import { StoreFollower } from "../../partitions/metadata/store/store_follower.ts";
import type { MetadataStore } from "../../partitions/metadata/store/store.ts";
import { StoreWay, TimedStore } from "./timed_store.ts";
import { SimulatedTime, type Subject } from "./simulated_time.ts";

/** Times of the brokers, as the product has them. */
export const SESSION_MS = 700;
const HEARTBEAT_MS = 100;
const WAY_MS = 1;
const ANSWER_MS_MAX = 300;
const BEHIND_TIMERS_MS = 5;

/** The rows of topics that are created. */
export const TOPIC_ID = "topicAAAAAAAAAAAAAAAAA";

/** What topics' configs mean. */
export const testRules: TopicRules = {
  minIsrOf: (configs) => Number(configs["min.insync.replicas"] ?? 1),
  isUncleanElectionEnabled: (configs) => configs["unclean.leader.election.enable"] === "true",
};

/** One process of a broker. */
export interface TestBroker extends Subject {
  readonly id: number;
  readonly port: number;
  readonly store: StoreWay;
  readonly membership: Membership;
  /** Why the process had to end. */
  readonly failures: Error[];
  /** How `join()` ended: "joined", or the sentence. */
  joined: string | null;
  isHung: boolean;
  /** Whether nothing passes between it and other brokers; the store is in reach. */
  isIsolated: boolean;
}

type Process = Subject & Pick<TestBroker, "isHung" | "isIsolated">;

/** What a test says of a process. */
export interface StartOptions {
  readonly port?: number;
  readonly cleanEpoch?: number;
  readonly directories?: readonly string[];
  readonly clusterId?: string | null;
}

/** The cluster. */
export class MembershipWorld {
  readonly time = new SimulatedTime();
  readonly store = new TimedStore(this.time);
  /** Every process that was started. */
  readonly started: TestBroker[] = [];
  /** What controllers tell their operators. */
  readonly said: string[] = [];
  readonly #random: () => number;
  readonly #watchMsMax: number;
  readonly #channels = new Set<{ readonly from: Process; readonly port: number; readonly lost: () => void }>();

  /**
   * @param seed of what becomes of requests to a store that is out of reach
   * @param watchMsMax how much later than an answer of the store a change may arrive
   */
  constructor(seed = 7, watchMsMax = 0) {
    this.#random = createRandom(seed);
    this.#watchMsMax = watchMsMax;
  }

  /** The processes that run, by their addresses. */
  get running(): TestBroker[] {
    return this.started.filter(({ isDead }) => !isDead);
  }

  /** Starts a process, which then joins in its own time. */
  async start(id: number, options: StartOptions = {}): Promise<TestBroker> {
    const process: Process = { isPaused: false, isDead: false, isHung: false, isIsolated: false };
    const { port = 9000 + id, directories = [`disk ${id}`] } = options;
    const { time } = this;
    const store = new StoreWay(this.store, { time, process, random: this.#random, watchMsMax: this.#watchMsMax });
    const failures: Error[] = [];
    const opening = this.#open(store, {
      nodeId: id,
      description: {
        rack: null,
        listeners: [{ name: "PLAINTEXT", host: "localhost", port }],
        directories,
        shards: 1,
        version: "test",
      },
      clusterId: options.clusterId ?? null,
      cleanEpoch: options.cleanEpoch ?? -1,
      process,
      failed: (error) => failures.push(error),
    });
    let isOpen = false;
    const opened = () => void (isOpen = true);
    opening.then(opened, opened);
    await time.until("a membership opens", () => isOpen, 1000);
    const membership = await opening;
    const broker: TestBroker = Object.assign(process, { id, port, store, membership, failures, joined: null });
    this.started.push(broker);
    membership.join().then(() => broker.joined = "joined", (error) => broker.joined = String(error));
    return broker;
  }

  /** Starts processes together, and waits until all are active. */
  async startAll(...ids: number[]): Promise<TestBroker[]> {
    const brokers: TestBroker[] = [];
    for (const id of ids) brokers.push(await this.start(id));
    await this.untilActive(...brokers);
    return brokers;
  }

  /** Waits until processes are active. @returns how long it took */
  untilActive(...brokers: TestBroker[]): Promise<number> {
    const isActive = ({ membership }: TestBroker) => membership.state === "active";
    return this.time.until(`${brokers.map(({ id }) => id)} are active`, () => brokers.every(isActive), 10_000);
  }

  /** Ends a process without warning. */
  kill(broker: TestBroker): void {
    broker.isDead = true;
  }

  /** The same, and its system tells those that are connected with it. */
  killAndReset(broker: TestBroker): void {
    this.kill(broker);
    for (const other of this.running) {
      this.time.after(WAY_MS, other, () => other.membership.disconnected(broker.id));
    }
    for (const { from, port, lost } of this.#channels) if (port === broker.port) this.time.after(WAY_MS, from, lost);
  }

  /** Stops a process in order. @returns its broker epoch, which proves that */
  async stop(broker: TestBroker, withinMs = 5000): Promise<number> {
    let isStopped = false;
    const { membership } = broker;
    void membership.stop(withinMs).then(() => membership.close()).then(() => isStopped = true);
    await this.time.until(`broker ${broker.id} stops`, () => isStopped, withinMs + 1000);
    broker.isDead = true;
    return membership.brokerEpoch;
  }

  /** The running process that is the controller, as the store has it. */
  get controller(): TestBroker | undefined {
    const entry = this.store.rows.get("controller");
    const incarnation = entry && JSON.parse(entry.value).incarnation;
    return this.running.find(({ membership }) => membership.incarnation === incarnation);
  }

  /** State of a broker in the store. */
  stateOf(id: number): string | undefined {
    const entry = this.store.rows.get(`brokers/${id}/state`);
    return entry && JSON.parse(entry.value).state;
  }

  /** Writes the rows of new partitions. @param assigned replicas of each, or the only one @param fields that rows have besides */
  createPartitions(
    assigned: readonly (number | readonly number[])[],
    fields: Partial<ClusterPartitionRow> & { unknown?: string } = {},
  ): void {
    const set = assigned.map((some, partition) => {
      const replicas = typeof some === "number" ? [some] : some;
      const row = createRow(replicas, Math.min(2, replicas.length), { isActive: () => true });
      const value = { ...row, directories: replicas.map((broker) => `disk ${broker}`), ...fields };
      return { key: partitionStoreKey(`${TOPIC_ID}/${partition}`), value: JSON.stringify(value) };
    });
    this.store.transact({ set });
  }

  /** A partition's row in the store. */
  rowOf(partition: number): ClusterPartitionRow {
    const entry = this.store.rows.get(partitionStoreKey(`${TOPIC_ID}/${partition}`));
    if (entry === undefined) throw new Error(`there is no partition ${partition}`);
    return partitionRowOf(entry);
  }

  async #open(
    store: MetadataStore,
    { process, clusterId, ...options }:
      & Pick<MembershipOptions, "nodeId" | "description" | "cleanEpoch" | "failed">
      & { process: Process; clusterId: string | null },
  ): Promise<Membership> {
    const time = this.time.of(process);
    const cluster = await establishCluster(store, { clusterId, secret: null }, time);
    return Membership.open({
      ...options,
      store,
      follower: await StoreFollower.open(store),
      clusterId: cluster.clusterId,
      interBrokerListener: "PLAINTEXT",
      sessionMs: SESSION_MS,
      heartbeatMs: HEARTBEAT_MS,
      registrationTimeoutMs: 10_000,
      rebalanceMs: 3000,
      rules: testRules,
      inform: (sentence) => void this.said.push(sentence),
      channelTo: ({ port }, lost) => this.#channelTo(port, process, lost),
      shardsTurn: () => !process.isHung,
      knock: ({ port }) =>
        new Promise((resolve) => {
          const found = this.#listenerAt(port);
          const isLost = process.isIsolated || found?.isIsolated === true;
          time.after(2 * WAY_MS, () => resolve(isLost ? "unknown" : found === undefined ? "refused" : "accepted"));
        }),
      time,
    });
  }

  #listenerAt(port: number): TestBroker | undefined {
    return this.running.find((broker) => broker.port === port);
  }

  #channelTo(port: number, from: Process, lost: () => void): BrokerChannel {
    const channel = { from, port, lost };
    this.#channels.add(channel);
    const ask = <T>(call: (to: MembershipCalls) => Promise<T>) =>
      new Promise<T>((resolve, reject) => {
        const to = this.#listenerAt(port);
        const fail = (kind: "refused" | "late") => () => reject(new ChannelRefused(kind, `localhost:${port}: ${kind}`));
        if (to === undefined && !from.isIsolated) return void this.time.after(2 * WAY_MS, from, fail("refused"));
        this.time.after(ANSWER_MS_MAX, from, fail("late"));
        if (to === undefined || from.isIsolated || to.isIsolated) return;
        const arrivesMs = this.time.monotonicMs() + WAY_MS;
        const arrive = async () => {
          const answer = await call(to.membership);
          this.time.after(WAY_MS, from, () => resolve(answer));
        };
        this.time.after(WAY_MS, to, () => {
          // Of a process that goes on after a pause, the timers come before what has arrived meanwhile.
          if (this.time.monotonicMs() > arrivesMs) this.time.after(BEHIND_TIMERS_MS, to, () => void arrive());
          else void arrive();
        });
      });
    return {
      register: (registration) => ask((to) => to.register(registration)),
      heartbeat: (heartbeat) => ask((to) => to.heartbeat(heartbeat)),
      close: () => void this.#channels.delete(channel),
    };
  }
}

/** A cluster id of a test. */
export const newClusterId = randomUuid;

/** A world in which three brokers have started, ids 1 to 3. */
export async function threeBrokers(): Promise<
  { world: MembershipWorld; brokers: TestBroker[]; controller: TestBroker }
> {
  const world = new MembershipWorld();
  const brokers = await world.startAll(1, 2, 3);
  const controller = world.controller;
  assert.ok(controller !== undefined, "there is a controller");
  return { world, brokers, controller };
}
