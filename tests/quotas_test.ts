/**
 * Quotas of a running broker as clients feel them, whose connections are on several shards. The same with client libraries, for longer:
 * interop/quotas_test.ts.
 */
import { strict as assert } from "node:assert";
import { type Broker, startBroker } from "../mod.ts";
import { errorCode } from "../net/protocol/error_codes.ts";
import { produceRequest, produceResponse } from "../net/protocol/messages/00_produce.ts";
import { fetchRequest, fetchResponse } from "../net/protocol/messages/01_fetch.ts";
import { metadataRequest, metadataResponse } from "../net/protocol/messages/03_metadata.ts";
import { apiVersionsRequest, apiVersionsResponse } from "../net/protocol/messages/18_api_versions.ts";
import { createTopicsRequest, createTopicsResponse } from "../net/protocol/messages/19_create_topics.ts";
import { setQuotas } from "./client_settings.ts";
import { KafkaClient } from "./kafka_client.ts";
import { buildBatch } from "./record_batch_builder.ts";
import { create, fetchOf, produceTo } from "./topic_requests.ts";

/** Shards of the broker, with a connection on each. */
const SHARDS = 3;
/** What the client may write or read in a second, and save up: a window. */
const RATE = 1_000_000;
/** Of the measurement. */
const MEASURED_MS = 3000;

function start(): Promise<Broker> {
  return startBroker({
    port: 0,
    shards: SHARDS,
    overrides: { "quota.window.num": "2", "controller.quota.window.num": "1" },
  });
}

/** What one request of a client moved, and how long it has to pause. */
interface Step {
  readonly bytes: number;
  readonly throttleTimeMs: number;
}

/** Has each connection do as much as it can. @returns bytes a second, from when the client has used up what it had saved */
async function measure(broker: Broker, step: (client: KafkaClient) => Promise<Step>): Promise<number> {
  let beganMs = Infinity;
  let bytes = 0;
  await Promise.all(Array.from({ length: SHARDS }, async () => {
    using client = await KafkaClient.connect(broker);
    for (;;) {
      const did = await step(client);
      const nowMs = performance.now();
      if (nowMs - beganMs > MEASURED_MS) return;
      if (beganMs !== Infinity) bytes += did.bytes;
      else if (did.throttleTimeMs > 0) beganMs = nowMs;
    }
  }));
  return bytes / MEASURED_MS * 1000;
}

/** A busy machine may use less than a rate, for a while. Shards that did not share it would use a multiple. */
function assertHeld(measured: number, what: string): void {
  assert(measured > 0.8 * RATE && measured < 1.1 * RATE, `${what} ${measured} bytes a second`);
}

const BATCH = buildBatch([{ value: "x".repeat(20_000) }]);

Deno.test("a client that produces and reads all it can, over connections on all shards, gets its rates and no more, and others all", async () => {
  await using broker = await start();
  using admin = await KafkaClient.connect(broker);
  await create(admin, "t", SHARDS);
  const produce = async (client: KafkaClient) => {
    const value = produceTo("t", Math.floor(Math.random() * SHARDS), BATCH, 1);
    const answer = await client.call(produceRequest, produceResponse, { apiVersion: 9, value });
    return { bytes: BATCH.length, throttleTimeMs: answer.throttleTimeMs };
  };
  const fetch = async (client: KafkaClient) => {
    await client.send(fetchRequest, 12, fetchOf(["t", 0], 0, 100_000));
    const answer = await client.receive(fetchResponse, 12);
    const { throttleTimeMs = 0, responses = [] } = answer?.response ?? {};
    assert.equal(responses.length, throttleTimeMs > 0 ? 0 : 1);
    return { bytes: responses[0]?.partitions[0]?.records?.length ?? 0, throttleTimeMs };
  };
  for (let count = 0; count < 20; count++) await produce(admin);
  await setQuotas(admin, { "client-id": null }, { producer_byte_rate: RATE, consumer_byte_rate: RATE });
  const [produced, fetched] = await Promise.all([measure(broker, produce), measure(broker, fetch)]);
  assertHeld(produced, "produced");
  assertHeld(fetched, "fetched");
  await setQuotas(admin, { "client-id": "test" }, { producer_byte_rate: 1e9 });
  // Another quota holds at once: by the old one this would take ten seconds, and some answers would say so.
  const pauses = [];
  for (let count = 0; count < 500; count++) pauses.push((await produce(admin)).throttleTimeMs);
  assert.deepEqual(pauses.filter((pauseMs) => pauseMs > 0), []);
});

Deno.test("a client above its quota is answered at once, not read for the throttle time, and its acks=0 batches are stored after it", async () => {
  await using broker = await start();
  using admin = await KafkaClient.connect(broker);
  await create(admin, "t");
  await setQuotas(admin, { "client-id": "test" }, { producer_byte_rate: 20_000 });
  using client = await KafkaClient.connect(broker);
  for (const acks of [0, 0]) await client.send(produceRequest, 9, produceTo("t", 0, BATCH, acks));
  const beganMs = performance.now();
  const answer = await client.call(produceRequest, produceResponse, {
    apiVersion: 9,
    value: produceTo("t", 0, BATCH, 1),
  });
  const tookMs = performance.now() - beganMs;
  // The second batch exceeds what is saved up by 20 KB, which takes a second.
  assert(tookMs > 900, `answered after ${tookMs} ms`);
  assert.equal(answer.responses[0]?.partitionResponses[0]?.baseOffset, 2);
  assert(answer.throttleTimeMs > 500, `throttled for ${answer.throttleTimeMs} ms`);
});

Deno.test("changes of topics above their quota are refused topic by topic, and older requests pause; ApiVersions is exempt from the quota of time", async () => {
  await using broker = await start();
  using admin = await KafkaClient.connect(broker);
  await setQuotas(admin, { user: null, "client-id": "test" }, {
    controller_mutation_rate: 1,
    request_percentage: 0.01,
  });
  const creation = (names: string[], numPartitions: number) => ({
    topics: names.map((name) => ({ name, numPartitions, replicationFactor: 1 })),
    timeoutMs: 5000,
  });
  const value = creation(["a", "b"], 3);
  const answer = await admin.call(createTopicsRequest, createTopicsResponse, { apiVersion: 7, value });
  assert.deepEqual(answer.topics.map((topic) => topic.errorCode), [
    errorCode.NONE,
    errorCode.THROTTLING_QUOTA_EXCEEDED,
  ]);
  assert(answer.throttleTimeMs > 1000, `throttled for ${answer.throttleTimeMs} ms`);
  using other = await KafkaClient.connect(broker);
  const older = { apiVersion: 4, value: creation(["c"], 1) };
  const accepted = await other.call(createTopicsRequest, createTopicsResponse, older);
  assert.deepEqual([accepted.topics[0]?.errorCode, accepted.throttleTimeMs > 1000], [errorCode.NONE, true]);
  using third = await KafkaClient.connect(broker);
  let throttleTimeMs = 0;
  for (let count = 0; count < 1000 && throttleTimeMs === 0; count++) {
    const asked = { apiVersion: 9, value: { topics: null, allowAutoTopicCreation: false } };
    ({ throttleTimeMs } = await third.call(metadataRequest, metadataResponse, asked));
  }
  assert(throttleTimeMs > 0);
  using fourth = await KafkaClient.connect(broker);
  const software = { clientSoftwareName: "x", clientSoftwareVersion: "1" };
  const versions = await fourth.call(apiVersionsRequest, apiVersionsResponse, { apiVersion: 3, value: software });
  assert.equal(versions.throttleTimeMs, 0);
});

Deno.test("connections of an address above its quota are closed after a while, and its earlier ones are served", async () => {
  await using broker = await start();
  using admin = await KafkaClient.connect(broker);
  await setQuotas(admin, { ip: "127.0.0.1" }, { connection_creation_rate: 3 });
  using first = await KafkaClient.connect(broker);
  const ends = await Promise.all(Array.from({ length: 6 }, async () => {
    using client = await KafkaClient.connect(broker);
    const beganMs = performance.now();
    const value = { topics: [], allowAutoTopicCreation: false };
    const isServed = await client.call(metadataRequest, metadataResponse, { apiVersion: 9, value }).then(
      () => true,
      () => false,
    );
    return { isServed, tookMs: performance.now() - beganMs };
  }));
  assert.deepEqual(ends.map(({ isServed }) => isServed).sort(), [false, false, false, false, true, true]);
  for (const { isServed, tookMs } of ends) assert(isServed || tookMs > 50, `closed after ${tookMs} ms`);
  for (const client of [admin, first]) await create(client, client === admin ? "a" : "b");
});
