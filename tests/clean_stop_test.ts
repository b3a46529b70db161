/**
 * A stop of the broker writes its mark only if it closed every log cleanly, and the next start trusts the mark only for those logs.
 * Between a stop and a start the tests change the data directory as a crash, a damaged disk or an operator would.
 */
import { strict as assert } from "node:assert";
import { type BrokerOptions, startBroker, StartupError } from "../mod.ts";
import { errorCode } from "../net/protocol/error_codes.ts";
import { produceRequest, produceResponse } from "../net/protocol/messages/00_produce.ts";
import { fetchRequest, fetchResponse } from "../net/protocol/messages/01_fetch.ts";
import { Controller } from "../partitions/control.ts";
import { KafkaClient } from "./kafka_client.ts";
import { batchesIn } from "./log_fixture.ts";
import { buildBatch } from "./record_batch_builder.ts";
import { withDirectory } from "./temporary_directory.ts";
import { produceTo } from "./topic_requests.ts";

const topics = [{ name: "t", partitions: 1 }, { name: "other", partitions: 1 }];
const FIRST_LOG = "00000000000000000000.log";

/** Serves while `use` runs, then stops cleanly. */
async function serve<T>(
  dataDir: string,
  use: (client: KafkaClient, broker: Awaited<ReturnType<typeof startBroker>>) => Promise<T>,
  options: BrokerOptions = {},
): Promise<T> {
  await using broker = await startBroker({ port: 0, dataDir, shards: 1, ...options });
  using client = await KafkaClient.connect(broker);
  return await use(client, broker);
}

async function produceFive(client: KafkaClient): Promise<void> {
  for (let i = 0; i < 5; i++) {
    const batch = buildBatch([{ value: String(i).repeat(200) }], { baseTimestamp: Date.now() });
    const call = { apiVersion: 9, value: produceTo("t", 0, batch) };
    const { responses } = await client.call(produceRequest, produceResponse, call);
    assert.equal(responses[0]?.partitionResponses[0]?.errorCode, errorCode.NONE);
  }
}

async function endOf(client: KafkaClient, topic: string): Promise<{ code: number; end: number }> {
  const partition = {
    partition: 0,
    currentLeaderEpoch: -1,
    fetchOffset: 0,
    lastFetchedEpoch: -1,
    partitionMaxBytes: 1 << 20,
  };
  const value = {
    maxWaitMs: 0,
    minBytes: 0,
    maxBytes: 1 << 20,
    sessionEpoch: -1,
    topics: [{ topic, partitions: [partition] }],
  };
  const { responses } = await client.call(fetchRequest, fetchResponse, { apiVersion: 12, value });
  const found = responses[0]?.partitions[0];
  return { code: found?.errorCode ?? -1, end: Number(found?.highWatermark ?? -1) };
}

function isMarked(dataDir: string): boolean {
  return [...Deno.readDirSync(dataDir)].some(({ name }) => name === ".kafka_cleanshutdown");
}

/** Writes zeros to the end of a batch's payload, as a loss of power may. @param batch index in the file; -1 is the last one */
function tear(path: string, batch = -1): void {
  const bytes = Deno.readFileSync(path);
  const { position, bytes: torn } = batchesIn(bytes).at(batch)!;
  bytes.fill(0, position + torn.length - 100, position + torn.length);
  Deno.writeFileSync(path, bytes);
}

/** Changes a stopped broker's directory into what a kill before the first checkpoint leaves. */
function forgetStop(dataDir: string): void {
  for (const name of [".kafka_cleanshutdown", "recovery-point-offset-checkpoint"]) {
    Deno.removeSync(`${dataDir}/${name}`);
  }
}

/** Makes a log impossible to open, also for root. @returns a function that repairs it */
function lock(partition: string): () => void {
  const path = `${partition}/partition.metadata`;
  const content = Deno.readFileSync(path);
  Deno.removeSync(path);
  Deno.mkdirSync(path);
  return () => {
    Deno.removeSync(path);
    Deno.writeFileSync(path, content);
  };
}

Deno.test("a stop marks nothing if a log could not be opened: the next start finds the damage of the earlier crash", async () => {
  await withDirectory(async (dataDir) => {
    await serve(dataDir, produceFive, { topics });
    assert.ok(isMarked(dataDir));
    forgetStop(dataDir);
    tear(`${dataDir}/t-0/${FIRST_LOG}`);
    const repair = lock(`${dataDir}/t-0`);
    await serve(dataDir, async (client) => {
      assert.equal((await endOf(client, "t")).code, errorCode.KAFKA_STORAGE_ERROR);
      assert.deepEqual(await endOf(client, "other"), { code: errorCode.NONE, end: 0 });
    });
    assert.equal(isMarked(dataDir), false);
    repair();
    await serve(
      dataDir,
      async (client) => assert.deepEqual(await endOf(client, "t"), { code: errorCode.NONE, end: 4 }),
    );
    assert.ok(isMarked(dataDir));
  });
});

Deno.test("a stop marks nothing if a log was handed over and the new shard could not open it", async () => {
  await withDirectory(async (dataDir) => {
    let repair = () => {};
    await serve(dataDir, async (client, broker) => {
      await produceFive(client);
      assert.ok("controller" in broker && broker.controller instanceof Controller);
      const { controller } = broker;
      const topic = controller.image.topic("t")!;
      repair = lock(`${dataDir}/t-0`);
      const shard = 1 - topic.partitions[0]!.shard;
      assert.ok(await controller.handOverPartition({ topicId: topic.id, partition: 0, shard }));
    }, { topics, shards: 2 });
    assert.equal(isMarked(dataDir), false);
    repair();
    tear(`${dataDir}/t-0/${FIRST_LOG}`);
    await serve(
      dataDir,
      async (client) => assert.deepEqual(await endOf(client, "t"), { code: errorCode.NONE, end: 4 }),
    );
  });
});

Deno.test("the mark of this broker does not cover directories that were added since; that of Apache Kafka does", async () => {
  for (const isKafkas of [false, true]) {
    await withDirectory(async (dataDir) => {
      await serve(dataDir, produceFive, { topics });
      Deno.mkdirSync(`${dataDir}/restored-0`);
      for (const kind of [".log", ".index", ".timeindex"]) {
        const name = FIRST_LOG.replace(".log", kind);
        Deno.copyFileSync(`${dataDir}/t-0/${name}`, `${dataDir}/restored-0/${name}`);
      }
      tear(`${dataDir}/restored-0/${FIRST_LOG}`);
      if (isKafkas) Deno.writeTextFileSync(`${dataDir}/.kafka_cleanshutdown`, '{"version":0,"brokerEpoch":7}');
      await serve(dataDir, async (client) => assert.equal((await endOf(client, "restored")).end, isKafkas ? 5 : 4));
    });
  }
});

Deno.test("a partition that lost flushed records stays offline over restarts, and its segments stay as they are", async () => {
  await withDirectory(async (dataDir) => {
    await serve(dataDir, produceFive, { topics });
    const path = `${dataDir}/t-0/${FIRST_LOG}`;
    tear(path, 2);
    Deno.removeSync(`${dataDir}/.kafka_cleanshutdown`);
    const before = Deno.readFileSync(path);
    for (let start = 0; start < 2; start++) {
      await serve(
        dataDir,
        async (client) => assert.equal((await endOf(client, "t")).code, errorCode.KAFKA_STORAGE_ERROR),
      );
      assert.match(Deno.readTextFileSync(`${dataDir}/recovery-point-offset-checkpoint`), /^t 0 5$/m);
    }
    assert.deepEqual(Deno.readFileSync(path), before);
    // As the broker's message advises, the recovery point becomes 0: that is its value without a file.
    Deno.removeSync(`${dataDir}/recovery-point-offset-checkpoint`);
    await serve(
      dataDir,
      async (client) => assert.deepEqual(await endOf(client, "t"), { code: errorCode.NONE, end: 2 }),
    );
  });
});

Deno.test("a broker does not start with a damaged log-start-offset-checkpoint, because deleted records would come back", async () => {
  await withDirectory(async (dataDir) => {
    await serve(dataDir, produceFive, { topics });
    const path = `${dataDir}/log-start-offset-checkpoint`;
    Deno.writeTextFileSync(path, "0\n1\nt 0 3");
    await assert.rejects(startBroker({ port: 0, dataDir, shards: 1 }), (error: unknown) => {
      assert.ok(error instanceof StartupError, String(error));
      assert.match(error.message, /log-start-offset-checkpoint: its last line is cut off\. .*deleted/);
      return true;
    });
    assert.equal(Deno.readTextFileSync(path), "0\n1\nt 0 3");
    Deno.removeSync(path);
    await serve(dataDir, async (client) => assert.equal((await endOf(client, "t")).end, 5));
  });
});

Deno.test("a start removes lines of deleted topics from the checkpoints, because a new topic may get the name", async () => {
  await withDirectory(async (dataDir) => {
    await serve(dataDir, produceFive, { topics });
    Deno.writeTextFileSync(`${dataDir}/recovery-point-offset-checkpoint`, "0\n3\nt 0 5\nother 0 0\ngone 0 100\n");
    Deno.writeTextFileSync(`${dataDir}/log-start-offset-checkpoint`, "0\n1\ngone 0 50\n");
    await serve(dataDir, () => {
      const points = Deno.readTextFileSync(`${dataDir}/recovery-point-offset-checkpoint`);
      assert.deepEqual(points.trimEnd().split("\n").slice(2).sort(), ["other 0 0", "t 0 5"]);
      assert.equal(Deno.readTextFileSync(`${dataDir}/log-start-offset-checkpoint`), "0\n0\n");
      return Promise.resolve();
    });
  });
});
