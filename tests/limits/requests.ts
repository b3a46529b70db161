/**
 * Requests for the tests of limits. Test code.
 */
import { strict as assert } from "node:assert";
import { produceRequest, produceResponse } from "../../net/protocol/messages/00_produce.ts";
import { fetchRequest, fetchResponse } from "../../net/protocol/messages/01_fetch.ts";
import { frameOf, type KafkaClient } from "../kafka_client.ts";
import { buildBatch } from "../record_batch_builder.ts";
import { fetchOf as fetchFrom } from "../topic_requests.ts";

/** Version of Produce used. */
export const PRODUCE = 9;
/** Version of Fetch used. */
export const FETCH = 12;

/** A batch of one record of this size, in topic "t". */
export function produceOf(partition: number, valueBytes: number) {
  const records = buildBatch([{ value: new Uint8Array(valueBytes).fill(7) }], { baseTimestamp: Date.now() });
  const topicData = [{ name: "t", partitionData: [{ index: partition, records }] }];
  return { transactionalId: null, acks: -1, timeoutMs: 30_000, topicData };
}

/** A whole produce request, with its size. */
export function produceFrame(partition: number, valueBytes: number, correlationId = 1): Uint8Array {
  return frameOf(produceRequest, { apiVersion: PRODUCE, correlationId }, produceOf(partition, valueBytes));
}

/** Appends a record. @returns its offset @throws AssertionError when it was refused */
export async function produce(client: KafkaClient, partition: number, valueBytes: number): Promise<number> {
  const value = produceOf(partition, valueBytes);
  const { responses } = await client.call(produceRequest, produceResponse, { apiVersion: PRODUCE, value });
  return offsetOf(responses);
}

/** Receives the answer to a produce. @returns the record's offset @throws AssertionError when it was refused */
export async function receiveProduced(client: KafkaClient): Promise<number> {
  const answer = await client.receive(produceResponse, PRODUCE);
  assert.ok(answer !== null, "the broker closed the connection");
  return offsetOf(answer.response.responses);
}

function offsetOf(
  responses: readonly { partitionResponses: readonly { errorCode: number; baseOffset: number }[] }[],
): number {
  const [part] = responses[0]?.partitionResponses ?? [];
  assert.equal(part?.errorCode, 0);
  return part?.baseOffset ?? -1;
}

/** A fetch of one partition of topic "t". */
export function fetchOf(
  partition: number,
  of: { offset: number; maxBytes?: number; maxWaitMs?: number; minBytes?: number },
) {
  const { offset, maxBytes = 1 << 20, maxWaitMs = 0, minBytes = 1 } = of;
  return { ...fetchFrom(["t", partition], offset, maxBytes), maxWaitMs, minBytes };
}

/** Fetches. @returns bytes of records */
export async function fetchBytes(client: KafkaClient, partition: number, offset: number): Promise<number> {
  await client.send(fetchRequest, FETCH, fetchOf(partition, { offset }));
  const answer = await client.receive(fetchResponse, FETCH);
  const [part] = answer?.response.responses[0]?.partitions ?? [];
  assert.equal(part?.errorCode, 0);
  return part?.records?.length ?? 0;
}
