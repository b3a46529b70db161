/** Upserts for tests of compaction: a topic of small segments, keys that are written again and again, and what a consumer finds. */
import { strict as assert } from "node:assert";
import { errorCode } from "../net/protocol/error_codes.ts";
import { produceRequest, produceResponse } from "../net/protocol/messages/00_produce.ts";
import { fetchRequest, fetchResponse } from "../net/protocol/messages/01_fetch.ts";
import {
  incrementalAlterConfigsRequest,
  incrementalAlterConfigsResponse,
} from "../net/protocol/messages/44_incremental_alter_configs.ts";
import { RecordRunReader } from "../storage/records/record_run_reader.ts";
import type { KafkaClient } from "./kafka_client.ts";
import { batchesIn } from "./log_fixture.ts";
import { type BatchOptions, buildBatch, type TestRecord } from "./record_batch_builder.ts";
import { produceTo } from "./topic_requests.ts";

/** Configs of a topic that is compacted whenever a segment is full. */
export const compactedConfigs: Readonly<Record<string, string>> = {
  "cleanup.policy": "compact",
  "internal.segment.bytes": "4000",
  "min.cleanable.dirty.ratio": "0.01",
  // Only durable records are compacted.
  "flush.messages": "1",
  "file.delete.delay.ms": "0",
};

/** A record that a consumer found. */
export interface FoundRecord {
  readonly offset: number;
  readonly key: string | null;
  readonly value: string | null;
}

const decoder = new TextDecoder();
const text = (bytes: Uint8Array | null) => bytes === null ? null : decoder.decode(bytes);

/** Appends records in one batch. @returns the base offset */
export async function upsert(
  client: KafkaClient,
  topic: string,
  records: readonly TestRecord[],
  options: BatchOptions = {},
): Promise<number> {
  const batch = buildBatch(records, { baseTimestamp: Date.now(), ...options });
  const call = { apiVersion: 9, value: produceTo(topic, 0, batch) };
  const { responses } = await client.call(produceRequest, produceResponse, call);
  const { errorCode: code, baseOffset } = responses[0]!.partitionResponses[0]!;
  assert.equal(code, errorCode.NONE);
  return baseOffset;
}

/** Changes configs of a topic. */
export async function configure(
  client: KafkaClient,
  topic: string,
  configs: Readonly<Record<string, string>>,
): Promise<void> {
  const changed = Object.entries(configs).map(([name, value]) => ({ name, configOperation: 0, value }));
  const resources = [{ resourceType: 2, resourceName: topic, configs: changed }];
  const call = { apiVersion: 1, value: { resources, validateOnly: false } };
  const answer = await client.call(incrementalAlterConfigsRequest, incrementalAlterConfigsResponse, call);
  assert.equal(answer.responses[0]?.errorCode, errorCode.NONE);
}

/** Reads a partition from an offset to its end, as a consumer does. */
export async function readRecords(client: KafkaClient, topic: string, from = 0): Promise<FoundRecord[]> {
  const found: FoundRecord[] = [];
  for (let offset = from;;) {
    const partitions = [{ partition: 0, fetchOffset: offset, partitionMaxBytes: 1 << 20 }].map((partition) => {
      return { ...partition, currentLeaderEpoch: -1, lastFetchedEpoch: -1 };
    });
    const value = { maxWaitMs: 0, minBytes: 0, maxBytes: 1 << 20, sessionEpoch: -1, topics: [{ topic, partitions }] };
    await client.send(fetchRequest, 12, value);
    const answer = await client.receive(fetchResponse, 12);
    assert.ok(answer !== null);
    const partition = answer.response.responses[0]!.partitions[0]!;
    assert.equal(partition.errorCode, errorCode.NONE);
    const { start, length } = partition.records ?? { start: 0, length: 0 };
    const { bytes } = answer.reader;
    const memory = { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength) };
    const reader = new RecordRunReader(memory, start, start + length);
    while (reader.next()) {
      if (reader.offset < offset) continue;
      found.push({ offset: reader.offset, key: text(reader.key()), value: text(reader.value()) });
    }
    assert.equal(reader.damage, null);
    const batches = batchesIn(bytes.subarray(start, start + length));
    if (batches.length === 0) return found;
    offset = batches.at(-1)!.lastOffset + 1;
  }
}

/** The last value of each key, as a table that is built from the records holds it. */
export function tableOf(records: readonly FoundRecord[]): Map<string, string> {
  const table = new Map<string, string>();
  for (const { key, value } of records) {
    if (key === null) continue;
    if (value === null) table.delete(key);
    else table.set(key, value);
  }
  return table;
}
