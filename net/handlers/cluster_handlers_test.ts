/** Answers of the handlers that name brokers, in a cluster of several. */
import assert from "node:assert/strict";
import { partitionOfKey } from "../../partitions/mod.ts";
import { errorCode } from "../protocol/error_codes.ts";
import type { MetadataResponse } from "../protocol/messages/03_metadata.ts";
import type { FindCoordinatorResponse } from "../protocol/messages/10_find_coordinator.ts";
import type { DescribeClusterResponse } from "../protocol/messages/60_describe_cluster.ts";
import type { ListConfigResourcesResponse } from "../protocol/messages/74_list_config_resources.ts";
import type { DescribeTopicPartitionsResponse } from "../protocol/messages/75_describe_topic_partitions.ts";
import { ClusterView } from "../requests/cluster_view.ts";
import { handleMetadata } from "./03_metadata.ts";
import { handleFindCoordinator } from "./10_find_coordinator.ts";
import { handleDescribeCluster } from "./60_describe_cluster.ts";
import { handleListConfigResources } from "./74_list_config_resources.ts";
import { handleDescribeTopicPartitions } from "./75_describe_topic_partitions.ts";
import { OTHER_TOPIC_ID, testServices, TOPIC_ID, topicImage, WireExchange } from "./handler_testing.ts";

/** Broker 1 is this one, 2 the controller. 3 has no address for the client's listener, 4 does not exist. */
const cluster = new ClusterView({
  clusterId: "test-cluster",
  controllerId: 2,
  ownId: 1,
  brokers: [
    { nodeId: 1, rack: null, advertised: [] },
    { nodeId: 2, rack: "r", advertised: [{ name: "PLAINTEXT", host: "two", port: 9093 }] },
    { nodeId: 3, rack: null, advertised: [{ name: "OTHER", host: "three", port: 9094 }] },
  ],
});
const BROKERS = [
  { nodeId: 1, host: "192.0.2.7", port: 19092, rack: null },
  { nodeId: 2, host: "two", port: 9093, rack: "r" },
];

/** A topic whose partitions are led by brokers 1 to 4. */
function ledByAll(name: string, id: string, partitions = 4) {
  const topic = topicImage(name, id, partitions);
  return {
    ...topic,
    partitions: topic.partitions.map((it) => ({ ...it, leader: 1 + it.partition % 4, replicas: [1, 2, 3, 4] })),
  };
}

const services = {
  ...testServices([ledByAll("a", TOPIC_ID), ledByAll("__consumer_offsets", OTHER_TOPIC_ID, 50)]).services,
  cluster,
};

/** The expected partitions of "a". */
const PARTITIONS = [
  [errorCode.NONE, 1, [3, 4]],
  [errorCode.NONE, 2, [3, 4]],
  [errorCode.LEADER_NOT_AVAILABLE, -1, [3, 4]],
  [errorCode.LEADER_NOT_AVAILABLE, -1, [3, 4]],
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
});

Deno.test("handleDescribeTopicPartitions() names the same leaders and replicas", () => {
  const exchange = new WireExchange<DescribeTopicPartitionsResponse>(75, 0);
  const request = { topics: [{ name: "a" }], responsePartitionLimit: 100, cursor: null };
  handleDescribeTopicPartitions(request, exchange, services);
  const found = exchange.answer.topics[0]?.partitions.map((it) => [it.errorCode, it.leaderId, it.offlineReplicas]);
  assert.deepEqual(found, PARTITIONS);
});

Deno.test("handleDescribeCluster() lists the same brokers and controller", () => {
  const exchange = new WireExchange<DescribeClusterResponse>(60, 2);
  const request = { includeClusterAuthorizedOperations: false, endpointType: 1, includeFencedBrokers: false };
  handleDescribeCluster(request, exchange, services);
  const { brokers, controllerId } = exchange.answer;
  const expected = BROKERS.map(({ nodeId, ...address }) => ({ brokerId: nodeId, ...address, isFenced: false }));
  assert.deepEqual([brokers, controllerId], [expected, 2]);
});

Deno.test("handleListConfigResources() lists the same brokers", () => {
  const exchange = new WireExchange<ListConfigResourcesResponse>(74, 1);
  handleListConfigResources({ resourceTypes: [4] }, exchange, services);
  assert.deepEqual(exchange.answer.configResources.map(({ resourceName }) => resourceName), ["1", "2"]);
});

Deno.test("handleFindCoordinator() names the broker that leads the group's partition, and none that the client cannot reach", () => {
  const groups = new Map<number, string>();
  for (let n = 0; groups.size < 4; n++) groups.set(1 + partitionOfKey(`g${n}`, 50) % 4, `g${n}`);
  const exchange = new WireExchange<FindCoordinatorResponse>(10, 4);
  const coordinatorKeys = [1, 2, 3, 4].map((leader) => groups.get(leader) as string);
  handleFindCoordinator({ key: "", keyType: 0, coordinatorKeys }, exchange, services);
  const found = exchange.answer.coordinators?.map(({ errorCode: code, nodeId, host, port }) => [
    code,
    nodeId,
    host,
    port,
  ]);
  assert.deepEqual(found, [
    [errorCode.NONE, 1, "192.0.2.7", 19092],
    [errorCode.NONE, 2, "two", 9093],
    [errorCode.COORDINATOR_NOT_AVAILABLE, -1, "", -1],
    [errorCode.COORDINATOR_NOT_AVAILABLE, -1, "", -1],
  ]);
});
