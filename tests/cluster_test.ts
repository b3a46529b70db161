/** startCluster(): several brokers in this process, over one store. */
import assert from "node:assert/strict";
import { startCluster, StartupError } from "../mod.ts";
import { errorCode } from "../net/protocol/error_codes.ts";
import { metadataRequest, metadataResponse } from "../net/protocol/messages/03_metadata.ts";
import { findCoordinatorRequest, findCoordinatorResponse } from "../net/protocol/messages/10_find_coordinator.ts";
import { produceRequest, produceResponse } from "../net/protocol/messages/00_produce.ts";
import { KafkaClient } from "./kafka_client.ts";
import { buildBatch } from "./record_batch_builder.ts";
import { withDirectory } from "./temporary_directory.ts";
import { create, produceTo } from "./topic_requests.ts";

async function metadataOf(port: number, topic: string) {
  using client = await KafkaClient.connect({ port });
  const value = { topics: [{ name: topic }], allowAutoTopicCreation: false };
  return await client.call(metadataRequest, metadataResponse, { apiVersion: 12, value });
}

async function produce(port: number, topic: string, partition: number) {
  using client = await KafkaClient.connect({ port });
  const value = produceTo(topic, partition, buildBatch([{ value: "x" }]));
  const { responses } = await client.call(produceRequest, produceResponse, { apiVersion: 9, value });
  return responses[0]?.partitionResponses[0];
}

Deno.test("startCluster() starts brokers that know each other, and each takes what it leads", () =>
  withDirectory(async (dataDir) => {
    const ports = new Map<number, number>();
    const start = () => startCluster({ dataDir, racks: ["a", "b", "c"], topics: [{ name: "t", partitions: 6 }] });
    for (const round of [0, 1]) {
      await using cluster = await start();
      assert.equal(cluster.brokers.length, 3);
      for (const [index, { port }] of cluster.brokers.entries()) ports.set(index + 1, port);
      for (const { port } of cluster.brokers) {
        const { brokers, topics, clusterId } = await metadataOf(port, "t");
        assert.deepEqual(
          brokers.map(({ nodeId, port, rack }) => [nodeId, port, rack]),
          [1, 2, 3].map((id) => [id, ports.get(id), "abc"[id - 1]]),
        );
        assert.match(clusterId ?? "", /^[\w-]{22}$/);
        const leaders = topics[0]!.partitions.map(({ leaderId }) => leaderId);
        assert.deepEqual(leaders.toSorted(), [1, 1, 2, 2, 3, 3], `broker at ${port}`);
        for (const { partitionIndex, leaderId } of topics[0]!.partitions) {
          const answer = await produce(port, "t", partitionIndex);
          const isLed = ports.get(leaderId) === port;
          assert.equal(answer?.errorCode, isLed ? errorCode.NONE : errorCode.NOT_LEADER_OR_FOLLOWER);
          if (isLed) assert.equal(Number(answer?.baseOffset), round, "a restart keeps records");
        }
      }
    }
  }));

Deno.test("startCluster() makes a topic that one broker created known to all, before the creation is answered by it", async () => {
  await using cluster = await startCluster({ brokers: 2 });
  for (const [index, { port }] of cluster.brokers.entries()) {
    using client = await KafkaClient.connect({ port });
    await create(client, `t${index}`, 2);
    assert.equal((await metadataOf(port, `t${index}`)).topics[0]?.errorCode, errorCode.NONE);
  }
});

Deno.test("startCluster() of fewer brokers than committed offsets have replicas by default serves groups", async () => {
  await using cluster = await startCluster({ brokers: 2 });
  for (const { port } of cluster.brokers) {
    using client = await KafkaClient.connect({ port });
    const of = { apiVersion: 4, value: { keyType: 0, coordinatorKeys: ["g"] } };
    const { coordinators } = await client.call(findCoordinatorRequest, findCoordinatorResponse, of);
    assert.deepEqual(coordinators.map(({ errorCode: code }) => code), [errorCode.NONE]);
  }
});

Deno.test("startCluster() refuses a number of brokers that is none, and settings that are wrong, and leaves nothing behind", async () => {
  await assert.rejects(startCluster({ brokers: 0 }), StartupError);
  await assert.rejects(startCluster({ overrides: { "num.partitions": "x" } }), /num\.partitions/);
  await assert.rejects(startCluster({ overrides: { "not.kafka": "x" } }), StartupError);
});
