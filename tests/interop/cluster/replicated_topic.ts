/**
 * A topic with a replica on every broker of a cluster, and what a client that wants acknowledgements from the whole in-sync set sees of it.
 * Main isolate of a test.
 */
import assert from "node:assert/strict";
import { waitFor } from "../../../bench/peer/processes.ts";
import { errorCode, errorName } from "../../../net/protocol/error_codes.ts";
import type { MetadataResponsePartition } from "../../../net/protocol/messages/03_metadata.ts";
import { KafkaClient } from "../../kafka_client.ts";
import { buildBatch } from "../../record_batch_builder.ts";
import { createReplicated } from "../../replicated_topics.ts";
import { appendBatch, readBatches } from "../../topic_requests.ts";
import { type ClusterNode, type ClusterRig, isGone, metadataOf } from "./cluster_rig.ts";

/** A record that was acknowledged. */
interface Acknowledged {
  readonly partition: number;
  readonly offset: number;
  readonly value: string;
}

/** Answers after which every client asks for the leader, and tries again. */
const RETRIED: ReadonlySet<number> = new Set([
  errorCode.NOT_LEADER_OR_FOLLOWER,
  errorCode.LEADER_NOT_AVAILABLE,
  errorCode.NOT_ENOUGH_REPLICAS,
  errorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
  errorCode.REQUEST_TIMED_OUT,
]);

/** One topic. */
export class ReplicatedTopic {
  readonly name: string;
  readonly #rig: ClusterRig;
  readonly #partitions: readonly number[];
  readonly #acknowledged: Acknowledged[] = [];
  #lostConnections = 0;
  #written = 0;

  private constructor(rig: ClusterRig, name: string, partitions: number) {
    this.#rig = rig;
    this.name = name;
    this.#partitions = Array.from({ length: partitions }, (_, partition) => partition);
  }

  /** Creates it: broker p + 1 is the preferred leader of partition p. */
  static async create(
    rig: ClusterRig,
    name: string,
    configs: Readonly<Record<string, string>> = {},
  ): Promise<ReplicatedTopic> {
    const ids = rig.nodes.map(({ nodeId }) => nodeId);
    const replicas = ids.map((_, first) => [...ids.slice(first), ...ids.slice(0, first)]);
    using client = await KafkaClient.connect(rig.nodes[0] as ClusterNode);
    await createReplicated(client, name, replicas, configs);
    return new ReplicatedTopic(rig, name, ids.length);
  }

  /** Connections that a broker closed while it had a write of this topic. */
  get lostConnections(): number {
    return this.#lostConnections;
  }

  /** What a broker says of its partitions, by number. */
  async partitionsAt(node: { readonly port: number }): Promise<MetadataResponsePartition[]> {
    const [topic] = (await metadataOf(node, [this.name])).topics;
    return [...topic?.partitions ?? []].sort((a, b) => a.partitionIndex - b.partitionIndex);
  }

  /** Its id. */
  async idAt(node: { readonly port: number }): Promise<string> {
    return (await metadataOf(node, [this.name])).topics[0]?.topicId ?? "";
  }

  /** Waits until every broker that is given says something of all partitions. @returns what the first one says */
  async until(
    what: string,
    holds: (partition: MetadataResponsePartition) => boolean,
    nodes: readonly ClusterNode[] = this.#rig.nodes.filter(({ isRunning }) => isRunning),
  ): Promise<MetadataResponsePartition[]> {
    const said = nodes.map((node) =>
      waitFor(`broker ${node.nodeId}: ${what}`, async () => {
        const partitions = await this.partitionsAt(node);
        return partitions.length > 0 && partitions.every(holds) ? partitions : undefined;
      })
    );
    return (await Promise.all(said))[0] ?? [];
  }

  /** Waits until all replicas are in sync, and the preferred leaders lead. */
  async whole(nodes?: readonly ClusterNode[]): Promise<void> {
    await this.until(
      "all replicas are in sync, and the preferred leaders lead",
      ({ isrNodes, replicaNodes, leaderId }) => isrNodes.length === replicaNodes.length && leaderId === replicaNodes[0],
      nodes,
    );
  }

  /** Writes a record to each partition with acks=all, as a client would: at the leader that a broker names, again when it does not lead. */
  async write(through: ClusterNode): Promise<void> {
    await Promise.all(this.#partitions.map((partition) => this.#write(partition, through)));
  }

  async #write(partition: number, through: ClusterNode): Promise<void> {
    const value = `record ${++this.#written} of ${this.name}-${partition}`;
    const records = buildBatch([{ value }]);
    let last = "nothing";
    const offset = await waitFor(`${this.name}-${partition} takes a record`, async () => {
      const leader = (await this.partitionsAt(through))[partition]?.leaderId ?? -1;
      last = `broker ${leader} leads`;
      if (leader < 0) return undefined;
      try {
        using client = await KafkaClient.connect(this.#rig.node(leader));
        const [code, baseOffset] = await appendBatch(client, [this.name, partition], records);
        last = `broker ${leader} answers ${errorName(code)}`;
        if (code === errorCode.NONE) return baseOffset;
        return RETRIED.has(code) ? undefined : `${last}`;
      } catch (error) {
        if (!isGone(error)) throw error;
        this.#lostConnections++;
        return undefined;
      }
    }).catch((error) => Promise.reject(new Error(`${error.message}; ${last}`, { cause: error })));
    if (typeof offset === "string") throw new Error(`Cannot write to ${this.name}-${partition}: ${offset}`);
    this.#acknowledged.push({ partition, offset, value });
  }

  /** Asserts that every record that was acknowledged lies at its offset. @returns the number of records read */
  async allRead(through: ClusterNode): Promise<number> {
    const leaders = await this.partitionsAt(through);
    let count = 0;
    for (const partition of this.#partitions) {
      using client = await KafkaClient.connect(this.#rig.node(leaders[partition]?.leaderId ?? -1));
      const batches = await readBatches(client, [this.name, partition]);
      const values = new Map(batches.map(({ baseOffset, bytes }) => [baseOffset, new TextDecoder().decode(bytes)]));
      for (const { offset, value } of this.#acknowledged.filter((one) => one.partition === partition)) {
        assert.ok(values.get(offset)?.includes(value), `${this.name}-${partition} has "${value}" at offset ${offset}`);
      }
      count += batches.length;
    }
    return count;
  }

  /** Asserts that all brokers, which have stopped, have the same bytes of it. */
  assertSameLogs(): void {
    for (const partition of this.#partitions) {
      const [first, ...others] = this.#rig.nodes.map(({ dataDir }) => logBytes(`${dataDir}/${this.name}-${partition}`));
      for (const other of others) assert.deepEqual(other, first, `${this.name}-${partition} is the same everywhere`);
    }
  }
}

/** The bytes of all segments of a log, one after the other: replicas divide theirs at different places. */
function logBytes(directory: string): Uint8Array {
  const names = [...Deno.readDirSync(directory)].map(({ name }) => name).filter((name) => name.endsWith(".log")).sort();
  return new Uint8Array(names.flatMap((name) => [...Deno.readFileSync(`${directory}/${name}`)]));
}
