import { strict as assert } from "node:assert";
import { toOffset } from "../../base/units.ts";
import { LeaderEpochTable } from "./leader_epoch_table.ts";

function epochsOf(...starts: [epoch: number, startOffset: number][]): LeaderEpochTable {
  const epochs = new LeaderEpochTable();
  for (const [epoch, startOffset] of starts) epochs.assign(epoch, toOffset(startOffset));
  return epochs;
}

const text = (...starts: [number, number][]) =>
  `0\n${starts.length}\n${starts.map((start) => `${start.join(" ")}\n`).join("")}`;

Deno.test("LeaderEpochTable.assign() notes an epoch once", () => {
  const epochs = new LeaderEpochTable();
  assert.equal(epochs.latest, -1);
  assert.equal(epochs.assign(2, toOffset(0)), true);
  assert.equal(epochs.assign(2, toOffset(0)), false);
  assert.equal(epochs.assign(2, toOffset(50)), false);
  assert.equal(epochs.assign(4, toOffset(50)), true);
  assert.equal(epochs.latest, 4);
  assert.equal(epochs.encode(), text([2, 0], [4, 50]));
});

Deno.test("LeaderEpochTable.assign() drops entries that contradict the new one, as Kafka does", () => {
  const three: [number, number][] = [[1, 10], [2, 20], [3, 30]];
  const after = (epoch: number, startOffset: number) => {
    const epochs = epochsOf(...three);
    assert.equal(epochs.assign(epoch, toOffset(startOffset)), true);
    return epochs.encode();
  };
  assert.equal(after(4, 30), text([1, 10], [2, 20], [4, 30]), "an epoch without a record");
  assert.equal(after(4, 15), text([1, 10], [4, 15]));
  assert.equal(after(2, 40), text([1, 10], [2, 40]));
  assert.equal(after(3, 25), text([1, 10], [2, 20], [3, 25]));
  assert.equal(after(0, 0), text([0, 0]));
});

Deno.test("LeaderEpochTable.endOffsetFor() finds the largest epoch at most the requested one and the next one's start", () => {
  const epochs = epochsOf([2, 10], [4, 20], [7, 30]);
  const end = (epoch: number) => Object.values(epochs.endOffsetFor(epoch, toOffset(99)));
  assert.deepEqual(end(7), [7, 99], "the latest epoch ends at the log end");
  assert.deepEqual(end(4), [4, 30]);
  assert.deepEqual(end(5), [4, 30]);
  assert.deepEqual(end(6), [4, 30]);
  assert.deepEqual(end(2), [2, 20]);
  assert.deepEqual(end(1), [1, 10], "before the first known epoch");
  assert.deepEqual(end(0), [0, 10]);
  assert.deepEqual(end(8), [-1, -1], "later than any");
  assert.deepEqual(end(-1), [-1, -1]);
  assert.deepEqual(Object.values(new LeaderEpochTable().endOffsetFor(0, toOffset(5))), [-1, -1]);
  assert.deepEqual(Object.values(new LeaderEpochTable().endOffsetFor(-1, toOffset(5))), [-1, -1]);
});

Deno.test("LeaderEpochTable.epochFor() finds the epoch of every offset", () => {
  const epochs = epochsOf([2, 10], [4, 20]);
  assert.deepEqual([0, 9, 10, 19, 20, 1000].map((offset) => epochs.epochFor(toOffset(offset))), [-1, -1, 2, 2, 4, 4]);
});

Deno.test("LeaderEpochTable.truncateFromEnd() drops epochs that begin at or after the offset", () => {
  const epochs = epochsOf([2, 10], [4, 20], [7, 30]);
  assert.equal(epochs.truncateFromEnd(toOffset(31)), false);
  assert.equal(epochs.truncateFromEnd(toOffset(30)), true);
  assert.equal(epochs.encode(), text([2, 10], [4, 20]));
  assert.equal(epochs.truncateFromEnd(toOffset(0)), true);
  assert.equal(epochs.encode(), text());
});

Deno.test("LeaderEpochTable.truncateFromStart() moves the start of the offset's epoch to it and drops earlier epochs", () => {
  const after = (offset: number): [boolean, string] => {
    const epochs = epochsOf([2, 10], [4, 20], [7, 30]);
    return [epochs.truncateFromStart(toOffset(offset)), epochs.encode()];
  };
  assert.deepEqual(after(5), [false, text([2, 10], [4, 20], [7, 30])]);
  assert.deepEqual(after(10), [false, text([2, 10], [4, 20], [7, 30])]);
  assert.deepEqual(after(15), [true, text([2, 15], [4, 20], [7, 30])]);
  assert.deepEqual(after(20), [true, text([4, 20], [7, 30])]);
  assert.deepEqual(after(29), [true, text([4, 29], [7, 30])]);
  assert.deepEqual(after(99), [true, text([7, 99])]);
});

Deno.test("LeaderEpochTable.decode() reads what encode() and Kafka wrote", () => {
  for (const content of [text(), text([0, 0]), text([0, 0], [1, 5], [2147483647, 2 ** 52])]) {
    assert.equal(LeaderEpochTable.decode(content)?.encode(), content);
  }
  assert.equal(LeaderEpochTable.decode("")?.size, 0);
  assert.equal(LeaderEpochTable.decode("0\r\n1\r\n3 4\r\n")?.encode(), text([3, 4]));
  const golden = Deno.readTextFileSync(
    new URL("../../../tests/golden/kafka_partition/leader-epoch-checkpoint", import.meta.url),
  );
  assert.equal(LeaderEpochTable.decode(golden)?.encode(), golden);
});

Deno.test("LeaderEpochTable.decode() refuses every truncation and all damaged texts", () => {
  const content = text([0, 0], [3, 12], [14, 567]);
  for (let length = 1; length < content.length; length++) {
    assert.equal(LeaderEpochTable.decode(content.slice(0, length)), null, JSON.stringify(content.slice(0, length)));
  }
  const damaged = [
    "0\n1\n1\n",
    "0\n1\n1 2 3\n",
    "0\n1\n-1 2\n",
    "0\n1\n1 -2\n",
    "0\n1\n1  2\n",
    "0\n1\nx 2\n",
    "0\n1\n1 1e3\n",
  ];
  for (const content of damaged) assert.equal(LeaderEpochTable.decode(content), null, content);
  assert.equal(LeaderEpochTable.decode("1\n0\n"), null, "version");
  assert.equal(LeaderEpochTable.decode("0\n-0\n"), null);
  assert.equal(LeaderEpochTable.decode("0\n2\n1 2\n"), null, "count");
  assert.equal(LeaderEpochTable.decode("0\n9999999999\n1 2\n"), null, "hostile count");
  assert.equal(LeaderEpochTable.decode(text([2, 10], [2, 20])), null, "epochs do not grow");
  assert.equal(LeaderEpochTable.decode(text([2, 10], [3, 10])), null, "offsets do not grow");
  assert.equal(LeaderEpochTable.decode("0\n1\n2147483648 1\n"), null, "beyond int32");
  assert.equal(LeaderEpochTable.decode("0\n1\n1 9999999999999999\n"), null, "no exact number");
});
