/**
 * Moves between log directories beside other changes of the same partitions: they are handed over between shards, added, configured and
 * deleted, and the broker stops. No acknowledged record is lost, and no copy is left.
 */
import { strict as assert } from "node:assert";
import { join } from "node:path";
import { type Broker, startBroker } from "../mod.ts";
import { errorCode } from "../net/protocol/error_codes.ts";
import { deleteTopicsRequest, deleteTopicsResponse } from "../net/protocol/messages/20_delete_topics.ts";
import {
  alterReplicaLogDirsRequest,
  alterReplicaLogDirsResponse,
} from "../net/protocol/messages/34_alter_replica_log_dirs.ts";
import { createPartitionsRequest, createPartitionsResponse } from "../net/protocol/messages/37_create_partitions.ts";
import { Controller } from "../partitions/control.ts";
import { KafkaClient } from "./kafka_client.ts";
import { withDirectory } from "./temporary_directory.ts";
import { append, configure, LATEST, listOffset } from "./topic_requests.ts";

const { NONE, NOT_LEADER_OR_FOLLOWER } = errorCode;
const PARTITIONS = 4;
const ROUNDS = 40;

function start(directories: readonly string[]): Promise<Broker> {
  return startBroker({
    ...{ port: 0, shards: 2, overrides: { "log.dirs": directories.join(",") } },
    topics: [{ name: "t", partitions: PARTITIONS, configs: { "internal.segment.bytes": "10000" } }],
  });
}

/** Asks for moves of all these partitions, in one request. */
async function move(client: KafkaClient, path: string, partitions: readonly number[]): Promise<void> {
  const value = { dirs: [{ path, topics: [{ name: "t", partitions: [...partitions] }] }] };
  const of = { apiVersion: 2, value };
  const { results } = await client.call(alterReplicaLogDirsRequest, alterReplicaLogDirsResponse, of);
  assert.deepEqual(results[0]?.partitions.map(({ errorCode: code }) => code), partitions.map(() => NONE));
}

async function addPartitions(client: KafkaClient, count: number): Promise<void> {
  const value = { topics: [{ name: "t", count, assignments: null }], timeoutMs: 10_000, validateOnly: false };
  const answer = await client.call(createPartitionsRequest, createPartitionsResponse, { apiVersion: 3, value });
  assert.equal(answer.results[0]?.errorCode, NONE);
}

async function deleteTopic(client: KafkaClient): Promise<void> {
  const value = { topicNames: ["t"], timeoutMs: 10_000 };
  const answer = await client.call(deleteTopicsRequest, deleteTopicsResponse, { apiVersion: 5, value });
  assert.equal(answer.responses[0]?.errorCode, NONE);
}

async function endOffset(client: KafkaClient, partition: number): Promise<number> {
  for (;;) {
    const [code, offset] = await listOffset(client, ["t", partition], LATEST);
    if (code === NONE) return offset;
    assert.equal(code, NOT_LEADER_OR_FOLLOWER, "a move that is under way");
  }
}

/** Directories of the topic's partitions and of copies. */
function namesIn(directories: readonly string[]): string[] {
  return directories.flatMap((path) => [...Deno.readDirSync(path)].map(({ name }) => name))
    .filter((name) => name.startsWith("t-") && !name.endsWith("-delete")).toSorted();
}

function controllerOf(broker: Broker): Controller {
  assert.ok("controller" in broker && broker.controller instanceof Controller);
  return broker.controller;
}

Deno.test("partitions move between log directories while they are handed over, added and configured, and the broker stops in between", () =>
  withDirectory(async (root) => {
    const directories = [join(root, "a"), join(root, "b")];
    const ends = new Array<number>(PARTITIONS + 2).fill(0);
    for (const count of [PARTITIONS, PARTITIONS + 2]) {
      await using broker = await start(directories);
      const controller = controllerOf(broker);
      using client = await KafkaClient.connect(broker);
      for (let round = 0; round < ROUNDS; round++) {
        const partition = round % PARTITIONS;
        await move(client, directories[(round >> 2) % 2] as string, [partition, (partition + 1) % PARTITIONS]);
        const topicId = controller.image.topic("t")?.id ?? "";
        const handOver = controller.handOverPartition({ topicId, partition, shard: (round >> 1) % 2 });
        for (const to of [partition, (partition + 2) % PARTITIONS]) {
          const [code, baseOffset] = await append(client, "t", to, ["x".repeat(2000)]);
          assert.ok(code === NONE || code === NOT_LEADER_OR_FOLLOWER, `code ${code}`);
          if (code !== NONE) continue;
          assert.equal(baseOffset, ends[to]);
          ends[to] = baseOffset + 1;
        }
        await handOver;
        if (round === 10 && count === PARTITIONS) await addPartitions(client, PARTITIONS + 2);
        if (round === 20) await configure(client, "t", { "flush.messages": "3" });
      }
      for (const [partition, end] of ends.entries()) assert.equal(await endOffset(client, partition), end);
      await move(client, directories[0] as string, ends.keys().toArray());
      await broker.close();
      assert.deepEqual(namesIn(directories), ends.map((_, partition) => `t-${partition}`));
    }
    await using broker = await start(directories);
    using client = await KafkaClient.connect(broker);
    for (const [partition, end] of ends.entries()) assert.equal(await endOffset(client, partition), end);
  }));

Deno.test("a topic that is deleted while its partitions move leaves nothing, and one of its name can be created", () =>
  withDirectory(async (root) => {
    const directories = [join(root, "a"), join(root, "b")];
    for (let round = 0; round < 3; round++) {
      await using broker = await start(directories);
      using client = await KafkaClient.connect(broker);
      for (let partition = 0; partition < PARTITIONS; partition++) await append(client, "t", partition);
      for (const path of directories) await move(client, path, [0, 1, 2, 3]);
      await deleteTopic(client);
      await broker.close();
      assert.deepEqual(namesIn(directories), []);
    }
    await using broker = await start(directories);
    using client = await KafkaClient.connect(broker);
    assert.equal(await endOffset(client, 0), 0);
  }));
