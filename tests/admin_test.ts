/**
 * Admin APIs on a running broker with several shards: partitions are added, configs change, records are deleted. All of it is there
 * after a restart, and what was acknowledged is there after a kill.
 */
import { strict as assert } from "node:assert";
import { startBroker } from "../mod.ts";
import { errorCode } from "../net/protocol/error_codes.ts";
import { fetchRequest, fetchResponse } from "../net/protocol/messages/01_fetch.ts";
import { deleteTopicsRequest, deleteTopicsResponse } from "../net/protocol/messages/20_delete_topics.ts";
import { deleteRecordsRequest, deleteRecordsResponse } from "../net/protocol/messages/21_delete_records.ts";
import { describeConfigsRequest, describeConfigsResponse } from "../net/protocol/messages/32_describe_configs.ts";
import { describeLogDirsRequest, describeLogDirsResponse } from "../net/protocol/messages/35_describe_log_dirs.ts";
import { createPartitionsRequest, createPartitionsResponse } from "../net/protocol/messages/37_create_partitions.ts";
import {
  describeTopicPartitionsRequest,
  describeTopicPartitionsResponse,
} from "../net/protocol/messages/75_describe_topic_partitions.ts";
import { BrokerProcess } from "./broker_process.ts";
import { KafkaClient } from "./kafka_client.ts";
import { withDirectory } from "./temporary_directory.ts";
import { alterConfigs, append, create, EARLIEST, fetchOf, LATEST, listOffset, withClients } from "./topic_requests.ts";

const [TOPIC, GROUP] = [2, 32];
const SESSION = "consumer.session.timeout.ms";

async function grow(client: KafkaClient, name: string, count: number): Promise<number> {
  const value = { topics: [{ name, count, assignments: null }], timeoutMs: 5000, validateOnly: false };
  const answer = await client.call(createPartitionsRequest, createPartitionsResponse, { apiVersion: 3, value });
  return answer.results[0]!.errorCode;
}

async function alter(client: KafkaClient, resource: [number, string], configs: Record<string, string | null>) {
  return (await alterConfigs(client, resource, configs))[0];
}

async function configOf(client: KafkaClient, [resourceType, resourceName]: [number, string], key: string) {
  const value = { resources: [{ resourceType, resourceName, configurationKeys: [key] }] };
  const answer = await client.call(describeConfigsRequest, describeConfigsResponse, { apiVersion: 4, value });
  const config = answer.results[0]?.configs[0];
  return [config?.value, config?.configSource];
}

/** Deletes records. @returns error code and low watermark by partition */
async function deleteRecords(client: KafkaClient, name: string, offsets: [partition: number, offset: number][]) {
  const topics = [{ name, partitions: offsets.map(([partitionIndex, offset]) => ({ partitionIndex, offset })) }];
  const of = { apiVersion: 2, value: { topics, timeoutMs: 5000 } };
  const answer = await client.call(deleteRecordsRequest, deleteRecordsResponse, of);
  return answer.topics[0]!.partitions.map(({ errorCode: code, lowWatermark }) => [code, lowWatermark]);
}

async function earliest(client: KafkaClient, name: string, partition: number): Promise<number> {
  return (await listOffset(client, [name, partition], EARLIEST))[1];
}

async function latest(client: KafkaClient, name: string, partition: number): Promise<number> {
  return (await listOffset(client, [name, partition], LATEST))[1];
}

/** Fetches. @returns error code, log start and bytes */
async function fetchFrom(client: KafkaClient, name: string, [partition, fetchOffset]: [number, number], maxWaitMs = 0) {
  const value = { ...fetchOf([name, partition], fetchOffset), maxWaitMs, minBytes: 1 };
  const answer = await client.call(fetchRequest, fetchResponse, { apiVersion: 12, value });
  const { errorCode: code, logStartOffset, records } = answer.responses[0]!.partitions[0]!;
  return { code, logStartOffset, bytes: records?.length ?? 0 };
}

Deno.test("added partitions can be written to at once, on any connection, and are there after a restart", () =>
  withDirectory(async (dataDir) => {
    {
      await using broker = await startBroker({ port: 0, shards: 2, dataDir });
      await withClients(broker, async (one, two) => {
        await create(one, "t");
        await append(one, "t", 0);
        for (const count of [3, 8]) {
          assert.equal(await grow(one, "t", count), errorCode.NONE);
          for (let partition = 1; partition < count; partition++) {
            assert.equal((await append(two, "t", partition))[0], errorCode.NONE);
          }
        }
        assert.equal(await grow(two, "t", 8), errorCode.INVALID_PARTITIONS);
        assert.deepEqual(await append(two, "t", 0), [errorCode.NONE, 1], "the first one is the same");
      });
    }
    await using broker = await startBroker({ port: 0, shards: 3, dataDir });
    using client = await KafkaClient.connect(broker);
    const value = { topics: [{ name: "t" }], responsePartitionLimit: 5, cursor: null };
    const of = { apiVersion: 0, value };
    const page = await client.call(describeTopicPartitionsRequest, describeTopicPartitionsResponse, of);
    assert.deepEqual(page.topics[0]?.partitions.map(({ leaderId }) => leaderId), [1, 1, 1, 1, 1]);
    assert.deepEqual(page.nextCursor, { topicName: "t", partitionIndex: 5 });
    for (const [partition, end] of [2, 2, 2, 1, 1, 1, 1, 1].entries()) {
      assert.equal(await latest(client, "t", partition), end, `partition ${partition}`);
    }
  }));

Deno.test("a topic's config takes effect on every shard before the change is answered, and after a restart", () =>
  withDirectory(async (dataDir) => {
    const large = ["x".repeat(2000)];
    {
      await using broker = await startBroker({ port: 0, shards: 2, dataDir });
      await withClients(broker, async (one, two) => {
        await create(one, "t", 2);
        for (
          const [limit, code] of [["1000", errorCode.MESSAGE_TOO_LARGE], [null, errorCode.NONE], ["1500", 10]] as const
        ) {
          assert.equal(await alter(one, [TOPIC, "t"], { "max.message.bytes": limit }), errorCode.NONE);
          for (const partition of [0, 1]) assert.equal((await append(two, "t", partition, large))[0], code);
        }
        assert.equal(await alter(one, [TOPIC, "t"], { "max.message.bytes": "-1" }), errorCode.INVALID_CONFIG);
        assert.deepEqual(await configOf(two, [TOPIC, "t"], "max.message.bytes"), ["1500", 1]);
      });
    }
    await using broker = await startBroker({ port: 0, shards: 2, dataDir });
    using client = await KafkaClient.connect(broker);
    assert.deepEqual(await configOf(client, [TOPIC, "t"], "max.message.bytes"), ["1500", 1]);
    assert.equal((await append(client, "t", 1, large))[0], errorCode.MESSAGE_TOO_LARGE);
  }));

Deno.test("every shard shows a group's config as soon as the change is answered, and after a restart", () =>
  withDirectory(async (dataDir) => {
    const group: [number, string] = [GROUP, "group \u{1F98A}"];
    {
      await using broker = await startBroker({ port: 0, shards: 2, dataDir });
      await withClients(broker, async (one, two) => {
        assert.deepEqual(await configOf(two, group, SESSION), ["45000", 5]);
        assert.equal(await alter(one, group, { [SESSION]: "50000" }), errorCode.NONE);
        for (const client of [one, two]) assert.deepEqual(await configOf(client, group, SESSION), ["50000", 8]);
        assert.equal(await alter(two, group, { [SESSION]: "90000" }), errorCode.INVALID_CONFIG);
      });
    }
    await using broker = await startBroker({ port: 0, shards: 2, dataDir });
    using client = await KafkaClient.connect(broker);
    assert.deepEqual(await configOf(client, group, SESSION), ["50000", 8]);
    assert.equal(await alter(client, group, { [SESSION]: null }), errorCode.NONE);
    assert.deepEqual(await configOf(client, group, SESSION), ["45000", 5]);
  }));

Deno.test("deleted records are gone for readers of every shard, also for one that waits, and after a restart", () =>
  withDirectory(async (dataDir) => {
    {
      await using broker = await startBroker({ port: 0, shards: 2, dataDir });
      await withClients(broker, async (one, two) => {
        await create(one, "t", 2);
        for (const partition of [0, 1]) await append(one, "t", partition, ["a", "b", "c"]);
        const asked: [number, number][] = [[0, 2], [1, -1], [2, 0]];
        const expected = [[errorCode.NONE, 2], [errorCode.NONE, 3], [errorCode.UNKNOWN_TOPIC_OR_PARTITION, -1]];
        assert.deepEqual(await deleteRecords(one, "t", asked), expected);
        assert.deepEqual(await deleteRecords(two, "t", [[0, 4], [1, 1]]), [[errorCode.OFFSET_OUT_OF_RANGE, -1], [
          0,
          3,
        ]]);
        for (const client of [one, two]) {
          assert.deepEqual([await earliest(client, "t", 0), await latest(client, "t", 0)], [2, 3]);
          assert.equal((await fetchFrom(client, "t", [0, 1])).code, errorCode.OFFSET_OUT_OF_RANGE);
          const found = await fetchFrom(client, "t", [0, 2]);
          assert.deepEqual([found.code, found.logStartOffset, found.bytes > 0], [errorCode.NONE, 2, true]);
        }
        const waiting = fetchFrom(two, "t", [1, 3], 30_000);
        await append(one, "t", 1, ["d"]);
        assert.ok((await waiting).bytes > 0);
      });
    }
    await using broker = await startBroker({ port: 0, shards: 1, dataDir });
    using client = await KafkaClient.connect(broker);
    assert.deepEqual([await earliest(client, "t", 0), await earliest(client, "t", 1)], [2, 3]);
    assert.deepEqual([await latest(client, "t", 0), await latest(client, "t", 1)], [3, 4]);
  }));

Deno.test("segments below the log start leave the disk, and a topic that is only compacted keeps its records", () =>
  withDirectory(async (dataDir) => {
    await using broker = await startBroker({ port: 0, shards: 2, dataDir });
    await withClients(broker, async (one, two) => {
      await create(one, "t", 2, { "internal.segment.bytes": "3000", "file.delete.delay.ms": "0" });
      for (let round = 0; round < 20; round++) await append(one, "t", 1, ["x".repeat(1000)]);
      const names = () => [...Deno.readDirSync(`${dataDir}/t-1`)].map(({ name }) => name);
      const segments = () => names().filter((name) => name.endsWith(".log"));
      const before = segments().length;
      assert.ok(before > 5, `${before} segments`);
      assert.deepEqual(await deleteRecords(two, "t", [[1, -1]]), [[errorCode.NONE, 20]]);
      // Every request gives the owner a turn.
      const deadline = Date.now() + 20_000;
      while (segments().length > 1 || names().some((name) => name.endsWith(".deleted"))) {
        assert.ok(Date.now() < deadline, names().join(" "));
        await latest(one, "t", 1);
        await latest(one, "t", 0);
      }
      assert.deepEqual(await append(one, "t", 1), [errorCode.NONE, 20]);
      assert.equal(await alter(one, [TOPIC, "t"], { "cleanup.policy": "compact" }), errorCode.NONE);
      assert.deepEqual(await deleteRecords(two, "t", [[1, -1]]), [[errorCode.POLICY_VIOLATION, -1]]);
    });
  }));

/** Bytes of the segment files of a partition. */
function logFilesBytes(dataDir: string, partition: string): number {
  const logs = [...Deno.readDirSync(`${dataDir}/${partition}`)].filter(({ name }) => name.endsWith(".log"));
  return logs.reduce((sum, { name }) => sum + Deno.statSync(`${dataDir}/${partition}/${name}`).size, 0);
}

/** The log directory: its error code, its path, and the size of every log in it. */
async function describeLogDirs(client: KafkaClient) {
  const of = { apiVersion: 5, value: { topics: null } };
  const { results } = await client.call(describeLogDirsRequest, describeLogDirsResponse, of);
  assert.equal(results.length, 1);
  const { errorCode: code, logDir, topics, totalBytes, usableBytes } = results[0]!;
  assert.ok(totalBytes > usableBytes && usableBytes > 0, `${usableBytes} of ${totalBytes} bytes`);
  const sizes = topics.flatMap(({ name, partitions }) =>
    partitions.map(({ partitionIndex, partitionSize }) => [`${name}-${partitionIndex}`, partitionSize] as const)
  );
  return { code, logDir, sizes: Object.fromEntries(sizes) };
}

Deno.test("DescribeLogDirs has the sizes of the logs' files, on every shard and after a restart, and the error of a damaged log", () =>
  withDirectory(async (dataDir) => {
    const partitions = ["t-0", "t-1", "t-2", "u-0"];
    const sizes = () =>
      Object.fromEntries(partitions.map((partition) => [partition, logFilesBytes(dataDir, partition)]));
    const logDir = await Deno.realPath(dataDir);
    {
      await using broker = await startBroker({ port: 0, shards: 2, dataDir });
      await withClients(broker, async (one, two) => {
        await create(one, "t", 3, { "internal.segment.bytes": "3000" });
        await create(one, "u");
        for (const partition of [0, 1, 1, 1, 1]) await append(one, "t", partition, ["x".repeat(1000)]);
        const expected = { code: errorCode.NONE, logDir, sizes: sizes() };
        assert.ok(expected.sizes["t-1"]! > 4000 && expected.sizes["t-2"] === 0);
        for (const client of [one, two]) assert.deepEqual(await describeLogDirs(client), expected);
      });
    }
    {
      await using broker = await startBroker({ port: 0, shards: 1, dataDir });
      using client = await KafkaClient.connect(broker);
      assert.deepEqual(await describeLogDirs(client), { code: errorCode.NONE, logDir, sizes: sizes() });
    }
    // Flushed records are missing.
    Deno.truncateSync(`${dataDir}/t-0/${"0".repeat(20)}.log`, 500);
    Deno.removeSync(`${dataDir}/.kafka_cleanshutdown`);
    await using broker = await startBroker({ port: 0, shards: 2, dataDir });
    await withClients(broker, async (one, two) => {
      const { "t-0": _, ...online } = sizes();
      const expected = { code: errorCode.KAFKA_STORAGE_ERROR, logDir, sizes: online };
      for (const client of [one, two]) assert.deepEqual(await describeLogDirs(client), expected);
    });
  }));

Deno.test("after a kill no log starts below the acknowledged low watermark, or above the highest requested one", () =>
  withDirectory(async (dataDir) => {
    const partitions = [0, 1, 2, 3];
    const acknowledged = partitions.map(() => 0);
    const asked = partitions.map(() => 0);
    const appended = partitions.map(() => 0);
    for (const [round, kills] of [2, 13, 30].entries()) {
      await using broker = await BrokerProcess.start({ dataDir });
      using client = await KafkaClient.connect(broker);
      if (round === 0) await create(client, "t", partitions.length, { "internal.segment.bytes": "4000" });
      let deletions = 0;
      const work = (async () => {
        for (let turn = 0;; turn++) {
          const partition = turn % partitions.length;
          const [code, baseOffset] = await append(client, "t", partition, ["x".repeat(700), "y".repeat(700), "z"]);
          assert.equal(code, errorCode.NONE);
          appended[partition] = (baseOffset ?? 0) + 3;
          const offset = appended[partition]! - (turn % 5);
          asked[partition] = Math.max(asked[partition]!, offset);
          const [[refusal, lowWatermark] = []] = await deleteRecords(client, "t", [[partition, offset]]);
          assert.equal(refusal, errorCode.NONE);
          acknowledged[partition] = Math.max(acknowledged[partition]!, lowWatermark!);
          if (++deletions === kills) broker.kill();
        }
      })();
      await assert.rejects(work, (error) => !(error instanceof assert.AssertionError));
      await broker.kill();
    }
    await using broker = await startBroker({ port: 0, shards: 2, dataDir });
    using client = await KafkaClient.connect(broker);
    for (const partition of partitions) {
      const [start, end] = [await earliest(client, "t", partition), await latest(client, "t", partition)];
      const what = `partition ${partition}: ${acknowledged[partition]} <= ${start} <= ${asked[partition]}, end ${end}`;
      assert.ok(start >= acknowledged[partition]! && start <= asked[partition]!, what);
      assert.ok(end >= appended[partition]!, what);
      assert.equal((await fetchFrom(client, "t", [partition, start])).code, errorCode.NONE);
      assert.deepEqual(await append(client, "t", partition), [errorCode.NONE, end]);
    }
  }));

Deno.test("a topic with the name of a deleted one begins at 0 and loses nothing, whenever the broker is killed", () =>
  withDirectory(async (dataDir) => {
    const remove = async (client: KafkaClient) => {
      const of = { apiVersion: 5, value: { topicNames: ["t"], timeoutMs: 5000 } };
      assert.equal((await client.call(deleteTopicsRequest, deleteTopicsResponse, of)).responses[0]?.errorCode, 0);
    };
    for (const isRestartedBetween of [false, true]) {
      await using brokers = new AsyncDisposableStack();
      const start = async () => brokers.use(await BrokerProcess.start({ dataDir }));
      let broker = await start();
      {
        using client = await KafkaClient.connect(broker);
        await create(client, "t");
        for (let count = 0; count < 5; count++) await append(client, "t", 0, ["a", "b", "c"]);
        assert.deepEqual(await deleteRecords(client, "t", [[0, -1]]), [[errorCode.NONE, 15]]);
        await remove(client);
      }
      if (isRestartedBetween) {
        await broker.kill();
        broker = await start();
      }
      using client = await KafkaClient.connect(broker);
      await create(client, "t");
      assert.deepEqual(await append(client, "t", 0), [errorCode.NONE, 0]);
      await broker.kill();
      await using again = await startBroker({ port: 0, shards: 2, dataDir });
      using reader = await KafkaClient.connect(again);
      assert.deepEqual([await earliest(reader, "t", 0), await latest(reader, "t", 0)], [0, 1]);
      await remove(reader);
    }
  }));
