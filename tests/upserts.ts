/** Upserts for tests of compaction: a topic of small segments, keys that are written again and again, and what a consumer finds. */
import { strict as assert } from "node:assert";
import { errorCode } from "../net/protocol/error_codes.ts";
import { RecordRunReader } from "../storage/records/record_run_reader.ts";
import type { KafkaClient } from "./kafka_client.ts";
import { type BatchOptions, buildBatch, type TestRecord } from "./record_batch_builder.ts";
import { appendBatch, readBatches } from "./topic_requests.ts";

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
  const [code, baseOffset] = await appendBatch(client, [topic, 0], batch);
  assert.equal(code, errorCode.NONE);
  return baseOffset;
}

/** Reads a partition from an offset to its end, as a consumer does. */
export async function readRecords(client: KafkaClient, topic: string, from = 0): Promise<FoundRecord[]> {
  const found: FoundRecord[] = [];
  for (const { bytes } of await readBatches(client, [topic, 0], from)) {
    const memory = { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength) };
    const reader = new RecordRunReader(memory, 0, bytes.length);
    while (reader.next()) {
      if (reader.offset < from) continue;
      found.push({ offset: reader.offset, key: text(reader.key()), value: text(reader.value()) });
    }
    assert.equal(reader.damage, null);
  }
  return found;
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
