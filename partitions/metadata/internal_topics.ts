/**
 * Topics that are created automatically: ordinary topics with the broker's defaults, Kafka's internal topics with the configs that their
 * coordinators need. Pure; the main isolate runs it.
 *
 * Source: Kafka's AutoTopicCreationManager and GroupCoordinatorService.groupMetadataTopicConfigs.
 */
import type { CreatableTopic } from "../../net/protocol/messages/19_create_topics.ts";
import type { BrokerConfig } from "../config/broker/broker_config.ts";
import { OFFSETS_TOPIC } from "../coordinators/key_partition.ts";
import { isInternalTopic, refuseTopicName } from "./topic_names.ts";

/** Whether a topic may be created automatically. Of Kafka's internal topics only the one whose coordinator exists. */
export function isAutoCreatable(name: string): boolean {
  return name === OFFSETS_TOPIC || (refuseTopicName(name) === null && !isInternalTopic(name));
}

/**
 * An automatically created topic, in the form of a request.
 * @param replicasMax most replicas that a partition may have: the offsets topic gets no more; it waits for as many brokers, as in Kafka
 */
export function autoCreatedTopic(name: string, config: BrokerConfig, replicasMax: number): CreatableTopic {
  if (name !== OFFSETS_TOPIC) return { name, numPartitions: -1, replicationFactor: -1, assignments: [], configs: [] };
  return {
    name,
    numPartitions: config.offsetsTopicNumPartitions,
    replicationFactor: Math.min(config.offsetsTopicReplicationFactor, replicasMax),
    assignments: [],
    configs: [
      { name: "cleanup.policy", value: "compact" },
      { name: "compression.type", value: "producer" },
      { name: "segment.bytes", value: String(config.offsetsTopicSegmentBytes) },
    ],
  };
}

/** Says that a topic of the cluster has fewer replicas than its setting asks for. @returns null when it has as many, or is no such topic */
export function fewerReplicas(name: string, config: BrokerConfig, replicasMax: number): string | null {
  const asked = config.offsetsTopicReplicationFactor;
  if (name !== OFFSETS_TOPIC || asked <= replicasMax) return null;
  return `Topic ${name} has ${replicasMax} replica(s), although offsets.topic.replication.factor is ${asked}: replication between ` +
    "brokers is not supported so far. Groups wait while the brokers that have their committed offsets are away";
}
