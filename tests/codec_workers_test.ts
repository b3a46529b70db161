/** Large batches in a running broker: codec workers unpack and pack them, and end with the broker. */
import { strict as assert } from "node:assert";
import { createHash } from "node:crypto";
import { startBroker } from "../mod.ts";
import { errorCode } from "../net/protocol/error_codes.ts";
import { produceRequest, produceResponse } from "../net/protocol/messages/00_produce.ts";
import { BATCH_HEADER_BYTES, type CodecName, codecNames } from "../storage/records/record_batch.ts";
import { KafkaClient } from "./kafka_client.ts";
import { buildBatch } from "./record_batch_builder.ts";
import { withDirectory } from "./temporary_directory.ts";
import { appendBatch, create, fetchBatches, listOffset, produceTo, withClients } from "./topic_requests.ts";

const VERSION = 9;
/** A worker needs some milliseconds, and a thousand round trips take longer. */
const TRIES_MAX = 20_000;
/** More than a shard unpacks itself. */
const VALUE = "0123456789abcdef".repeat(200_000);

async function produce(client: KafkaClient, topic: string, codec: CodecName): Promise<[number, number]> {
  const records = buildBatch([{ value: VALUE, timestamp: Date.now() }], { codec });
  return await appendBatch(client, [topic, 0], records);
}

/** @returns the codecs of a partition's batches */
async function storedCodecs(client: KafkaClient, topic: string): Promise<(string | undefined)[]> {
  return (await storedBatches(client, topic)).map((bytes) => codecNames[bytes[22]! & 7]);
}

async function storedBatches(client: KafkaClient, topic: string): Promise<Uint8Array[]> {
  return (await fetchBatches(client, [topic, 0], 0, 1 << 22)).map(({ bytes }) => bytes);
}

Deno.test("large batches of every codec are stored in the codec of their topic, in the order of their requests", async () => {
  await using broker = await startBroker({ shards: 2 });
  await withClients(broker, async (one, two) => {
    for (const type of ["producer", "zstd"] as const) {
      await create(one, type, 1, { "compression.type": type });
      const codecs = codecNames.filter((codec) => codec !== "none");
      for (const [index, codec] of codecs.entries()) {
        assert.deepEqual(await produce(index % 2 === 0 ? one : two, type, codec), [errorCode.NONE, index]);
      }
      assert.deepEqual(await storedCodecs(one, type), type === "zstd" ? codecs.map(() => "zstd") : codecs);
    }
  });
});

Deno.test("a broker that stops while codec workers have batches stops cleanly, and stores what they had, or nothing of it", async () => {
  await withDirectory(async (dataDir) => {
    {
      await using broker = await startBroker({ dataDir, shards: 2 });
      using client = await KafkaClient.connect(broker);
      await create(client, "t");
      for (let count = 0; count < 5; count++) {
        const records = buildBatch([{ value: VALUE, timestamp: Date.now() }], { codec: "gzip" });
        await client.send(produceRequest, VERSION, produceTo("t", 0, records));
      }
      assert.notEqual(await client.receive(produceResponse, VERSION), null);
    }
    await using broker = await startBroker({ dataDir, shards: 2 });
    using client = await KafkaClient.connect(broker);
    const stored = await storedCodecs(client, "t");
    assert.ok(stored.length >= 1 && stored.length <= 5);
    assert.deepEqual(await produce(client, "t", "lz4"), [errorCode.NONE, stored.length]);
  });
});

Deno.test("batches of connections that close while codec workers have them are stored as they were sent, though others fill the memory", async () => {
  await using broker = await startBroker({ shards: 2 });
  await withClients(broker, async (one, two) => {
    for (const topic of ["closed", "other"]) await create(one, topic, 2);
    const content = (bytes: Uint8Array) =>
      createHash("sha256").update(bytes.subarray(BATCH_HEADER_BYTES)).digest("hex");
    const sent = new Map<string, number>();
    const noise = buildBatch([{ value: "n".repeat(900_000), timestamp: Date.now() }]);
    for (let round = 0; round < 20; round++) {
      const records = buildBatch([{ value: `${round} ${VALUE}`, timestamp: Date.now() }], { codec: "gzip" });
      sent.set(content(records), round);
      {
        using closing = await KafkaClient.connect(broker);
        for (let again = 0; again < 2; again++) {
          await closing.send(produceRequest, VERSION, produceTo("closed", 0, records));
        }
      }
      for (const [index, client] of [one, two].entries()) {
        await client.call(produceRequest, produceResponse, {
          apiVersion: VERSION,
          value: produceTo("other", index, noise),
        });
      }
    }
    const [code, count] = await produce(one, "closed", "gzip");
    assert.deepEqual([code, count <= 40], [errorCode.NONE, true]);
    const stored = await storedBatches(one, "closed");
    const rounds = stored.slice(0, count).map((bytes) => sent.get(content(bytes)));
    assert.ok(!rounds.includes(undefined), "each is one that was sent");
    assert.deepEqual(rounds, rounds.toSorted((a, b) => a! - b!));
    assert.ok(count > 0);
  });
});

Deno.test("ListOffsets by time finds a record in a large batch: a codec worker looks for it, and the client asks until it has", async () => {
  await using broker = await startBroker({ shards: 2 });
  await withClients(broker, async (one) => {
    await create(one, "t", 1);
    const nowMs = Date.now();
    const records = [0, 1, 2].map((ms) => ({ value: VALUE, timestamp: nowMs + ms }));
    const batch = buildBatch(records, { codec: "zstd" });
    await appendBatch(one, ["t", 0], batch);
    const find = (timestamp: number) => listOffset(one, ["t", 0], timestamp);
    for (const [timestamp, offset] of [[nowMs + 1, 1], [nowMs + 2, 2], [nowMs - 5, 0]] as const) {
      let found = await find(timestamp);
      assert.equal(found[0], errorCode.OFFSET_NOT_AVAILABLE, "an error that clients retry");
      for (let tries = 0; found[0] === errorCode.OFFSET_NOT_AVAILABLE && tries < TRIES_MAX; tries++) {
        found = await find(timestamp);
      }
      assert.deepEqual(found, [errorCode.NONE, offset]);
    }
  });
});
