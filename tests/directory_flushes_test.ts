/**
 * Flushes in several log directories, with faults of the disk injected into the broker's system calls by strace(1): a slow or failing one
 * is no matter of the others. All partitions are on one shard, whose groups are then the most that one directory could delay.
 */
import { strict as assert } from "node:assert";
import { join } from "node:path";
import { errorCode } from "../net/protocol/error_codes.ts";
import { produceRequest, produceResponse } from "../net/protocol/messages/00_produce.ts";
import { BrokerProcess, type BrokerProcessOptions } from "./broker_process.ts";
import { KafkaClient } from "./kafka_client.ts";
import { buildBatch } from "./record_batch_builder.ts";
import { hasStrace, type SystemFault } from "./strace.ts";
import { withDirectory } from "./temporary_directory.ts";
import { append, create } from "./topic_requests.ts";

const { NONE, KAFKA_STORAGE_ERROR } = errorCode;
const VERSION = 9;
const FLUSHED = { "flush.messages": "1" };
const ignore = !hasStrace();

/** A Produce of one record to each of some partitions of "t". */
function produceToAll(partitions: readonly number[]) {
  const records = buildBatch([{ value: "x" }], { baseTimestamp: Date.now() });
  const topicData = [{ name: "t", partitionData: partitions.map((index) => ({ index, records })) }];
  return { transactionalId: null, acks: -1, timeoutMs: 30_000, topicData };
}

/** Waits for the answer to `produceToAll()`. @returns the error codes, by partition */
async function receiveCodes(client: KafkaClient): Promise<number[]> {
  const answer = await client.receive(produceResponse, VERSION);
  const partitions = answer?.response.responses[0]?.partitionResponses ?? [];
  return partitions.toSorted((a, b) => a.index - b.index).map(({ errorCode: code }) => code);
}

/** Every second partition, as the broker spreads them over the directories "a" and "b". */
const evenOf = (count: number) => Array.from({ length: count / 2 }, (_, index) => 2 * index);
const oddOf = (count: number) => evenOf(count).map((partition) => partition + 1);

/** A log directory's file that a partition's records are written to. */
const logOf = (root: string, directory: string, partition: number) =>
  join(root, directory, `t-${partition}`, "00000000000000000000.log");

/**
 * Runs a broker with the log directories "a" and "b", whose topic "t" has half of its partitions in each; then another one without
 * faults.
 */
async function withBroker(
  { partitionsCount, faultOf }: { partitionsCount: number; faultOf: (root: string) => SystemFault },
  during: (clients: [KafkaClient, KafkaClient], broker: { process: BrokerProcess; root: string }) => Promise<void>,
  after: (client: KafkaClient) => Promise<void>,
): Promise<void> {
  await withDirectory(async (root) => {
    const overrides = { "log.dirs": `${join(root, "a")},${join(root, "b")}` };
    const options: BrokerProcessOptions = { overrides, shards: 1 };
    {
      await using process = await BrokerProcess.start({ ...options, fault: faultOf(root) });
      using one = await KafkaClient.connect(process);
      using two = await KafkaClient.connect(process);
      await create(one, "t", partitionsCount, FLUSHED);
      for (const partition of evenOf(partitionsCount)) Deno.statSync(logOf(root, "a", partition));
      for (const partition of oddOf(partitionsCount)) Deno.statSync(logOf(root, "b", partition));
      await during([one, two], { process, root });
    }
    await using process = await BrokerProcess.start(options);
    using client = await KafkaClient.connect(process);
    await after(client);
  });
}

Deno.test({
  name: "flushes that take 500 ms in one log directory, more than are executed at a time, hold up no answer of another",
  ignore,
  fn: () => {
    const partitionsCount = 20;
    const slow = oddOf(partitionsCount);
    const faultOf = (root: string) => ({
      call: "fdatasync",
      injected: "delay_enter=500000",
      paths: slow.map((partition) => logOf(root, "b", partition)),
    });
    let rounds = 0;
    return withBroker({ partitionsCount, faultOf }, async ([one, two]) => {
      const order: string[] = [];
      for (; rounds < 3; rounds++) {
        await one.send(produceRequest, VERSION, produceToAll(slow));
        const isSlow = receiveCodes(one).then((codes) => {
          assert.deepEqual(codes, slow.map(() => NONE));
          order.push("slow");
        });
        for (let count = 0; count < 3; count++) {
          assert.equal((await append(two, "t", 0))[0], NONE);
          order.push("fast");
        }
        await isSlow;
      }
      assert.deepEqual(order, Array(rounds).fill(["fast", "fast", "fast", "slow"]).flat());
    }, async (client) => {
      assert.deepEqual(await append(client, "t", 0), [NONE, 3 * rounds]);
      for (const partition of slow) assert.deepEqual(await append(client, "t", partition), [NONE, rounds]);
    });
  },
});

Deno.test({
  name:
    "a flush that fails takes its log offline alone: other logs of its directory, and other directories, are served",
  ignore,
  fn: () => {
    const faultOf = (root: string) => ({
      call: "fdatasync",
      injected: "error=EIO",
      paths: [logOf(root, "b", 1)],
    });
    return withBroker({ partitionsCount: 4, faultOf }, async ([client]) => {
      // The first of these starts the flush workers, one of the later ones is flushed by them.
      for (let round = 0; round < 20; round++) {
        await client.send(produceRequest, VERSION, produceToAll([0, 1, 2, 3]));
        assert.deepEqual(await receiveCodes(client), [NONE, KAFKA_STORAGE_ERROR, NONE, NONE], `round ${round}`);
      }
    }, async (client) => {
      for (const partition of [0, 2, 3]) assert.deepEqual(await append(client, "t", partition), [NONE, 20]);
      assert.equal((await append(client, "t", 1))[0], NONE);
    });
  },
});

Deno.test({
  name:
    "a stop waits for the flushes under way in all log directories, is a clean one, and the next start has every record",
  ignore,
  fn: () => {
    const faultOf = (root: string) => ({
      call: "fdatasync",
      injected: "delay_enter=300000",
      paths: [logOf(root, "a", 0), logOf(root, "b", 1)],
    });
    const kept = 4;
    return withBroker({ partitionsCount: 2, faultOf }, async ([client], { process, root }) => {
      // The first of these starts the flush workers, which takes less time than the flushes.
      for (let round = 0; round < kept; round++) {
        await client.send(produceRequest, VERSION, produceToAll([0, 1]));
        assert.deepEqual(await receiveCodes(client), [NONE, NONE]);
      }
      const logs = [logOf(root, "a", 0), logOf(root, "b", 1)];
      const sizes = logs.map((path) => Deno.statSync(path).size);
      await client.send(produceRequest, VERSION, produceToAll([0, 1]));
      while (logs.some((path, index) => Deno.statSync(path).size === sizes[index])) {
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      assert.doesNotMatch(await process.stop(), /failed/);
      for (const name of ["a", "b"]) assert.ok(Deno.statSync(join(root, name, ".kafka_cleanshutdown")).isFile);
    }, async (client) => {
      for (const partition of [0, 1]) assert.deepEqual(await append(client, "t", partition), [NONE, kept + 1]);
    });
  },
});
