/**
 * A topic whose partitions are reassigned while idempotent producers (acks=all) and readers work on it, and what becomes of it. Main isolate
 * of a test.
 */
import assert from "node:assert/strict";
import { waitFor } from "../../../bench/peer/processes.ts";
import { errorCode, errorName } from "../../../net/protocol/error_codes.ts";
import type { MetadataResponsePartition } from "../../../net/protocol/messages/03_metadata.ts";
import { deleteTopicsRequest, deleteTopicsResponse } from "../../../net/protocol/messages/20_delete_topics.ts";
import { initProducerIdRequest, initProducerIdResponse } from "../../../net/protocol/messages/22_init_producer_id.ts";
import {
  alterPartitionReassignmentsRequest,
  alterPartitionReassignmentsResponse,
} from "../../../net/protocol/messages/45_alter_partition_reassignments.ts";
import {
  listPartitionReassignmentsRequest,
  listPartitionReassignmentsResponse,
} from "../../../net/protocol/messages/46_list_partition_reassignments.ts";
import { KafkaClient } from "../../kafka_client.ts";
import { createReplicated } from "../../replicated_topics.ts";
import { History } from "../replication/history.ts";
import { findingsOf } from "../replication/history_check.ts";
import { readReplica } from "../replication/replica_logs.ts";
import { TopicView } from "../replication/topic_view.ts";
import { WireProducer } from "../replication/wire_producer.ts";
import { WireReader } from "../replication/wire_reader.ts";
import { type ClusterNode, type ClusterRig, metadataOf } from "./cluster_rig.ts";

/** Replicas by partition; null cancels. */
export type Reassigned = Readonly<Record<number, readonly number[] | null>>;

const TIMEOUT_MS = 30_000;
/** A write that was sent after some moment is the second one that is acknowledged after it, for a producer has one batch in flight. */
const SENT_LATER = 2;

/** The topic, and its load. Disposal ends the load. */
export class MovingTopic implements AsyncDisposable {
  readonly name: string;
  readonly #rig: ClusterRig;
  readonly #history = new History();
  readonly #producers: WireProducer[] = [];
  readonly #readers: WireReader[] = [];
  readonly #partitions: number;
  #view: TopicView | null = null;
  #running: Promise<void>[] = [];

  private constructor(rig: ClusterRig, name: string, partitions: number) {
    this.#rig = rig;
    this.name = name;
    this.#partitions = partitions;
  }

  /** Creates it. @param replicas by partition: of one replication factor */
  static async create(
    rig: ClusterRig,
    name: string,
    replicas: readonly (readonly number[])[],
    configs: Readonly<Record<string, string>> = {},
  ): Promise<MovingTopic> {
    using client = await KafkaClient.connect(rig.nodes[0] as ClusterNode);
    await createReplicated(client, name, replicas, configs);
    return new MovingTopic(rig, name, replicas.length);
  }

  /** One that exists. */
  static existing(rig: ClusterRig, name: string, partitions: number): MovingTopic {
    return new MovingTopic(rig, name, partitions);
  }

  /** Begins the load. */
  async load(): Promise<void> {
    const view = new TopicView(this.#rig.nodes, this.#history, { topic: this.name, partitions: this.#partitions });
    for (let partition = 0; partition < this.#partitions; partition++) {
      const producerId = await newProducerId(this.#rig.nodes[0] as ClusterNode);
      this.#producers.push(new WireProducer(view, this.#history, { partition, acks: -1, producerId }));
      this.#readers.push(new WireReader(view, this.#history, partition));
    }
    this.#view = view;
    this.#running = [...this.#producers, ...this.#readers, view].map((client) => client.run());
    await this.written();
  }

  /** Waits until each partition has acknowledged a write that was sent from now on. */
  async written(): Promise<void> {
    const before = this.#producers.map(({ acknowledged }) => acknowledged);
    await waitFor("every partition takes writes", () => {
      assert.deepEqual(this.#history.oddities, []);
      const isWritten = ({ acknowledged }: WireProducer, partition: number) =>
        acknowledged >= (before[partition] as number) + SENT_LATER;
      return this.#producers.every(isWritten) ? true : undefined;
    });
  }

  /** Reassigns partitions through a broker. @returns the error names */
  async reassign(through: ClusterNode, reassigned: Reassigned): Promise<string[]> {
    using client = await KafkaClient.connect(through);
    const partitions = Object.entries(reassigned).map(([index, replicas]) => ({
      partitionIndex: Number(index),
      replicas: replicas === null ? null : [...replicas],
    }));
    const value = { timeoutMs: TIMEOUT_MS, topics: [{ name: this.name, partitions }] };
    const of = { apiVersion: 1, value };
    const answer = await client.call(alterPartitionReassignmentsRequest, alterPartitionReassignmentsResponse, of);
    assert.equal(answer.errorCode, errorCode.NONE, answer.errorMessage ?? "");
    return answer.responses.flatMap(({ partitions }) => partitions.map(({ errorCode: code }) => errorName(code)));
  }

  /** Reassigns partitions, waits until that has ended, and checks where they are. */
  async move(through: ClusterNode, to: Readonly<Record<number, readonly number[]>>): Promise<void> {
    assert.deepEqual(await this.reassign(through, to), Object.keys(to).map(() => "NONE"));
    await this.ended();
    await this.placed(to);
  }

  /** The partitions that are being reassigned, as a broker says: "0: 2,3,1 +2,3 -1". */
  async listed(node: ClusterNode): Promise<string[]> {
    using client = await KafkaClient.connect(node);
    const of = { apiVersion: 0, value: { timeoutMs: TIMEOUT_MS, topics: null } };
    const { topics } = await client.call(listPartitionReassignmentsRequest, listPartitionReassignmentsResponse, of);
    return topics.filter(({ name }) => name === this.name).flatMap(({ partitions }) =>
      partitions.map(({ partitionIndex, replicas, addingReplicas, removingReplicas }) =>
        `${partitionIndex}: ${replicas} +${addingReplicas} -${removingReplicas}`
      )
    );
  }

  /** Waits until no broker that runs says that the topic is being reassigned. */
  async ended(): Promise<void> {
    for (const node of this.#runningNodes) {
      let last: readonly string[] = [];
      await waitFor(`broker ${node.nodeId} says that nothing is under way`, async () => {
        last = await this.listed(node);
        return last.length === 0 ? true : undefined;
      }).catch((error) => Promise.reject(new Error(`${error.message}; it says ${last.join("; ")}`, { cause: error })));
    }
  }

  /** Waits until all brokers that run say where partitions are, all replicas are in sync, and brokers have the directories of theirs alone. */
  async placed(at: Readonly<Record<number, readonly number[]>>): Promise<void> {
    for (const [partition, replicas] of Object.entries(at)) {
      for (const node of this.#runningNodes) {
        const isHere = ({ replicaNodes, isrNodes, leaderId }: MetadataResponsePartition) =>
          replicaNodes.join() === replicas.join() && isrNodes.toSorted().join() === replicas.toSorted().join() &&
          replicas.includes(leaderId);
        let last = "";
        await waitFor(`broker ${node.nodeId} says that ${this.name}-${partition} is at ${replicas}`, async () => {
          const found = (await metadataOf(node, [this.name])).topics[0]?.partitions.find(({ partitionIndex }) =>
            partitionIndex === Number(partition)
          );
          last = JSON.stringify(found);
          return found !== undefined && isHere(found) ? true : undefined;
        }).catch((error) => Promise.reject(new Error(`${error.message}; it says ${last}`, { cause: error })));
        await waitFor(`broker ${node.nodeId} has the directory of ${this.name}-${partition}, or not`, () => {
          return this.hasDirectory(node, Number(partition)) === replicas.includes(node.nodeId) ? true : undefined;
        });
      }
    }
  }

  /** Deletes it through a broker. */
  async delete(through: ClusterNode): Promise<void> {
    using client = await KafkaClient.connect(through);
    const value = { topics: [], topicNames: [this.name], timeoutMs: TIMEOUT_MS };
    const answer = await client.call(deleteTopicsRequest, deleteTopicsResponse, { apiVersion: 5, value });
    assert.equal(answer.responses[0]?.errorCode, errorCode.NONE);
  }

  /** Waits until no broker has anything of it. */
  async removed(): Promise<void> {
    for (const node of this.#rig.nodes) {
      await waitFor(`broker ${node.nodeId} has nothing of ${this.name}`, () => {
        return this.hasDirectory(node, 0) ? undefined : true;
      });
    }
  }

  /** Whether a broker has the directory of a partition. */
  hasDirectory({ dataDir }: ClusterNode, partition: number): boolean {
    return [...Deno.readDirSync(dataDir)].some(({ name }) => name === `${this.name}-${partition}`);
  }

  /** Ends the load, and stops the brokers. Every broker has a replica of every partition. @throws AssertionError when a record is missing */
  async conclude(): Promise<void> {
    await this.written();
    for (const producer of this.#producers) producer.stop();
    await Promise.all(this.#running.slice(0, this.#producers.length));
    await this[Symbol.asyncDispose]();
    const all = this.#rig.nodes.map(({ nodeId }) => nodeId);
    await this.move(
      this.#rig.nodes[0] as ClusterNode,
      Object.fromEntries(Array.from({ length: this.#partitions }, (_, partition) => [partition, all])),
    );
    for (const node of this.#rig.nodes) assert.equal(await node.stop(), 0, node.process.outputTail());
    const replicas = this.#rig.nodes.flatMap(({ nodeId, dataDir }) =>
      this.#producers.map((_, partition) => readReplica(nodeId, { dataDir, topic: this.name, partition }))
    );
    assert.ok(this.#history.acknowledged.length > 0);
    assert.deepEqual(findingsOf({ ...this.#history, replicas }), []);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const producer of this.#producers) producer.giveUp();
    for (const reader of this.#readers) reader.stop();
    this.#view?.stop();
    await Promise.all(this.#running);
  }

  get #runningNodes(): readonly ClusterNode[] {
    return this.#rig.nodes.filter(({ isRunning }) => isRunning);
  }
}

function newProducerId(node: ClusterNode): Promise<number> {
  return waitFor("a broker gives a producer id", async () => {
    using client = await KafkaClient.connect(node);
    const of = { apiVersion: 4, value: { transactionalId: null, transactionTimeoutMs: 60_000 } };
    const answer = await client.call(initProducerIdRequest, initProducerIdResponse, of);
    return answer.errorCode === errorCode.NONE ? answer.producerId : undefined;
  });
}
