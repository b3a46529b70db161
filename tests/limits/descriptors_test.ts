/**
 * A broker with few descriptors: partitions and connections share them, and an administrator always gets in, also after a restart with
 * fewer. None of them passes to a child process.
 */
import { strict as assert } from "node:assert";
import { errorCode } from "../../net/protocol/error_codes.ts";
import { findCoordinatorRequest, findCoordinatorResponse } from "../../net/protocol/messages/10_find_coordinator.ts";
import { apiVersionsRequest, apiVersionsResponse } from "../../net/protocol/messages/18_api_versions.ts";
import { createTopicsRequest, createTopicsResponse } from "../../net/protocol/messages/19_create_topics.ts";
import { deleteTopicsRequest, deleteTopicsResponse } from "../../net/protocol/messages/20_delete_topics.ts";
import { createPartitionsRequest, createPartitionsResponse } from "../../net/protocol/messages/37_create_partitions.ts";
import { BrokerProcess } from "../broker_process.ts";
import { isConnectionLost, KafkaClient } from "../kafka_client.ts";
import { withDirectory } from "../temporary_directory.ts";
import { append, create } from "../topic_requests.ts";

/** `ulimit -n` of the first broker, and of the one that is started on its directory. */
const [FEW, FEWER] = [480, 360];
const TOPIC_PARTITIONS = 20;

/** The answer about one topic. */
interface TopicResult {
  readonly errorCode: number;
  readonly errorMessage: string | null;
}

async function createTopic(client: KafkaClient, name: string): Promise<TopicResult> {
  const topics = [{ name, numPartitions: TOPIC_PARTITIONS, replicationFactor: 1 }];
  const value = { topics, timeoutMs: 30_000 };
  const answer = await client.call(createTopicsRequest, createTopicsResponse, { apiVersion: 7, value });
  const [topic] = answer.topics;
  return { errorCode: topic?.errorCode ?? 0, errorMessage: topic?.errorMessage ?? null };
}

async function addPartitions(client: KafkaClient, name: string, count: number): Promise<TopicResult> {
  const value = { topics: [{ name, count, assignments: null }], timeoutMs: 30_000, validateOnly: false };
  const answer = await client.call(createPartitionsRequest, createPartitionsResponse, { apiVersion: 3, value });
  const [result] = answer.results;
  return { errorCode: result?.errorCode ?? 0, errorMessage: result?.errorMessage ?? null };
}

async function deleteTopics(client: KafkaClient, names: readonly string[]): Promise<number[]> {
  const value = { topicNames: [...names], timeoutMs: 30_000 };
  const answer = await client.call(deleteTopicsRequest, deleteTopicsResponse, { apiVersion: 5, value });
  return answer.responses.map(({ errorCode: code }) => code);
}

/** Whether the broker serves a client; it must close the others, not leave them waiting. */
async function isServed(client: KafkaClient): Promise<boolean> {
  try {
    await client.send(apiVersionsRequest, 3, { clientSoftwareName: "test", clientSoftwareVersion: "1" });
    return await client.receive(apiVersionsResponse, 3) !== null;
  } catch (error) {
    if (isConnectionLost(error)) return false;
    throw error;
  }
}

/** Fills the broker with topics. @returns their names, and how the next one was refused */
async function fill(client: KafkaClient): Promise<{ names: string[]; refusal: TopicResult }> {
  const names: string[] = [];
  for (;;) {
    const name = `t${names.length}`;
    const refusal = await createTopic(client, name);
    if (refusal.errorCode !== errorCode.NONE) return { names, refusal };
    names.push(name);
    assert.ok(names.length * TOPIC_PARTITIONS < FEW, "more partitions than descriptors");
  }
}

/** Appends a record to every partition. @returns how many took it; the others are offline */
async function appendToAll(client: KafkaClient, names: readonly string[]): Promise<number> {
  let taken = 0;
  for (const name of names) {
    for (let partition = 0; partition < TOPIC_PARTITIONS; partition++) {
      const [code] = await append(client, name, partition, ["x".repeat(1000)]);
      if (code === errorCode.NONE) taken++;
      else assert.equal(code, errorCode.KAFKA_STORAGE_ERROR);
    }
  }
  return taken;
}

Deno.test("with few descriptors, partitions are refused in time and an administrator gets in, also after a restart with fewer", async () => {
  await withDirectory(async (path) => {
    const dataDir = `${path}/data`;
    const names: string[] = [];
    {
      await using broker = await BrokerProcess.start({ dataDir, descriptorsMax: FEW });
      using client = await KafkaClient.connect(broker);
      const filled = await fill(client);
      names.push(...filled.names);
      assert.ok(names.length * TOPIC_PARTITIONS >= FEW / 4, `${names.length} topics fit`);
      const sentence =
        /^This broker has no room for \d+ partitions: \d+ more fits?, because each takes a descriptor .* 480 \(ulimit -n\)\.$/;
      assert.equal(filled.refusal.errorCode, errorCode.INVALID_PARTITIONS);
      assert.match(filled.refusal.errorMessage ?? "", sentence);
      const growth = await addPartitions(client, "t0", 2 * TOPIC_PARTITIONS);
      assert.equal(growth.errorCode, errorCode.INVALID_PARTITIONS);
      assert.match(growth.errorMessage ?? "", sentence);
      const value = { key: "", keyType: 0, coordinatorKeys: ["group"] };
      const found = await client.call(findCoordinatorRequest, findCoordinatorResponse, { apiVersion: 4, value });
      assert.equal(found.coordinators[0]?.errorCode, errorCode.COORDINATOR_NOT_AVAILABLE);
      assert.equal(await appendToAll(client, names), names.length * TOPIC_PARTITIONS);

      // Partitions leave room for some clients. Connections beyond that are closed.
      using clients = new DisposableStack();
      const connect = async () => clients.use(await KafkaClient.connect(broker));
      const others = await Promise.all(Array.from({ length: 200 }, connect));
      const served = (await Promise.all(others.map(isServed))).filter((isOne) => isOne).length;
      assert.ok(served >= 20 && served < 200, `${served} clients were served at a time`);
      assert.equal(await appendToAll(client, names), names.length * TOPIC_PARTITIONS);
      const words = await broker.stop();
      assert.match(words, /Closed a new connection: descriptors are short: the process may have 480 \(ulimit -n\)/);
      assert.match(words, /Cannot create topic __consumer_offsets: This broker has no room for 50 partitions/);
      assert.doesNotMatch(words, /EMFILE|Too many open files|is offline/i);
    }
    await using broker = await BrokerProcess.start({ dataDir, descriptorsMax: FEWER });
    using client = await KafkaClient.connect(broker);
    assert.equal(await isServed(client), true);
    const taken = await appendToAll(client, names);
    assert.ok(taken >= FEWER / 6 && taken < names.length * TOPIC_PARTITIONS, `${taken} partitions are served`);
    assert.equal((await createTopic(client, "more")).errorCode, errorCode.INVALID_PARTITIONS);
    assert.deepEqual(await deleteTopics(client, names), names.map(() => errorCode.NONE));
    await create(client, "after", TOPIC_PARTITIONS);
    assert.equal(await appendToAll(client, ["after"]), TOPIC_PARTITIONS);
    const words = await broker.stop();
    assert.match(words, /\d+ of \d+ partitions stay offline: each takes a descriptor .* 360 \(ulimit -n\)/);
    assert.doesNotMatch(words, /EMFILE|Too many open files/i);
    assert.deepEqual([...Deno.readDirSync(dataDir)].filter(({ name }) => /^t\d+-\d+$/.test(name)), []);
  });
});

Deno.test("no descriptor passes to a child process: a connection that it held too would not end when the broker closes it", () =>
  withDirectory(async (dataDir) => {
    await using broker = await BrokerProcess.start({ dataDir, topics: ["t:2"] });
    using client = await KafkaClient.connect(broker);
    using other = await KafkaClient.connect(broker);
    for (const each of [client, other]) for (const partition of [0, 1]) await append(each, "t", partition);
    assert.deepEqual(broker.inheritable, []);
  }));
