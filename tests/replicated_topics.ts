/** Topics with replicas on brokers that a test chooses. Test code. */
import { strict as assert } from "node:assert";
import { errorCode } from "../net/protocol/error_codes.ts";
import { createTopicsRequest, createTopicsResponse } from "../net/protocol/messages/19_create_topics.ts";
import type { KafkaClient } from "./kafka_client.ts";

/** Creates a topic. @param replicas node ids for each partition, the preferred leader first */
export async function createReplicated(
  client: KafkaClient,
  name: string,
  replicas: readonly (readonly number[])[],
  configs: Readonly<Record<string, string>> = {},
): Promise<void> {
  const assignments = replicas.map((brokerIds, partitionIndex) => ({ partitionIndex, brokerIds: [...brokerIds] }));
  const entries = Object.entries(configs).map(([name, value]) => ({ name, value }));
  const topics = [{ name, numPartitions: -1, replicationFactor: -1, assignments, configs: entries }];
  const of = { apiVersion: 7, value: { topics, timeoutMs: 30_000 } };
  const { topics: [created] } = await client.call(createTopicsRequest, createTopicsResponse, of);
  assert.equal(created?.errorCode, errorCode.NONE, created?.errorMessage ?? "");
}
