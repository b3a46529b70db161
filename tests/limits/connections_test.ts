/**
 * Limits on connections as clients see them, and the descriptors that connections never take.
 */
import { strict as assert } from "node:assert";
import { startBroker } from "../../mod.ts";
import { fetchRequest, fetchResponse } from "../../net/protocol/messages/01_fetch.ts";
import { BrokerProcess } from "../broker_process.ts";
import { isConnectionLost, KafkaClient } from "../kafka_client.ts";
import { withDirectory } from "../temporary_directory.ts";
import { FETCH, fetchBytes, fetchOf, produce, produceFrame, receiveProduced } from "./requests.ts";

const topics = [{ name: "t", partitions: 2 }];

/** Whether a client's record is taken, and its connection was not closed. */
async function isServed(client: KafkaClient): Promise<boolean> {
  try {
    await client.sendRaw(produceFrame(0, 1));
    return await client.receiveFrame() !== null;
  } catch (error) {
    if (isConnectionLost(error)) return false;
    throw error;
  }
}

Deno.test("max.connections: one more client waits, without an answer, until another leaves", async () => {
  await using broker = await startBroker({ port: 0, shards: 2, topics, overrides: { "max.connections": "2" } });
  const first = await KafkaClient.connect(broker);
  const second = await KafkaClient.connect(broker);
  assert.equal(await produce(first, 0, 1), 0);
  assert.equal(await produce(second, 0, 1), 1);
  using third = await KafkaClient.connect(broker);
  using fourth = await KafkaClient.connect(broker);
  let isAnswered = false;
  await third.sendRaw(produceFrame(1, 1));
  const answered = receiveProduced(third).then((offset) => {
    isAnswered = true;
    return offset;
  });
  for (let index = 0; index < 50; index++) await produce(first, 0, 1);
  assert.equal(isAnswered, false);
  second[Symbol.dispose]();
  assert.equal(await answered, 0);
  await fourth.sendRaw(produceFrame(1, 1));
  first[Symbol.dispose]();
  assert.equal(await receiveProduced(fourth), 1);
});

Deno.test("max.connections.per.ip: a connection beyond the limit is closed at once, and accepted after another has ended", async () => {
  const overrides = { "max.connections.per.ip": "1", "max.connections.per.ip.overrides": "127.0.0.1:2" };
  await using broker = await startBroker({ port: 0, shards: 2, topics, overrides });
  using first = await KafkaClient.connect(broker);
  const second = await KafkaClient.connect(broker);
  await produce(first, 0, 1);
  await produce(second, 0, 1);
  using third = await KafkaClient.connect(broker);
  assert.equal(await third.receiveFrame(), null);
  second[Symbol.dispose]();
  // Until the shard has reported the end to the acceptor, a new connection is still beyond the limit.
  for (let tries = 0;; tries++) {
    using next = await KafkaClient.connect(broker);
    await next.sendRaw(produceFrame(1, 1));
    if (await next.receiveFrame() !== null) break;
    assert.ok(tries < 1000);
  }
});

Deno.test("connections.max.idle.ms: an idle client is closed, one that waits for its answer or is active is not", async () => {
  await using broker = await startBroker({
    port: 0,
    shards: 2,
    topics,
    overrides: { "connections.max.idle.ms": "400" },
  });
  using idle = await KafkaClient.connect(broker);
  using halfway = await KafkaClient.connect(broker);
  using active = await KafkaClient.connect(broker);
  using waiting = await KafkaClient.connect(broker);
  await produce(active, 0, 1);
  await halfway.sendRaw(produceFrame(0, 1).subarray(0, 20));
  const fetch = fetchOf(1, { offset: 0, maxWaitMs: 60_000 });
  await waiting.send(fetchRequest, FETCH, fetch);
  const startMs = performance.now();
  const ends = [idle, halfway].map(async (client) => {
    assert.equal(await client.receiveFrame(), null);
    return performance.now() - startMs;
  });
  let hasEnded = false;
  const ended = Promise.all(ends).finally(() => hasEnded = true);
  while (!hasEnded) await produce(active, 0, 1);
  for (const ms of await ended) assert.ok(ms >= 390, `closed after ${ms} ms`);
  await produce(active, 1, 1);
  assert.ok(await waiting.receive(fetchResponse, FETCH) !== null);
});

Deno.test("connections that wait do not keep a broker from closing", async () => {
  await using broker = await startBroker({ port: 0, shards: 1, topics, overrides: { "max.connections": "0" } });
  using client = await KafkaClient.connect(broker);
  await broker.close();
  assert.equal(await client.receiveFrame(), null);
});

Deno.test("with few descriptors, clients do not take those with which the log rolls segments and reads old ones", async () => {
  await withDirectory(async (path) => {
    const [descriptorsMax, clientsCount, partitions] = [512, 600, 8];
    const topic = `t:${partitions}:segment.bytes=1048576`;
    await using broker = await BrokerProcess.start({ dataDir: `${path}/data`, topics: [topic], descriptorsMax });
    using clients = new DisposableStack();
    const connect = async () => clients.use(await KafkaClient.connect(broker));
    const [client, ...others] = await Promise.all(Array.from({ length: clientsCount }, connect));
    assert.ok(client !== undefined);
    // Two records fill a segment: 12 rolls of each of 8 partitions, while the other clients hold all descriptors that they can get.
    for (let round = 0; round < 24; round++) {
      for (let partition = 0; partition < partitions; partition++) {
        assert.equal(await produce(client, partition, 500_000), round);
      }
    }
    const highest = Math.max(...broker.descriptors);
    assert.ok(highest >= descriptorsMax / 2, "the clients have taken all descriptors that they could get");
    for (let round = 0; round < 24; round++) {
      for (let partition = 0; partition < partitions; partition++) {
        assert.ok(await fetchBytes(client, partition, round) >= 500_000);
      }
    }
    // Clients that did not get in were closed. There is room again when the others have left.
    let refused = 0;
    for (const next of others) if (!await isServed(next)) refused++;
    assert.ok(refused > 0 && refused < others.length, `${refused} clients were closed`);
    for (const next of others) next[Symbol.dispose]();
    for (let tries = 0;; tries++) {
      using next = await KafkaClient.connect(broker);
      if (await isServed(next)) break;
      assert.ok(tries < 1000, "a client is taken again");
    }
    const words = await broker.stop();
    assert.match(words, /New connections wait: descriptors are short/);
    assert.match(words, /Closed a new connection: descriptors are short/);
    assert.doesNotMatch(words, /EMFILE|Too many open files|offline/i);
  });
});
