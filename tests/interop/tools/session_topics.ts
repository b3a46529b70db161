/** The topics and records that sessions of tools expect. Main isolate of a test. */
import assert from "node:assert/strict";
import { wireBatch } from "../../../bench/peer/wire_bytes.ts";
import { NONE, WireClient } from "../../../bench/peer/wire_client.ts";
import type { TestBroker } from "../broker.ts";

/** Timestamp of a partition's first record; record n is n hours later. */
const EPOCH = Date.parse("2025-01-01T00:00:00Z");
const HOUR_MS = 3_600_000;
/** Records of a partition. */
const RECORDS = 6;

/**
 * Creates topics.
 * @param partitions how many, by topic @param configs by topic; records are kept forever unless it says something else
 */
export async function createTopics(
  broker: TestBroker,
  partitions: Readonly<Record<string, number>>,
  configs: Readonly<Record<string, Readonly<Record<string, string>>>> = {},
): Promise<void> {
  using client = await WireClient.connect(broker.port);
  for (const [topic, count] of Object.entries(partitions)) {
    await client.createTopic(topic, count, { "retention.ms": "-1", ...configs[topic] });
  }
}

/** Appends records an hour apart, each in a batch of its own. */
export async function fillTopic(broker: TestBroker, place: { topic: string; partition: number }): Promise<void> {
  using client = await WireClient.connect(broker.port);
  for (let n = 0; n < RECORDS; n++) {
    const batch = wireBatch([{ value: new Uint8Array(10) }], { timestampMs: EPOCH + n * HOUR_MS });
    assert.equal((await client.produce(place, batch)).errorCode, NONE);
  }
}
