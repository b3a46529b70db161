/**
 * A partition with transactions that Apache Kafka 4.3.1 wrote (golden/storage/transactions: two committed transactions and
 * one left open by a killed client, an idempotent producer between them): recovery leads to the snapshot that Kafka wrote.
 */
import { strict as assert } from "node:assert";
import { openLog, TestDirectory } from "./log_fixture.ts";

const golden = new URL("./golden/storage/transactions/", import.meta.url).pathname;

Deno.test("Log.open() rebuilds the producers of transactions to Kafka's snapshot, byte for byte", () => {
  using directory = new TestDirectory();
  Deno.mkdirSync(directory.partition);
  const log = "00000000000000000000.log";
  const snapshot = "00000000000000000062.snapshot";
  Deno.copyFileSync(golden + log, `${directory.partition}/${log}`);
  using opened = openLog(directory.partition, { producerIdExpirationMs: Infinity });
  assert.deepEqual([opened.logEndOffset, opened.producerCount], [62, 3]);
  assert.equal(opened.close({ clean: true }), true);
  assert.deepEqual(Deno.readFileSync(`${directory.partition}/${snapshot}`), Deno.readFileSync(golden + snapshot));
  assert.deepEqual(Deno.readFileSync(`${directory.partition}/${log}`), Deno.readFileSync(golden + log));
});
