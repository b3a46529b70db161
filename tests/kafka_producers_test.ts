/**
 * A partition with transactions that Apache Kafka 4.3.1 wrote (golden/storage/transactions: two committed transactions, one left open by
 * a killed client, and an idempotent producer between them): recovery produces the snapshot that Kafka wrote.
 */
import { strict as assert } from "node:assert";
import { BrokerProcess } from "./broker_process.ts";
import { openLog, TestDirectory } from "./log_fixture.ts";
import { buildBatch, concatBytes } from "./record_batch_builder.ts";
import { withDirectory } from "./temporary_directory.ts";

const golden = new URL("./golden/storage/transactions/", import.meta.url).pathname;

Deno.test("Log.open() rebuilds the producers of transactions to Kafka's snapshot, byte for byte", () => {
  using directory = new TestDirectory();
  Deno.mkdirSync(directory.partition);
  const log = "00000000000000000000.log";
  const snapshot = "00000000000000000062.snapshot";
  Deno.copyFileSync(golden + log, `${directory.partition}/${log}`);
  using opened = openLog(directory.partition, { producerIdExpirationMs: Infinity });
  assert.deepEqual([opened.logEndOffset, opened.producers.size], [62, 3]);
  assert.equal(opened.close({ clean: true }), true);
  assert.deepEqual(Deno.readFileSync(`${directory.partition}/${snapshot}`), Deno.readFileSync(golden + snapshot));
  assert.deepEqual(Deno.readFileSync(`${directory.partition}/${log}`), Deno.readFileSync(golden + log));
});

Deno.test("Log.open() finds open transactions in a log of Apache Kafka, and aborted ones that an index names", () => {
  using directory = new TestDirectory();
  Deno.mkdirSync(directory.partition);
  const log = "00000000000000000000.log";
  Deno.copyFileSync(golden + log, `${directory.partition}/${log}`);
  const look = (cleanShutdown: boolean) => {
    using opened = openLog(directory.partition, { producerIdExpirationMs: Infinity, cleanShutdown });
    assert.ok(opened.close({ clean: true }));
    return opened.found.uncommitted;
  };
  // Once by recovery, and once by the snapshot of a clean stop.
  for (const clean of [false, true]) assert.deepEqual(look(clean), { hasAborted: false, openCount: 1 });
  const index = `${directory.partition}/00000000000000000000.txnindex`;
  Deno.writeFileSync(index, new Uint8Array(0));
  assert.equal(look(true).hasAborted, false);
  Deno.writeFileSync(index, new Uint8Array(34));
  assert.equal(look(true).hasAborted, true);
});

Deno.test("Log.open() finds abort markers in the batches that it reads anyway", () => {
  for (const [type, hasAborted] of [[0, true], [1, false]] as const) {
    using directory = new TestDirectory();
    Deno.mkdirSync(directory.partition);
    const producer = { producerId: 7, producerEpoch: 0, transactional: true, partitionLeaderEpoch: 0 };
    const marker = { key: new Uint8Array([0, 0, 0, type]), value: new Uint8Array(6) };
    const bytes = concatBytes([
      buildBatch([{ key: "k", value: "x" }], { ...producer, baseOffset: 0, baseSequence: 0 }),
      buildBatch([marker], { ...producer, control: true, baseOffset: 1 }),
    ]);
    Deno.writeFileSync(`${directory.partition}/00000000000000000000.log`, bytes);
    using log = openLog(directory.partition, { producerIdExpirationMs: Infinity });
    assert.deepEqual(log.found.uncommitted, { hasAborted, openCount: 0 });
  }
});

Deno.test("the broker warns at each start that it serves records of transactions that were not committed", async () => {
  await withDirectory(async (dataDir) => {
    Deno.mkdirSync(`${dataDir}/moved-0`);
    Deno.copyFileSync(`${golden}00000000000000000000.log`, `${dataDir}/moved-0/00000000000000000000.log`);
    for (const _start of ["adopts it", "knows it"]) {
      const broker = await BrokerProcess.start({ dataDir, shards: 1 });
      assert.match(await broker.stop(), /1 partition holds aborted or open ones.* moved-0 \(1 open\)/);
    }
  });
});
