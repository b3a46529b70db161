/**
 * The broker as an embedder and a client see it: start, pipelines, several shards, refusals, hostile bytes, restart.
 */
import { strict as assert } from "node:assert";
import { startBroker, StartupError } from "../mod.ts";
import { errorCode } from "../net/protocol/error_codes.ts";
import { produceRequest, produceResponse } from "../net/protocol/messages/00_produce.ts";
import { fetchRequest, fetchResponse } from "../net/protocol/messages/01_fetch.ts";
import { listOffsetsRequest, listOffsetsResponse } from "../net/protocol/messages/02_list_offsets.ts";
import { apiVersionsRequest, apiVersionsResponse } from "../net/protocol/messages/18_api_versions.ts";
import { frameOf, KafkaClient } from "./kafka_client.ts";
import { buildBatch } from "./record_batch_builder.ts";
import { withDirectory } from "./temporary_directory.ts";
import { produceTo } from "./topic_requests.ts";

const PRODUCE = 9;
const FETCH = 12;

function batchOf(text: string, count = 1): Uint8Array {
  return buildBatch(Array.from({ length: count }, (_, index) => ({ value: `${text}-${index}` })), {
    baseTimestamp: Date.now(),
  });
}

interface FetchOf {
  topic: string;
  offsets: Record<number, number>;
  maxWaitMs?: number;
  minBytes?: number;
  maxBytes?: number;
}

function fetchOf({ topic, offsets, maxWaitMs = 0, minBytes = 1, maxBytes = 1 << 20 }: FetchOf) {
  const partitions = Object.entries(offsets).map(([partition, fetchOffset]) => ({
    partition: Number(partition),
    fetchOffset,
    partitionMaxBytes: maxBytes,
  }));
  return {
    maxWaitMs,
    minBytes,
    maxBytes,
    sessionEpoch: -1,
    topics: [{ topic, partitions: partitions.map((p) => ({ ...p, currentLeaderEpoch: -1, lastFetchedEpoch: -1 })) }],
  };
}

async function produce(client: KafkaClient, topic: string, partition: number, records: Uint8Array) {
  const value = produceTo(topic, partition, records);
  const { responses } = await client.call(produceRequest, produceResponse, { apiVersion: PRODUCE, value });
  const [answer] = responses[0]!.partitionResponses;
  return answer!;
}

async function fetch(client: KafkaClient, of: FetchOf) {
  const id = await client.send(fetchRequest, FETCH, fetchOf(of));
  const answer = await client.receive(fetchResponse, FETCH);
  assert.equal(answer?.correlationId, id);
  return answer.response.responses.flatMap(({ partitions }) =>
    partitions.map((partition) => ({ ...partition, length: partition.records?.length ?? 0 }))
  );
}

Deno.test("startBroker() without a directory serves, and removes its temporary directory when it is disposed of", async () => {
  let dataDir: string;
  {
    await using broker = await startBroker({ port: 0, shards: 1, topics: [{ name: "t" }] });
    dataDir = broker.dataDir;
    assert.ok((await Deno.stat(dataDir)).isDirectory);
    using client = await KafkaClient.connect(broker);
    assert.equal((await produce(client, "t", 0, batchOf("a", 3))).baseOffset, 0);
    assert.equal((await produce(client, "t", 0, batchOf("b", 2))).baseOffset, 3);
  }
  await assert.rejects(Deno.stat(dataDir), Deno.errors.NotFound);
});

Deno.test("a connection produces to and fetches from partitions of every shard", async () => {
  await using broker = await startBroker({ port: 0, shards: 3, topics: [{ name: "t", partitions: 6 }] });
  for (let connection = 0; connection < 3; connection++) {
    using client = await KafkaClient.connect(broker);
    for (let partition = 0; partition < 6; partition++) {
      assert.equal((await produce(client, "t", partition, batchOf("x"))).baseOffset, connection);
    }
    const answers = await fetch(client, { topic: "t", offsets: { 0: 0, 1: 0, 2: 0, 3: 0, 4: 0, 5: 0 } });
    assert.equal(answers.length, 6);
    for (const { errorCode: code, highWatermark, length } of answers) {
      assert.equal(code, errorCode.NONE);
      assert.equal(highWatermark, connection + 1);
      assert.ok(length > 0);
    }
  }
});

Deno.test("answers leave in request order while a fetch in front of them waits", async () => {
  await using broker = await startBroker({ port: 0, shards: 2, topics: [{ name: "t", partitions: 4 }] });
  using client = await KafkaClient.connect(broker);
  using other = await KafkaClient.connect(broker);
  const waiting = await client.send(fetchRequest, FETCH, fetchOf({ topic: "t", offsets: { 0: 0 }, maxWaitMs: 20_000 }));
  const later: number[] = [];
  for (let partition = 0; partition < 4; partition++) {
    later.push(await client.send(produceRequest, PRODUCE, produceTo("t", partition, batchOf("late"))));
  }
  // The produce behind the waiting fetch is appended at once, and completes the fetch.
  const first = await client.receive(fetchResponse, FETCH);
  assert.equal(first?.correlationId, waiting);
  for (const id of later) assert.equal((await client.receive(produceResponse, PRODUCE))?.correlationId, id);
  assert.equal((await fetch(other, { topic: "t", offsets: { 3: 0 } }))[0]?.highWatermark, 1);
});

Deno.test("a waiting fetch is completed by a produce on another shard's connection, or without records at its deadline", async () => {
  await using broker = await startBroker({ port: 0, shards: 2, topics: [{ name: "t", partitions: 2 }] });
  using consumer = await KafkaClient.connect(broker);
  using producer = await KafkaClient.connect(broker);
  for (let partition = 0; partition < 2; partition++) {
    const wait = fetchOf({ topic: "t", offsets: { 0: 0, 1: 0 }, maxWaitMs: 20_000, minBytes: 100 });
    const offsets = { 0: partition === 1 ? 1 : 0, 1: 0 };
    await consumer.send(fetchRequest, FETCH, { ...wait, ...fetchOf({ topic: "t", offsets, maxWaitMs: 20_000 }) });
    await produce(producer, "t", partition, batchOf("wake"));
    const answer = await consumer.receive(fetchResponse, FETCH);
    const parts = answer!.response.responses.flatMap(({ partitions }) => partitions);
    assert.ok(parts.some((part) => part.partitionIndex === partition && (part.records?.length ?? 0) > 0));
  }
  const started = performance.now();
  const nothing = await fetch(consumer, { topic: "t", offsets: { 0: 1 }, maxWaitMs: 150 });
  assert.deepEqual(nothing.map(({ errorCode: code, length }) => [code, length]), [[errorCode.NONE, 0]]);
  assert.ok(performance.now() - started >= 149);
});

Deno.test("a fetch waits until its partitions, which are on several shards, have min bytes together", async () => {
  await using broker = await startBroker({ port: 0, shards: 2, topics: [{ name: "t", partitions: 2 }] });
  using consumer = await KafkaClient.connect(broker);
  using producer = await KafkaClient.connect(broker);
  const batch = batchOf("0123456789", 10);
  const minBytes = batch.length * 4;
  const offsets = { 0: 0, 1: 0 };
  await consumer.send(fetchRequest, FETCH, fetchOf({ topic: "t", offsets, maxWaitMs: 20_000, minBytes }));
  const early = consumer.receive(fetchResponse, FETCH);
  for (const partition of [0, 1, 0]) await produce(producer, "t", partition, batchOf("0123456789", 10));
  const stillWaits = Symbol("waits");
  const tick = produce(producer, "t", 0, batchOf("0123456789", 0 + 10)).then(() => stillWaits);
  const answer = await early;
  await tick;
  const bytes = answer!.response.responses.flatMap(({ partitions }) => partitions)
    .reduce((sum, { records }) => sum + (records?.length ?? 0), 0);
  assert.ok(bytes >= minBytes, `${bytes} bytes for min bytes ${minBytes}`);
});

Deno.test("unknown topics, partitions and acks are refused with Kafka's codes", async () => {
  await using broker = await startBroker({ port: 0, shards: 2, topics: [{ name: "t" }] });
  using client = await KafkaClient.connect(broker);
  assert.equal((await produce(client, "none", 0, batchOf("x"))).errorCode, errorCode.UNKNOWN_TOPIC_OR_PARTITION);
  assert.equal((await produce(client, "t", 1, batchOf("x"))).errorCode, errorCode.UNKNOWN_TOPIC_OR_PARTITION);
  const badAcks = await client.call(produceRequest, produceResponse, {
    apiVersion: PRODUCE,
    value: produceTo("t", 0, batchOf("x"), 2),
  });
  assert.equal(badAcks.responses[0]?.partitionResponses[0]?.errorCode, errorCode.INVALID_REQUIRED_ACKS);
  const damaged = batchOf("x");
  damaged[70] = damaged[70]! ^ 1;
  assert.equal((await produce(client, "t", 0, damaged)).errorCode, errorCode.CORRUPT_MESSAGE);
  const beyond = await fetch(client, { topic: "t", offsets: { 0: 5, 7: 0 } });
  assert.deepEqual(beyond.map(({ errorCode: code }) => code), [
    errorCode.OFFSET_OUT_OF_RANGE,
    errorCode.UNKNOWN_TOPIC_OR_PARTITION,
  ]);
});

Deno.test("acks=0 is not answered, and an error in it closes the connection", async () => {
  await using broker = await startBroker({ port: 0, shards: 2, topics: [{ name: "t", partitions: 2 }] });
  using client = await KafkaClient.connect(broker);
  for (const partition of [0, 1]) {
    await client.send(produceRequest, PRODUCE, produceTo("t", partition, batchOf("quiet"), 0));
  }
  for (const partition of [0, 1]) assert.equal((await produce(client, "t", partition, batchOf("x"))).baseOffset, 1);
  await client.send(produceRequest, PRODUCE, produceTo("none", 0, batchOf("x"), 0));
  assert.equal(await client.receiveFrame(), null);
});

Deno.test("a request that cannot be parsed closes that connection only", async () => {
  await using broker = await startBroker({ port: 0, shards: 1, topics: [{ name: "t" }] });
  using bystander = await KafkaClient.connect(broker);
  const good = frameOf(produceRequest, { apiVersion: PRODUCE, correlationId: 1 }, produceTo("t", 0, batchOf("x")));
  const cut = good.slice(0, good.length - 10);
  new DataView(cut.buffer).setInt32(0, cut.length - 4);
  const hostile: Record<string, Uint8Array> = {
    "a negative size": new Uint8Array([0xff, 0xff, 0xff, 0xff]),
    "a size above the limit": new Uint8Array([0x7f, 0xff, 0xff, 0xff, 0, 0]),
    "an unknown API": new Uint8Array([0, 0, 0, 10, 0x7f, 0, 0, 0, 0, 0, 0, 1, 0xff, 0xff]),
    "a version that is not served": frameOf(
      produceRequest,
      { apiVersion: 3, correlationId: 1 },
      produceTo("t", 0, batchOf("x")),
    )
      .with(7, 2),
    "a truncated body": cut,
    "an HTTP request": new TextEncoder().encode("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
  };
  for (const [what, bytes] of Object.entries(hostile)) {
    using client = await KafkaClient.connect(broker);
    await client.sendRaw(bytes);
    assert.equal(await client.receiveFrame(), null, what);
  }
  assert.equal((await produce(bystander, "t", 0, batchOf("x"))).errorCode, errorCode.NONE);
});

Deno.test("ApiVersions of an unknown version is answered in v0 with the range that is served (KIP-511)", async () => {
  await using broker = await startBroker({ port: 0, shards: 1 });
  using client = await KafkaClient.connect(broker);
  const frame = frameOf(apiVersionsRequest, { apiVersion: 3, correlationId: 9 }, {
    clientSoftwareName: "x",
    clientSoftwareVersion: "1",
  });
  new DataView(frame.buffer).setInt16(6, 99);
  await client.sendRaw(frame);
  const answer = await client.receive(apiVersionsResponse, 0);
  assert.equal(answer?.correlationId, 9);
  assert.equal(answer.response.errorCode, errorCode.UNSUPPORTED_VERSION);
  assert.ok(answer.response.apiKeys.some(({ apiKey }) => apiKey === 18));
});

Deno.test("bytes may arrive one by one, and many requests in one packet", async () => {
  await using broker = await startBroker({ port: 0, shards: 2, topics: [{ name: "t", partitions: 2 }] });
  using client = await KafkaClient.connect(broker);
  const frame = frameOf(produceRequest, { apiVersion: PRODUCE, correlationId: 5 }, produceTo("t", 0, batchOf("slow")));
  for (const byte of frame) await client.sendRaw(new Uint8Array([byte]));
  assert.equal((await client.receive(produceResponse, PRODUCE))?.correlationId, 5);
  const frames = Array.from({ length: 300 }, (_, id) => {
    const request = produceTo("t", id % 2, batchOf("burst".repeat(id % 50), 3));
    return frameOf(produceRequest, { apiVersion: PRODUCE, correlationId: id }, request);
  });
  const joined = new Uint8Array(frames.reduce((sum, { length }) => sum + length, 0));
  frames.reduce((at, bytes) => (joined.set(bytes, at), at + bytes.length), 0);
  await client.sendRaw(joined);
  for (let id = 0; id < 300; id++) assert.equal((await client.receive(produceResponse, PRODUCE))?.correlationId, id);
});

Deno.test("a batch of several megabytes is stored and fetched whole", async () => {
  const overrides = { "message.max.bytes": "20000000" };
  await using broker = await startBroker({ port: 0, shards: 2, topics: [{ name: "t", partitions: 2 }], overrides });
  using client = await KafkaClient.connect(broker);
  const value = new Uint8Array(9_000_000).map((_, index) => index * 31);
  for (const partition of [0, 1]) {
    const batch = buildBatch([{ value }], { baseTimestamp: Date.now() });
    assert.equal((await produce(client, "t", partition, batch)).errorCode, errorCode.NONE);
    const id = await client.send(
      fetchRequest,
      FETCH,
      fetchOf({ topic: "t", offsets: { [partition]: 0 }, maxBytes: 1000 }),
    );
    const answer = await client.receive(fetchResponse, FETCH);
    assert.equal(answer?.correlationId, id);
    const range = answer.response.responses[0]!.partitions[0]!.records!;
    assert.equal(range.length, batch.length, "the first batch comes whatever the limits (KIP-74)");
  }
});

Deno.test("acknowledged records are there after a clean restart, and the directory is locked while a broker uses it", () =>
  withDirectory(async (dataDir) => {
    {
      await using broker = await startBroker({ port: 0, shards: 2, dataDir, topics: [{ name: "t", partitions: 3 }] });
      using client = await KafkaClient.connect(broker);
      for (let partition = 0; partition < 3; partition++) await produce(client, "t", partition, batchOf("kept", 7));
      await assert.rejects(startBroker({ port: 0, dataDir }), StartupError);
    }
    await using broker = await startBroker({ port: 0, shards: 1, dataDir });
    using client = await KafkaClient.connect(broker);
    const { topics } = await client.call(listOffsetsRequest, listOffsetsResponse, {
      apiVersion: 6,
      value: {
        replicaId: -1,
        isolationLevel: 0,
        topics: [{
          name: "t",
          partitions: [0, 1, 2].map((partitionIndex) => ({ partitionIndex, currentLeaderEpoch: -1, timestamp: -1 })),
        }],
      },
    });
    assert.deepEqual(topics[0]?.partitions.map(({ offset }) => offset), [7, 7, 7]);
    assert.equal((await produce(client, "t", 1, batchOf("more"))).baseOffset, 7);
  }));

Deno.test("startBroker() says in a sentence that a port is taken or a setting is wrong", async () => {
  await using broker = await startBroker({ port: 0, shards: 1 });
  await assert.rejects(startBroker({ port: broker.port }), { name: "StartupError", message: /in use.*--port/ });
  await assert.rejects(startBroker({ port: 0, overrides: { "segment.byte": "1" } }), StartupError);
});

Deno.test("two brokers live in one process", async () => {
  await using first = await startBroker({ port: 0, shards: 1, topics: [{ name: "t" }] });
  await using second = await startBroker({ port: 0, shards: 1, topics: [{ name: "t" }] });
  using one = await KafkaClient.connect(first);
  using two = await KafkaClient.connect(second);
  await produce(one, "t", 0, batchOf("x"));
  assert.equal((await fetch(two, { topic: "t", offsets: { 0: 0 } }))[0]?.highWatermark, 0);
});

Deno.test("connections that are transferred to another shard, always with requests in flight, lose, repeat and reorder nothing", async () => {
  const topics = [{ name: "t", partitions: 3 }];
  await using broker = await startBroker({ port: 0, shards: 3, topics });
  const clients = await Promise.all(Array.from({ length: 6 }, () => KafkaClient.connect(broker)));
  // Every client uses one partition for 60 requests, five in flight, then the next one. Each change transfers its connection.
  await Promise.all(clients.map(async (client, number) => {
    const inFlight: number[] = [];
    for (let request = 0; request < 180; request++) {
      const partition = (number + Math.floor(request / 60)) % 3;
      inFlight.push(await client.send(produceRequest, PRODUCE, produceTo("t", partition, batchOf(`${number}`))));
      if (inFlight.length < 5 && request < 179) continue;
      const answer = await client.receive(produceResponse, PRODUCE);
      assert.equal(answer?.correlationId, inFlight.shift());
      assert.equal(answer?.response.responses[0]?.partitionResponses[0]?.errorCode, errorCode.NONE);
    }
    for (const id of inFlight) assert.equal((await client.receive(produceResponse, PRODUCE))?.correlationId, id);
  }));
  const answers = await fetch(clients[0]!, { topic: "t", offsets: { 0: 0, 1: 0, 2: 0 } });
  assert.deepEqual(answers.map(({ highWatermark }) => highWatermark), [360, 360, 360]);
  for (const client of clients) client[Symbol.dispose]();
});
