/**
 * ListPartitionReassignments, API key 46 (KIP-455): the reassignments that are under way, from the shard's copy of the image.
 *
 * v0 flexible. Topics, and partitions within a topic, come in the order in which the request names them; without names, all topics. What
 * is not being reassigned, or does not exist, is left out.
 */
import type { PartitionImage, TopicImage } from "../../partitions/mod.ts";
import {
  type ListPartitionReassignmentsRequest,
  listPartitionReassignmentsRequest,
  type ListPartitionReassignmentsResponse,
  listPartitionReassignmentsResponse,
  type OngoingPartitionReassignment,
  type OngoingTopicReassignment,
} from "../protocol/messages/46_list_partition_reassignments.ts";
import { api } from "../requests/api.ts";
import { CLUSTER, CLUSTER_REFUSAL } from "../requests/authorization.ts";
import type { Exchange, ShardServices } from "../requests/handler.ts";

/** The row of ListPartitionReassignments. */
export const listPartitionReassignmentsApi = api({
  key: 46,
  name: "ListPartitionReassignments",
  served: [0, 0],
  request: listPartitionReassignmentsRequest,
  response: listPartitionReassignmentsResponse,
  needs: {
    operation: "DESCRIBE",
    resourceOf: () => CLUSTER,
    refuse: () => ({ ...CLUSTER_REFUSAL, topics: [] }),
  },
  elementsMax: 1 << 14, // topics, partitions
  isReadOnly: true,
  handle: handleListPartitionReassignments,
});

/** Handles ListPartitionReassignments. */
export function handleListPartitionReassignments(
  { topics }: ListPartitionReassignmentsRequest,
  exchange: Exchange<ListPartitionReassignmentsResponse>,
  { image }: ShardServices,
): void {
  const listed: OngoingTopicReassignment[] = [];
  const list = ({ name }: TopicImage, places: readonly PartitionImage[]) => {
    const partitions = places.filter(isReassigning).map(describe);
    if (partitions.length > 0) listed.push({ name, partitions });
  };
  if (topics === null) { for (const topic of image.topics()) list(topic, topic.partitions); }
  for (const { name, partitionIndexes } of topics ?? []) {
    const topic = image.topic(name);
    if (topic !== undefined) list(topic, partitionIndexes.flatMap((index) => topic.partitions[index] ?? []));
  }
  exchange.respond({ topics: listed });
}

function isReassigning({ adding, removing }: PartitionImage): boolean {
  return adding !== undefined || removing !== undefined;
}

function describe(place: PartitionImage): OngoingPartitionReassignment {
  const { partition, replicas, adding = [], removing = [] } = place;
  return { partitionIndex: partition, replicas, addingReplicas: adding, removingReplicas: removing };
}
