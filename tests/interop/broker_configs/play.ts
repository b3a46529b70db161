/** Plays the cases of cases.ts and of kafka-configs against a broker. Main isolate of a test. */
import { KafkaClient } from "../../kafka_client.ts";
import { create } from "../../topic_requests.ts";
import { type AdminAnswer, answersTo } from "../admin/play.ts";
import { brokerConfigCases } from "./cases.ts";

/** Where Kafka's answers are kept, one per line. */
export const ANSWERS = new URL("../../golden/broker_configs_kafka_4.3.1.jsonl", import.meta.url);

/** Sends all cases. @param after awaited after each */
export async function playBrokerConfigCases(port: number, after?: () => Promise<void>): Promise<AdminAnswer[]> {
  using client = await KafkaClient.connect({ port });
  await create(client, "plain");
  await create(client, "own", 1, { "retention.ms": "7" });
  return await answersTo(client, brokerConfigCases, { after });
}
