/** Who leads the partitions of the topic, as brokers that answer say. Each answer goes into the history. Main isolate of a test. */
import { waitFor } from "../../../bench/peer/processes.ts";
import { metadataRequest, metadataResponse } from "../../../net/protocol/messages/03_metadata.ts";
import type { History, SeenLeader } from "./history.ts";
import { ANSWER_MS, Link, type RigNode } from "./replicated_cluster.ts";

const METADATA_VERSION = 12;
/** Between an answer of a broker and the next question. */
const PACE_MS = 100;

/** A partition. */
export interface PartitionView {
  /** -1: nobody. */
  readonly leader: number;
  readonly leaderEpoch: number;
  readonly inSync: readonly number[];
}

/** What a broker said of the topic. */
export interface TopicAnswer {
  readonly broker: number;
  /** The broker that is the controller. */
  readonly controller: number;
  readonly partitions: readonly PartitionView[];
}

/** The newest that any broker has said. `run()` asks all of them, again and again, and settles once `stop()` was called. */
export class TopicView {
  readonly topic: string;
  readonly partitions: PartitionView[];
  readonly #nodes: readonly RigNode[];
  readonly #history: History;
  /** Settles with the next answer. */
  #answered = Promise.withResolvers<void>();
  /** For each partition, settles when it has another leader. */
  readonly #moved: PromiseWithResolvers<void>[];
  #isStopped = false;

  /** @param of the topic and how many partitions it has */
  constructor(
    nodes: readonly RigNode[],
    history: History,
    of: { readonly topic: string; readonly partitions: number },
  ) {
    this.#nodes = nodes;
    this.#history = history;
    this.topic = of.topic;
    this.partitions = Array.from({ length: of.partitions }, () => ({ leader: -1, leaderEpoch: -1, inSync: [] }));
    this.#moved = this.partitions.map(() => Promise.withResolvers());
  }

  /** Lets it end; nobody waits for an answer any more. */
  stop(): void {
    this.#isStopped = true;
    this.#answered.resolve();
  }

  /** Asks. */
  async run(): Promise<void> {
    await Promise.all(this.#nodes.map(async (node) => {
      using link = new Link(node);
      while (!this.#isStopped) {
        if (await this.#ask(node, link) !== null && !this.#isStopped) {
          this.#answered.resolve();
          this.#answered = Promise.withResolvers();
        }
        await new Promise((resolve) => setTimeout(resolve, PACE_MS));
      }
    }));
  }

  /** The node that leads a partition, as far as is known. */
  leaderOf(partition: number): RigNode | null {
    const leader = this.partitions[partition]?.leader ?? -1;
    return this.#nodes.find(({ nodeId }) => nodeId === leader) ?? null;
  }

  /** Waits for the next answer of any broker. */
  refreshed(): Promise<void> {
    return this.#answered.promise;
  }

  /** Settles when a partition has another leader, or the same one in another epoch. */
  moved(partition: number): Promise<void> {
    return (this.#moved[partition] as PromiseWithResolvers<void>).promise;
  }

  /** Asks a broker. @returns null when it does not answer, or does not know the topic */
  async ask(node: RigNode): Promise<TopicAnswer | null> {
    using link = new Link(node);
    return await this.#ask(node, link);
  }

  /** What all brokers that run say. @returns null when one of them does not answer */
  async askAll(): Promise<TopicAnswer[] | null> {
    const answers = await Promise.all(this.#nodes.filter(({ isRunning }) => isRunning).map((node) => this.ask(node)));
    return answers.every((answer) => answer !== null) ? answers : null;
  }

  /** The broker that is the controller, as most brokers that answer say. */
  controller(): Promise<RigNode> {
    return waitFor("brokers name a controller", async () => {
      const answers = await Promise.all(this.#nodes.map((node) => this.ask(node)));
      const named = answers.flatMap((answer) => answer === null ? [] : [answer.controller]);
      return this.#nodes.find(({ nodeId }) => named.filter((each) => each === nodeId).length * 2 > named.length);
    });
  }

  async #ask(node: RigNode, link: Link): Promise<TopicAnswer | null> {
    const value = { topics: [{ name: this.topic }], allowAutoTopicCreation: false };
    const answer = await link.ask(
      (client) => client.call(metadataRequest, metadataResponse, { apiVersion: METADATA_VERSION, value }),
      { withinMs: ANSWER_MS },
    );
    const partitions = answer?.topics[0]?.partitions.toSorted((a, b) => a.partitionIndex - b.partitionIndex)
      .map(({ leaderId, leaderEpoch, isrNodes }) => ({ leader: leaderId, leaderEpoch, inSync: isrNodes }));
    if (answer === null || partitions?.length !== this.partitions.length) return null;
    const said = { broker: node.nodeId, connection: link.connection, atMs: performance.now() };
    for (const [partition, seen] of partitions.entries()) this.#note(partition, seen, said);
    return { broker: node.nodeId, controller: answer.controllerId, partitions };
  }

  #note(partition: number, seen: PartitionView, said: Pick<SeenLeader, "broker" | "connection" | "atMs">): void {
    this.#history.leaders.push({ ...said, partition, leader: seen.leader, leaderEpoch: seen.leaderEpoch });
    const known = this.partitions[partition] as PartitionView;
    if (seen.leaderEpoch < known.leaderEpoch) return;
    this.partitions[partition] = seen;
    if (seen.leaderEpoch === known.leaderEpoch) return;
    (this.#moved[partition] as PromiseWithResolvers<void>).resolve();
    this.#moved[partition] = Promise.withResolvers();
  }
}

/** Connections to the leaders of a partition, one to each broker. */
export class LeaderLinks implements Disposable {
  readonly #view: TopicView;
  readonly #partition: number;
  readonly #links = new Map<number, Link>();

  constructor(view: TopicView, partition: number) {
    this.#view = view;
    this.#partition = partition;
  }

  /** To the leader; undefined while there is none. */
  current(): Link | undefined {
    const node = this.#view.leaderOf(this.#partition);
    if (node === null) return undefined;
    const link = this.#links.get(node.nodeId) ?? new Link(node);
    this.#links.set(node.nodeId, link);
    return link;
  }

  [Symbol.dispose](): void {
    for (const link of this.#links.values()) link[Symbol.dispose]();
  }
}
