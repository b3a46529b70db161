/**
 * What Apache Kafka's tools are told of a cluster as a whole, through any broker of it: the controller as the one voter of the metadata, which
 * brokers are fenced, and how one is forgotten that has left for good.
 */
import assert from "node:assert/strict";
import { waitFor } from "../../../bench/peer/processes.ts";
import { temporaryDirectory } from "../broker.ts";
import { KafkaTools } from "../kafka_tools.ts";
import { interopTest } from "../toolchain.ts";
import { type ClusterNode, ClusterRig, metadataOf } from "./cluster_rig.ts";
import { ReplicatedTopic } from "./replicated_topic.ts";

/** The fields that kafka-metadata-quorum prints of the status. */
async function quorumAt({ bootstrapServers }: ClusterNode, tools: KafkaTools): Promise<Map<string, string>> {
  const words = ["--bootstrap-server", bootstrapServers, "describe", "--status"];
  const { code, lines } = await tools.run("MetadataQuorumCommand", words);
  assert.equal(code, 0, lines.join("\n"));
  return new Map(lines.flatMap((line) => {
    const [, name, value] = /^(\w+):\s+(.*)$/.exec(line) ?? [];
    return name === undefined ? [] : [[name, value ?? ""]];
  }));
}

/** Broker and state of each line that kafka-cluster lists. */
async function endpointsAt({ bootstrapServers }: ClusterNode, tools: KafkaTools): Promise<string[]> {
  const { lines } = await tools.run("ClusterTool", [
    ...["list-endpoints", "--bootstrap-server", bootstrapServers, "--include-fenced-brokers"],
  ]);
  return lines.flatMap((line) => {
    const [, id, state] = /^(\d+)\s.*\s(fenced|unfenced)\s/.exec(line) ?? [];
    return id === undefined ? [] : [`${id} ${state}`];
  });
}

async function unregister(broker: number, { bootstrapServers }: ClusterNode, tools: KafkaTools): Promise<string> {
  const words = ["unregister", "--bootstrap-server", bootstrapServers, "--id", String(broker)];
  return (await tools.run("ClusterTool", words)).lines.join("\n");
}

interopTest({
  name:
    "cluster: Kafka's tools see the controller and fenced brokers, and have a broker forgotten that has left for good",
  needs: ["etcd", "java"],
  slow: true,
  async fn(context) {
    using directory = temporaryDirectory();
    await using rig = await ClusterRig.start({ directory: directory.path });
    await using tools = new KafkaTools();
    const [one, two, three] = [rig.node(1), rig.node(2), rig.node(3)];
    const topic = await ReplicatedTopic.create(rig, "kept");
    await topic.whole();
    await context.step("each broker names the elected controller as the one voter", async () => {
      const { controllerId = -1 } = await metadataOf(one);
      const epochs = new Set<string>();
      for (const node of rig.nodes) {
        const status = await quorumAt(node, tools);
        assert.equal(status.get("LeaderId"), String(controllerId));
        const address = `PLAINTEXT://127.0.0.1:${rig.node(controllerId).port}`;
        assert.equal(status.get("CurrentVoters"), `[{"id": ${controllerId}, "endpoints": ["${address}"]}]`);
        epochs.add(status.get("LeaderEpoch") ?? "none");
      }
      assert.equal(epochs.size, 1, [...epochs].join());
      assert.ok(Number([...epochs][0]) > 0);
    });
    await context.step("a broker that runs is not forgotten", async () => {
      assert.match(await unregister(3, one, tools), /Broker 3 is running: stop it first/);
      assert.deepEqual(await endpointsAt(two, tools), ["1 unfenced", "2 unfenced", "3 unfenced"]);
    });
    await context.step(
      "one that is gone is fenced, then forgotten; its replicas stay until they are moved",
      async () => {
        await three.kill();
        await topic.until("broker 3 is in no ISR", ({ leaderId, isrNodes }) => leaderId > 0 && !isrNodes.includes(3));
        await waitFor("broker 3 is fenced", async () => {
          return (await endpointsAt(one, tools)).includes("3 fenced") ? true : undefined;
        });
        assert.match(await unregister(3, two, tools), /^Broker 3 is no longer registered\.$/m);
        for (const node of [one, two]) {
          await waitFor(`broker ${node.nodeId} has forgotten it`, async () => {
            return `${await endpointsAt(node, tools)}` === "1 unfenced,2 unfenced" ? true : undefined;
          });
        }
        assert.match(await unregister(3, one, tools), /Broker ID 3 is not currently registered/);
        const replicas = (await topic.partitionsAt(one)).map(({ replicaNodes }) => replicaNodes.length);
        assert.deepEqual(replicas, [3, 3, 3]);
        await topic.write(one);
      },
    );
    await context.step("should it come back, it is registered anew and catches up", async () => {
      await three.start();
      await topic.until("all replicas are in sync", ({ isrNodes }) => isrNodes.length === 3);
      assert.deepEqual(await endpointsAt(two, tools), ["1 unfenced", "2 unfenced", "3 unfenced"]);
    });
  },
});
