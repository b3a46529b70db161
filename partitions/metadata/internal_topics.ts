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
 * @param brokersCount brokers that are alive: in a small cluster the offsets topic gets fewer replicas; Kafka would wait for more brokers
 */
export function autoCreatedTopic(name: string, config: BrokerConfig, brokersCount: number): CreatableTopic {
  if (name !== OFFSETS_TOPIC) return { name, numPartitions: -1, replicationFactor: -1, assignments: [], configs: [] };
  return {
    name,
    numPartitions: config.offsetsTopicNumPartitions,
    replicationFactor: Math.min(config.offsetsTopicReplicationFactor, brokersCount),
    assignments: [],
    configs: [
      { name: "cleanup.policy", value: "compact" },
      { name: "compression.type", value: "producer" },
      { name: "segment.bytes", value: String(config.offsetsTopicSegmentBytes) },
    ],
  };
}
