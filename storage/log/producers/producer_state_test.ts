import { strict as assert } from "node:assert";
import { batchesIn } from "../../../tests/log_fixture.ts";
import { sealSnapshot } from "../../../tests/producer_snapshot_seal.ts";
import { toOffset } from "../../base/units.ts";
import { readEndMarker } from "../../records/control_records.ts";
import { type AppendedFacts, lastSequenceOf, type ProducerCheck, ProducerState } from "./producer_state.ts";
import * as batches from "../../records/record_batch.ts";

const INT32_MAX = 0x7fff_ffff;
const golden = new URL("../../../tests/golden/", import.meta.url).pathname;

/** A batch of `count` records that begins at a sequence; offsets are ten times the sequence. */
function batch(baseSequence: number, count = 1, changes: Partial<AppendedFacts> = {}): AppendedFacts {
  const baseOffset = changes.baseOffset ?? toOffset(baseSequence * 10);
  return {
    producerId: 7,
    producerEpoch: 0,
    baseSequence,
    lastSequence: lastSequenceOf(baseSequence, count - 1),
    lastOffset: toOffset(baseOffset + count - 1),
    timestamp: 1000 + baseSequence,
    transactional: false,
    ...changes,
    baseOffset,
  };
}

function outcome(check: ProducerCheck): string {
  return check.kind === "refused" ? check.refusal : check.kind;
}

/** State after batches of one record with the sequences 0 to n - 1. */
function stateAfter(count: number): ProducerState {
  const state = new ProducerState();
  for (let sequence = 0; sequence < count; sequence++) state.update(batch(sequence));
  return state;
}

Deno.test("ProducerState.check() lets an unknown producer begin at any sequence", () => {
  const state = new ProducerState();
  for (const sequence of [0, 5, INT32_MAX]) assert.equal(outcome(state.check(batch(sequence))), "append");
});

Deno.test("ProducerState.check() accepts the next sequence and refuses gaps and old sequences", () => {
  const state = stateAfter(10);
  assert.equal(outcome(state.check(batch(10, 3))), "append");
  for (const sequence of [11, 12, 100, INT32_MAX]) {
    assert.equal(outcome(state.check(batch(sequence))), "out-of-order-sequence", `${sequence}`);
  }
});

Deno.test("ProducerState.check() recognizes duplicates of the last five batches, not of the sixth", () => {
  const state = stateAfter(8);
  for (let sequence = 0; sequence < 8; sequence++) {
    const check = state.check(batch(sequence));
    if (sequence < 3) assert.equal(outcome(check), "out-of-order-sequence", `${sequence}`);
    else {
      const offset = sequence * 10;
      const expected = { kind: "duplicate", baseOffset: offset, lastOffset: offset, timestamp: 1000 + sequence };
      assert.deepEqual(check, expected);
    }
  }
});

Deno.test("ProducerState.check() treats a batch as a duplicate only with exactly the same sequences", () => {
  const state = new ProducerState();
  state.update(batch(0, 10));
  assert.equal(outcome(state.check(batch(0, 10))), "duplicate");
  for (const other of [batch(0, 9), batch(0, 11), batch(1, 9), batch(5, 10)]) {
    assert.equal(outcome(state.check(other)), "out-of-order-sequence");
  }
});

Deno.test("ProducerState.check() refuses older epochs, and newer ones that do not begin at 0", () => {
  const state = new ProducerState();
  state.update(batch(0, 1, { producerEpoch: 3 }));
  assert.equal(outcome(state.check(batch(1, 1, { producerEpoch: 2 }))), "invalid-producer-epoch");
  assert.equal(outcome(state.check(batch(0, 1, { producerEpoch: 2 }))), "invalid-producer-epoch");
  assert.equal(outcome(state.check(batch(1, 1, { producerEpoch: 4 }))), "out-of-order-sequence");
  assert.equal(outcome(state.check(batch(0, 1, { producerEpoch: 4 }))), "append");
  state.update(batch(0, 1, { producerEpoch: 4 }));
  assert.equal(outcome(state.check(batch(0, 1, { producerEpoch: 4 }))), "duplicate");
  assert.equal(outcome(state.check(batch(1, 1, { producerEpoch: 4 }))), "append");
  assert.equal(outcome(state.check(batch(1, 1, { producerEpoch: 3 }))), "invalid-producer-epoch");
});

Deno.test("ProducerState.check() changes nothing", () => {
  const state = stateAfter(3);
  const before = state.encodeSnapshot();
  for (const other of [batch(3), batch(9), batch(0, 1, { producerEpoch: 9 }), batch(0, 1, { producerId: 8 })]) {
    state.check(other);
  }
  assert.deepEqual(state.encodeSnapshot(), before);
});

Deno.test("lastSequenceOf() and ProducerState.check() wrap sequences from INT32_MAX to 0", () => {
  assert.equal(lastSequenceOf(INT32_MAX, 0), INT32_MAX);
  assert.equal(lastSequenceOf(INT32_MAX, 1), 0);
  assert.equal(lastSequenceOf(INT32_MAX - 2, 5), 2);
  const ending = new ProducerState();
  ending.update(batch(INT32_MAX, 1));
  assert.equal(outcome(ending.check(batch(0))), "append");
  assert.equal(outcome(ending.check(batch(1))), "out-of-order-sequence");
  const across = new ProducerState();
  across.update(batch(INT32_MAX - 1, 4));
  assert.equal(outcome(across.check(batch(INT32_MAX - 1, 4))), "duplicate");
  assert.equal(outcome(across.check(batch(2))), "append");
  assert.equal(outcome(across.check(batch(0))), "out-of-order-sequence");
  const loaded = new ProducerState();
  assert.equal(loaded.loadSnapshot(across.encodeSnapshot()), true);
  assert.equal(outcome(loaded.check(batch(INT32_MAX - 1, 4))), "duplicate");
  assert.equal(outcome(loaded.check(batch(2))), "append");
});

Deno.test("ProducerState.expire() drops producers after exactly that time, counted from the last batch's timestamp", () => {
  const state = stateAfter(3);
  state.update(batch(0, 1, { producerId: 8, timestamp: 5000 }));
  state.expire(1001 + 999, 1000);
  assert.equal(state.size, 2);
  state.expire(1002 + 1000, 1000);
  assert.equal(state.size, 1);
  assert.equal(outcome(state.check(batch(77))), "append");
  assert.equal(outcome(state.check(batch(77, 1, { producerId: 8 }))), "out-of-order-sequence");
  state.expire(1e15, Infinity);
  assert.equal(state.size, 1);
});

Deno.test("ProducerState.expire() keeps producers with an open transaction, until its marker", () => {
  const state = new ProducerState();
  state.update(batch(0, 1, { transactional: true }));
  state.expire(1e15, 1000);
  assert.equal(state.size, 1);
  state.endTransaction({ producerId: 7, producerEpoch: 0, coordinatorEpoch: 2, timestamp: 2000 });
  assert.equal(outcome(state.check(batch(1))), "append", "the sequence goes on within the epoch");
  state.expire(1e15, 1000);
  assert.equal(state.size, 0);
});

Deno.test("ProducerState.endTransaction() with a new epoch expects sequence 0 (KIP-890)", () => {
  const state = stateAfter(3);
  state.endTransaction({ producerId: 7, producerEpoch: 1, coordinatorEpoch: 2, timestamp: 2000 });
  assert.equal(outcome(state.check(batch(3))), "invalid-producer-epoch");
  assert.equal(outcome(state.check(batch(3, 1, { producerEpoch: 1 }))), "out-of-order-sequence");
  assert.equal(outcome(state.check(batch(0, 1, { producerEpoch: 1 }))), "append");
});

Deno.test("ProducerState.truncateTo() drops batches at and above the offset, and producers without any", () => {
  const state = stateAfter(6);
  state.update(batch(0, 1, { producerId: 8, baseOffset: toOffset(45) }));
  state.truncateTo(toOffset(40));
  assert.equal(state.size, 1);
  assert.equal(outcome(state.check(batch(3))), "duplicate");
  assert.equal(outcome(state.check(batch(4))), "append");
  state.truncateTo(toOffset(0));
  assert.equal(state.size, 0);
});

Deno.test("ProducerState drops the producer that was idle longest when there are too many", () => {
  const state = new ProducerState(4);
  for (const producerId of [1, 2, 3, 4]) state.update(batch(0, 1, { producerId }));
  state.update(batch(1, 1, { producerId: 1 }));
  state.update(batch(0, 1, { producerId: 5 }));
  assert.equal(state.size, 4);
  assert.equal(outcome(state.check(batch(9, 1, { producerId: 2 }))), "append", "2 is forgotten");
  for (const producerId of [1, 3, 4, 5]) {
    assert.equal(outcome(state.check(batch(9, 1, { producerId }))), "out-of-order-sequence", `${producerId} is known`);
  }
});

Deno.test("ProducerState.loadSnapshot() and encodeSnapshot() reproduce Kafka's files byte for byte", () => {
  const transactions = "storage/transactions/00000000000000000062.snapshot";
  for (const path of ["kafka_partition/00000000000000000120.snapshot", transactions]) {
    const bytes = Deno.readFileSync(golden + path);
    const state = new ProducerState();
    assert.equal(state.loadSnapshot(bytes), true, path);
    assert.equal(state.size, (bytes.length - 10) / 46);
    assert.deepEqual(state.encodeSnapshot(), bytes, path);
  }
});

Deno.test("ProducerState.update() and endTransaction() over Kafka's log produce the snapshot that Kafka wrote", () => {
  const directory = `${golden}storage/transactions/`;
  const state = new ProducerState();
  for (const { bytes } of batchesIn(Deno.readFileSync(`${directory}00000000000000000000.log`))) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const producer = { producerId: batches.producerId(view, 0), producerEpoch: batches.producerEpoch(view, 0) };
    const timestamp = batches.maxTimestamp(view, 0);
    if (batches.isControl(view, 0)) {
      const { committed, coordinatorEpoch } = readEndMarker(view, 0)!;
      assert.equal(committed, true);
      state.endTransaction({ ...producer, coordinatorEpoch, timestamp });
      continue;
    }
    const baseSequence = batches.baseSequence(view, 0);
    const facts = {
      ...producer,
      baseSequence,
      lastSequence: lastSequenceOf(baseSequence, batches.lastOffsetDelta(view, 0)),
      baseOffset: batches.baseOffset(view, 0),
      lastOffset: batches.lastOffset(view, 0),
      timestamp,
      transactional: batches.isTransactional(view, 0),
    };
    assert.equal(outcome(state.check(facts)), "append");
    state.update(facts);
  }
  assert.deepEqual(state.encodeSnapshot(), Deno.readFileSync(`${directory}00000000000000000062.snapshot`));
});

Deno.test("ProducerState.loadSnapshot() refuses truncations, additions and flipped bits, and keeps what it knew", () => {
  const bytes = Deno.readFileSync(`${golden}kafka_partition/00000000000000000120.snapshot`);
  const state = stateAfter(3);
  const before = state.encodeSnapshot();
  for (let length = 0; length < bytes.length; length++) {
    assert.equal(state.loadSnapshot(bytes.subarray(0, length)), false);
  }
  assert.equal(state.loadSnapshot(new Uint8Array([...bytes, 0])), false);
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const flipped = bytes.slice();
    flipped[bit >> 3]! ^= 1 << (bit & 7);
    assert.equal(state.loadSnapshot(flipped), false, `bit ${bit}`);
  }
  assert.deepEqual(state.encodeSnapshot(), before);
});

Deno.test("ProducerState.loadSnapshot() refuses impossible counts and entries with a correct CRC", () => {
  const bytes = Deno.readFileSync(`${golden}kafka_partition/00000000000000000120.snapshot`);
  const changed = (change: (view: DataView) => void) => {
    const copy = bytes.slice();
    change(new DataView(copy.buffer));
    return new ProducerState().loadSnapshot(sealSnapshot(copy));
  };
  assert.equal(changed(() => {}), true);
  for (const count of [-1, 4, 6, INT32_MAX, -INT32_MAX]) {
    assert.equal(changed((view) => view.setInt32(6, count)), false);
  }
  assert.equal(changed((view) => view.setInt16(0, 2)), false, "version 2");
  assert.equal(changed((view) => view.setBigInt64(10, -1n)), false, "producer id -1");
  assert.equal(changed((view) => view.setInt32(20, -1)), false, "no sequence, but an offset");
  assert.equal(changed((view) => view.setInt32(32, -1)), false, "negative offset delta");
  assert.equal(changed((view) => view.setInt32(32, INT32_MAX)), false, "a batch that begins below 0");
  assert.equal(changed((view) => view.setBigInt64(24, 2n ** 60n)), false, "an offset that is no exact number");
});

Deno.test("ProducerState.encodeSnapshot() of no producers is a header with a count of 0", () => {
  const bytes = new ProducerState().encodeSnapshot();
  assert.equal(bytes.length, 10);
  assert.equal(new ProducerState().loadSnapshot(bytes), true);
});

Deno.test("ProducerState.listAbove() tells what is known of a producer, truncated, fenced and in a transaction", () => {
  const state = new ProducerState();
  state.update(batch(INT32_MAX, 3, { producerId: 9, producerEpoch: 2, timestamp: 77 }));
  state.update(batch(4, 1, { producerId: 8, transactional: true, baseOffset: toOffset(40) }));
  state.endTransaction({ producerId: 2 ** 40, producerEpoch: 5, coordinatorEpoch: 6, timestamp: 88 });
  const none = { coordinatorEpoch: -1, currentTxnStartOffset: -1 };
  assert.deepEqual(state.listAbove(-1, 100), [
    { ...none, producerId: 8, producerEpoch: 0, lastSequence: 4, lastTimestamp: 1004, currentTxnStartOffset: 40 },
    { ...none, producerId: 9, producerEpoch: 2, lastSequence: 1, lastTimestamp: 77 },
    { ...none, producerId: 2 ** 40, producerEpoch: 5, lastSequence: -1, lastTimestamp: 88, coordinatorEpoch: 6 },
  ]);
});

Deno.test("ProducerState.listAbove() lists every producer once, in parts, whatever the order of their first batches", () => {
  const ascending = Array.from({ length: 1000 }, (_, index) => index * 3);
  const orders = [
    ascending,
    ascending.toReversed(),
    ascending.toSorted((a, b) => (a * 7919) % 1009 - (b * 7919) % 1009),
  ];
  for (const order of orders) {
    const state = new ProducerState();
    for (const producerId of order) state.update(batch(0, 1, { producerId }));
    for (const countMax of [1, 7, 100, 999, 1000, 5000]) {
      const listed: number[] = [];
      for (
        let part = state.listAbove(-1, countMax);
        part.length > 0;
        part = state.listAbove(listed.at(-1)!, countMax)
      ) {
        assert.ok(part.length <= countMax);
        listed.push(...part.map(({ producerId }) => producerId));
      }
      assert.deepEqual(listed, ascending, `parts of ${countMax}`);
    }
  }
});

Deno.test("ProducerState.listAbove() does not list producers that have expired", () => {
  const state = new ProducerState();
  for (const producerId of [1, 2, 3]) state.update(batch(0, 1, { producerId, timestamp: producerId * 100 }));
  const ids = () => state.listAbove(-1, 10).map(({ producerId }) => producerId);
  assert.deepEqual(ids(), [1, 2, 3]);
  state.expire(1200, 1000);
  assert.deepEqual(ids(), [3]);
});

Deno.test("ProducerState.listAbove() follows what is added and dropped between two parts", () => {
  const state = new ProducerState(6);
  const ids = (above: number) => state.listAbove(above, 2).map(({ producerId }) => producerId);
  for (const producerId of [10, 20, 30, 40]) state.update(batch(producerId, 1, { producerId }));
  assert.deepEqual(ids(-1), [10, 20]);
  state.update(batch(25, 1, { producerId: 25 }));
  assert.deepEqual(ids(20), [25, 30]);
  state.truncateTo(toOffset(300));
  assert.deepEqual(ids(20), [25]);
  for (const producerId of [60, 50, 70, 80]) state.update(batch(5, 1, { producerId }));
  assert.deepEqual([ids(-1), ids(25), ids(60)], [[20, 25], [50, 60], [70, 80]]);
  state.clear();
  assert.deepEqual(ids(-1), []);
});
