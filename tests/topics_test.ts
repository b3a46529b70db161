/**
 * Topics of a running broker as clients see them: created, found, written to at once on every shard, deleted and created again. What
 * was acknowledged is there after a kill.
 */
import { strict as assert } from "node:assert";
import { startBroker } from "../mod.ts";
import { errorCode } from "../net/protocol/error_codes.ts";
import { produceRequest, produceResponse } from "../net/protocol/messages/00_produce.ts";
import { fetchRequest, fetchResponse } from "../net/protocol/messages/01_fetch.ts";
import { metadataRequest, metadataResponse } from "../net/protocol/messages/03_metadata.ts";
import { deleteTopicsRequest, deleteTopicsResponse } from "../net/protocol/messages/20_delete_topics.ts";
import { initProducerIdRequest, initProducerIdResponse } from "../net/protocol/messages/22_init_producer_id.ts";
import { ZERO_UUID } from "../net/protocol/text_cache.ts";
import { BrokerProcess } from "./broker_process.ts";
import { KafkaClient } from "./kafka_client.ts";
import { withDirectory } from "./temporary_directory.ts";
import { buildBatch } from "./record_batch_builder.ts";
import { append, create, produceTo, withClients } from "./topic_requests.ts";

async function remove(client: KafkaClient, name: string): Promise<number> {
  const value = { topics: [{ name, topicId: ZERO_UUID }], timeoutMs: 5000 };
  const answer = await client.call(deleteTopicsRequest, deleteTopicsResponse, { apiVersion: 6, value });
  return answer.responses[0]!.errorCode;
}

async function metadata(client: KafkaClient, names: string[] | null, allowAutoTopicCreation = false) {
  const topics = names?.map((name) => ({ name })) ?? null;
  const value = { topics, allowAutoTopicCreation };
  return (await client.call(metadataRequest, metadataResponse, { apiVersion: 12, value })).topics;
}

async function partitionDirectories(dataDir: string): Promise<string[]> {
  const names = [];
  for await (const { name, isDirectory } of Deno.readDir(dataDir)) if (isDirectory) names.push(name);
  return names.sort();
}

Deno.test("a created topic can be written to at once, over another connection, in all its partitions", async () => {
  await using broker = await startBroker({ port: 0, shards: 2 });
  await withClients(broker, async (one, two) => {
    for (let round = 0; round < 5; round++) {
      const name = `t${round}`;
      assert.equal((await create(one, name, 4)).errorCode, errorCode.NONE);
      for (let partition = 0; partition < 4; partition++) {
        assert.deepEqual(await append(two, name, partition), [errorCode.NONE, 0]);
      }
    }
    assert.equal((await metadata(two, null)).length, 5);
  });
});

Deno.test("batches that are sent while their topic is created are stored in order or refused together, on every shard (KAFKA-15591)", async () => {
  await using broker = await startBroker({ port: 0, shards: 2 });
  const batches = [0, 17].map((baseSequence) =>
    buildBatch(Array.from({ length: 17 }, () => ({ value: "x" })), { producerId: 5, producerEpoch: 0, baseSequence })
  );
  await withClients(broker, async (one, two) => {
    let storedCount = 0;
    for (let round = 0; round < 20; round++) {
      const name = `t${round}`;
      const creating = create(one, name, 2);
      for (const partition of [0, 1]) {
        for (const batch of batches) await two.send(produceRequest, 9, produceTo(name, partition, batch));
      }
      for (let partition = 0; partition < 2; partition++) {
        const offsets: number[] = [];
        for (let batch = 0; batch < 2; batch++) {
          const answer = await two.receive(produceResponse, 9);
          offsets.push(answer?.response.responses[0]?.partitionResponses[0]?.baseOffset ?? -2);
        }
        assert.ok(["0,17", "-1,-1"].includes(offsets.join()), `${offsets}`);
        if (offsets[0] === 0) storedCount++;
      }
      await creating;
    }
    assert.ok(storedCount > 0, "they wait for the creation");
  });
});

Deno.test("a topic that Metadata creates has its leader in the same answer, however many clients ask at once", async () => {
  await using broker = await startBroker({ port: 0, shards: 2, overrides: { "num.partitions": "3" } });
  const clients = await Promise.all(Array.from({ length: 8 }, () => KafkaClient.connect(broker)));
  const answers = await Promise.all(clients.map((client) => metadata(client, ["new", "no name"], true)));
  for (const [made, refused] of answers) {
    assert.deepEqual([made?.errorCode, made?.partitions.map(({ leaderId }) => leaderId)], [errorCode.NONE, [1, 1, 1]]);
    assert.equal(made?.topicId, answers[0]?.[0]?.topicId);
    assert.equal(refused?.errorCode, errorCode.INVALID_TOPIC_EXCEPTION);
  }
  for (const client of clients) client[Symbol.dispose]();
});

Deno.test("a deleted topic is gone from every shard and from the disk, and a new topic of its name is empty", () =>
  withDirectory(async (dataDir) => {
    await using broker = await startBroker({ port: 0, shards: 2, dataDir });
    await withClients(broker, async (one, two) => {
      const first = await create(one, "t", 3);
      for (const partition of [0, 1, 2]) await append(two, "t", partition);
      assert.equal(await remove(two, "t"), errorCode.NONE);
      assert.deepEqual(await partitionDirectories(dataDir), []);
      for (const client of [one, two]) {
        assert.equal((await append(client, "t", 0))[0], errorCode.UNKNOWN_TOPIC_OR_PARTITION);
        assert.equal((await metadata(client, ["t"]))[0]?.errorCode, errorCode.UNKNOWN_TOPIC_OR_PARTITION);
      }
      assert.equal(await remove(one, "t"), errorCode.UNKNOWN_TOPIC_OR_PARTITION);
      const second = await create(one, "t", 1);
      assert.notEqual(second.topicId, first.topicId);
      assert.deepEqual(await append(two, "t", 0), [errorCode.NONE, 0]);
      assert.deepEqual(await partitionDirectories(dataDir), ["t-0"]);
    });
  }));

Deno.test("a fetch that waits on a topic is answered when the topic is deleted, or at its deadline", async () => {
  await using broker = await startBroker({ port: 0, shards: 2 });
  await withClients(broker, async (one, two) => {
    await create(one, "t", 2);
    const partitions = [0, 1].map((partition) => ({
      partition,
      fetchOffset: 0,
      partitionMaxBytes: 1000,
      currentLeaderEpoch: -1,
      lastFetchedEpoch: -1,
    }));
    const topics = [{ topic: "t", partitions }];
    const value = { maxWaitMs: 1000, minBytes: 1, maxBytes: 1000, sessionEpoch: -1, topics };
    const waiting = two.call(fetchRequest, fetchResponse, { apiVersion: 12, value });
    assert.equal(await remove(one, "t"), errorCode.NONE);
    const { responses } = await waiting;
    assert.equal(responses.length, 1);
    assert.equal((await create(one, "t", 2)).errorCode, errorCode.NONE);
    assert.deepEqual(await append(two, "t", 1), [errorCode.NONE, 0]);
  });
});

Deno.test("producer ids differ between shards and over a restart", () =>
  withDirectory(async (dataDir) => {
    const ids: number[] = [];
    for (let start = 0; start < 2; start++) {
      await using broker = await startBroker({ port: 0, shards: 2, dataDir });
      await withClients(broker, async (...clients) => {
        for (const client of clients) {
          for (let producer = 0; producer < 3; producer++) {
            const value = { transactionalId: null, transactionTimeoutMs: 1000 };
            const { producerId, errorCode: code } = await client.call(initProducerIdRequest, initProducerIdResponse, {
              apiVersion: 4,
              value,
            });
            assert.equal(code, errorCode.NONE);
            ids.push(producerId);
          }
        }
      });
    }
    assert.equal(new Set(ids).size, 12, ids.join(" "));
  }));

/** Starts a broker process, creates and deletes topics until `kill` changes were acknowledged, then kills it. */
async function changeAndKill(dataDir: string, kill: number, prefix: string) {
  await using broker = await BrokerProcess.start({ dataDir });
  using client = await KafkaClient.connect(broker);
  const created: string[] = [];
  const deleted: string[] = [];
  const changes = (async () => {
    for (let index = 0;; index++) {
      const name = `${prefix}${index}`;
      await create(client, name, 2);
      created.push(name);
      if (index % 2 === 0) continue;
      await remove(client, name);
      deleted.push(name);
      if (created.length + deleted.length >= kill) broker.kill();
    }
  })();
  await assert.rejects(changes, (error) => !(error instanceof assert.AssertionError));
  await broker.kill();
  assert.ok(created.length + deleted.length >= kill, "it was the kill that ended the changes");
  return { created, deleted };
}

Deno.test("a killed broker keeps every topic whose creation it acknowledged, and no topic whose deletion it acknowledged", () =>
  withDirectory(async (dataDir) => {
    const expected = new Set<string>();
    const gone = new Set<string>();
    for (const [round, kill] of [3, 20, 45].entries()) {
      const { created, deleted } = await changeAndKill(dataDir, kill, `r${round}-`);
      for (const name of created) expected.add(name);
      for (const name of deleted) {
        expected.delete(name);
        gone.add(name);
      }
    }
    await using broker = await startBroker({ port: 0, shards: 2, dataDir });
    using client = await KafkaClient.connect(broker);
    const found = await metadata(client, null);
    const names = new Set(found.map(({ name }) => name));
    for (const name of expected) assert.ok(names.has(name), `${name} was created`);
    for (const name of gone) assert.ok(!names.has(name), `${name} was deleted`);
    // One more topic per kill may be there: its request was carried out and not answered.
    assert.ok(names.size <= expected.size + 3, [...names].join(" "));
    for (const { name, partitions } of found) {
      assert.equal(partitions.length, 2);
      assert.equal((await append(client, name ?? "", 1))[0], errorCode.NONE);
    }
    const directories = await partitionDirectories(dataDir);
    assert.deepEqual(directories, found.flatMap(({ name }) => [`${name}-0`, `${name}-1`]).sort());
  }));
