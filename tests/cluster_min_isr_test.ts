/** min.insync.replicas of a cluster in this process: what is taken, acknowledged, visible, and who stays eligible as a leader. */
import assert from "node:assert/strict";
import { type Broker, startCluster } from "../mod.ts";
import { waitFor } from "../bench/peer/processes.ts";
import { errorCode } from "../net/protocol/error_codes.ts";
import { produceRequest, produceResponse } from "../net/protocol/messages/00_produce.ts";
import {
  describeTopicPartitionsRequest,
  describeTopicPartitionsResponse,
} from "../net/protocol/messages/75_describe_topic_partitions.ts";
import { KafkaClient } from "./kafka_client.ts";
import { buildBatch } from "./record_batch_builder.ts";
import { configure, fetchBatches, produceTo } from "./topic_requests.ts";
import { createReplicated } from "./replicated_topics.ts";

const { NONE, NOT_ENOUGH_REPLICAS } = errorCode;

async function produce(client: KafkaClient, acks: number): Promise<number | undefined> {
  const value = produceTo("t", 0, buildBatch([{ value: "x" }]), acks);
  const { responses } = await client.call(produceRequest, produceResponse, { apiVersion: 9, value });
  return responses[0]?.partitionResponses[0]?.errorCode;
}

/** What DescribeTopicPartitions says of the partition, once its in-sync set is this one. */
function describedWith(client: KafkaClient, isr: readonly number[]) {
  return waitFor(`the in-sync replicas are ${isr}`, async () => {
    const value = { topics: [{ name: "t" }], responsePartitionLimit: 10, cursor: null };
    const of = { apiVersion: 0, value };
    const { topics } = await client.call(describeTopicPartitionsRequest, describeTopicPartitionsResponse, of);
    const partition = topics[0]?.partitions[0];
    return partition !== undefined && `${partition.isrNodes}` === `${isr}` ? partition : undefined;
  });
}

Deno.test("a partition below min.insync.replicas takes no acks=all, shows nothing that is not committed, and names who may lead", async () => {
  await using cluster = await startCluster();
  const [one, two, three] = cluster.brokers as [Broker, Broker, Broker];
  using client = await KafkaClient.connect(one);
  await createReplicated(client, "t", [[1, 2, 3]], { "min.insync.replicas": "2" });
  await describedWith(client, [1, 2, 3]);
  assert.equal(await produce(client, -1), NONE);
  await three.close();
  assert.deepEqual((await describedWith(client, [1, 2])).eligibleLeaderReplicas, [], "two are enough");
  assert.equal(await produce(client, -1), NONE);
  await two.close();
  const alone = await describedWith(client, [1]);
  assert.deepEqual([alone.leaderId, alone.eligibleLeaderReplicas, alone.lastKnownElr], [1, [2], []]);
  assert.equal(await produce(client, -1), NOT_ENOUGH_REPLICAS);
  assert.equal(await produce(client, 1), NONE);
  assert.equal((await fetchBatches(client, ["t", 0], 0)).length, 2, "it is not committed");
  await configure(client, "t", { "min.insync.replicas": "1" });
  await waitFor("acks=all is taken again", async () => await produce(client, -1) === NONE ? true : undefined);
  assert.ok((await fetchBatches(client, ["t", 0], 0)).length >= 4, "what waited is committed, too");
});
