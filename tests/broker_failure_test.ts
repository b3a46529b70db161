/**
 * The broker leaves nothing behind when a part of it fails, when it cannot start, and when it is stopped under load.
 */
import { strict as assert } from "node:assert";
import { startBroker, StartupError } from "../mod.ts";
import { errorCode } from "../net/protocol/error_codes.ts";
import { metadataRequest, metadataResponse } from "../net/protocol/messages/03_metadata.ts";
import { produceRequest, produceResponse } from "../net/protocol/messages/00_produce.ts";
import { fetchRequest } from "../net/protocol/messages/01_fetch.ts";
import type { BrokerConfig } from "../partitions/config/broker/broker_config.ts";
import { brokerConfigFrom } from "../partitions/config/broker/broker_properties.ts";
import { KafkaClient } from "./kafka_client.ts";
import { buildBatch } from "./record_batch_builder.ts";
import { withDirectory } from "./temporary_directory.ts";
import { create, produceTo } from "./topic_requests.ts";

const PRODUCE = 9;

/** Settings that make the handlers of Metadata and Fetch throw, as a bug would. */
function failingConfig(dataDir: string, shards: number): BrokerConfig {
  const built = brokerConfigFrom(new Map(), { port: 0, dataDir, shards });
  assert.ok("config" in built);
  return {
    ...built.config,
    advertisedListeners: "a bug" as unknown as BrokerConfig["advertisedListeners"],
    fetchMaxBytes: 1n as unknown as number,
  };
}

/** Open files of this process in a directory. Other descriptors of the runtime come and go with its threads. */
function openFilesIn(directory: string): string[] {
  const links: string[] = [];
  for (const { name } of Deno.readDirSync("/proc/self/fd")) {
    try {
      links.push(Deno.readLinkSync(`/proc/self/fd/${name}`));
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  return links.filter((path) => path.startsWith(directory));
}

function produceOf(partition: number) {
  return produceTo("t", partition, buildBatch([{ value: "kept" }], { baseTimestamp: Date.now() }));
}

Deno.test("a shard that throws ends the broker: closed rejects, every connection is closed, and a restart has every record", async () => {
  await withDirectory(async (dataDir) => {
    {
      const config = failingConfig(dataDir, 3);
      await using broker = await startBroker({ config, topics: [{ name: "t", partitions: 3 }] });
      const clients = await Promise.all(Array.from({ length: 6 }, () => KafkaClient.connect(broker)));
      for (const partition of [0, 1, 2]) {
        const value = produceOf(partition);
        await clients[partition]?.call(produceRequest, produceResponse, { apiVersion: PRODUCE, value });
      }
      await clients[0]?.send(fetchRequest, 12, { maxWaitMs: 0, minBytes: 0, sessionEpoch: -1, topics: [] });
      await assert.rejects(broker.closed, /Shard \d failed/);
      for (const client of clients) {
        assert.equal(await client.receiveFrame(), null);
        client[Symbol.dispose]();
      }
      await assert.rejects(KafkaClient.connect(broker), Deno.errors.ConnectionRefused);
      // The failed shard has closed its files, too.
      assert.deepEqual(openFilesIn(dataDir), []);
    }
    await using broker = await startBroker({ port: 0, dataDir, shards: 2 });
    using client = await KafkaClient.connect(broker);
    for (const partition of [0, 1, 2]) {
      const value = produceOf(partition);
      const { responses } = await client.call(produceRequest, produceResponse, { apiVersion: PRODUCE, value });
      assert.equal(responses[0]?.partitionResponses[0]?.baseOffset, 1);
    }
  });
});

Deno.test("a handler that fails costs its connection alone if it changes nothing, and the client gets an error", async () => {
  await withDirectory(async (dataDir) => {
    const topics = [{ name: "t", partitions: 3 }];
    await using broker = await startBroker({ config: failingConfig(dataDir, 1), topics });
    using honest = await KafkaClient.connect(broker);
    using failed = await KafkaClient.connect(broker);
    assert.deepEqual(broker.handlerFailures(), [0]);
    const value = { topics: [], allowAutoTopicCreation: false };
    const { errorCode: code } = await failed.call(metadataRequest, metadataResponse, { apiVersion: 13, value });
    assert.equal(code, errorCode.UNKNOWN_SERVER_ERROR);
    assert.equal(await failed.receiveFrame(), null, "then it is closed");
    assert.deepEqual(broker.handlerFailures(), [1]);
    const { responses } = await honest.call(produceRequest, produceResponse, {
      apiVersion: PRODUCE,
      value: produceOf(0),
    });
    assert.equal(responses[0]?.partitionResponses[0]?.errorCode, errorCode.NONE);
  });
});

Deno.test("close() of a busy broker sends no more answers, leaves no file open and marks a clean stop", async () => {
  await withDirectory(async (dataDir) => {
    {
      await using broker = await startBroker({ port: 0, dataDir, shards: 3, topics: [{ name: "t", partitions: 3 }] });
      const clients = await Promise.all(Array.from({ length: 6 }, () => KafkaClient.connect(broker)));
      const partitions = [0, 1, 2].map((partition) => ({
        partition,
        currentLeaderEpoch: -1,
        fetchOffset: 0,
        lastFetchedEpoch: -1,
        partitionMaxBytes: 1 << 20,
      }));
      for (const client of clients) {
        for (const partition of [0, 1, 2]) await client.send(produceRequest, PRODUCE, produceOf(partition));
        const wait = { maxWaitMs: 60_000, minBytes: 1 << 20, maxBytes: 1 << 24, sessionEpoch: -1 };
        await client.send(fetchRequest, 12, { ...wait, topics: [{ topic: "t", partitions }] });
      }
      await broker.close();
      await broker.closed;
      for (const client of clients) {
        while (await client.receiveFrame() !== null);
        client[Symbol.dispose]();
      }
      assert.ok((await Deno.stat(`${dataDir}/.kafka_cleanshutdown`)).isFile);
    }
    assert.deepEqual(openFilesIn(dataDir), []);
  });
});

Deno.test("startBroker() that fails after its shards have started releases the directory, the port and every file", async () => {
  await withDirectory(async (dataDir) => {
    const port = 27_411;
    const fail = () => startBroker({ port, dataDir, shards: 2, topics: [{ name: "not a name" }] });
    await assert.rejects(fail, StartupError);
    assert.deepEqual(openFilesIn(dataDir), []);
    await using broker = await startBroker({ port, dataDir, shards: 2 });
    assert.equal(broker.port, port);
  });
});

Deno.test("a process in which startBroker() failed ends by itself and leaves no temporary directory", async () => {
  await withDirectory(async (temporary) => {
    await using taken = await startBroker({ port: 0, shards: 1, dataDir: `${temporary}/taken` });
    const script = `
      import { startBroker } from ${JSON.stringify(new URL("../mod.ts", import.meta.url).href)};
      await startBroker({ port: ${taken.port}, shards: 2 }).catch((error) => console.log(error.name));
    `;
    await Deno.writeTextFile(`${temporary}/start.ts`, script);
    const { code, stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--config", new URL("../deno.json", import.meta.url).pathname, `${temporary}/start.ts`],
      env: { TMPDIR: temporary },
    }).output();
    assert.equal(code, 0);
    assert.equal(new TextDecoder().decode(stdout), "StartupError\n");
    assert.deepEqual([...Deno.readDirSync(temporary)].map(({ name }) => name).sort(), ["start.ts", "taken"]);
  });
});

Deno.test("the program exits 1 with the reason when a shard fails", async () => {
  await withDirectory(async (path) => {
    // With this setting the handler of Fetch throws on the shards of the process.
    const sabotage = `
      import { Worker } from "node:worker_threads";
      const post = Worker.prototype.postMessage;
      Worker.prototype.postMessage = function (message, transferred) {
        const broken = message?.type === "start" && message.config !== undefined;
        post.call(this, broken ? { ...message, config: { ...message.config, fetchMaxBytes: 1n } } : message, transferred);
      };
    `;
    await Deno.writeTextFile(`${path}/sabotage.ts`, sabotage);
    const program = new URL("../main.ts", import.meta.url).pathname;
    const process = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--preload", `${path}/sabotage.ts`, program, "--port", "0", "--data", `${path}/data`],
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const reader = process.stdout.pipeThrough(new TextDecoderStream()).getReader();
    const { value: banner } = await reader.read();
    await reader.cancel();
    using client = await KafkaClient.connect({ port: Number(/127\.0\.0\.1:(\d+)/.exec(banner ?? "")?.[1]) });
    await client.send(fetchRequest, 12, { maxWaitMs: 0, minBytes: 0, sessionEpoch: -1, topics: [] });
    assert.equal(await client.receiveFrame(), null);
    const words = await new Response(process.stderr).text();
    assert.match(words, /barnabas: Error: Shard \d failed: .*BigInt/);
    assert.equal((await process.status).code, 1);
  });
});

Deno.test("a flush worker that fails ends the broker with a sentence, and a restart has what was acknowledged", async () => {
  await withDirectory(async (dataDir) => {
    const { Worker } = globalThis;
    const failing = `data:text/javascript,self.onmessage = () => { throw new Error("a bug"); };`;
    const start = { port: 0, dataDir, shards: 1 };
    try {
      globalThis.Worker = class extends Worker {
        constructor(module: string | URL, options?: WorkerOptions) {
          super(options?.name === "flush" ? failing : module, options);
        }
      };
      await using broker = await startBroker(start);
      using client = await KafkaClient.connect(broker);
      await create(client, "t", 1, { "flush.messages": "1" });
      await client.send(produceRequest, PRODUCE, produceOf(0));
      await assert.rejects(broker.closed, /The flush worker failed: .*a bug/);
    } finally {
      globalThis.Worker = Worker;
    }
    await using broker = await startBroker(start);
    using client = await KafkaClient.connect(broker);
    const { responses } = await client.call(produceRequest, produceResponse, {
      apiVersion: PRODUCE,
      value: produceOf(0),
    });
    assert.equal(responses[0]?.partitionResponses[0]?.errorCode, errorCode.NONE);
  });
});

Deno.test("a flush worker that fails while it has flushes leaves no file of them open", async () => {
  await withDirectory(async (root) => {
    const { Worker } = globalThis;
    const dataDir = `${root}/data`;
    // It serves, and fails when a shard has sent a group.
    const shared = new URL("../partitions/shared/", import.meta.url).href;
    const failing = `
      import { FlushWorkerWords } from "${shared}shared_state.ts";
      import { RingConsumer } from "${shared}ring.ts";
      import { FLUSH_WORKER } from "${shared}words.ts";
      self.onmessage = ({ data: { state, directory } }) => {
        new FlushWorkerWords(state, directory).set(FLUSH_WORKER.isServing, 1);
        setInterval(() => {
          if (state.flushRings[directory].some((ring) => new RingConsumer(ring).peek() !== null)) throw new Error("a bug");
        }, 1);
      };
    `;
    await Deno.writeTextFile(`${root}/failing.js`, failing);
    try {
      globalThis.Worker = class extends Worker {
        constructor(module: string | URL, options?: WorkerOptions) {
          super(options?.name === "flush" ? `file://${root}/failing.js` : module, options);
        }
      };
      await using broker = await startBroker({ port: 0, dataDir, shards: 2 });
      using client = await KafkaClient.connect(broker);
      await create(client, "t", 2, { "flush.messages": "1" });
      for (let isEnded = false; !isEnded;) {
        // The first groups do not go to the worker, which starts meanwhile.
        await client.send(produceRequest, PRODUCE, produceOf(0));
        isEnded = await client.receiveFrame() === null;
      }
      await assert.rejects(broker.closed, /The flush worker failed: .*a bug/);
      assert.deepEqual(openFilesIn(dataDir), []);
    } finally {
      globalThis.Worker = Worker;
    }
  });
});
