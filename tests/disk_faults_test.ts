/**
 * Faults of the disk under a running broker, injected into its system calls by strace(1): nothing that was not stored is acknowledged, a
 * failed flush is never believed, a full disk recovers, and a slow flush holds up nobody else. The faults exist from the broker's start.
 * (tests/interop/disk_faults_test.ts: faults that begin and end while idempotent producers write, whose files Apache Kafka reads in the
 * end; turn times of shards while flushes are slow; file systems that are full or read-only.)
 */
import { strict as assert } from "node:assert";
import { errorCode } from "../net/protocol/error_codes.ts";
import { produceRequest, produceResponse } from "../net/protocol/messages/00_produce.ts";
import { BrokerProcess, type BrokerProcessOptions } from "./broker_process.ts";
import { KafkaClient } from "./kafka_client.ts";
import { buildBatch } from "./record_batch_builder.ts";
import { hasStrace, type SystemFault } from "./strace.ts";
import { withDirectory } from "./temporary_directory.ts";
import { append, create, produceTo } from "./topic_requests.ts";

const { NONE, KAFKA_STORAGE_ERROR } = errorCode;
const VERSION = 9;
const FLUSHED = { "flush.messages": "1" };
const ignore = !hasStrace();

/** Appends a record. @returns error code and base offset */
const produce = (client: KafkaClient, topic: string, value: string) => append(client, topic, 0, [value]);

/** Waits for the answer to a Produce. @returns its error code */
async function receiveCode(client: KafkaClient): Promise<number | undefined> {
  const answer = await client.receive(produceResponse, VERSION);
  return answer?.response.responses[0]?.partitionResponses[0]?.errorCode;
}

/** Runs a broker whose topic "t" has a faulty log file, "u" has none; then one without faults on the same directory. */
async function withFaults(
  fault: Omit<SystemFault, "paths">,
  during: (client: KafkaClient, second: KafkaClient) => Promise<void>,
  after: (client: KafkaClient) => Promise<void> = async () => {},
): Promise<void> {
  await withDirectory(async (dataDir) => {
    const paths = [`${dataDir}/t-0/00000000000000000000.log`];
    const options: BrokerProcessOptions = { dataDir, shards: 1 };
    {
      await using broker = await BrokerProcess.start({ ...options, fault: { ...fault, paths } });
      using client = await KafkaClient.connect(broker);
      using second = await KafkaClient.connect(broker);
      await during(client, second);
    }
    await using broker = await BrokerProcess.start(options);
    using client = await KafkaClient.connect(broker);
    await after(client);
  });
}

for (const error of ["EIO", "ENOSPC"]) {
  Deno.test({
    name:
      `a flush that fails with ${error} takes its partition offline; others are served, and a restart continues the log`,
    ignore,
    fn: () =>
      withFaults({ call: "fdatasync", injected: `error=${error}` }, async (client) => {
        for (const name of ["t", "u"]) await create(client, name, 1, FLUSHED);
        for (const value of ["lost", "refused"]) {
          assert.deepEqual(await produce(client, "t", value), [KAFKA_STORAGE_ERROR, -1]);
        }
        for (const offset of [0, 1]) assert.deepEqual(await produce(client, "u", "kept"), [NONE, offset]);
      }, async (client) => {
        assert.deepEqual(await produce(client, "u", "more"), [NONE, 2]);
        const [code] = await produce(client, "t", "after");
        assert.equal(code, NONE);
      }),
  });

  Deno.test({
    name: `a write that fails with ${error} is refused and changes nothing; the next one succeeds`,
    ignore,
    fn: () =>
      withFaults({ call: "pwrite64", injected: `error=${error}:when=2..3` }, async (client) => {
        for (const name of ["t", "u"]) await create(client, name);
        const answers: [code: number, baseOffset: number][] = [];
        for (const value of ["a", "b", "c", "d"]) answers.push(await produce(client, "t", value));
        assert.deepEqual(answers, [[NONE, 0], [KAFKA_STORAGE_ERROR, -1], [KAFKA_STORAGE_ERROR, -1], [NONE, 1]]);
        assert.deepEqual(await produce(client, "u", "a"), [NONE, 0]);
      }, async (client) => assert.deepEqual(await produce(client, "t", "e"), [NONE, 2])),
  });
}

Deno.test({
  name:
    "a flush that takes 500 ms holds up its own answers, not those of a topic that does not flush, on the same shard",
  ignore,
  fn: () =>
    withFaults({ call: "fdatasync", injected: "delay_enter=500000" }, async (slow, fast) => {
      await create(slow, "t", 1, FLUSHED);
      await create(fast, "u");
      await produce(fast, "u", "first");
      const order: string[] = [];
      for (let round = 0; round < 3; round++) {
        const records = buildBatch([{ value: "x", timestamp: Date.now() }]);
        await slow.send(produceRequest, VERSION, produceTo("t", 0, records, 1));
        const flushed = receiveCode(slow).then((code) => void order.push(code === NONE ? "flushed" : `${code}`));
        for (let count = 0; count < 3; count++) {
          await produce(fast, "u", "y");
          order.push("written");
        }
        await flushed;
      }
      assert.deepEqual(order, Array(3).fill(["written", "written", "written", "flushed"]).flat());
    }),
});

Deno.test({
  name: "a stop waits for the flush under way, is a clean one, and the next start has every record",
  ignore,
  fn: () =>
    withDirectory(async (dataDir) => {
      const paths = [`${dataDir}/t-0/00000000000000000000.log`];
      const options: BrokerProcessOptions = { dataDir, shards: 2 };
      const kept = 4;
      {
        const fault = { call: "fdatasync", injected: "delay_enter=300000", paths };
        await using broker = await BrokerProcess.start({ ...options, fault });
        using client = await KafkaClient.connect(broker);
        await create(client, "t", 1, FLUSHED);
        // The first of these starts the flush worker, which takes less time than the flush.
        for (let offset = 0; offset < kept; offset++) {
          assert.deepEqual(await produce(client, "t", "kept"), [NONE, offset]);
        }
        const { size } = Deno.statSync(paths[0]!);
        await client.send(produceRequest, VERSION, produceTo("t", 0, buildBatch([{ value: "x" }]), 1));
        while (Deno.statSync(paths[0]!).size === size) await new Promise((resolve) => setTimeout(resolve, 1));
        assert.doesNotMatch(await broker.stop(), /failed/);
      }
      assert.ok((await Deno.stat(`${dataDir}/.kafka_cleanshutdown`)).isFile);
      await using broker = await BrokerProcess.start(options);
      using client = await KafkaClient.connect(broker);
      assert.deepEqual(await produce(client, "t", "more"), [NONE, kept + 1]);
    }),
});
