/**
 * Checks the brokers that a client assigns to a partition. Pure; the main isolate runs it for CreateTopics, CreatePartitions and
 * AlterPartitionReassignments.
 *
 * A broker that is fenced or stopping may be assigned: it follows later. Of a new partition one at least must be active, because it
 * leads.
 * Source: Kafka's ReplicationControlManager.validateManualPartitionAssignment and createTopic, with their sentences.
 */
import type { PlaceableBroker } from "./replica_placement.ts";

/**
 * Checks one partition.
 * @param assigned the node ids, the preferred leader first, and the partition's number
 * @param brokers all that are registered
 * @param expected how many replicas the partitions before it have
 * @returns null, or the sentence that refuses them (INVALID_REPLICA_ASSIGNMENT)
 */
export function refuseAssignment(
  assigned: { readonly brokerIds: readonly number[]; readonly partition: number },
  brokers: readonly PlaceableBroker[],
  expected: number,
): string | null {
  const { brokerIds, partition } = assigned;
  const wrong = refuseReplicas(brokerIds, brokers);
  if (wrong !== null) return wrong;
  if (brokerIds.length !== expected) {
    return `The manual partition assignment includes a partition with ${brokerIds.length} replica(s), but this is not consistent with ` +
      `previous partitions, which have ${expected} replica(s).`;
  }
  const isActive = (id: number) => brokers.some(({ nodeId, state }) => nodeId === id && state === "active");
  if (brokerIds.some(isActive)) return null;
  return `All brokers specified in the manual partition assignment for partition ${partition} are fenced or in controlled ` +
    "shutdown.";
}

/** Checks the replicas of a partition, new or not. @returns null, or the sentence that refuses them (INVALID_REPLICA_ASSIGNMENT) */
export function refuseReplicas(brokerIds: readonly number[], brokers: readonly PlaceableBroker[]): string | null {
  const wrong = wrongIn(brokerIds, brokers);
  return wrong === null ? null : `The manual partition assignment includes ${wrong}`;
}

function wrongIn(brokerIds: readonly number[], brokers: readonly PlaceableBroker[]): string | null {
  if (brokerIds.length === 0) return "an empty replica list.";
  const sorted = brokerIds.toSorted((a, b) => a - b);
  for (const [index, id] of sorted.entries()) {
    if (!brokers.some(({ nodeId }) => nodeId === id)) return `broker ${id}, but no such broker is registered.`;
    if (id === sorted[index - 1]) return `the broker ${id} more than once.`;
  }
  return null;
}
