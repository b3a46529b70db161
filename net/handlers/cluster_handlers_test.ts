/** Answers of the handlers that name brokers, in a cluster of several. */
import assert from "node:assert/strict";
import type { BrokerImage } from "../../partitions/metadata/image.ts";
import { partitionOfKey } from "../../partitions/mod.ts";
import { errorCode } from "../protocol/error_codes.ts";
import type { MetadataResponse } from "../protocol/messages/03_metadata.ts";
import type { FindCoordinatorResponse } from "../protocol/messages/10_find_coordinator.ts";
import type { DescribeClusterResponse } from "../protocol/messages/60_describe_cluster.ts";
import type { ListConfigResourcesResponse } from "../protocol/messages/74_list_config_resources.ts";
import type { DescribeTopicPartitionsResponse } from "../protocol/messages/75_describe_topic_partitions.ts";
import { handleMetadata } from "./03_metadata.ts";
import { handleFindCoordinator } from "./10_find_coordinator.ts";
import { handleDescribeCluster } from "./60_describe_cluster.ts";
import { handleListConfigResources } from "./74_list_config_resources.ts";
import { handleDescribeTopicPartitions } from "./75_describe_topic_partitions.ts";
import { OTHER_TOPIC_ID, testServices, TOPIC_ID, topicImage, WireExchange } from "./handler_testing.ts";

/** Broker 1 is this one, 2 the controller. 3 has no address for the client's listener, 4 is fenced, 5 does not exist. */
const brokers: readonly BrokerImage[] = [
  { nodeId: 1, rack: null, state: "active", advertised: [], directories: [] },
  at(2, { rack: "r", state: "stopping" }),
  at(3, { listener: "OTHER" }),
  at(4, { state: "fenced" }),
];
const BROKERS = [
  { nodeId: 1, host: "192.0.2.7", port: 19092, rack: null },
  { nodeId: 2, host: "host2", port: 9092, rack: "r" },
];
const FENCED = { brokerId: 4, host: "host4", port: 9092, rack: null, isFenced: true };

/** A broker with an address. */
function at(
  nodeId: number,
  { rack = null, state = "active", listener = "PLAINTEXT" }: Partial<BrokerImage> & { readonly listener?: string },
): BrokerImage {
  const advertised = [{ name: listener, host: `host${nodeId}`, port: 9092 }];
  return { nodeId, rack, state, advertised, directories: [] };
}

/** A topic whose partitions are led by brokers 1 to 5. */
function ledByAll(name: string, id: string, partitions = 5) {
  const topic = topicImage(name, id, partitions);
  return {
    ...topic,
    partitions: topic.partitions.map((it) => ({
      ...it,
      leader: 1 + it.partition % 5,
      replicas: [1, 2, 3, 4, 5],
      elr: [4],
      lastKnownElr: [5],
    })),
  };
}

const topics = [ledByAll("a", TOPIC_ID), ledByAll("__consumer_offsets", OTHER_TOPIC_ID, 50)];
const { services } = testServices(topics, { brokers, controllerId: 2 });

/** The expected partitions of "a". */
const PARTITIONS = [
  [errorCode.NONE, 1, [3, 4, 5]],
  [errorCode.NONE, 2, [3, 4, 5]],
  [errorCode.LEADER_NOT_AVAILABLE, -1, [3, 4, 5]],
  [errorCode.LEADER_NOT_AVAILABLE, -1, [3, 4, 5]],
  [errorCode.LEADER_NOT_AVAILABLE, -1, [3, 4, 5]],
];

Deno.test("handleMetadata() lists the brokers that its client reaches, and leaders among them", () => {
  const exchange = new WireExchange<MetadataResponse>(3, 12);
  const asked = { topics: [{ name: "a", topicId: "AAAAAAAAAAAAAAAAAAAAAA" }], allowAutoTopicCreation: false };
  const operations = { includeClusterAuthorizedOperations: false, includeTopicAuthorizedOperations: false };
  handleMetadata({ ...asked, ...operations }, exchange, services);
  const { brokers, controllerId, topics } = exchange.answer;
  assert.deepEqual([brokers, controllerId], [BROKERS, 2]);
  const found = topics[0]?.partitions.map((it) => [it.errorCode, it.leaderId, it.offlineReplicas]);
  assert.deepEqual(found, PARTITIONS);
  const [leaderless] = topics[0]?.partitions.slice(4) ?? [];
  assert.deepEqual([leaderless?.leaderEpoch, leaderless?.isrNodes], [3, [1]], "both are those of the row");
});

Deno.test("handleDescribeTopicPartitions() names the same leaders and replicas", () => {
  const exchange = new WireExchange<DescribeTopicPartitionsResponse>(75, 0);
  const request = { topics: [{ name: "a" }], responsePartitionLimit: 100, cursor: null };
  handleDescribeTopicPartitions(request, exchange, services);
  const found = exchange.answer.topics[0]?.partitions.map((it) => [it.errorCode, it.leaderId, it.offlineReplicas]);
  assert.deepEqual(found, PARTITIONS);
  const [first] = exchange.answer.topics[0]?.partitions ?? [];
  assert.deepEqual([first?.eligibleLeaderReplicas, first?.lastKnownElr], [[4], [5]]);
});

Deno.test("handleDescribeCluster() lists the same brokers and controller, and fenced brokers when it is asked for them", () => {
  for (const includeFencedBrokers of [false, true]) {
    const exchange = new WireExchange<DescribeClusterResponse>(60, 2);
    const request = { includeClusterAuthorizedOperations: false, endpointType: 1, includeFencedBrokers };
    handleDescribeCluster(request, exchange, services);
    const unfenced = BROKERS.map(({ nodeId, ...address }) => ({ brokerId: nodeId, ...address, isFenced: false }));
    const expected = includeFencedBrokers ? [...unfenced, FENCED] : unfenced;
    assert.deepEqual([exchange.answer.brokers, exchange.answer.controllerId], [expected, 2]);
  }
});

Deno.test("handleListConfigResources() lists the same brokers", () => {
  const exchange = new WireExchange<ListConfigResourcesResponse>(74, 1);
  handleListConfigResources({ resourceTypes: [4] }, exchange, services);
  assert.deepEqual(exchange.answer.configResources.map(({ resourceName }) => resourceName), ["1", "2"]);
});

Deno.test("handleFindCoordinator() names the broker that leads the group's partition, and none that the client cannot reach", () => {
  const groups = new Map<number, string>();
  for (let n = 0; groups.size < 5; n++) groups.set(1 + partitionOfKey(`g${n}`, 50) % 5, `g${n}`);
  const exchange = new WireExchange<FindCoordinatorResponse>(10, 4);
  const coordinatorKeys = [1, 2, 3, 4, 5].map((leader) => groups.get(leader) as string);
  handleFindCoordinator({ key: "", keyType: 0, coordinatorKeys }, exchange, services);
  const found = exchange.answer.coordinators?.map(({ errorCode: code, nodeId, host, port }) => [
    code,
    nodeId,
    host,
    port,
  ]);
  assert.deepEqual(found, [
    [errorCode.NONE, 1, "192.0.2.7", 19092],
    [errorCode.NONE, 2, "host2", 9092],
    [errorCode.COORDINATOR_NOT_AVAILABLE, -1, "", -1],
    [errorCode.COORDINATOR_NOT_AVAILABLE, -1, "", -1],
    [errorCode.COORDINATOR_NOT_AVAILABLE, -1, "", -1],
  ]);
});
