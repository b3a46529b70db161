/**
 * What becomes of topics while a broker is down: they are deleted, deleted and created again, given to other brokers, and there and back. When
 * it returns, nothing of an old topic is under the id of a new one, and logs that are not its own any more are removed.
 */
import assert from "node:assert/strict";
import { waitFor } from "../../../bench/peer/processes.ts";
import { errorCode } from "../../../net/protocol/error_codes.ts";
import { deleteTopicsRequest, deleteTopicsResponse } from "../../../net/protocol/messages/20_delete_topics.ts";
import {
  alterPartitionReassignmentsRequest,
  alterPartitionReassignmentsResponse,
} from "../../../net/protocol/messages/45_alter_partition_reassignments.ts";
import { KafkaClient } from "../../kafka_client.ts";
import { temporaryDirectory } from "../broker.ts";
import { type ClusterNode, ClusterRig } from "../cluster/cluster_rig.ts";
import { ReplicatedTopic } from "../cluster/replicated_topic.ts";
import { interopTest } from "../toolchain.ts";

const CONFIGS = { "min.insync.replicas": "2" };
/** Partition p of a `ReplicatedTopic` has broker p + 1 as its preferred leader. */
const PARTITIONS = [0, 1, 2];
const TIMEOUT_MS = 30_000;

async function deleteThrough(node: ClusterNode, name: string): Promise<void> {
  using client = await KafkaClient.connect(node);
  const value = { topicNames: [name], timeoutMs: TIMEOUT_MS };
  const answer = await client.call(deleteTopicsRequest, deleteTopicsResponse, { apiVersion: 5, value });
  assert.deepEqual(answer.responses.map((response) => response.errorCode), [errorCode.NONE]);
}

/** Has the partitions of a topic lie on some brokers. */
async function reassign(node: ClusterNode, name: string, replicas: readonly number[]): Promise<void> {
  using client = await KafkaClient.connect(node);
  const partitions = PARTITIONS.map((partitionIndex) => ({ partitionIndex, replicas: [...replicas] }));
  const value = { timeoutMs: TIMEOUT_MS, topics: [{ name, partitions }] };
  const { errorCode: code, responses } = await client.call(
    alterPartitionReassignmentsRequest,
    alterPartitionReassignmentsResponse,
    { apiVersion: 1, value },
  );
  assert.equal(code, errorCode.NONE);
  for (const { partitions } of responses) {
    for (const { errorCode: each, errorMessage } of partitions) assert.equal(each, errorCode.NONE, errorMessage ?? "");
  }
}

/** Waits until what a broker has of a topic is about to be removed, or was set aside: no start takes it for the topic's. */
function untilRemoved({ nodeId, dataDir }: ClusterNode, name: string): Promise<true> {
  return waitFor(`broker ${nodeId} has nothing of ${name}`, () => {
    const left = [...Deno.readDirSync(dataDir)].filter((entry) => entry.name.startsWith(`${name}-`));
    return left.every((entry) => /-(delete|stray)$/.test(entry.name)) || undefined;
  });
}

/** A topic that has records on all brokers. */
async function writtenTopic(rig: ClusterRig, name: string): Promise<ReplicatedTopic> {
  const topic = await ReplicatedTopic.create(rig, name, CONFIGS);
  await topic.whole();
  for (let nth = 0; nth < 5; nth++) await topic.write(rig.node(2));
  return topic;
}

interopTest({
  name: "replication: what was deleted, created again or given away while a broker was down is so when it returns",
  needs: ["etcd"],
  slow: true,
  async fn(context) {
    using directory = temporaryDirectory();
    const overrides = { "leader.imbalance.check.interval.seconds": "1", "offsets.topic.replication.factor": "3" };
    await using rig = await ClusterRig.start({ directory: directory.path, overrides });
    const [one, two, away] = rig.nodes as [ClusterNode, ClusterNode, ClusterNode];
    /** While broker 3 is down, after a kill and after a stop in order. */
    const whileAway = async (name: string, change: (topic: ReplicatedTopic) => Promise<unknown>) => {
      for (const end of ["killed", "stopped"] as const) {
        await context.step(`${name} while a broker is ${end}`, async () => {
          const topic = await writtenTopic(rig, `${name.replaceAll(" ", "-")}-${end}`);
          if (end === "killed") await away.kill();
          else assert.equal(await away.stop(), 0);
          await rig.allListed();
          await change(topic);
        });
      }
    };

    await whileAway("deleted", async (topic) => {
      await deleteThrough(one, topic.name);
      await away.start();
      await rig.allListed();
      await untilRemoved(away, topic.name);
    });

    const again: ReplicatedTopic[] = [];
    await whileAway("created again", async (topic) => {
      await deleteThrough(one, topic.name);
      const next = await waitFor("the name is free", () => ReplicatedTopic.create(rig, topic.name, CONFIGS));
      await next.write(two);
      await away.start();
      await next.whole();
      await next.write(away);
      assert.equal(await next.allRead(away), 2 * PARTITIONS.length, "and nothing of the old one");
      again.push(next);
    });

    await whileAway("given to others", async (topic) => {
      await reassign(one, topic.name, [1, 2]);
      await topic.until("brokers 1 and 2 have it", ({ replicaNodes }) => `${replicaNodes}` === "1,2");
      await topic.write(two);
      await away.start();
      await rig.allListed();
      await untilRemoved(away, topic.name);
      await topic.write(away);
      await topic.allRead(away);
    });

    await whileAway("given away and back", async (topic) => {
      await reassign(one, topic.name, [1, 2]);
      await topic.until("brokers 1 and 2 have it", ({ replicaNodes }) => `${replicaNodes}` === "1,2");
      await topic.write(two);
      await reassign(one, topic.name, [1, 2, 3]);
      await topic.write(two);
      await away.start();
      await topic.until("all have it", ({ isrNodes }) => isrNodes.length === rig.nodes.length);
      await topic.write(away);
      await topic.allRead(away);
      again.push(topic);
    });

    await context.step("all replicas are the same", async () => {
      for (const node of rig.nodes) assert.equal(await node.stop(), 0, node.process.outputTail());
      for (const topic of again) topic.assertSameLogs();
    });
  },
});
