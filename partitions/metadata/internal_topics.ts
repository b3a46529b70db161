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
 * An automatically created topic, in the form of a request. In a cluster the offsets topic waits for as many brokers as
 * `offsets.topic.replication.factor` asks for, as in Kafka.
 * @param isAlone whether no other broker can ever come: the offsets topic gets one replica
 */
export function autoCreatedTopic(name: string, config: BrokerConfig, isAlone: boolean): CreatableTopic {
  if (name !== OFFSETS_TOPIC) return { name, numPartitions: -1, replicationFactor: -1, assignments: [], configs: [] };
  return {
    name,
    numPartitions: config.offsetsTopicNumPartitions,
    replicationFactor: isAlone ? 1 : config.offsetsTopicReplicationFactor,
    assignments: [],
    configs: [
      { name: "cleanup.policy", value: "compact" },
      { name: "compression.type", value: "producer" },
      { name: "segment.bytes", value: String(config.offsetsTopicSegmentBytes) },
    ],
  };
}
