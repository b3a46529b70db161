/**
 * Topics that are created because somebody needs them: an ordinary one with the broker's defaults, Kafka's own with what their
 * coordinators need. Pure; the main isolate runs it.
 *
 * Source: Kafka's AutoTopicCreationManager and GroupCoordinatorService.groupMetadataTopicConfigs.
 */
import type { CreatableTopic } from "../../net/protocol/messages/19_create_topics.ts";
import type { BrokerConfig } from "../config/broker/broker_config.ts";
import { OFFSETS_TOPIC } from "../coordinators/key_partition.ts";
import { isInternalTopic, refuseTopicName } from "./topic_names.ts";

/** Whether a topic may be created by being asked for. Of Kafka's own topics only the one whose coordinator exists. */
export function isAutoCreatable(name: string): boolean {
  return name === OFFSETS_TOPIC || (refuseTopicName(name) === null && !isInternalTopic(name));
}

/**
 * A topic that is created by being asked for, as a request would ask for it.
 * @param brokersCount brokers that are alive: the offsets of a small cluster have fewer replicas, where Kafka's would wait for more
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
