import { strict as assert } from "node:assert";
import { buildBatch } from "../../tests/record_batch_builder.ts";
import { toOffset } from "../base/units.ts";
import type { AbortedTransaction } from "../segments/transaction_index.ts";
import { CleanedTransactions } from "./cleaned_transactions.ts";

function aborted(producerId: number, firstOffset: number, lastOffset: number): AbortedTransaction {
  const [first, last] = [toOffset(firstOffset), toOffset(lastOffset)];
  return { producerId, firstOffset: first, lastOffset: last, lastStableOffset: toOffset(lastOffset + 1) };
}

/** A walk that says what becomes of the batches it passes. */
class Walk {
  readonly transactions: CleanedTransactions;

  constructor(transactions: readonly AbortedTransaction[], from = 0) {
    this.transactions = new CleanedTransactions(transactions, toOffset(from));
  }

  data(baseOffset: number, producerId: number, transactional = true): boolean {
    const batch = buildBatch([{ key: "k", value: "v" }], { baseOffset, producerId, transactional });
    return this.transactions.passData(new DataView(batch.buffer), 0);
  }

  control(baseOffset: number, producerId: number, type: number | null): boolean {
    const records = type === null ? [] : [{ key: new Uint8Array([0, 0, 0, type]), value: new Uint8Array(6) }];
    const lastOffsetDelta = 0;
    const batch = buildBatch(records, { baseOffset, producerId, lastOffsetDelta, transactional: true, control: true });
    return this.transactions.passControl(new DataView(batch.buffer), 0);
  }
}

const ABORT = 0;
const COMMIT = 1;
const LEADER_CHANGE = 2;

Deno.test("CleanedTransactions removes the data of an aborted transaction only, and keeps its marker and entry for one cleaning", () => {
  const walk = new Walk([aborted(7, 2, 5)]);
  assert.equal(walk.data(0, 7), false, "of the transaction before");
  assert.equal(walk.control(1, 7, COMMIT), false);
  assert.equal(walk.data(2, 7), true);
  assert.equal(walk.data(3, 8), false, "of another producer");
  assert.equal(walk.data(4, 7, false), false, "of no transaction");
  assert.equal(walk.control(5, 7, ABORT), false);
  assert.equal(walk.data(6, 7), false, "of the transaction after");
  assert.deepEqual(walk.transactions.takeRetained(), [aborted(7, 2, 5)]);
  assert.deepEqual(walk.transactions.takeRetained(), []);
});

Deno.test("CleanedTransactions frees markers whose data is gone, and markers that are empty", () => {
  const walk = new Walk([aborted(7, 2, 5)]);
  assert.equal(walk.control(5, 7, ABORT), true);
  assert.deepEqual(walk.transactions.takeRetained(), []);
  assert.equal(walk.control(6, 8, COMMIT), true);
  assert.equal(walk.control(7, 8, null), true);
  assert.equal(walk.control(8, -1, LEADER_CHANGE), false);
});

Deno.test("CleanedTransactions takes no transaction for an open one that ended before the walk, or whose marker is missing", () => {
  const later = new Walk([aborted(7, 2, 5)], 6);
  assert.equal(later.data(6, 7), false);
  const missing = new Walk([aborted(7, 2, 5), aborted(7, 8, 9)]);
  assert.equal(missing.data(2, 7), true);
  assert.equal(missing.data(6, 7), false);
  assert.equal(missing.data(8, 7), true);
  assert.equal(missing.control(9, 7, ABORT), false);
  assert.deepEqual(missing.transactions.takeRetained(), [aborted(7, 8, 9)]);
});
