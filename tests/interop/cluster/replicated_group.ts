/**
 * A consumer group in a cluster whose brokers die: its topic and `__consumer_offsets` have a replica on each. Records are written all the
 * time, to whoever leads, and the committed offsets are read again and again from whoever coordinates. Main isolate of a test.
 *
 * What must hold: a committed offset never moves back, and is never below one whose commit a member got acknowledged; every record below
 * the high watermark was read; at the end the committed offsets are the high watermarks.
 */
import assert from "node:assert/strict";
import { waitFor } from "../../../bench/peer/processes.ts";
import { WireClient } from "../../../bench/peer/wire_client.ts";
import { errorCode } from "../../../net/protocol/error_codes.ts";
import { findCoordinatorRequest, findCoordinatorResponse } from "../../../net/protocol/messages/10_find_coordinator.ts";
import { createTopicsRequest, createTopicsResponse } from "../../../net/protocol/messages/19_create_topics.ts";
import { KafkaClient } from "../../kafka_client.ts";
import type { CoordinatorClient } from "../group_clients.ts";
import { GroupMember } from "../group_member.ts";
import { committedOffsets } from "../wire_groups.ts";
import { type ClusterNode, type ClusterRig, metadataOf } from "./cluster_rig.ts";
import { inTime, LeaderClients, runningOf } from "./leader_clients.ts";

const OFFSETS_TOPIC = "__consumer_offsets";
const FIND_COORDINATOR_VERSION = 4;
const CREATE_TOPICS_VERSION = 7;
const REPLICAS = 3;
/** Time between two writes, and between two looks at the committed offsets. */
const PERIOD_MS = 100;
const RECORD = new TextEncoder().encode("a record");

/** Settings of brokers under such groups. */
export const replicatedSettings = {
  "min.insync.replicas": "2",
  "offsets.topic.num.partitions": "6",
  "group.initial.rebalance.delay.ms": "0",
  "group.consumer.heartbeat.interval.ms": "500",
  "group.consumer.min.heartbeat.interval.ms": "500",
};

/** Creates a topic with a replica on each of three brokers. */
export async function createReplicated(node: ClusterNode, name: string, numPartitions: number): Promise<void> {
  using client = await KafkaClient.connect(node);
  const value = { topics: [{ name, numPartitions, replicationFactor: REPLICAS, configs: [] }], timeoutMs: 10_000 };
  const of = { apiVersion: CREATE_TOPICS_VERSION, value };
  const [topic] = (await client.call(createTopicsRequest, createTopicsResponse, of)).topics;
  assert.equal(topic?.errorCode, errorCode.NONE, topic?.errorMessage ?? "");
}

/** Asks a broker who coordinates a group. @returns node id, -1 for nobody */
export async function coordinatorOf(node: { readonly port: number }, group: string): Promise<number> {
  using client = await KafkaClient.connect(node);
  const of = { apiVersion: FIND_COORDINATOR_VERSION, value: { keyType: 0, coordinatorKeys: [group] } };
  const { coordinators } = await client.call(findCoordinatorRequest, findCoordinatorResponse, of);
  return coordinators[0]?.errorCode === errorCode.NONE ? coordinators[0].nodeId : -1;
}

/** Waits until all replicas of topics are in sync, as a broker that runs says. */
export async function allInSync(rig: ClusterRig, ...topics: string[]): Promise<void> {
  let lacking: string[] = [];
  try {
    await waitFor(`all replicas of ${topics} are in sync`, async () => {
      const found = await inTime(metadataOf(runningOf(rig), [...topics, OFFSETS_TOPIC]));
      if (found === null) return undefined;
      lacking = found.topics.flatMap(({ name, partitions }) =>
        partitions.filter(({ isrNodes }) => isrNodes.length !== REPLICAS).map((
          { partitionIndex, leaderId, isrNodes },
        ) => `${name}-${partitionIndex}, which ${leaderId} leads, has ${isrNodes}`)
      );
      return lacking.length === 0 ? true : undefined;
    }, 60_000);
  } catch (cause) {
    const logs = rig.nodes.filter(({ isRunning }) => isRunning).map(({ process }) => process.outputTail());
    throw new Error([...lacking, ...logs].join("\n"), { cause });
  }
}

/** A group with its topic, watched until disposal, which kills the members. */
export class ReplicatedGroup implements AsyncDisposable {
  /** Name of the client library, and how it shares partitions. */
  readonly client: string;
  readonly topic: string;
  readonly group: string;
  readonly partitions: number;
  readonly members: GroupMember[] = [];
  readonly #rig: ClusterRig;
  /** The next offset that an acknowledged record has not, by partition. */
  readonly #ends: number[];
  readonly #committed: number[];
  readonly #clients: LeaderClients;
  #isWriting = true;
  #isOver = false;
  #writing: Promise<void> = Promise.resolve();
  #looking: Promise<void> = Promise.resolve();
  #failure: unknown = null;

  private constructor(rig: ClusterRig, client: CoordinatorClient, partitions: number) {
    this.client = client.name;
    const word = client.name.replaceAll(/\W/g, "-");
    this.topic = `topic-${word}`;
    this.group = `group-${word}`;
    this.partitions = partitions;
    this.#rig = rig;
    this.#clients = new LeaderClients(rig);
    this.#ends = Array(partitions).fill(0);
    this.#committed = Array(partitions).fill(-1);
  }

  /** Creates the topic, begins to write and to look, and starts members. */
  static async start(
    rig: ClusterRig,
    client: CoordinatorClient,
    { partitions = 3, members = 2 } = {},
  ): Promise<ReplicatedGroup> {
    const watched = new ReplicatedGroup(rig, client, partitions);
    await createReplicated(rig.node(1), watched.topic, partitions);
    const { topic, group } = watched;
    for (let nth = 0; nth < members; nth++) {
      // It learns of the others from the one that it is told.
      const { bootstrapServers } = rig.node(nth % rig.nodes.length + 1);
      const where = { topic, group, instance: `m${nth}`, bootstrapServers };
      watched.members.push(new GroupMember(`${client.name} m${nth}`, client.command(where)));
    }
    watched.#writing = watched.#repeat(() => watched.#isWriting, () => watched.#write());
    watched.#looking = watched.#repeat(() => !watched.#isOver, () => watched.#look());
    return watched;
  }

  /** Its coordinator, as two brokers say. */
  coordinator(): Promise<number> {
    return waitFor(`${this.group} has a coordinator`, async () => {
      const found = await this.#agreed();
      return found < 0 ? undefined : found;
    });
  }

  /** Waits until it has a coordinator that is another broker. */
  async coordinatesElsewhere({ nodeId }: ClusterNode): Promise<void> {
    await waitFor(`${this.group} has another coordinator than ${nodeId}`, async () => {
      const found = await this.#agreed();
      return found >= 0 && found !== nodeId ? true : undefined;
    });
  }

  /** How often members have got partitions. */
  get assignments(): number {
    return this.members.reduce((sum, member) => sum + member.assignments, 0);
  }

  /** Waits until the members share all partitions. */
  async shared(): Promise<void> {
    await this.#until("the members share all partitions", () => {
      const owned = this.members.map(({ owned }) => owned ?? []);
      return owned.every((one) => one.length > 0) && new Set(owned.flat()).size === this.partitions;
    });
  }

  /** Waits until records are committed that are written from now on. */
  async goesOn(): Promise<void> {
    const ends = [...this.#ends];
    await this.#until(`commits of ${ends} and more`, () => this.#committed.every((offset, at) => offset > ends[at]!));
  }

  /** Stops writing, waits until everything is committed, lets the members leave, and checks what they have read. */
  async finish(): Promise<void> {
    this.#isWriting = false;
    await this.#writing;
    const ends: number[] = [];
    for (let partition = 0; partition < this.partitions; partition++) {
      ends.push(await this.#clients.highWatermark({ topic: this.topic, partition }));
    }
    await this.#until(`commits of ${ends}`, () => this.#committed.every((offset, at) => offset === ends[at]));
    for (const member of this.members) await member.leave();
    const read = this.members.flatMap(({ reads }) => reads);
    for (const [partition, end] of ends.entries()) {
      const found = new Set(read.flatMap((one) => one?.partition === partition ? [one.offset] : []));
      const missing = Array.from({ length: end }, (_, offset) => offset).filter((offset) => !found.has(offset));
      assert.deepEqual(missing, [], `${this.topic}-${partition}`);
    }
    if (this.#failure !== null) throw this.#failure;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isWriting = false;
    this.#isOver = true;
    await Promise.all([this.#writing, this.#looking]);
    this.#clients[Symbol.dispose]();
    for (const member of this.members) await member[Symbol.asyncDispose]();
  }

  async #until(what: string, holds: () => boolean): Promise<void> {
    const failed = () => this.#failure !== null || this.members.some((member) => member.failed);
    try {
      await waitFor(`${this.group}: ${what}`, () => failed() || holds() ? true : undefined, 60_000);
      if (this.#failure !== null) throw this.#failure;
      assert.ok(!failed(), "a member has ended");
    } catch (cause) {
      const seen = `written ${this.#ends}, committed ${this.#committed}`;
      throw new Error([what, seen, ...this.members.map((member) => member.tail())].join("\n"), { cause });
    }
  }

  async #repeat(mayGoOn: () => boolean, step: () => Promise<void>): Promise<void> {
    while (mayGoOn() && this.#failure === null) {
      try {
        await step();
      } catch (error) {
        this.#failure ??= error;
      }
      await new Promise((resolve) => setTimeout(resolve, PERIOD_MS));
    }
  }

  /** The coordinator that two brokers name, else -1: one that was paused may believe for a moment that it is still the one. */
  async #agreed(): Promise<number> {
    const running = this.#rig.nodes.filter(({ isRunning }) => isRunning);
    const named = await Promise.all(running.map((node) => inTime(coordinatorOf(node, this.group))));
    return named.find((one, at) => one !== null && one >= 0 && named.indexOf(one) !== at) ?? -1;
  }

  /** Writes a record to each partition. */
  async #write(): Promise<void> {
    for (let partition = 0; partition < this.partitions; partition++) {
      const offset = await this.#clients.produce({ topic: this.topic, partition }, [{ value: RECORD }]);
      this.#ends[partition] = offset + 1;
    }
  }

  async #look(): Promise<void> {
    const wanted = Array.from({ length: this.partitions }, (_, partition) => ({ topic: this.topic, partition }));
    const nodeId = await this.#agreed();
    if (nodeId < 0) return;
    using client = await inTime(WireClient.connect(this.#rig.node(nodeId).port));
    if (client === null) return;
    const acknowledged = Array(this.partitions).fill(-1);
    for (const { partition, offset } of this.members.flatMap(({ commits }) => commits)) {
      acknowledged[partition] = Math.max(acknowledged[partition], offset);
    }
    for (const { partition, offset } of await inTime(committedOffsets(client, this.group, wanted)) ?? []) {
      const before = this.#committed[partition]!;
      assert.ok(offset >= before, `${this.group}: ${partition} is committed up to ${offset} after ${before}`);
      const least = acknowledged[partition];
      assert.ok(offset >= least, `${this.group}: ${partition} is committed up to ${offset}, acknowledged was ${least}`);
      this.#committed[partition] = offset;
    }
  }
}
