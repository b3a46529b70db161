/**
 * Dynamic settings of running brokers: what is set for one broker or for all takes effect before the change is answered, on every shard,
 * and is there after a restart; SIGHUP reads the file again.
 */
import { strict as assert } from "node:assert";
import { type Broker, startBroker, startCluster } from "../mod.ts";
import { RunningProcess, waitFor } from "../bench/peer/processes.ts";
import { errorCode } from "../net/protocol/error_codes.ts";
import { produceRequest, produceResponse } from "../net/protocol/messages/00_produce.ts";
import { describeConfigsRequest, describeConfigsResponse } from "../net/protocol/messages/32_describe_configs.ts";
import { KafkaClient } from "./kafka_client.ts";
import { buildBatch } from "./record_batch_builder.ts";
import { createReplicated } from "./replicated_topics.ts";
import { withDirectory } from "./temporary_directory.ts";
import {
  alterConfigs,
  append,
  appendBatch,
  create,
  EARLIEST,
  listOffset,
  produceTo,
  withClients,
} from "./topic_requests.ts";

const BROKER = 4;
const { NONE, MESSAGE_TOO_LARGE, INVALID_REQUEST, INVALID_CONFIG, NOT_ENOUGH_REPLICAS } = errorCode;

/** Changes settings of one broker, or of all by no name; null removes one. @throws AssertionError when they are refused */
async function change(client: KafkaClient, broker: string, configs: Record<string, string | null>): Promise<void> {
  assert.deepEqual(await alterConfigs(client, [BROKER, broker], configs), [NONE, null]);
}

/** Value and source of a setting. */
async function shown(client: KafkaClient, broker: string, name: string) {
  const value = { resources: [{ resourceType: BROKER, resourceName: broker, configurationKeys: [name] }] };
  const answer = await client.call(describeConfigsRequest, describeConfigsResponse, { apiVersion: 4, value });
  const config = answer.results[0]?.configs[0];
  return [config?.value, config?.configSource];
}

const sizeOf = (bytes: number) => ["x".repeat(bytes)];

Deno.test("settings of a broker take effect on every shard before the change is answered, and after a restart", () =>
  withDirectory(async (dataDir) => {
    {
      await using broker = await startBroker({ port: 0, shards: 2, dataDir });
      await withClients(broker, async (one, two) => {
        await create(one, "plain", 2);
        await create(one, "own", 1, { "max.message.bytes": "5000" });
        const sent = async (bytes: number) => {
          const topics: [string, number][] = [["plain", 0], ["plain", 1], ["own", 0]];
          const codes = [];
          for (const [topic, partition] of topics) codes.push((await append(two, topic, partition, sizeOf(bytes)))[0]);
          return codes;
        };
        await change(one, "", { "message.max.bytes": "3000" });
        assert.deepEqual(await sent(4000), [MESSAGE_TOO_LARGE, MESSAGE_TOO_LARGE, NONE], "a topic's own value stays");
        await change(one, "1", { "message.max.bytes": "6000" });
        assert.deepEqual(await sent(5500), [NONE, NONE, MESSAGE_TOO_LARGE], "this broker's goes before all brokers'");
        await change(one, "1", { "message.max.bytes": null });
        assert.deepEqual(await sent(4000), [MESSAGE_TOO_LARGE, MESSAGE_TOO_LARGE, NONE]);
        await create(two, "new");
        assert.equal(
          (await append(one, "new", 0, sizeOf(4000)))[0],
          MESSAGE_TOO_LARGE,
          "topics that come later inherit it",
        );
        assert.equal((await alterConfigs(one, [BROKER, "1"], { "message.max.bytes": "x" }))[0], INVALID_REQUEST);
        assert.deepEqual(await shown(two, "1", "message.max.bytes"), ["3000", 3]);
        await change(one, "1", { "log.cleaner.threads": "2" });
      });
    }
    await using broker = await startBroker({ port: 0, shards: 3, dataDir, overrides: { "message.max.bytes": "9000" } });
    using client = await KafkaClient.connect(broker);
    assert.equal((await append(client, "plain", 1, sizeOf(4000)))[0], MESSAGE_TOO_LARGE, "it goes before the file");
    assert.equal((await append(client, "plain", 1, sizeOf(2000)))[0], NONE);
    assert.deepEqual(await shown(client, "1", "log.cleaner.threads"), ["2", 2]);
    await change(client, "", { "message.max.bytes": null });
    assert.equal((await append(client, "plain", 1, sizeOf(8000)))[0], NONE);
    assert.deepEqual(await shown(client, "1", "message.max.bytes"), ["9000", 4]);
  }));

Deno.test("log.retention.ms removes segments while the broker runs, but not those of a topic with a value of its own", async () => {
  const overrides = {
    "log.initial.task.delay.ms": "0",
    "log.retention.check.interval.ms": "100",
    "log.segment.bytes": "1048576",
    "log.message.timestamp.before.max.ms": "9223372036854775807",
  };
  await using broker = await startBroker({ port: 0, shards: 2, overrides });
  using client = await KafkaClient.connect(broker);
  await create(client, "plain");
  await create(client, "own", 1, { "retention.ms": "-1" });
  const timestamp = Date.now() - 3_600_000;
  const records = buildBatch([{ value: "x".repeat(900_000), timestamp }], { baseTimestamp: timestamp });
  for (const topic of ["plain", "own"]) {
    for (let n = 0; n < 3; n++) assert.equal((await appendBatch(client, [topic, 0], records))[0], NONE);
  }
  const startOf = async (topic: string) => (await listOffset(client, [topic, 0], EARLIEST))[1];
  assert.deepEqual([await startOf("plain"), await startOf("own")], [0, 0]);
  await change(client, "", { "log.retention.ms": "60000" });
  await waitFor("the log starts later", async () => await startOf("plain") === 3 ? true : undefined);
  assert.equal(await startOf("own"), 0);
});

Deno.test("max.connections.per.ip counts the connections that are open already, and can be raised again", async () => {
  await using broker = await startBroker({ port: 0, shards: 2 });
  await withClients(broker, async (one, two) => {
    await change(one, "", { "max.connections.per.ip": "2" });
    using refused = await KafkaClient.connect(broker);
    await assert.rejects(shown(refused, "1", "max.connections.per.ip"), "a third one is closed");
    assert.deepEqual(await shown(two, "1", "max.connections.per.ip"), ["2", 3]);
    await change(one, "", { "max.connections.per.ip.overrides": "127.0.0.1:3" });
    using third = await KafkaClient.connect(broker);
    assert.deepEqual(await shown(third, "1", "max.connections.per.ip.overrides"), ["127.0.0.1:3", 3]);
  });
});

Deno.test("in a cluster, settings of all brokers reach all, those of one only this one, and both are there after a restart", () =>
  withDirectory(async (dataDir) => {
    {
      await using cluster = await startCluster({ dataDir, brokers: 3 });
      const [one, two, three] = cluster.brokers as [Broker, Broker, Broker];
      using first = await KafkaClient.connect(one);
      using second = await KafkaClient.connect(two);
      await createReplicated(first, "t", [[1, 2, 3], [2, 1, 3]]);
      await change(first, "", { "message.max.bytes": "3000", "min.insync.replicas": "2" });
      await change(second, "2", { "message.max.bytes": "9000" });
      assert.match((await alterConfigs(first, [BROKER, "2"], { "message.max.bytes": "1" }))[1] ?? "", /received 2/);
      assert.deepEqual((await alterConfigs(second, [BROKER, "2"], { "min.insync.replicas": "1" }))[0], INVALID_CONFIG);
      const sizes = [await append(first, "t", 0, sizeOf(4000)), await append(second, "t", 1, sizeOf(4000))];
      assert.deepEqual(sizes.map(([code]) => code), [MESSAGE_TOO_LARGE, NONE]);
      await waitFor("all brokers show it", async () => {
        using client = await KafkaClient.connect(three);
        const [value] = await shown(client, "3", "message.max.bytes");
        return value === "3000" ? true : undefined;
      });
      await three.close();
      await waitFor("two are enough", async () => (await append(first, "t", 0))[0] === NONE ? true : undefined);
      await two.close();
      const value = produceTo("t", 0, buildBatch([{ value: "x" }]));
      await waitFor("one is not", async () => {
        const { responses } = await first.call(produceRequest, produceResponse, { apiVersion: 9, value });
        return responses[0]?.partitionResponses[0]?.errorCode === NOT_ENOUGH_REPLICAS ? true : undefined;
      });
      await change(first, "", { "min.insync.replicas": null });
      await waitFor("one is enough again", async () => (await append(first, "t", 0))[0] === NONE ? true : undefined);
    }
    await using cluster = await startCluster({ dataDir, brokers: 3 });
    const found = [];
    for (const [index, { port }] of cluster.brokers.entries()) {
      using client = await KafkaClient.connect({ port });
      found.push(await shown(client, String(index + 1), "message.max.bytes"));
    }
    assert.deepEqual(found, [["3000", 3], ["9000", 2], ["3000", 3]]);
  }));

Deno.test("SIGHUP takes what can change of the file, names the rest, and takes nothing of a file that is wrong", () =>
  withDirectory(async (directory) => {
    const file = `${directory}/server.properties`;
    const write = (...lines: string[]) =>
      Deno.writeTextFileSync(file, [`log.dirs=${directory}/data`, "num.partitions=1", ...lines, ""].join("\n"));
    write("message.max.bytes=3000");
    const program = new URL("../main.ts", import.meta.url).pathname;
    const args = ["run", "-A", program, "--port", "0", "--shards", "1", "--config", file];
    await using process = new RunningProcess(Deno.execPath(), args, { outputFile: `${directory}/output` });
    const said = (what: RegExp) =>
      waitFor(`it says ${what}`, () => Promise.resolve(what.exec(process.outputTail()) ?? undefined));
    const [, port] = await said(/listening on 127\.0\.0\.1:(\d+)/);
    using client = await KafkaClient.connect({ port: Number(port) });
    await create(client, "t");
    assert.equal((await append(client, "t", 0, sizeOf(4000)))[0], MESSAGE_TOO_LARGE);
    write("message.max.bytes=6000", "fetch.max.bytes=4096");
    Deno.kill(process.pid, "SIGHUP");
    await said(/SIGHUP: changed: message\.max\.bytes; these need a restart: fetch\.max\.bytes$/m);
    assert.equal((await append(client, "t", 0, sizeOf(4000)))[0], NONE);
    assert.deepEqual(await shown(client, "1", "fetch.max.bytes"), ["57671680", 5]);
    write("message.max.bytes=100", "log.segment.bytes=few");
    Deno.kill(process.pid, "SIGHUP");
    await said(/SIGHUP: the settings stay as they are: .*log\.segment\.bytes: Not a number of type INT$/m);
    assert.equal((await append(client, "t", 0, sizeOf(4000)))[0], NONE);
    Deno.removeSync(file);
    Deno.kill(process.pid, "SIGHUP");
    await said(/SIGHUP: the settings stay as they are: Cannot read --config/);
  }));
