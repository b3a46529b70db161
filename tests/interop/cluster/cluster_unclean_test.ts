/**
 * Partitions whose last in-sync replica is away: nobody leads them, unless the topic or an administrator accepts that records are lost. Who
 * comes back then follows the new leader's log.
 */
import assert from "node:assert/strict";
import { waitFor } from "../../../bench/peer/processes.ts";
import { errorCode } from "../../../net/protocol/error_codes.ts";
import {
  electionTypes,
  electLeadersRequest,
  electLeadersResponse,
} from "../../../net/protocol/messages/43_elect_leaders.ts";
import { KafkaClient } from "../../kafka_client.ts";
import { createReplicated } from "../../replicated_topics.ts";
import { append, configure, readBatches } from "../../topic_requests.ts";
import { temporaryDirectory } from "../broker.ts";
import { interopTest } from "../toolchain.ts";
import { type ClusterNode, ClusterRig, metadataOf } from "./cluster_rig.ts";

const TOPICS = ["allowed", "asked", "patient"] as const;

async function partitionAt(node: ClusterNode, topic: string) {
  return (await metadataOf(node, [topic])).topics[0]?.partitions[0];
}

/** Waits until a broker names a leader and an in-sync set. */
function until(node: ClusterNode, topic: string, [leader, ...isr]: readonly number[]): Promise<true> {
  return waitFor(`broker ${node.nodeId} says that ${leader} leads ${topic}, in sync ${isr}`, async () => {
    const { leaderId, isrNodes } = await partitionAt(node, topic) ?? {};
    return leaderId === leader && `${isrNodes?.toSorted()}` === `${isr}` ? true : undefined;
  });
}

async function write(node: ClusterNode, topic: string, value: string): Promise<void> {
  using client = await KafkaClient.connect(node);
  await waitFor(`${topic} takes "${value}"`, async () => {
    const [code] = await append(client, topic, 0, [value]);
    return code === errorCode.NONE ? true : undefined;
  });
}

async function valuesOf(node: ClusterNode, topic: string): Promise<string> {
  using client = await KafkaClient.connect(node);
  const batches = await readBatches(client, [topic, 0]);
  return batches.map(({ bytes }) => /(one|two|three)/.exec(new TextDecoder().decode(bytes))?.[0]).join();
}

async function electUnclean(node: ClusterNode, topic: string): Promise<number | undefined> {
  using client = await KafkaClient.connect(node);
  const value = {
    electionType: electionTypes.unclean,
    topicPartitions: [{ topic, partitions: [0] }],
    timeoutMs: 10_000,
  };
  const answer = await client.call(electLeadersRequest, electLeadersResponse, { apiVersion: 2, value });
  return answer.replicaElectionResults[0]?.partitionResult[0]?.errorCode;
}

interopTest({
  name: "cluster: nobody leads uncleanly but where the topic or an administrator says so, and then all follow",
  needs: ["etcd"],
  slow: true,
  async fn(context) {
    using directory = temporaryDirectory();
    await using rig = await ClusterRig.start({ directory: directory.path });
    const [one, two, three] = [rig.node(1), rig.node(2), rig.node(3)];
    using client = await KafkaClient.connect(three);
    for (const topic of TOPICS) {
      await createReplicated(client, topic, [[1, 2]], { "min.insync.replicas": "1" });
      await until(three, topic, [1, 1, 2]);
      await write(one, topic, "one");
    }
    await context.step("the last one in sync dies: there is no leader", async () => {
      await two.kill();
      for (const topic of TOPICS) {
        await until(three, topic, [1, 1]);
        await write(one, topic, "two");
      }
      await one.kill();
      for (const topic of TOPICS) await until(three, topic, [-1]);
      await two.start();
      await rig.allListed();
      for (const topic of TOPICS) {
        assert.equal((await partitionAt(three, topic))?.leaderId, -1, "broker 2 does not have all records");
      }
    });
    await context.step("the topic allows it, or an administrator asks for it", async () => {
      await configure(client, "allowed", { "unclean.leader.election.enable": "true" });
      await until(three, "allowed", [2, 2]);
      assert.equal(await electUnclean(three, "asked"), errorCode.NONE);
      await until(three, "asked", [2, 2]);
      for (const topic of ["allowed", "asked"]) {
        await write(two, topic, "three");
        assert.equal(await valuesOf(two, topic), "one,three");
      }
      assert.equal(await electUnclean(three, "asked"), errorCode.ELECTION_NOT_NEEDED);
    });
    await context.step(
      "the last one in sync is back: it leads where nobody else does, and follows elsewhere",
      async () => {
        await one.start();
        await until(three, "patient", [1, 1, 2]);
        assert.equal(await valuesOf(one, "patient"), "one,two");
        for (const topic of ["allowed", "asked"]) {
          await until(three, topic, [2, 1, 2]);
          assert.equal(await valuesOf(two, topic), "one,three");
        }
        await Promise.all([one, two].map((node) => node.stop()));
        const bytesOf = ({ dataDir }: ClusterNode, topic: string) =>
          Deno.readFileSync(`${dataDir}/${topic}-0/00000000000000000000.log`);
        assert.deepEqual(bytesOf(one, "patient"), bytesOf(two, "patient"));
      },
    );
  },
});
