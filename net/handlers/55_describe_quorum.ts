/**
 * DescribeQuorum, API key 55: who keeps the metadata. Kafka answers about its Raft log `__cluster_metadata`. Here the metadata is in a
 * store that is no voter of Kafka's protocol, so the answer is what is true of it: one voter, the controller, which has all of it.
 *
 * v0 flexible (KIP-595) · v1 times (KIP-836) · v2 messages, directory, addresses (KIP-853).
 *
 * Log end and high watermark are the version of the metadata that this broker has, which rises with each change. In a cluster the leader
 * epoch is the controller's, and the voter is the elected controller, at the address that it advertises to the client's listener. There
 * are no observers: nobody knows how far other brokers have read the store.
 */
import { errorCode, errorMessage } from "../protocol/error_codes.ts";
import {
  type DescribeQuorumRequest,
  describeQuorumRequest,
  type DescribeQuorumResponse,
  describeQuorumResponse,
} from "../protocol/messages/55_describe_quorum.ts";
import { ZERO_UUID } from "../../storage/base/uuid.ts";
import { api } from "../requests/api.ts";
import { CLUSTER, CLUSTER_REFUSAL } from "../requests/authorization.ts";
import { NO_CONTROLLER } from "../requests/cluster_view.ts";
import type { Exchange, ShardServices } from "../requests/handler.ts";

/** The row of DescribeQuorum. */
export const describeQuorumApi = api({
  key: 55,
  name: "DescribeQuorum",
  served: [0, 2],
  request: describeQuorumRequest,
  response: describeQuorumResponse,
  needs: {
    operation: "DESCRIBE",
    resourceOf: () => CLUSTER,
    refuse: () => ({ ...CLUSTER_REFUSAL, topics: [] }),
  },
  elementsMax: 1 << 13, // topics, partitions
  isReadOnly: true,
  handle: handleDescribeQuorum,
});

/** Kafka's name for the metadata (Topic.CLUSTER_METADATA_TOPIC_NAME), and its only partition. */
const METADATA_TOPIC = "__cluster_metadata";
const METADATA_PARTITION = 0;
/** Kafka's sentence for other topics and partitions. */
const UNKNOWN_TOPIC = "This server does not host this topic-partition.";
/** The largest epoch that the answer can carry (int32). */
const LEADER_EPOCH_MAX = 2 ** 31 - 1;

/** Handles DescribeQuorum. */
export function handleDescribeQuorum(
  request: DescribeQuorumRequest,
  exchange: Exchange<DescribeQuorumResponse>,
  services: ShardServices,
): void {
  if (!asksForMetadata(request)) {
    return exchange.respond(refuse(request, errorCode.UNKNOWN_TOPIC_OR_PARTITION, UNKNOWN_TOPIC));
  }
  const { controllerId } = services.image;
  // As a Kafka that has not elected a leader yet; clients ask again.
  if (controllerId === NO_CONTROLLER) return exchange.respond(refuse(request, errorCode.NOT_LEADER_OR_FOLLOWER));
  exchange.respond(describe(controllerId, exchange, services));
}

/** Whether the request names the metadata alone, once. */
function asksForMetadata({ topics }: DescribeQuorumRequest): boolean {
  const [topic] = topics;
  return topics.length === 1 && topic?.topicName === METADATA_TOPIC && topic.partitions.length === 1 &&
    topic.partitions[0]?.partitionIndex === METADATA_PARTITION;
}

/** Refuses every partition that the request names. */
function refuse(
  { topics }: DescribeQuorumRequest,
  code: number,
  message = errorMessage(code),
): DescribeQuorumResponse {
  const refusal = { errorCode: code, errorMessage: message };
  return {
    topics: topics.map(({ topicName, partitions }) => ({
      topicName,
      partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, ...refusal })),
    })),
  };
}

function describe(
  controllerId: number,
  { context }: Exchange<DescribeQuorumResponse>,
  { image, cluster, clock }: ShardServices,
): DescribeQuorumResponse {
  const nowMs = clock.wallMs();
  const voter = {
    replicaId: controllerId,
    replicaDirectoryId: ZERO_UUID, // as in Kafka, unless voters are added and removed (kraft.version 1)
    logEndOffset: image.version,
    lastFetchTimestamp: nowMs,
    lastCaughtUpTimestamp: nowMs,
  };
  const partition = {
    partitionIndex: METADATA_PARTITION,
    leaderId: controllerId,
    leaderEpoch: Math.min(image.controllerEpoch, LEADER_EPOCH_MAX),
    highWatermark: image.version,
    currentVoters: [voter],
  };
  const address = cluster.addressOf(controllerId, context);
  const listeners = address === null ? [] : [{ name: context.listenerName, host: address.host, port: address.port }];
  return {
    topics: [{ topicName: METADATA_TOPIC, partitions: [partition] }],
    nodes: [{ nodeId: controllerId, listeners }],
  };
}
