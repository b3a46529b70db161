/**
 * The disk refuses changes of topics and configs, and then takes them again: it is full, or writes fail. Each change is answered with
 * Kafka's code and changes nothing, other requests are served, and later changes succeed. A store that is damaged or gone, and a flush
 * that failed, end the broker with a sentence. (The changes one by one, with refusals at each step: partitions/metadata/changes.)
 */
import assert from "node:assert/strict";
import { errorCode } from "../../net/protocol/error_codes.ts";
import { metadataRequest, metadataResponse } from "../../net/protocol/messages/03_metadata.ts";
import { findCoordinatorRequest, findCoordinatorResponse } from "../../net/protocol/messages/10_find_coordinator.ts";
import { createTopicsRequest, createTopicsResponse } from "../../net/protocol/messages/19_create_topics.ts";
import { deleteTopicsRequest, deleteTopicsResponse } from "../../net/protocol/messages/20_delete_topics.ts";
import { createPartitionsRequest, createPartitionsResponse } from "../../net/protocol/messages/37_create_partitions.ts";
import {
  incrementalAlterConfigsRequest,
  incrementalAlterConfigsResponse,
} from "../../net/protocol/messages/44_incremental_alter_configs.ts";
import { KafkaClient } from "../kafka_client.ts";
import { type BrokerProcess, startBrokerProcess, temporaryDirectory } from "./broker.ts";
import { Scene } from "./fault_scene.ts";
import { fillUp, InjectedFault, mountMemory } from "./system_faults.ts";
import { interopTest } from "./toolchain.ts";

const { NONE, KAFKA_STORAGE_ERROR, LEADER_NOT_AVAILABLE, COORDINATOR_NOT_AVAILABLE } = errorCode;

/** What an administrator asks for: one answer each. */
const changes = {
  create: async (client: KafkaClient, name: string) => {
    const topics = [{ name, numPartitions: 3, replicationFactor: -1, assignments: [], configs: [] }];
    const value = { topics, timeoutMs: 30_000, validateOnly: false };
    return (await client.call(createTopicsRequest, createTopicsResponse, { apiVersion: 7, value })).topics[0];
  },
  grow: async (client: KafkaClient, name: string) => {
    const value = { topics: [{ name, count: 5, assignments: null }], timeoutMs: 30_000, validateOnly: false };
    return (await client.call(createPartitionsRequest, createPartitionsResponse, { apiVersion: 3, value })).results[0];
  },
  alter: async (client: KafkaClient, resourceName: string) => {
    const configs = [{ name: "retention.ms", configOperation: 0, value: "3600000" }];
    const value = { resources: [{ resourceType: 2, resourceName, configs }], validateOnly: false };
    const messages = [incrementalAlterConfigsRequest, incrementalAlterConfigsResponse] as const;
    return (await client.call(...messages, { apiVersion: 1, value })).responses[0];
  },
  remove: async (client: KafkaClient, name: string) => {
    const value = { topics: [], topicNames: [name], timeoutMs: 30_000 };
    return (await client.call(deleteTopicsRequest, deleteTopicsResponse, { apiVersion: 5, value })).responses[0];
  },
};

/** Code of a topic that a client asks for and that does not exist. */
async function autoCreate(client: KafkaClient, name: string): Promise<number | undefined> {
  const value = { topics: [{ name, topicId: undefined }], allowAutoTopicCreation: true };
  const messages = [metadataRequest, metadataResponse] as const;
  return (await client.call(...messages, { apiVersion: 9, value })).topics[0]?.errorCode;
}

async function findCoordinator(client: KafkaClient): Promise<number | undefined> {
  const value = { keyType: 0, coordinatorKeys: ["group"] };
  const messages = [findCoordinatorRequest, findCoordinatorResponse] as const;
  return (await client.call(...messages, { apiVersion: 4, value })).coordinators[0]?.errorCode;
}

/** Every change is refused with the sentence, and nothing has changed. */
async function assertRefused(client: KafkaClient, sentence: RegExp): Promise<void> {
  for (const [name, topic] of [["create", "new"], ["grow", "plain"], ["alter", "plain"], ["remove", "old"]] as const) {
    const answer = await changes[name](client, topic);
    assert.equal(answer?.errorCode, KAFKA_STORAGE_ERROR, name);
    assert.match(answer?.errorMessage ?? "", sentence, name);
  }
}

async function assertTaken(client: KafkaClient): Promise<void> {
  for (const [name, topic] of [["create", "new"], ["grow", "plain"], ["alter", "plain"], ["remove", "old"]] as const) {
    const answer = await changes[name](client, topic);
    assert.deepEqual([name, answer?.errorCode, answer?.errorMessage], [name, NONE, null]);
  }
}

interopTest({
  name:
    "metadata faults: on a full disk changes are refused with KAFKA_STORAGE_ERROR and nothing else suffers; with room " +
    "they succeed, also after a start that a full disk refused",
  needs: ["mount"],
  async fn() {
    using directory = temporaryDirectory();
    using _mounted = mountMemory(directory.path, { megabytes: 64 });
    await using scene = await Scene.start(directory.path);
    const all = [scene.faulty, ...scene.sound];
    await scene.client.createTopic("old", 2);
    {
      using client = await KafkaClient.connect(scene.broker);
      const room = fillUp(directory.path);
      for (let i = 0; i < 3; i++) await assertRefused(client, /the disk is full/);
      assert.equal(await autoCreate(client, "auto"), LEADER_NOT_AVAILABLE);
      assert.equal(await findCoordinator(client), COORDINATOR_NOT_AVAILABLE);
      assert.deepEqual(await scene.client.topicNames(), ["faulty", "flushed", "old", "plain"]);
      await scene.verify(all);
      assert.equal((await scene.broker.process.signal("SIGKILL"), await scene.broker.process.status).signal, "SIGKILL");
      await assert.rejects(startBrokerProcess({ dataDir: directory.path }), /barnabas: Cannot .*the disk is full/s);
      room.free();
    }
    await scene.restart("SIGKILL");
    const room = fillUp(directory.path);
    scene.broker.process.signal("SIGTERM");
    // Closed logs give back what was reserved for them, which may be room enough.
    const { code } = await scene.broker.process.status;
    const last = scene.broker.process.outputTail(1);
    assert.match(
      last,
      code === 0 ? /SIGTERM: stopping/ : /^barnabas: Cannot write checkpoint .*No space left on device/,
    );
    assert.doesNotMatch(scene.broker.process.outputTail(), /\[ERR\]/, "said once");
    room.free();
    await scene.restart("SIGKILL");
    using client = await KafkaClient.connect(scene.broker);
    await assertTaken(client);
    assert.equal(await autoCreate(client, "auto"), NONE);
    assert.equal(await findCoordinator(client), NONE);
    await scene.sendAll(all);
    await scene.restart("SIGKILL");
    assert.deepEqual(await scene.client.topicNames(), ["auto", "faulty", "flushed", "new", "plain"]);
    await scene.verify(all);
  },
});

for (const injected of ["error=EIO", "error=ENOSPC", "error=EROFS"]) {
  interopTest({
    name:
      `metadata faults: while writes of the store end with ${injected}, changes are refused, and later they succeed`,
    needs: ["strace"],
    async fn() {
      using directory = temporaryDirectory();
      await using scene = await Scene.start(directory.path);
      const all = [scene.faulty, ...scene.sound];
      await scene.client.createTopic("old", 2);
      using client = await KafkaClient.connect(scene.broker);
      {
        await using fault = await injectIntoStore(scene.broker, "pwrite64", injected);
        for (let i = 0; i < 2; i++) await assertRefused(client, /Cannot write metadata store .*the disk/);
        assert(fault.count >= 8);
        await scene.sendAll(all);
      }
      await assertTaken(client);
      await scene.restart("SIGKILL");
      assert.deepEqual(await scene.client.topicNames(), ["faulty", "flushed", "new", "plain"]);
      await scene.verify(all);
    },
  });
}

interopTest({
  name:
    "metadata faults: a failed flush of the store ends the broker with a sentence, and the next start has every topic",
  needs: ["strace"],
  async fn() {
    using directory = temporaryDirectory();
    await using scene = await Scene.start(directory.path);
    {
      await using _fault = await injectIntoStore(scene.broker, "fsync", "error=EIO");
      await assert.rejects(scene.client.createTopic("doubtful", 1));
      await assertEnded(
        scene.broker,
        /barnabas: Cannot write metadata store .*: the disk failed \(disk I\/O error\)$/,
      );
    }
    await scene.restart("SIGKILL");
    const names = (await scene.client.topicNames()).filter((name) => name !== "doubtful");
    assert.deepEqual(names, ["faulty", "flushed", "plain"]);
    await scene.verify([scene.faulty, ...scene.sound]);
  },
});

interopTest({
  name: "metadata faults: a log directory that is removed ends the broker with a sentence at the next change",
  async fn() {
    using directory = temporaryDirectory();
    await using scene = await Scene.start(directory.path);
    Deno.renameSync(directory.path, `${directory.path}.away`);
    await assert.rejects(scene.client.createTopic("lost", 1));
    await assertEnded(
      scene.broker,
      /barnabas: Cannot write metadata store: .* was removed or replaced while the broker ran/,
    );
    Deno.renameSync(`${directory.path}.away`, directory.path);
    await scene.restart("SIGKILL");
    assert.deepEqual(await scene.client.topicNames(), ["faulty", "flushed", "plain"]);
  },
});

function injectIntoStore({ process, dataDir }: BrokerProcess, call: string, injected: string): Promise<InjectedFault> {
  return InjectedFault.inject(process.pid, { call, injected, paths: [`${dataDir}/barnabas-metadata.sqlite-wal`] });
}

async function assertEnded({ process }: BrokerProcess, words: RegExp): Promise<void> {
  assert.equal((await process.status).code, 1);
  const output = process.outputTail();
  assert.match(output, words);
  assert.doesNotMatch(output, /\n +at /, "a sentence, no stack");
}
