import assert from "node:assert/strict";
import type { TopicImage } from "../../partitions/mod.ts";
import type { ListPartitionReassignmentsResponse } from "../protocol/messages/46_list_partition_reassignments.ts";
import { handleListPartitionReassignments } from "./46_list_partition_reassignments.ts";
import { OTHER_TOPIC_ID, testServices, TOPIC_ID, topicImage, WireExchange } from "./handler_testing.ts";

/** A topic of three partitions, of which the last two are being reassigned. */
function reassigning(topic: TopicImage): TopicImage {
  const [place] = topic.partitions;
  assert.ok(place);
  const partitions = [
    place,
    { ...place, partition: 1, replicas: [2, 3, 1], adding: [2, 3], removing: [1] },
    { ...place, partition: 2, replicas: [1, 4], adding: [4], removing: [] },
  ];
  return { ...topic, partitions };
}

const one = { partitionIndex: 1, replicas: [2, 3, 1], addingReplicas: [2, 3], removingReplicas: [1] };
const two = { partitionIndex: 2, replicas: [1, 4], addingReplicas: [4], removingReplicas: [] };

function list(topics: { name: string; partitionIndexes: number[] }[] | null) {
  const { services } = testServices([reassigning(topicImage("t", TOPIC_ID)), topicImage("u", OTHER_TOPIC_ID)]);
  const exchange = new WireExchange<ListPartitionReassignmentsResponse>(46, 0);
  handleListPartitionReassignments({ timeoutMs: 1000, topics }, exchange, services);
  const { errorCode, errorMessage, topics: listed } = exchange.answer;
  assert.deepEqual([errorCode, errorMessage], [0, null]);
  return listed;
}

Deno.test("handleListPartitionReassignments() lists what is under way, of all topics or of those named, in their order", () => {
  assert.deepEqual(list(null), [{ name: "t", partitions: [one, two] }]);
  assert.deepEqual(list([{ name: "t", partitionIndexes: [2, 0, 1] }]), [{ name: "t", partitions: [two, one] }]);
  assert.deepEqual(list([{ name: "t", partitionIndexes: [2] }, { name: "t", partitionIndexes: [1] }]), [
    { name: "t", partitions: [two] },
    { name: "t", partitions: [one] },
  ]);
});

Deno.test("handleListPartitionReassignments() leaves out what is not under way, or does not exist", () => {
  const named = ["t", "u", "nope"].map((name) => ({ name, partitionIndexes: [0, -1, 9] }));
  assert.deepEqual(list(named), []);
  assert.deepEqual(list([]), []);
  assert.deepEqual(list([{ name: "t", partitionIndexes: [] }]), []);
});
