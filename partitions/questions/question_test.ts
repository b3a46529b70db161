import { strict as assert } from "node:assert";
import { toOffset } from "../../storage/base/units.ts";
import { RECORD_FLOATS, RECORD_INTS, type RingRecord } from "../shared/ring.ts";
import { flag, float64, int32, Layout, LIST_BYTES_MAX, listOf, offset } from "./layout.ts";
import { question } from "./question.ts";

/** A record in the middle of a ring, with the words of an old record. */
function oldRecord(): RingRecord {
  return {
    ints: new Int32Array(3 * RECORD_INTS).fill(77),
    floats: new Float64Array(3 * RECORD_FLOATS).fill(77),
    int: RECORD_INTS,
    float: RECORD_FLOATS,
  };
}

Deno.test("Layout.read() returns what Layout.write() wrote, whatever the record held before", () => {
  const layout = new Layout<{ a: number; b: number; c: boolean; d: ReturnType<typeof toOffset>; e: boolean }>(
    { a: int32, b: float64, c: flag, d: offset, e: flag },
    4,
  );
  const extremes = { a: -(2 ** 31), b: Number.MAX_SAFE_INTEGER, c: true, d: toOffset(2 ** 52), e: false };
  const record = oldRecord();
  layout.write(record, extremes);
  assert.deepEqual(layout.read(record), extremes);
  const ints = record.ints.subarray(record.int, record.int + RECORD_INTS);
  assert.deepEqual([...ints.subarray(0, 8)], [77, 77, 77, 77, -(2 ** 31), 1, 0, 77], "in the order of the declaration");
  assert.ok(record.ints.subarray(0, record.int).every((word) => word === 77), "and nowhere else");
});

Deno.test("Layout refuses more fields than a ring record has words", () => {
  const fields = (count: number, field: typeof int32) =>
    Object.fromEntries(Array.from({ length: count }, (_, index) => [`f${index}`, field]));
  const firstInt = 4;
  new Layout(fields(RECORD_INTS - firstInt, int32), firstInt);
  new Layout(fields(RECORD_FLOATS, float64), firstInt);
  assert.throws(() => new Layout(fields(RECORD_INTS - firstInt + 1, int32), firstInt), /fit into a ring record/);
  assert.throws(() => new Layout(fields(RECORD_FLOATS + 1, float64), firstInt), /fit into a ring record/);
});

Deno.test("question() gives -1 and false for the fields of a refused answer", () => {
  const { nothing } = question({
    name: "test",
    ask: {},
    answer: { a: int32, b: float64, c: offset, d: flag },
    serve: () => ({ a: 1, b: 2, c: toOffset(3), d: true, refusal: null }),
  });
  assert.deepEqual(nothing, { a: -1, b: -1, c: -1, d: false });
});

Deno.test("Layout.read() returns the list that packList() packed, with no, one and very many items", () => {
  const items = listOf({ producerId: float64, firstOffset: offset, isOpen: flag });
  const layout = new Layout({ count: int32, items }, 6);
  for (const count of [0, 1, Math.floor(LIST_BYTES_MAX / 24)]) {
    const list = Array.from({ length: count }, (_, index) => ({
      producerId: Number.MAX_SAFE_INTEGER - index,
      firstOffset: toOffset(index),
      isOpen: index % 2 === 0,
    }));
    const record = oldRecord();
    layout.write(record, { count, items: list });
    const packed = layout.packList({ count, items: list });
    assert.equal(packed.length, count * 24);
    // The list is read from the middle of a larger memory, which is overwritten afterwards.
    const memory = new Uint8Array(packed.length + 16);
    memory.set(packed, 8);
    const read = layout.read(record, memory.subarray(8, 8 + packed.length));
    memory.fill(255);
    assert.deepEqual(read, { count, items: list });
  }
  const tooMany = new Array(LIST_BYTES_MAX / 8 + 1).fill({ a: 1 });
  const long = new Layout({ list: listOf({ a: float64 }) }, 6);
  assert.throws(() => long.packList({ list: tooMany }), /keeps its limit/);
  assert.throws(() => new Layout({ a: items, b: items }, 6), /one list at most/);
});
