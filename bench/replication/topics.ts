/** Topics with three replicas whose leaders are chosen: made, awaited, deleted. Main isolate of the benchmark. */
import { waitFor } from "../peer/processes.ts";
import type { Cluster, ClusterBroker } from "./clusters.ts";
import { Writes } from "./writes.ts";
import { errorCode } from "../../net/protocol/error_codes.ts";
import { createTopicsRequest, createTopicsResponse } from "../../net/protocol/messages/19_create_topics.ts";
import { deleteTopicsRequest, deleteTopicsResponse } from "../../net/protocol/messages/20_delete_topics.ts";
import { metadataOf } from "../../tests/interop/cluster/cluster_rig.ts";
import { KafkaClient } from "../../tests/kafka_client.ts";

/** Which broker leads a partition: each in turn, or always the first one. */
export type Leaders = "in turn" | "first";

/** A topic. */
export interface ReplicatedTopic {
  readonly name: string;
  readonly partitions: number;
  readonly leaders: Leaders;
}

/** The node id that leads a partition of a new topic. */
function leaderOf({ nodes }: Cluster, partition: number, leaders: Leaders): number {
  return leaders === "first" ? 1 : 1 + partition % nodes.length;
}

/** The partitions that a broker leads. */
export function ledBy(cluster: Cluster, topic: ReplicatedTopic, { nodeId }: ClusterBroker): number[] {
  const all = Array.from(Array(topic.partitions).keys());
  return all.filter((partition) => leaderOf(cluster, partition, topic.leaders) === nodeId);
}

/** Makes a topic. @returns when each broker says that its leaders lead, all replicas are in sync, and each partition has been written to */
export async function createTopic(cluster: Cluster, topic: ReplicatedTopic): Promise<void> {
  const ids = cluster.nodes.map(({ nodeId }) => nodeId);
  const assignments = Array.from({ length: topic.partitions }, (_, partitionIndex) => {
    const first = ids.indexOf(leaderOf(cluster, partitionIndex, topic.leaders));
    return { partitionIndex, brokerIds: ids.map((_, step) => ids[(first + step) % ids.length] as number) };
  });
  const value = {
    topics: [{ name: topic.name, numPartitions: -1, replicationFactor: -1, assignments, configs: [] }],
    timeoutMs: 60_000,
  };
  {
    using client = await KafkaClient.connect(cluster.nodes[0]!);
    const { topics } = await client.call(createTopicsRequest, createTopicsResponse, { apiVersion: 7, value });
    const [created] = topics;
    const code = created?.errorCode;
    // Of an outcome that is not known in time: whether it was made is seen below.
    if (code !== errorCode.NONE && code !== errorCode.REQUEST_TIMED_OUT) {
      throw new Error(`Cannot create ${topic.name}: ${created?.errorMessage}`);
    }
  }
  await allInSync(cluster, topic);
  // Kafka's metadata name a leader before that broker leads, and the first append to a partition opens its files.
  for (const node of cluster.nodes) {
    await using writes = await Writes.begin(topic.name, [node], ledBy(cluster, topic, node));
    await writes.untilAll();
  }
}

/** Waits until each broker says that a topic's first leaders lead, and that all replicas are in sync. */
async function allInSync(cluster: Cluster, topic: ReplicatedTopic): Promise<void> {
  for (const node of cluster.nodes) {
    await waitFor(`${cluster.title}: all replicas of ${topic.name} are in sync`, async () => {
      const [found] = (await metadataOf(node, [topic.name])).topics;
      const isReady = found?.partitions.length === topic.partitions && found.partitions.every((partition) => {
        const { leaderId, isrNodes, partitionIndex } = partition;
        const leads = leaderId === leaderOf(cluster, partitionIndex, topic.leaders);
        return leads && isrNodes.length === cluster.nodes.length;
      });
      return isReady || undefined;
    });
  }
}

/** Deletes topics; they may live on for a moment. */
export async function deleteTopics(cluster: Cluster, names: readonly string[]): Promise<void> {
  using client = await KafkaClient.connect(cluster.nodes[0]!);
  const value = { topicNames: [...names], timeoutMs: 30_000 };
  const answer = await client.call(deleteTopicsRequest, deleteTopicsResponse, { apiVersion: 5, value });
  const failed = answer.responses.find(({ errorCode }) => errorCode !== 0);
  if (failed !== undefined) throw new Error(`Cannot delete ${failed.name}: error code ${failed.errorCode}`);
}

/** Makes a topic for one run and deletes it. */
export async function withTopic<T>(
  cluster: Cluster,
  topic: Omit<ReplicatedTopic, "name">,
  body: (name: string) => Promise<T>,
): Promise<T> {
  const name = `bench-${crypto.randomUUID().slice(0, 8)}`;
  await createTopic(cluster, { ...topic, name });
  try {
    return await body(name);
  } finally {
    await deleteTopics(cluster, [name]);
  }
}
