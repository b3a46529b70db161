import { strict as assert } from "node:assert";
import { allocateNative, allocateShared, discardPages, wholePages } from "./memory.ts";

Deno.test("allocateNative() allocates what is asked for, and as much as stays in place", () => {
  for (const [bytes, length] of [[0, 128], [127, 128], [128, 128], [5000, 5000]] as const) {
    const memory = allocateNative(bytes);
    assert.deepEqual([memory.bytes.length, memory.view.byteLength], [length, length]);
    assert.ok(memory.address > 0);
  }
});

Deno.test("wholePages() stays inside the range and misses no whole page, for every page size", () => {
  const KIB = 1024;
  for (const pageBytes of [4 * KIB, 16 * KIB, 64 * KIB]) {
    for (const address of [0, 1, 4 * KIB, 60 * KIB, 64 * KIB, 100 * KIB + 7]) {
      for (const length of [0, 1, 4 * KIB, 64 * KIB, 68 * KIB, 200 * KIB + 1]) {
        const pages = wholePages(address, length, pageBytes);
        const expected: number[] = [];
        for (let page = 0; page < 400 * KIB; page += pageBytes) {
          if (page >= address && page + pageBytes <= address + length) expected.push(page);
        }
        const of = `${length} bytes at ${address} in pages of ${pageBytes}`;
        assert.equal(Math.max(0, pages.length), expected.length * pageBytes, of);
        if (expected.length > 0) assert.equal(pages.address, expected[0], of);
      }
    }
  }
});

Deno.test("discardPages() zeroes the pages inside the range and keeps every byte outside it", () => {
  const memory = allocateShared(1 << 20);
  memory.bytes.fill(7);
  const [start, end] = [100_001, 700_003];
  discardPages(memory, { start, length: end - start });
  assert(memory.bytes.subarray(0, start).every((byte) => byte === 7));
  assert(memory.bytes.subarray(end).every((byte) => byte === 7));
  const emptied = memory.bytes.subarray(start, end).filter((byte) => byte === 0).length;
  assert(emptied > end - start - 2 * 65536, `${emptied} bytes are empty`);
  discardPages(memory, { start: 0, length: 100 });
  assert(memory.bytes.subarray(0, start).every((byte) => byte === 7), "no whole page, no change");
});
