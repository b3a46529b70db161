/**
 * A replicated topic under load: a cluster of three brokers, clients that write records of known values and read them, and the history of what
 * they saw. `conclude()` ends the load and judges the history. Main isolate of a test.
 */
import assert from "node:assert/strict";
import { waitFor } from "../../../bench/peer/processes.ts";
import { initProducerIdRequest, initProducerIdResponse } from "../../../net/protocol/messages/22_init_producer_id.ts";
import { errorCode } from "../../../net/protocol/error_codes.ts";
import { History } from "./history.ts";
import { type Evidence, findingsOf } from "./history_check.ts";
import { Noise } from "./noise.ts";
import { readReplica } from "./replica_logs.ts";
import { ask, type ReplicatedCluster, type RigNode } from "./replicated_cluster.ts";
import { createTopic, REPLICAS } from "./rig_topics.ts";
import { TopicView } from "./topic_view.ts";
import { WireProducer } from "./wire_producer.ts";
import { WireReader } from "./wire_reader.ts";

/** How the load looks. */
export interface RigOptions {
  readonly cluster: ReplicatedCluster;
  /** `broker.session.timeout.ms` of the brokers. */
  readonly sessionMs: number;
  /** -1 by default. */
  readonly acks?: -1 | 1;
}

/** Two for each broker. */
const PARTITIONS = 6;
/** All replicas are in sync again at the latest so long after a fault, on a loaded machine. */
const RECOVERY_MS = 90_000;
/** Small segments: each log has several. */
const TOPIC_CONFIGS = { "min.insync.replicas": "2", "segment.bytes": String(1 << 20) };
const TOPIC = "replicated";
/** A write that was sent after some moment is the second one that is acknowledged after it, for a producer has one batch in flight. */
const SENT_LATER = 2;

/** What a program works on. */
export interface JournalTarget {
  readonly bootstrapServers: string;
  readonly topic: string;
  readonly partitions: number;
  readonly acks: -1 | 1;
  readonly history: History;
}

/** A program that writes to and reads the topic. */
export interface RigClient extends AsyncDisposable {
  /** Whether one of its records was acknowledged. */
  readonly hasWritten: boolean;
  /** Ends writing, and reads to the end. @throws Error when it failed */
  finish(): Promise<void>;
}

/** Writes that were sent after a moment. */
export interface WritesSince {
  /** Whether every partition has acknowledged one. */
  readonly done: () => boolean;
  /** The partitions that have. */
  readonly partitions: () => number[];
}

/** The topic and its load. Disposal ends the load; the cluster belongs to the caller. */
export class ReplicationRig implements AsyncDisposable {
  readonly cluster: ReplicatedCluster;
  readonly sessionMs: number;
  readonly history: History;
  readonly view: TopicView;
  readonly acks: -1 | 1;
  readonly #producers: WireProducer[];
  readonly #readers: WireReader[];
  readonly #noise: Noise;
  readonly #running: Promise<void>[];
  readonly #clients: RigClient[] = [];

  private constructor(
    options: RigOptions,
    parts: { history: History; view: TopicView; producers: WireProducer[]; readers: WireReader[] },
  ) {
    this.cluster = options.cluster;
    this.sessionMs = options.sessionMs;
    this.acks = options.acks ?? -1;
    this.history = parts.history;
    this.view = parts.view;
    this.#producers = parts.producers;
    this.#readers = parts.readers;
    this.#noise = new Noise(this.view);
    this.#running = [...this.#producers, ...this.#readers, this.#noise, this.view].map((client) => client.run());
  }

  /** Creates the topic in a cluster that runs, and begins the load. @returns when every partition has acknowledged a write */
  static async start(options: RigOptions): Promise<ReplicationRig> {
    const { cluster, acks = -1 } = options;
    const topic = { name: TOPIC, numPartitions: PARTITIONS, configs: TOPIC_CONFIGS };
    await createTopic(cluster.nodes[0] as RigNode, topic);
    const history = new History();
    const view = new TopicView(cluster.nodes, history, { topic: TOPIC, partitions: PARTITIONS });
    const producers: WireProducer[] = [];
    const readers: WireReader[] = [];
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const producerId = await newProducerId(cluster.nodes[partition % cluster.nodes.length] as RigNode);
      producers.push(new WireProducer(view, history, { partition, acks, producerId }));
      readers.push(new WireReader(view, history, partition));
    }
    const rig = new ReplicationRig(options, { history, view, producers, readers });
    await rig.healthy();
    return rig;
  }

  /** The topic's name. */
  get topic(): string {
    return this.view.topic;
  }

  /** Adds a program to the load. @param start starts it */
  add(start: (target: JournalTarget) => RigClient): void {
    const { topic, history, cluster: { bootstrapServers }, view: { partitions } } = this;
    this.#clients.push(start({ bootstrapServers, topic, partitions: partitions.length, acks: this.acks, history }));
  }

  /** Waits until every program has written: one that starts may give up, for it does not know yet that its addresses are right. */
  async clientsWrite(): Promise<void> {
    await this.#until("every program has written", () => this.#clients.every(({ hasWritten }) => hasWritten));
  }

  /** A broker by its id. */
  node(nodeId: number): RigNode {
    const node = this.cluster.nodes.find((each) => each.nodeId === nodeId);
    assert.ok(node, `broker ${nodeId} is one of the cluster`);
    return node;
  }

  /** Waits until all brokers say that every partition has a leader and all its replicas in sync, and then for a write to each. */
  async healthy(): Promise<void> {
    await this.inSync();
    const written = this.writesSince();
    await this.#until("every partition takes writes again", () => written.done());
  }

  /** Waits until all brokers say that every partition has a leader and all its replicas in sync. */
  async inSync(): Promise<void> {
    let seen = "";
    const isWell = async () => {
      const answers = await this.view.askAll();
      seen = JSON.stringify(answers);
      return answers?.length === this.cluster.nodes.length &&
        answers.every(({ partitions }) =>
          partitions.every(({ leader, inSync, leaderEpoch }, partition) =>
            leader !== -1 && inSync.length === REPLICAS && leaderEpoch === this.view.partitions[partition]?.leaderEpoch
          )
        );
    };
    try {
      await this.#until("all replicas are in sync, and all brokers say so", isWell);
    } catch (cause) {
      throw new Error(`Not all replicas are in sync; brokers say ${seen}`, { cause });
    }
  }

  /** Observes writes that are sent from now on. */
  writesSince(): WritesSince {
    const before = this.#producers.map(({ acknowledged }) => acknowledged);
    const isWritten = ({ acknowledged }: WireProducer, partition: number) =>
      acknowledged >= (before[partition] as number) + SENT_LATER;
    return {
      done: () => this.#producers.every(isWritten),
      partitions: () => this.#producers.flatMap((each, partition) => isWritten(each, partition) ? [partition] : []),
    };
  }

  /** Ends the load when all is well, stops the brokers and judges the history. @throws AssertionError with what broke the rules */
  async conclude(): Promise<void> {
    const evidence = await this.evidence();
    const findings = findingsOf(evidence);
    if (findings.length === 0) return;
    const { replicas: _logs, ...seen } = evidence;
    const file = `${this.cluster.nodes[0]?.dataDir}.history.json`;
    Deno.writeTextFileSync(file, JSON.stringify(seen));
    assert.fail(`The history breaks rules; all that clients saw is in ${file}\n${findings.join("\n")}`);
  }

  /** Ends the load when all is well, and stops the brokers. @returns what is to be judged */
  async evidence(): Promise<Evidence> {
    await this.healthy();
    for (const producer of [...this.#producers, this.#noise]) producer.stop();
    await Promise.all(this.#running.slice(0, this.#producers.length));
    for (const client of this.#clients) await client.finish();
    if (this.acks === -1) await this.#until("the readers have read what is acknowledged", () => this.#haveReadAll());
    await this[Symbol.asyncDispose]();
    await this.inSync();
    for (const node of this.cluster.nodes) assert.equal(await node.stop(), 0, node.process.outputTail());
    const { topic, cluster: { nodes }, history } = this;
    const replicas = nodes.flatMap(({ nodeId, dataDir }) =>
      this.#producers.map((_, partition) => readReplica(nodeId, { dataDir, topic, partition }))
    );
    return { ...history, replicas };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const producer of this.#producers) producer.giveUp();
    for (const client of [...this.#readers, this.#noise, this.view]) client.stop();
    for (const client of this.#clients) await client[Symbol.asyncDispose]();
    await Promise.all(this.#running);
  }

  /** Waits for a condition. @throws Error as soon as a client has met what it must not: with acks=1, records may be lost */
  async #until(what: string, condition: () => Promise<boolean> | boolean): Promise<void> {
    const outcome = await waitFor(what, async () => {
      if (this.acks === -1 && this.history.oddities.length > 0) return "odd";
      return await condition() ? "met" : undefined;
    }, RECOVERY_MS);
    if (outcome === "odd") throw new Error(`Clients have met what they must not: ${this.history.oddities.join("\n")}`);
  }

  #haveReadAll(): boolean {
    const ends = this.#readers.map(() => 0);
    for (const { partition, offset } of this.history.acknowledged) {
      ends[partition] = Math.max(ends[partition] as number, offset + 1);
    }
    return this.#readers.every(({ next }, partition) => next >= (ends[partition] as number));
  }
}

function newProducerId(node: RigNode): Promise<number> {
  return waitFor("a broker gives a producer id", async () => {
    const value = { transactionalId: null, transactionTimeoutMs: 60_000 };
    const answer = await ask(
      node,
      (client) => client.call(initProducerIdRequest, initProducerIdResponse, { apiVersion: 4, value }),
    );
    return answer?.errorCode === errorCode.NONE ? answer.producerId : undefined;
  });
}
