/**
 * A follower of Apache Kafka: the logs that Kafka 4.3.1 wrote (golden/storage/transactions, with transactions and their markers;
 * golden/kafka_partition, with several codecs, epochs and producers; golden/storage/aborted, with the transactions of three producers, most
 * of which were aborted) are taken over batch by batch, and truncated at every batch. Each log equals one whose files are cut there, and
 * then recovered. The index of aborted transactions equals Kafka's.
 */
import { strict as assert } from "node:assert";
import { toOffset } from "../storage/base/units.ts";
import type { Log } from "../storage/log/log.ts";
import { CrashingFileSystem } from "./crashing_file_system.ts";
import { describeProducers } from "./leader_batches.ts";
import { batchesIn, openLog, readAll, type StoredBatch, testConfig, TestDirectory } from "./log_fixture.ts";
import { concatBytes, inMemory, TEST_TIMESTAMP } from "./record_batch_builder.ts";

const goldens = ["storage/transactions", "storage/aborted", "kafka_partition"];
const small = { ...testConfig, segmentBytes: 1500, indexIntervalBytes: 300 };
const NAME = "00000000000000000000";

/** The batches of a log that Kafka wrote. */
function batchesOf(golden: string): StoredBatch[] {
  const directory = new URL(`./golden/${golden}/`, import.meta.url).pathname;
  const names = [...Deno.readDirSync(directory)].map(({ name }) => name).filter((name) => name.endsWith(".log")).sort();
  return names.flatMap((name) => batchesIn(Deno.readFileSync(directory + name)));
}

function follow(log: Log, batches: readonly StoredBatch[]): void {
  const { memory, start, length } = inMemory(concatBytes(batches.map(({ bytes }) => bytes)), 3);
  const result = log.appendAsFollower(memory, { start, length, leaderEpoch: 1_000_000, nowMs: TEST_TIMESTAMP });
  assert.deepEqual([result.refusal, result.batchesCount], [null, batches.length], result.message);
}

/** What is known of a log besides its batches. */
function factsOf(log: Log) {
  return {
    logEndOffset: log.logEndOffset,
    epoch: log.latestLeaderEpoch,
    producers: describeProducers(log),
  };
}

for (const golden of goldens) {
  Deno.test(`a follower takes over a log of Apache Kafka as it is, in any pieces (${golden})`, () => {
    const batches = batchesOf(golden);
    assert.ok(batches.length > 10);
    for (const piece of [1, 3, batches.length]) {
      using directory = new TestDirectory();
      {
        using log = openLog(directory.partition, { config: small, producerIdExpirationMs: Infinity });
        for (let at = 0; at < batches.length; at += piece) follow(log, batches.slice(at, at + piece));
        assert.ok(log.close({ clean: true }));
      }
      for (const cleanShutdown of [true, false]) {
        using log = openLog(directory.partition, { config: small, producerIdExpirationMs: Infinity, cleanShutdown });
        assert.deepEqual(readAll(log).map(({ bytes }) => bytes), batches.map(({ bytes }) => bytes));
      }
    }
  });

  Deno.test(`a follower's log of Apache Kafka is truncated at every batch (${golden})`, () => {
    const batches = batchesOf(golden);
    for (let count = batches.length - 1; count > 0; count--) {
      const options = { config: small, producerIdExpirationMs: Infinity };
      const log = openLog("/logs/t-0", { ...options, fs: new CrashingFileSystem(() => 0.5).fileSystem });
      follow(log, batches);
      assert.equal(log.truncateTo(toOffset(batches[count]!.baseOffset)).refusal, null);
      using directory = new TestDirectory();
      Deno.mkdirSync(directory.partition);
      const kept = concatBytes(batches.slice(0, count).map(({ bytes }) => bytes));
      Deno.writeFileSync(`${directory.partition}/${NAME}.log`, kept);
      using expected = openLog(directory.partition, options);
      assert.deepEqual(factsOf(log), factsOf(expected), `${count} batches`);
      for (let offset = 0; offset < log.logEndOffset; offset++) {
        assert.equal(log.epochFor(toOffset(offset)), expected.epochFor(toOffset(offset)));
      }
      follow(log, batches.slice(count));
      assert.equal(log.logEndOffset, batches.at(-1)!.lastOffset + 1);
    }
  });
}

Deno.test("the index of aborted transactions is that of Apache Kafka, whether it was followed, or recovered from the batches", () => {
  const batches = batchesOf("storage/aborted");
  const [log, index] = [`${NAME}.log`, `${NAME}.txnindex`];
  const expected = Deno.readFileSync(new URL(`./golden/storage/aborted/${index}`, import.meta.url));
  assert.ok(expected.length > 34 * 10);
  for (const piece of [1, batches.length]) {
    using directory = new TestDirectory();
    using followed = openLog(directory.partition, { producerIdExpirationMs: Infinity });
    for (let at = 0; at < batches.length; at += piece) follow(followed, batches.slice(at, at + piece));
    assert.deepEqual(Deno.readFileSync(`${directory.partition}/${index}`), expected);
  }
  using directory = new TestDirectory();
  Deno.mkdirSync(directory.partition);
  Deno.writeFileSync(`${directory.partition}/${log}`, concatBytes(batches.map(({ bytes }) => bytes)));
  openLog(directory.partition, { producerIdExpirationMs: Infinity }).close({ clean: true });
  assert.deepEqual(Deno.readFileSync(`${directory.partition}/${index}`), expected);
});
