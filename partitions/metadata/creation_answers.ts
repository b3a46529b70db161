/** Parts of the controller's answers to CreateTopics. Main isolate; pure. */
import { errorCode, errorMessage } from "../../net/protocol/error_codes.ts";
import type { CreatableTopicResult } from "../../net/protocol/messages/19_create_topics.ts";
import type { BrokerConfig } from "../config/broker/broker_config.ts";
import { describeTopicConfigs } from "../config/topics/topic_configs.ts";
import type { CreationRefusal } from "./topic_creation.ts";

/** Effective configs of a topic, in the form of a CreateTopics answer. */
export type CreatableTopicConfigs = NonNullable<CreatableTopicResult["configs"]>;

/** Describes the effective configs of a topic. @param configs its own */
export function describeCreated(
  configs: Readonly<Record<string, string>>,
  config: BrokerConfig,
): CreatableTopicConfigs {
  return describeTopicConfigs(configs, config).map(({ name, value, readOnly, source, isSensitive }) => ({
    name,
    value,
    readOnly,
    configSource: source,
    isSensitive,
  }));
}

/** The refusal of a change that waited for its turn beyond its timeout. */
export const TIMED_OUT: CreationRefusal = {
  errorCode: errorCode.REQUEST_TIMED_OUT,
  errorMessage: errorMessage(errorCode.REQUEST_TIMED_OUT),
};

/** The answer for a topic that is not created. */
export function refusedCreation(
  name: string,
  { errorCode: code, errorMessage: message }: CreationRefusal,
): CreatableTopicResult {
  return { name, errorCode: code, errorMessage: message, numPartitions: -1, replicationFactor: -1, configs: [] };
}
