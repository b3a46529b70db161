/**
 * Topics and partitions whose files the disk refuses: the creation is answered with KAFKA_STORAGE_ERROR and undone on every shard, so that
 * neither clients nor the next start find a half of it. Something else stands where a partition's directory would be.
 */
import { strict as assert } from "node:assert";
import { type Broker, startBroker } from "../mod.ts";
import { errorCode } from "../net/protocol/error_codes.ts";
import { createTopicsRequest, createTopicsResponse } from "../net/protocol/messages/19_create_topics.ts";
import { createPartitionsRequest, createPartitionsResponse } from "../net/protocol/messages/37_create_partitions.ts";
import { Controller } from "../partitions/control.ts";
import { KafkaClient } from "./kafka_client.ts";
import { withDirectory } from "./temporary_directory.ts";
import { append } from "./topic_requests.ts";

const { NONE, KAFKA_STORAGE_ERROR } = errorCode;

async function create(client: KafkaClient, names: readonly string[], numPartitions: number) {
  const topics = names.map((name) => ({ name, numPartitions, replicationFactor: -1, assignments: [], configs: [] }));
  const of = { apiVersion: 7, value: { topics, timeoutMs: 5000, validateOnly: false } };
  const answer = await client.call(createTopicsRequest, createTopicsResponse, of);
  return answer.topics.map(({ errorCode: code, errorMessage }) => [code, errorMessage?.replace(/: .*/s, "") ?? null]);
}

async function grow(client: KafkaClient, names: readonly string[], count: number) {
  const topics = names.map((name) => ({ name, count, assignments: null }));
  const of = { apiVersion: 3, value: { topics, timeoutMs: 5000, validateOnly: false } };
  const answer = await client.call(createPartitionsRequest, createPartitionsResponse, of);
  return answer.results.map(({ errorCode: code }) => code);
}

function topicsOf(broker: Broker) {
  assert.ok("controller" in broker && broker.controller instanceof Controller);
  return [...broker.controller.image.topics()];
}

/** Partitions' directories, without those that wait for their removal. */
function directoriesIn(path: string): string[] {
  const entries = [...Deno.readDirSync(path)].filter(({ isDirectory }) => isDirectory);
  return entries.map(({ name }) => name).filter((name) => !name.endsWith("-delete")).sort();
}

Deno.test("a creation whose files the disk refuses is undone, answered with a sentence, and succeeds later; others succeed at once", () =>
  withDirectory(async (path) => {
    const dataDir = `${path}/data`;
    {
      await using broker = await startBroker({ port: 0, shards: 2, dataDir });
      using client = await KafkaClient.connect(broker);
      Deno.writeTextFileSync(`${dataDir}/b-3`, "no directory");
      const refused = [KAFKA_STORAGE_ERROR, `Cannot open ${dataDir}/b-3`];
      assert.deepEqual(await create(client, ["a", "b", "c"], 5), [[NONE, null], refused, [NONE, null]]);
      assert.deepEqual(topicsOf(broker).map(({ name }) => name), ["a", "c"]);
      assert.deepEqual(directoriesIn(dataDir).filter((name) => name.startsWith("b")), []);
      assert.equal((await append(client, "b", 0))[0], errorCode.UNKNOWN_TOPIC_OR_PARTITION);
      assert.equal((await append(client, "c", 4))[0], NONE);

      for (const name of ["a-7", "c-9"]) Deno.writeTextFileSync(`${dataDir}/${name}`, "no directory");
      assert.deepEqual(await grow(client, ["a", "c"], 9), [KAFKA_STORAGE_ERROR, NONE]);
      assert.deepEqual(topicsOf(broker).map(({ partitions }) => partitions.length), [5, 9]);
      for (let partition = 0; partition < 5; partition++) assert.equal((await append(client, "a", partition))[0], NONE);
      assert.equal((await append(client, "a", 5))[0], errorCode.UNKNOWN_TOPIC_OR_PARTITION);
      assert.equal((await append(client, "c", 8))[0], NONE);
    }
    await using broker = await startBroker({ port: 0, shards: 2, dataDir });
    assert.deepEqual(topicsOf(broker).map(({ name, partitions }) => [name, partitions.length]), [
      ["a", 5],
      ["c", 9],
    ]);
    using client = await KafkaClient.connect(broker);
    for (const name of ["a-7", "b-3"]) Deno.removeSync(`${dataDir}/${name}`);
    assert.deepEqual([await create(client, ["b"], 5), await grow(client, ["a"], 9)], [[[NONE, null]], [NONE]]);
    for (const [name, partition] of [["a", 8], ["b", 3]] as const) {
      assert.deepEqual(await append(client, name, partition), [NONE, 0]);
    }
  }));
