import { strict as assert } from "node:assert";
import { toOffset } from "../base/units.ts";
import { type AbortedTransaction, decodeTransactionIndex, encodeTransactionIndex } from "./transaction_index.ts";

function transaction(producerId: number, firstOffset: number, lastOffset: number): AbortedTransaction {
  const [first, last] = [toOffset(firstOffset), toOffset(lastOffset)];
  return { producerId, firstOffset: first, lastOffset: last, lastStableOffset: toOffset(lastOffset + 1) };
}

Deno.test("encodeTransactionIndex() writes the layout of Kafka's AbortedTxn", () => {
  const bytes = encodeTransactionIndex([{ ...transaction(0x1_0000_0002, 3, 9), lastStableOffset: toOffset(4) }]);
  const hex = ["0000", "0000000100000002", "0000000000000003", "0000000000000009", "0000000000000004"].join("");
  assert.equal(bytes.toHex(), hex);
});

Deno.test("decodeTransactionIndex() reads what was written, without a cut entry, at every length", () => {
  const transactions = [transaction(7, 0, 4), transaction(8, 2, 5), transaction(7, 6, 90)];
  const bytes = encodeTransactionIndex(transactions);
  for (let length = 0; length <= bytes.length; length++) {
    const decoded = decodeTransactionIndex(bytes.subarray(0, length), toOffset(0));
    assert.deepEqual(decoded, transactions.slice(0, Math.floor(length / 34)));
  }
});

Deno.test("decodeTransactionIndex() refuses entries that cannot be right", () => {
  const refuses = (transactions: AbortedTransaction[], baseOffset = 0) =>
    assert.equal(decodeTransactionIndex(encodeTransactionIndex(transactions), toOffset(baseOffset)), null);
  refuses([transaction(7, 5, 4)]);
  refuses([transaction(7, 0, 4), transaction(8, 1, 4)]);
  refuses([transaction(7, 0, 4)], 5);
  refuses([transaction(7, -1, 4)]);
  const version = encodeTransactionIndex([transaction(7, 0, 4)]);
  version[1] = 1;
  assert.equal(decodeTransactionIndex(version, toOffset(0)), null);
});
