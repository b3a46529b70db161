/**
 * Brokers of a cluster without their data, in real time over a real store: started, killed, paused and stopped in one process. Test code.
 */
import assert from "node:assert/strict";
import { type BrokerChannel, ChannelRefused } from "../../partitions/cluster/broker_channel.ts";
import { type ClusterPartitionRow, partitionRowOf, partitionStoreKey } from "../../partitions/cluster/cluster_rows.ts";
import { establishCluster } from "../../partitions/cluster/membership/cluster_identity.ts";
import { Membership } from "../../partitions/cluster/membership/membership.ts";
import type { MembershipCalls } from "../../partitions/cluster/membership_calls.ts";
import { createRow } from "../../partitions/cluster/partition_row.ts";
import { StoreFollower } from "../../partitions/metadata/store/store_follower.ts";
import type { MetadataStore } from "../../partitions/metadata/store/store.ts";
import { commit } from "../../partitions/metadata/store/store_contract_testing.ts";
import { waitFor } from "../../bench/peer/processes.ts";
import { Gate, gatedStore } from "./gate.ts";
import { SESSION_MS, testRules, TOPIC_ID } from "./membership_world.ts";

/** One broker. */
export interface LiveMember {
  readonly id: number;
  readonly port: number;
  readonly gate: Gate;
  readonly membership: Membership;
  readonly follower: StoreFollower;
  readonly failures: Error[];
}

const ANSWER_MS_MAX = 300;
const PARTITIONS_A_TRANSACTION = 100;

/** The brokers of a test. */
export class LiveMembers implements AsyncDisposable {
  readonly #open: (owner: string) => Promise<MetadataStore>;
  readonly #started: LiveMember[] = [];
  readonly #listening = new Map<number, LiveMember>();
  /** Of the test itself. */
  readonly store: MetadataStore;
  readonly #follower: StoreFollower;

  private constructor(open: (owner: string) => Promise<MetadataStore>, store: MetadataStore, follower: StoreFollower) {
    this.#open = open;
    this.store = store;
    this.#follower = follower;
  }

  /** @param open opens the store for one broker; who opened it closes it */
  static async create(open: (owner: string) => Promise<MetadataStore>): Promise<LiveMembers> {
    const store = await open("test");
    return new LiveMembers(open, store, await StoreFollower.open(store));
  }

  /** Starts a broker. Settles when it is registered. @throws as `Membership.open()` and `join()` do */
  async start(id: number, { port = 9000 + id, cleanEpoch = -1 } = {}): Promise<LiveMember> {
    const gate = new Gate();
    const store = gatedStore(await this.#open(`${id}`), gate);
    const { clusterId } = await establishCluster(store, { clusterId: null, secret: null });
    const follower = await StoreFollower.open(store);
    const failures: Error[] = [];
    const listeners = [{ name: "PLAINTEXT", host: "localhost", port }];
    const membership = Membership.open({
      store,
      follower,
      clusterId,
      nodeId: id,
      description: { rack: null, listeners, directories: [`disk ${port}`], shards: 1, version: "test" },
      interBrokerListener: "PLAINTEXT",
      cleanEpoch,
      sessionMs: SESSION_MS,
      heartbeatMs: 100,
      registrationTimeoutMs: 20_000,
      rebalanceMs: null,
      rules: testRules,
      channelTo: (endpoint) => this.#channelTo(endpoint.port, gate),
      shardsTurn: () => true,
      knock: (endpoint) => Promise.resolve(this.#listening.has(endpoint.port) ? "accepted" : "refused"),
      failed: (error) => failures.push(error),
      time: gate.time,
    });
    const member: LiveMember = { id, port, gate, membership, follower, failures };
    this.#started.push(member);
    this.#listening.set(port, member);
    try {
      await membership.join();
    } catch (error) {
      this.kill(member);
      throw error;
    }
    return member;
  }

  /** Ends a broker without a word. */
  kill(member: LiveMember): void {
    member.gate.kill();
    if (this.#listening.get(member.port) === member) this.#listening.delete(member.port);
  }

  /** Stops a broker in order. @returns its broker epoch, which proves that */
  async stop(member: LiveMember): Promise<number> {
    await member.membership.stop(10_000);
    await member.membership.close();
    this.kill(member);
    return member.membership.brokerEpoch;
  }

  /** Waits until something is so. */
  until(what: string, isSo: () => boolean): Promise<void> {
    return waitFor(what, () => isSo() || undefined).then(() => {});
  }

  /** Waits until brokers are active. */
  untilActive(...members: readonly LiveMember[]): Promise<void> {
    const isActive = ({ membership }: LiveMember) => membership.state === "active";
    return this.until(`${members.map(({ id }) => id)} are active`, () => members.every(isActive));
  }

  /** The broker that says it is the controller, and is none that was paused. */
  controller(): LiveMember | undefined {
    const row = this.#follower.rows.get("controller");
    const incarnation = row && JSON.parse(row.value).incarnation;
    return this.#started.find(({ membership, gate }) => !gate.isDead && membership.incarnation === incarnation);
  }

  /** Creates partitions; each leader has one replica. */
  async createPartitions(leaders: readonly number[]): Promise<void> {
    let version = 0;
    for (let first = 0; first < leaders.length; first += PARTITIONS_A_TRANSACTION) {
      const set = leaders.slice(first, first + PARTITIONS_A_TRANSACTION).map((leader, index) => {
        const row = createRow([leader], 1, { isActive: () => true });
        const value = JSON.stringify({ ...row, directories: [`disk ${9000 + leader}`] });
        return { key: partitionStoreKey(`${TOPIC_ID}/${first + index}`), value };
      });
      version = await commit(this.store, { set });
    }
    await Promise.all(this.#started.flatMap(({ gate, follower }) => gate.isDead ? [] : [follower.reached(version)]));
  }

  /** A partition's row, as the test sees it. */
  rowOf(partition: number): ClusterPartitionRow {
    const entry = this.#follower.rows.get(partitionStoreKey(`${TOPIC_ID}/${partition}`));
    assert.ok(entry !== undefined, `there is no partition ${partition}`);
    return partitionRowOf(entry);
  }

  /** State of a broker, as the test sees it. */
  stateOf(id: number): string | undefined {
    const entry = this.#follower.rows.get(`brokers/${id}/state`);
    return entry && JSON.parse(entry.value).state;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const member of this.#started) {
      if (!member.gate.isDead) await member.membership.close();
      this.kill(member);
      member.follower[Symbol.dispose]();
    }
    this.#follower[Symbol.dispose]();
  }

  #channelTo(port: number, from: Gate): BrokerChannel {
    const ask = <T>(call: (to: MembershipCalls) => Promise<T>) =>
      new Promise<T>((resolve, reject) => {
        const to = this.#listening.get(port);
        const fail = (kind: "refused" | "late") => () => reject(new ChannelRefused(kind, `localhost:${port}: ${kind}`));
        if (to === undefined) return from.pass(fail("refused"));
        const cancel = from.time.after(ANSWER_MS_MAX, fail("late"));
        to.gate.pass(() =>
          void call(to.membership).then((answer) =>
            from.pass(() => {
              cancel();
              resolve(answer);
            })
          )
        );
      });
    return {
      register: (registration) => ask((to) => to.register(registration)),
      heartbeat: (heartbeat) => ask((to) => to.heartbeat(heartbeat)),
      close: () => {},
    };
  }
}
