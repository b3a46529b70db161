/**
 * Requests about topics, and two clients that send them. Test code.
 */
import { strict as assert } from "node:assert";
import { errorCode } from "../net/protocol/error_codes.ts";
import { produceRequest, produceResponse } from "../net/protocol/messages/00_produce.ts";
import { fetchRequest, fetchResponse } from "../net/protocol/messages/01_fetch.ts";
import { listOffsetsRequest, listOffsetsResponse } from "../net/protocol/messages/02_list_offsets.ts";
import { createTopicsRequest, createTopicsResponse } from "../net/protocol/messages/19_create_topics.ts";
import {
  incrementalAlterConfigsRequest,
  incrementalAlterConfigsResponse,
} from "../net/protocol/messages/44_incremental_alter_configs.ts";
import { KafkaClient } from "./kafka_client.ts";
import { batchesIn, type StoredBatch } from "./log_fixture.ts";
import { buildBatch } from "./record_batch_builder.ts";

/** Timestamp by which ListOffsets asks for the end of a partition. */
export const LATEST = -1;
/** The offset of the first record. */
export const EARLIEST = -2;

const FETCH_BYTES_MAX = 1 << 20;
const [TOPIC, SET, DELETE] = [2, 0, 1];

/** A partition by its names. */
export type NamedPartition = readonly [topic: string, partition: number];

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
  return await appendBatch(client, [topic, partition], records);
}

/** Appends a batch. @returns error code and base offset */
export async function appendBatch(
  client: KafkaClient,
  [topic, partition]: NamedPartition,
  records: Uint8Array,
): Promise<[code: number, baseOffset: number]> {
  const value = produceTo(topic, partition, records);
  const answer = await client.call(produceRequest, produceResponse, { apiVersion: 9, value });
  const { errorCode: code, baseOffset } = answer.responses[0]!.partitionResponses[0]!;
  return [code, baseOffset];
}

/** Asks for an offset by a timestamp, `LATEST` or `EARLIEST`. @returns error code and offset */
export async function listOffset(
  client: KafkaClient,
  [name, partitionIndex]: NamedPartition,
  timestamp: number,
): Promise<[code: number, offset: number]> {
  const topics = [{ name, partitions: [{ partitionIndex, currentLeaderEpoch: -1, timestamp }] }];
  const value = { replicaId: -1, isolationLevel: 0, topics, timeoutMs: 0 };
  const answer = await client.call(listOffsetsRequest, listOffsetsResponse, { apiVersion: 7, value });
  const { errorCode: code, offset } = answer.topics[0]!.partitions[0]!;
  return [code, offset];
}

/** A Fetch from an offset, which does not wait. */
export function fetchOf([topic, partition]: NamedPartition, fetchOffset: number, bytesMax = FETCH_BYTES_MAX) {
  const of = { partition, fetchOffset, partitionMaxBytes: bytesMax, currentLeaderEpoch: -1, lastFetchedEpoch: -1 };
  return { maxWaitMs: 0, minBytes: 0, maxBytes: bytesMax, sessionEpoch: -1, topics: [{ topic, partitions: [of] }] };
}

/** Fetches from an offset. @returns the batches of the answer; the first one may begin before the offset */
export async function fetchBatches(
  client: KafkaClient,
  from: NamedPartition,
  fetchOffset: number,
  bytesMax = FETCH_BYTES_MAX,
): Promise<StoredBatch[]> {
  await client.send(fetchRequest, 12, fetchOf(from, fetchOffset, bytesMax));
  const answer = await client.receive(fetchResponse, 12);
  const partition = answer?.response.responses[0]?.partitions[0];
  assert.ok(answer !== null && partition !== undefined);
  assert.equal(partition.errorCode, errorCode.NONE, `${from.join("-")} at ${fetchOffset}`);
  const { start, length } = partition.records ?? { start: 0, length: 0 };
  return batchesIn(answer.reader.bytes.subarray(start, start + length));
}

/** Reads a partition from an offset to its end, as a consumer does. */
export async function readBatches(client: KafkaClient, from: NamedPartition, offset = 0): Promise<StoredBatch[]> {
  const found: StoredBatch[] = [];
  for (let next = offset;;) {
    const batches = await fetchBatches(client, from, next);
    if (batches.length === 0) return found;
    found.push(...batches);
    next = batches.at(-1)!.lastOffset + 1;
  }
}

/** Changes configs of a resource; null removes one. @returns error code and message */
export async function alterConfigs(
  client: KafkaClient,
  [resourceType, resourceName]: readonly [type: number, name: string],
  configs: Readonly<Record<string, string | null>>,
): Promise<[code: number, message: string | null]> {
  const altered = Object.entries(configs).map(([name, value]) => {
    return { name, value, configOperation: value === null ? DELETE : SET };
  });
  const value = { resources: [{ resourceType, resourceName, configs: altered }], validateOnly: false };
  const of = { apiVersion: 1, value };
  const answer = await client.call(incrementalAlterConfigsRequest, incrementalAlterConfigsResponse, of);
  const { errorCode: code, errorMessage } = answer.responses[0]!;
  return [code, errorMessage];
}

/** Changes configs of a topic. @throws AssertionError when it was refused */
export async function configure(
  client: KafkaClient,
  topic: string,
  configs: Readonly<Record<string, string>>,
): Promise<void> {
  const [code, message] = await alterConfigs(client, [TOPIC, topic], configs);
  assert.equal(code, errorCode.NONE, message ?? "");
}
