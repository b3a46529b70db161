/**
 * Topics that are created automatically: ordinary topics with the broker's defaults, Kafka's internal topics with the configs that their
 * coordinators need. Pure; the main isolate runs it.
 *
 * Source: Kafka's AutoTopicCreationManager and GroupCoordinatorService.groupMetadataTopicConfigs.
 */
import { errorCode } from "../../net/protocol/error_codes.ts";
import type { CreatableTopic } from "../../net/protocol/messages/19_create_topics.ts";
import type { BrokerConfig } from "../config/broker/broker_config.ts";
import { OFFSETS_TOPIC } from "../coordinators/key_partition.ts";
import type { CreationRefusal } from "./topic_creation.ts";
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

/** How many topics are remembered whose creation was refused. */
const REFUSED_MAX = 100;
const GROUPS_WAIT =
  " Groups wait for as many brokers as offsets.topic.replication.factor says: start more of them, or set it lower";

/** Says once why a topic cannot be created automatically: clients ask for it again and again. */
export class RefusedCreations {
  readonly #report: (text: string) => void;
  /** What was said, by topic. */
  readonly #said = new Map<string, string>();

  /** @param report gets sentences for the operator */
  constructor(report: (text: string) => void) {
    this.#report = report;
  }

  /** A creation was refused. */
  refused(name: string, refusal: CreationRefusal): void {
    // The client has used more than its quota, and asks again.
    if (refusal.errorCode === errorCode.THROTTLING_QUOTA_EXCEEDED) return;
    const why = refusal.errorMessage;
    if (this.#said.get(name) === why) return;
    if (this.#said.size >= REFUSED_MAX) this.#said.clear();
    this.#said.set(name, why);
    const waits = name === OFFSETS_TOPIC && refusal.errorCode === errorCode.INVALID_REPLICATION_FACTOR;
    this.#report(`Cannot create topic ${name}: ${why}${waits ? GROUPS_WAIT : ""}`);
  }

  /** The topic exists. */
  created(name: string): void {
    this.#said.delete(name);
  }
}
