/** Who leads the partitions of the topic, as brokers that answer say. Each answer goes into the history. Main isolate of a test. */
import { waitFor } from "../../../bench/peer/processes.ts";
import { metadataRequest, metadataResponse } from "../../../net/protocol/messages/03_metadata.ts";
import type { History } from "./history.ts";
import { ask, type RigNode } from "./replicated_cluster.ts";

const METADATA_VERSION = 12;
/** Questions that are asked at the same time become one. */
const FRESH_MS = 20;

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

/** The newest that any broker has said. */
export class TopicView {
  readonly topic: string;
  readonly partitions: PartitionView[];
  readonly #nodes: readonly RigNode[];
  readonly #history: History;
  #refreshing: Promise<void> | null = null;
  #next = 0;

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
  }

  /** The node that leads a partition, as far as is known. */
  leaderOf(partition: number): RigNode | null {
    const leader = this.partitions[partition]?.leader ?? -1;
    return this.#nodes.find(({ nodeId }) => nodeId === leader) ?? null;
  }

  /** Asks the next broker that answers. */
  refresh(): Promise<void> {
    return this.#refreshing ??= this.#askNext().finally(() => this.#refreshing = null);
  }

  /** Asks a broker. @returns null when it does not answer, or does not know the topic */
  async ask(node: RigNode): Promise<TopicAnswer | null> {
    const value = { topics: [{ name: this.topic }], allowAutoTopicCreation: false };
    const answer = await ask(
      node,
      (client) => client.call(metadataRequest, metadataResponse, { apiVersion: METADATA_VERSION, value }),
    );
    const partitions = answer?.topics[0]?.partitions.toSorted((a, b) => a.partitionIndex - b.partitionIndex)
      .map(({ leaderId, leaderEpoch, isrNodes }) => ({ leader: leaderId, leaderEpoch, inSync: isrNodes }));
    if (answer === null || partitions?.length !== this.partitions.length) return null;
    for (const [partition, seen] of partitions.entries()) this.#note(node.nodeId, partition, seen);
    return { broker: node.nodeId, controller: answer.controllerId, partitions };
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

  async #askNext(): Promise<void> {
    for (let tries = 0; tries < this.#nodes.length; tries++) {
      const node = this.#nodes[this.#next++ % this.#nodes.length] as RigNode;
      if (node.isRunning && await this.ask(node) !== null) break;
    }
    await new Promise((resolve) => setTimeout(resolve, FRESH_MS));
  }

  #note(broker: number, partition: number, seen: PartitionView): void {
    this.#history.leaders.push({ broker, partition, leader: seen.leader, leaderEpoch: seen.leaderEpoch });
    const known = this.partitions[partition] as PartitionView;
    if (seen.leaderEpoch >= known.leaderEpoch) this.partitions[partition] = seen;
  }
}
