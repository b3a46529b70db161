/**
 * Partitions of a running broker are handed over between its shards while clients produce, fetch and delete, and while the broker is
 * killed: no acknowledged record is lost, none is stored twice, and clients continue.
 */
import { strict as assert } from "node:assert";
import { type Broker, startBroker } from "../mod.ts";
import { errorCode } from "../net/protocol/error_codes.ts";
import { produceRequest, produceResponse } from "../net/protocol/messages/00_produce.ts";
import { fetchRequest, fetchResponse } from "../net/protocol/messages/01_fetch.ts";
import { deleteTopicsRequest, deleteTopicsResponse } from "../net/protocol/messages/20_delete_topics.ts";
import { deleteRecordsRequest, deleteRecordsResponse } from "../net/protocol/messages/21_delete_records.ts";
import { initProducerIdRequest, initProducerIdResponse } from "../net/protocol/messages/22_init_producer_id.ts";
import { ZERO_UUID } from "../net/protocol/text_cache.ts";
import { Controller } from "../partitions/control.ts";
import { BrokerProcess } from "./broker_process.ts";
import { KafkaClient } from "./kafka_client.ts";
import { buildBatch } from "./record_batch_builder.ts";
import { withDirectory } from "./temporary_directory.ts";
import { append, create, produceTo, withClients } from "./topic_requests.ts";

const { NONE, NOT_LEADER_OR_FOLLOWER } = errorCode;
const FETCH = 12;

function controllerOf(broker: Broker): Controller {
  assert.ok("controller" in broker && broker.controller instanceof Controller);
  return broker.controller;
}

/** Hands partition 0 of a topic over to the other of two shards. @returns whether that happened */
function handOver(broker: Broker, name: string): Promise<boolean> {
  const controller = controllerOf(broker);
  const topic = controller.image.topic(name);
  assert.ok(topic !== undefined);
  return controller.handOverPartition({
    topicId: topic.id,
    partition: 0,
    shard: 1 - (topic.partitions[0]?.shard ?? 0),
  });
}

interface FetchOf {
  topic: string;
  offset: number;
  maxWaitMs?: number;
  session?: { id: number; epoch: number };
}

async function sendFetch(client: KafkaClient, { topic, offset, maxWaitMs = 0, session }: FetchOf): Promise<void> {
  const at = { fetchOffset: offset, partitionMaxBytes: 1 << 20, currentLeaderEpoch: -1, lastFetchedEpoch: -1 };
  const isKnown = session !== undefined && session.epoch > 0;
  await client.send(fetchRequest, FETCH, {
    maxWaitMs,
    minBytes: 1,
    maxBytes: 1 << 20,
    sessionId: session?.id ?? 0,
    sessionEpoch: session?.epoch ?? -1,
    topics: isKnown && offset === -1 ? [] : [{ topic, partitions: [{ partition: 0, ...at }] }],
  });
}

/** Takes the answer to a fetch. @returns its session, error code and the values of its records */
async function takeFetch(client: KafkaClient) {
  const answer = await client.receive(fetchResponse, FETCH);
  assert.ok(answer !== null);
  const { responses, sessionId } = answer.response;
  const partition = responses[0]?.partitions[0];
  const { start, length } = partition?.records ?? { start: 0, length: 0 };
  const values = new TextDecoder().decode(answer.reader.bytes.subarray(start, start + length)).match(/<\d+>/g) ?? [];
  return {
    sessionId,
    code: partition?.errorCode ?? NONE,
    logStartOffset: partition?.logStartOffset,
    values: values.map((value) => Number(value.slice(1, -1))),
  };
}

/** An idempotent producer of `<0>`, `<1>`, …, one record a request. It repeats what was refused by NOT_LEADER_OR_FOLLOWER. */
class Producer {
  acknowledged = 0;
  refusedCount = 0;
  readonly #client: KafkaClient;
  readonly #topic: string;
  readonly #id: { producerId: number; producerEpoch: number };
  #onProgress: (() => void) | null = null;

  private constructor(client: KafkaClient, topic: string, id: { producerId: number; producerEpoch: number }) {
    this.#client = client;
    this.#topic = topic;
    this.#id = id;
  }

  static async start(client: KafkaClient, topic: string): Promise<Producer> {
    const value = { transactionalId: null, transactionTimeoutMs: 1000, producerId: -1, producerEpoch: -1 };
    const id = await client.call(initProducerIdRequest, initProducerIdResponse, { apiVersion: 4, value });
    return new Producer(client, topic, { producerId: Number(id.producerId), producerEpoch: id.producerEpoch });
  }

  /** Produces until `shouldStop()` is true. */
  async run(shouldStop: () => boolean): Promise<void> {
    while (!shouldStop()) {
      const records = buildBatch([{ value: `<${this.acknowledged}>` }], {
        ...this.#id,
        baseSequence: this.acknowledged,
        baseTimestamp: Date.now(),
      });
      const value = produceTo(this.#topic, 0, records);
      const answer = await this.#client.call(produceRequest, produceResponse, { apiVersion: 9, value });
      const { errorCode: code, baseOffset } = answer.responses[0]!.partitionResponses[0]!;
      if (code === NOT_LEADER_OR_FOLLOWER) this.refusedCount++;
      else {
        assert.deepEqual([code, Number(baseOffset)], [NONE, this.acknowledged]);
        this.acknowledged++;
        this.#onProgress?.();
      }
    }
  }

  /** Settles when `count` more records are acknowledged. */
  more(count: number): Promise<void> {
    const target = this.acknowledged + count;
    return new Promise((resolve) => this.#onProgress = () => this.acknowledged >= target && resolve());
  }
}

async function readAll(client: KafkaClient, topic: string, until: () => number): Promise<number[]> {
  const seen: number[] = [];
  while (seen.length < until()) {
    await sendFetch(client, { topic, offset: seen.length, maxWaitMs: 1000 });
    const { code, values } = await takeFetch(client);
    assert.ok(code === NONE || code === NOT_LEADER_OR_FOLLOWER, `error code ${code}`);
    seen.push(...values);
  }
  return seen;
}

const upTo = (count: number) => Array.from({ length: count }, (_, index) => index);

Deno.test("a partition that is handed over under load loses no acknowledged record, stores none twice, and is read in order", async () => {
  await using broker = await startBroker({ port: 0, shards: 2, topics: [{ name: "t" }] });
  await withClients(broker, async (one, two) => {
    const producer = await Producer.start(one, "t");
    let isOver = false;
    const produced = producer.run(() => isOver);
    let total = Infinity;
    const read = readAll(two, "t", () => total);
    for (let count = 0; count < 30; count++) {
      assert.ok(await handOver(broker, "t"));
      await producer.more(1 + count % 20);
    }
    isOver = true;
    await produced;
    total = producer.acknowledged + 1;
    // Completes the reader's last fetch, which may wait.
    assert.deepEqual(await append(one, "t", 0, [`<${producer.acknowledged}>`]), [NONE, producer.acknowledged]);
    assert.deepEqual(await read, upTo(total));
    assert.ok(total > 100);
  });
});

Deno.test("a waiting fetch is answered by a produce after the hand-over, and its session continues", async () => {
  await using broker = await startBroker({ port: 0, shards: 2, topics: [{ name: "t" }] });
  await withClients(broker, async (one, two) => {
    for (const client of [one, two]) {
      const { logEndOffset } = { logEndOffset: Number((await append(one, "t", 0, ["<0>"]))[1]) + 1 };
      await sendFetch(client, { topic: "t", offset: logEndOffset, session: { id: 0, epoch: 0 } });
      const { sessionId } = await takeFetch(client);
      assert.notEqual(sessionId, 0);
      const session = { id: sessionId, epoch: 1 };
      await sendFetch(client, { topic: "t", offset: -1, maxWaitMs: 60_000, session });
      assert.ok(await handOver(broker, "t"));
      const other = client === one ? two : one;
      assert.deepEqual(await append(other, "t", 0, ["<7>"]), [NONE, logEndOffset]);
      assert.deepEqual((await takeFetch(client)).values, [7]);
      await sendFetch(client, { topic: "t", offset: -1, session: { id: sessionId, epoch: 2 } });
      assert.deepEqual((await takeFetch(client)).values, [7]);
    }
  });
});

Deno.test("deleted records stay deleted and offsets continue after a hand-over, a clean stop and a start", async () => {
  await withDirectory(async (dataDir) => {
    {
      await using broker = await startBroker({ port: 0, shards: 2, dataDir, topics: [{ name: "t" }] });
      await withClients(broker, async (one, two) => {
        for (let offset = 0; offset < 5; offset++) await append(one, "t", 0, [`<${offset}>`]);
        const partitions = [{ partitionIndex: 0, offset: 3 }];
        const value = { topics: [{ name: "t", partitions }], timeoutMs: 5000 };
        await one.call(deleteRecordsRequest, deleteRecordsResponse, { apiVersion: 2, value });
        assert.ok(await handOver(broker, "t"));
        await sendFetch(two, { topic: "t", offset: 3 });
        const { logStartOffset, values } = await takeFetch(two);
        assert.deepEqual([Number(logStartOffset), values], [3, [3, 4]]);
        assert.deepEqual(await append(two, "t", 0, ["<5>"]), [NONE, 5]);
      });
    }
    await using broker = await startBroker({ port: 0, shards: 2, dataDir });
    using client = await KafkaClient.connect(broker);
    await sendFetch(client, { topic: "t", offset: 2 });
    assert.equal((await takeFetch(client)).code, errorCode.OFFSET_OUT_OF_RANGE);
    await sendFetch(client, { topic: "t", offset: 3 });
    assert.deepEqual((await takeFetch(client)).values, [3, 4, 5]);
  });
});

Deno.test("hand-overs, deletions and close() of the broker happen one after the other when they are requested at once", async () => {
  await withDirectory(async (dataDir) => {
    {
      await using broker = await startBroker({ port: 0, shards: 2, dataDir });
      await withClients(broker, async (one, two) => {
        for (let round = 0; round < 10; round++) {
          await create(one, "t", 2);
          assert.deepEqual(await append(two, "t", 0, ["<1>"]), [NONE, 0]);
          const value = { topics: [{ name: "t", topicId: ZERO_UUID }], timeoutMs: 5000 };
          const deletion = () => two.call(deleteTopicsRequest, deleteTopicsResponse, { apiVersion: 6, value });
          const [first, deleted, second] = round % 2 === 0
            ? await Promise.all([handOver(broker, "t"), deletion(), handOver(broker, "t")])
            : await Promise.all([handOver(broker, "t"), deletion(), null]);
          assert.equal(deleted.responses[0]?.errorCode, NONE);
          assert.ok(first);
          assert.ok(second !== undefined);
        }
        assert.ok([...Deno.readDirSync(dataDir)].every(({ name }) => !/^t-\d+$/.test(name)));
        await create(one, "t");
        assert.deepEqual(await append(two, "t", 0, ["<0>"]), [NONE, 0]);
      });
      const handOverResult = handOver(broker, "t");
      await broker.close();
      await handOverResult.catch(() => {});
    }
    await using broker = await startBroker({ port: 0, shards: 2, dataDir });
    using client = await KafkaClient.connect(broker);
    assert.deepEqual(await append(client, "t", 0, ["<1>"]), [NONE, 1]);
  });
});

Deno.test("a broker that is killed while a partition is handed over again and again starts with all acknowledged records", async () => {
  await withDirectory(async (dataDir) => {
    const program = new URL("./moving_broker.ts", import.meta.url).pathname;
    let total = 0;
    for (let round = 0; round < 3; round++) {
      const process = new Deno.Command(Deno.execPath(), {
        args: ["run", "-A", program, dataDir, "t"],
        stdout: "piped",
        stderr: "inherit",
      }).spawn();
      const reader = process.stdout.pipeThrough(new TextDecoderStream()).getReader();
      const port = Number((await reader.read()).value);
      using client = await KafkaClient.connect({ port });
      for (const until = total + 200 + 37 * round; total < until;) {
        const [code, baseOffset] = await append(client, "t", 0, [`<${total}>`]);
        if (code === NOT_LEADER_OR_FOLLOWER) continue;
        assert.deepEqual([code, baseOffset], [NONE, total]);
        total++;
      }
      process.kill("SIGKILL");
      await process.status;
      await reader.cancel();
    }
    await using broker = await BrokerProcess.start({ dataDir });
    using client = await KafkaClient.connect(broker);
    assert.deepEqual(await readAll(client, "t", () => total), upTo(total));
    assert.deepEqual(await append(client, "t", 0, ["<0>"]), [NONE, total]);
  });
});
