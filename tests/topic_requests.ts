/**
 * Requests about topics, and two clients that send them. Test code.
 */
import { strict as assert } from "node:assert";
import { errorCode } from "../net/protocol/error_codes.ts";
import { produceRequest, produceResponse } from "../net/protocol/messages/00_produce.ts";
import { createTopicsRequest, createTopicsResponse } from "../net/protocol/messages/19_create_topics.ts";
import { KafkaClient } from "./kafka_client.ts";
import { buildBatch } from "./record_batch_builder.ts";

/** Calls with two clients. Connections are distributed evenly: with two shards, one on each. */
export async function withClients<T>(
  broker: { readonly port: number },
  use: (one: KafkaClient, two: KafkaClient) => Promise<T>,
): Promise<T> {
  using one = await KafkaClient.connect(broker);
  using two = await KafkaClient.connect(broker);
  return await use(one, two);
}

/** Creates a topic. @returns the answer about it @throws AssertionError when it was refused */
export async function create(
  client: KafkaClient,
  name: string,
  numPartitions = 1,
  configs: Readonly<Record<string, string>> = {},
) {
  const topics = [{
    name,
    numPartitions,
    replicationFactor: 1,
    configs: Object.entries(configs).map(([name, value]) => ({ name, value })),
  }];
  const value = { topics, timeoutMs: 5000 };
  const answer = await client.call(createTopicsRequest, createTopicsResponse, { apiVersion: 7, value });
  const topic = answer.topics[0]!;
  assert.equal(topic.errorCode, errorCode.NONE, topic.errorMessage ?? "");
  return topic;
}

/** A Produce of one batch. */
export function produceTo(topic: string, partition: number, records: Uint8Array, acks = -1) {
  const topicData = [{ name: topic, partitionData: [{ index: partition, records }] }];
  return { transactionalId: null, acks, timeoutMs: 5000, topicData };
}

/** Appends records in one batch. @returns error code and base offset */
export async function append(
  client: KafkaClient,
  topic: string,
  partition: number,
  values: readonly string[] = ["a record"],
): Promise<[code: number, baseOffset: number]> {
  const records = buildBatch(values.map((value) => ({ value })), { baseTimestamp: Date.now() });
  const value = produceTo(topic, partition, records);
  const answer = await client.call(produceRequest, produceResponse, { apiVersion: 9, value });
  const { errorCode: code, baseOffset } = answer.responses[0]!.partitionResponses[0]!;
  return [code, baseOffset];
}
