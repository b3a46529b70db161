/** Plays the cases of cases.ts and of kafka-configs against a broker. Main isolate of a test. */
import { createTopicsRequest, createTopicsResponse } from "../../../net/protocol/messages/19_create_topics.ts";
import { KafkaClient } from "../../kafka_client.ts";
import { type AdminAnswer, answersTo } from "../admin/play.ts";
import { brokerConfigCases } from "./cases.ts";

/** Where Kafka's answers are kept, one per line. */
export const ANSWERS = new URL("../../golden/broker_configs_kafka_4.3.1.jsonl", import.meta.url);

/** Sends all cases. @param after awaited after each */
export async function playBrokerConfigCases(port: number, after?: () => Promise<void>): Promise<AdminAnswer[]> {
  using client = await KafkaClient.connect({ port });
  await createTopics(client);
  return await answersTo(client, brokerConfigCases, { after });
}

async function createTopics(client: KafkaClient): Promise<void> {
  const topics = [["plain"], ["own", { name: "retention.ms", value: "7" }]].map(([name, ...configs]) => ({
    name,
    numPartitions: 1,
    replicationFactor: 1,
    configs,
  }));
  const of = { apiVersion: 7, value: { topics, timeoutMs: 10_000, validateOnly: false } };
  const answer = await client.call(createTopicsRequest, createTopicsResponse, of as never);
  const refused = answer.topics.find(({ errorCode }) => errorCode !== 0);
  if (refused !== undefined) throw new Error(`Cannot create ${refused.name}: ${refused.errorMessage}`);
}
