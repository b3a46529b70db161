/**
 * Topics of one partition that are led by a given broker: the clients of the interop tests use partition 0 alone. Main isolate of a test.
 */
import { KafkaClient } from "../../kafka_client.ts";
import { create } from "../../topic_requests.ts";
import { type ClusterNode, type ClusterRig, leadersOf } from "./cluster_rig.ts";

/** Topics tried at most: each begins at a random broker. */
const TRIES_MAX = 60;

/** Creates topics through all brokers in turn, until each broker leads one. @returns a topic for each broker, by node id */
export async function topicOnEach(rig: ClusterRig, prefix: string): Promise<Map<number, string>> {
  const topics = new Map<number, string>();
  for (let nth = 0; topics.size < rig.nodes.length; nth++) {
    if (nth === TRIES_MAX) throw new Error(`${TRIES_MAX} topics, and only brokers ${[...topics.keys()]} lead one`);
    const name = `${prefix}-${nth}`;
    await createThrough(rig.nodes[nth % rig.nodes.length] as ClusterNode, name);
    const [leader] = await leadersOf(rig.nodes, name);
    if (leader !== undefined && !topics.has(leader)) topics.set(leader, name);
  }
  return topics;
}

/** Creates a topic through a broker. */
export async function createThrough(node: ClusterNode, name: string, partitions = 1): Promise<void> {
  using client = await KafkaClient.connect(node);
  await create(client, name, partitions);
}
