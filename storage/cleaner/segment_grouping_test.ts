import { strict as assert } from "node:assert";
import { toOffset } from "../base/units.ts";
import { groupSegments, type SizedSegment } from "./segment_grouping.ts";

const limits = { segmentBytes: 100, segmentIndexBytes: 1000 };

/** Segments of a size each, one offset for a byte. */
function segmentsOf(sizes: readonly number[], changes: Partial<SizedSegment> = {}): SizedSegment[] {
  let end = 0;
  return sizes.map((bytes) => {
    const baseOffset = toOffset(end);
    end += Math.max(bytes, 1);
    return {
      baseOffset,
      endOffset: toOffset(end),
      bytes,
      modifiedMs: 0,
      offsetIndexBytes: 0,
      timeIndexBytes: 0,
      ...changes,
    };
  });
}

function sizesOf(groups: readonly (readonly SizedSegment[])[]): number[][] {
  return groups.map((group) => group.map(({ bytes }) => bytes));
}

Deno.test("groupSegments() joins neighbours up to segment.bytes, and leaves a larger segment alone", () => {
  assert.deepEqual(sizesOf(groupSegments(segmentsOf([]), limits)), []);
  assert.deepEqual(sizesOf(groupSegments(segmentsOf([40, 60, 1, 99, 100, 200, 3, 0, 0]), limits)), [
    [40, 60],
    [1, 99],
    [100],
    [200],
    [3, 0, 0],
  ]);
});

Deno.test("groupSegments() joins no more segments than their indexes allow", () => {
  const byOffsets = groupSegments(segmentsOf([1, 1, 1, 1, 1], { offsetIndexBytes: 400 }), limits);
  assert.deepEqual(sizesOf(byOffsets), [[1, 1], [1, 1], [1]]);
  const byTimes = groupSegments(segmentsOf([1, 1, 1, 1, 1], { timeIndexBytes: 501 }), limits);
  assert.deepEqual(sizesOf(byTimes), [[1], [1], [1], [1], [1]]);
});

Deno.test("groupSegments() keeps offsets of a group within 2^31 - 1 of its base, but joins empty segments at any distance", () => {
  const [first, second] = segmentsOf([10, 10]) as [SizedSegment, SizedSegment];
  const at = (baseOffset: number, endOffset: number, bytes = 10) => ({
    ...second,
    baseOffset: toOffset(baseOffset),
    endOffset: toOffset(endOffset),
    bytes,
  });
  assert.equal(groupSegments([first, at(10, 2 ** 31)], limits).length, 1);
  assert.equal(groupSegments([first, at(10, 2 ** 31 + 1)], limits).length, 2);
  assert.equal(groupSegments([first, at(2 ** 40, 2 ** 41, 0)], limits).length, 1);
});
