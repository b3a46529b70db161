/** Tests of the two indexes: their bytes, growth and lookups, and their behaviour on a full disk. */
import { strict as assert } from "node:assert";
import { FaultyFileSystem } from "../../tests/faulty_file_system.ts";
import { TestDirectory } from "../../tests/log_fixture.ts";
import { toFilePosition, toOffset } from "../base/units.ts";
import { Mappings } from "../log/log_resources.ts";
import { OffsetIndex } from "./offset_index.ts";
import { type FileSystem, linuxFileSystem } from "../sys/file_system.ts";
import { SystemError } from "../sys/libc.ts";
import { TimeIndex } from "./time_index.ts";

function place(directory: TestDirectory, changes: { bytesMax?: number; fs?: FileSystem } = {}) {
  const { bytesMax = 10_485_760, fs = linuxFileSystem } = changes;
  return {
    fs,
    mappings: new Mappings(),
    path: `${directory.path}/00000000000000001000.index`,
    baseOffset: toOffset(1000),
    bytesMax,
  };
}

Deno.test("OffsetIndex writes relative offset and position in 8 bytes, and trims unused room", () => {
  using directory = new TestDirectory();
  using index = new OffsetIndex(place(directory));
  assert.equal(index.openForAppend({ empty: true }) && index.reserve(2), true);
  index.append(toOffset(1005), toFilePosition(4200));
  index.append(toOffset(0x7fff_ffff + 1000), toFilePosition(0x7fff_fff0));
  assert.ok(Deno.statSync(`${directory.path}/00000000000000001000.index`).size >= 4096, "blocks are allocated ahead");
  index.trim();
  assert.deepEqual(
    [...Deno.readFileSync(`${directory.path}/00000000000000001000.index`)],
    [0, 0, 0, 5, 0, 0, 0x10, 0x68, 0x7f, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xf0],
  );
});

Deno.test("TimeIndex writes timestamp and relative offset in 12 bytes, growing timestamps only", () => {
  using directory = new TestDirectory();
  using index = new TimeIndex(place(directory));
  assert.equal(index.openForAppend({ empty: true }) && index.reserve(2), true);
  index.appendIfLarger(-1, toOffset(1001)); // no timestamp: no entry
  index.appendIfLarger(0x0102_0304_0506, toOffset(1005));
  index.appendIfLarger(0x0102_0304_0506, toOffset(1009));
  index.appendIfLarger(0x0102_0304_0507, toOffset(1010));
  index.trim();
  const expected = [0, 0, 1, 2, 3, 4, 5, 6, 0, 0, 0, 5, 0, 0, 1, 2, 3, 4, 5, 7, 0, 0, 0, 10];
  assert.deepEqual([...Deno.readFileSync(`${directory.path}/00000000000000001000.index`)], expected);
});

Deno.test("OffsetIndex.lookup() finds the last entry at or below, for every offset, through growth and reopening", () => {
  using directory = new TestDirectory();
  using index = new OffsetIndex(place(directory));
  index.openForAppend({ empty: true });
  const count = 3000; // more than three growth steps
  for (let i = 0; i < count; i++) {
    assert.equal(index.reserve(1), true);
    index.append(toOffset(1003 + 3 * i), toFilePosition(10 * (i + 1)));
  }
  index.trim();
  assert.equal(index.openForLookup(), true);
  assert.equal(index.count, count);
  for (let i = -1; i < count; i++) {
    for (const delta of [0, 1, 2]) {
      const offset = toOffset(1003 + 3 * i + delta);
      assert.equal(index.lookup(offset), i);
      assert.equal(index.lookupPosition(10 * (i + 1) + 3 * delta), i);
    }
    assert.equal(index.positionAt(i), i < 0 ? 0 : 10 * (i + 1));
    assert.equal(index.offsetAt(i), i < 0 ? 1000 : 1003 + 3 * i);
  }
});

Deno.test("OffsetIndex and TimeIndex are full at segment.index.bytes, the time index one entry earlier", () => {
  using directory = new TestDirectory();
  for (const Index of [OffsetIndex, TimeIndex]) {
    using index = new Index(place(directory, { bytesMax: 8 * 12 * 10 + 5 }));
    index.openForAppend({ empty: true });
    let appended = 0;
    while (!index.isFull) {
      assert.ok(index.reserve(1) && appended < 1000);
      if (index instanceof OffsetIndex) index.append(toOffset(1001 + appended), toFilePosition(appended + 1));
      else index.appendIfLarger(appended, toOffset(1001 + appended));
      appended++;
    }
    assert.equal(appended, Index === OffsetIndex ? 120 : 79, "Kafka rounds the size down to whole entries");
    if (index instanceof TimeIndex) {
      index.reserve(1);
      index.appendIfLarger(5000, toOffset(5000)); // the entry that closing the segment forces
      index.appendIfLarger(6000, toOffset(6000)); // and no more
    }
    index.trim();
    assert.ok(Deno.statSync(index instanceof OffsetIndex ? place(directory).path : place(directory).path).size <= 965);
    assert.equal(index.count, Index === OffsetIndex ? 120 : 80);
  }
});

Deno.test("OffsetIndex.reserve() returns false when the disk is full, and keeps its entries", () => {
  using directory = new TestDirectory();
  let blocks = 2;
  const fs: FileSystem = {
    ...linuxFileSystem,
    allocate: (fd, position, length) => blocks-- > 0 && linuxFileSystem.allocate(fd, position, length),
  };
  using index = new OffsetIndex(place(directory, { fs }));
  assert.equal(index.openForAppend({ empty: true }), true);
  let appended = 0;
  for (; index.reserve(1); appended++) index.append(toOffset(1001 + appended), toFilePosition(appended + 1));
  assert.equal(appended, 1024, "two steps: 4 KiB and 8 KiB");
  assert.equal(index.lookup(toOffset(9999)), 1023);
  blocks = 1;
  assert.equal(index.reserve(1), true, "there is room again");
  index.append(toOffset(9000), toFilePosition(9000));
  assert.equal(index.offsetAt(1024), 9000);
  const full: FileSystem = { ...linuxFileSystem, allocate: () => false };
  using never = new OffsetIndex(place(directory, { fs: full }));
  assert.equal(never.openForAppend({ empty: true }), false);
});

Deno.test("OffsetIndex.isPlausible() and TimeIndex.isPlausible() refuse impossible last entries", () => {
  using directory = new TestDirectory();
  const write = (words: number[]) => {
    const view = new DataView(new ArrayBuffer(4 * words.length));
    words.forEach((word, i) => view.setInt32(4 * i, word));
    Deno.writeFileSync(place(directory).path, new Uint8Array(view.buffer));
  };
  const offsets: [number[], boolean][] = [
    [[], true],
    [[5, 100], true],
    [[5, 100, 9, 200], true],
    [[5, 0], false], // the batch at position 0 has no entry
    [[0, 100], false], // nor can its offset be the base
    [[5, 1000], false], // beyond the segment
    [[5, 100, 5, 200], false],
    [[5, 100, 9, 100], false],
    [[5, 100, 0, 0], false], // a tail that was not trimmed
    [[-5, 100], false],
  ];
  for (const [words, plausible] of offsets) {
    write(words);
    using index = new OffsetIndex(place(directory));
    assert.equal(index.openForLookup() && index.isPlausible(1000), plausible, `${words}`);
  }
  const times: [number[], boolean][] = [
    [[], true],
    [[0, 7, 3], true],
    [[0, 7, 3, 0, 8, 4], true],
    [[0, 7, 3, 0, 7, 4], false],
    [[0, 7, 3, 0, 8, 3], false],
    [[-1, 7, 3], false],
    [[0, 7, -3], false],
  ];
  for (const [words, plausible] of times) {
    write(words);
    using index = new TimeIndex(place(directory));
    assert.equal(index.openForLookup() && index.isPlausible(), plausible, `${words}`);
  }
});

Deno.test("OffsetIndex.openForLookup() refuses a file that does not hold whole entries", () => {
  using directory = new TestDirectory();
  Deno.writeFileSync(place(directory).path, new Uint8Array(12));
  using index = new OffsetIndex(place(directory));
  assert.equal(index.openForLookup(), false);
});

/** Fills an index from entry `from` on; every entry is checked afterwards. */
function fill(index: OffsetIndex, from: number, to: number): void {
  for (let i = from; i < to; i++) {
    assert.equal(index.reserve(1), true);
    index.append(toOffset(1001 + i), toFilePosition(i + 1));
  }
  for (let i = 0; i < to; i++) assert.deepEqual([index.offsetAt(i), index.positionAt(i)], [1001 + i, i + 1]);
}

Deno.test("OffsetIndex.openForLookup() refuses a missing file and creates none", () => {
  using directory = new TestDirectory();
  using index = new OffsetIndex(place(directory));
  assert.equal(index.openForLookup(), false);
  assert.deepEqual([...Deno.readDirSync(directory.path)], []);
});

Deno.test("OffsetIndex.replace() replaces the old file, which stays unchanged until then and after abandonReplacement()", () => {
  using directory = new TestDirectory();
  const faulty = new FaultyFileSystem(linuxFileSystem);
  using index = new OffsetIndex(place(directory, { fs: faulty.fileSystem }));
  const old = new Uint8Array(8).fill(7);
  Deno.writeFileSync(index.path, old);
  const rebuild = () => {
    assert.equal(index.openForReplacement(), true);
    for (let i = 0; i < 2000; i++) { // more than stays in memory
      assert.equal(index.reserve(1), true);
      index.append(toOffset(1001 + i), toFilePosition(10 * (i + 1)));
    }
    assert.deepEqual(Deno.readFileSync(index.path), old);
  };
  for (const fault of ["truncate", "fdatasync", "rename"] as const) {
    rebuild();
    faulty.refused = { fault, nth: faulty.callsOf(fault) + 1, count: 1 };
    assert.throws(() => index.replace(), fault);
    index.abandonReplacement();
    assert.deepEqual(Deno.readFileSync(index.path), old);
    assert.deepEqual([[...Deno.readDirSync(directory.path)].length, index.isOpen], [1, false]);
  }
  rebuild();
  index.replace();
  assert.equal(index.lookup(toOffset(1500)), 499);
  assert.deepEqual([Deno.readFileSync(index.path).length, faulty.openCount], [16_000, 0]);
  index[Symbol.dispose]();
  assert.equal(index.openForLookup() && index.count, 2000);
});

Deno.test("OffsetIndex holds no descriptor during appends and lookups, and a mapping only above 4 KiB", () => {
  using directory = new TestDirectory();
  const faulty = new FaultyFileSystem(linuxFileSystem);
  const at = place(directory, { fs: faulty.fileSystem });
  using index = new OffsetIndex(at);
  assert.equal(index.openForAppend({ empty: true }), true);
  fill(index, 0, 512);
  assert.deepEqual([faulty.openCount, faulty.mappedCount, at.mappings.count], [0, 0, 0]);
  fill(index, 512, 513);
  assert.deepEqual([faulty.openCount, faulty.mappedCount, at.mappings.count], [0, 1, 1]);
  fill(index, 513, 2000);
  index.trim();
  assert.deepEqual([faulty.openCount, faulty.mappedCount, Deno.statSync(at.path).size], [0, 1, 16_000]);
  index[Symbol.dispose]();
  assert.deepEqual([faulty.openCount, faulty.mappedCount, at.mappings.count], [0, 0, 0]);
  assert.equal(index.openForLookup() && index.count, 2000);
  assert.equal(index.offsetAt(1999), 3000);
  assert.deepEqual([faulty.openCount, faulty.mappedCount], [0, 1]);
});

Deno.test("OffsetIndex stays in memory while a mapping is refused or none is left, and is mapped when one is available again", () => {
  for (const left of [0, 1]) {
    using directory = new TestDirectory();
    const faulty = new FaultyFileSystem(linuxFileSystem);
    faulty.refused = { fault: "map", nth: 1, count: 2 };
    const at = { ...place(directory, { fs: faulty.fileSystem }), mappings: new Mappings(left) };
    using index = new OffsetIndex(at);
    assert.equal(index.openForAppend({ empty: true }), true);
    fill(index, 0, 1500);
    assert.deepEqual([faulty.mappedCount, at.mappings.count, faulty.refusals], [0, 0, 2 * left]);
    fill(index, 1500, 5000);
    assert.deepEqual([faulty.mappedCount, at.mappings.count], [left, left]);
    index.trim();
    index[Symbol.dispose]();
    assert.equal(index.openForLookup() && index.count, 5000);
    assert.equal(index.offsetAt(4999), 6000);
  }
});

Deno.test("a refused OffsetIndex.trim() changes nothing: entries can be appended and trim() can be repeated", () => {
  for (const fault of ["open", "pwrite", "truncate"] as const) {
    for (const count of [100, 1000]) {
      using directory = new TestDirectory();
      const faulty = new FaultyFileSystem(linuxFileSystem);
      using index = new OffsetIndex(place(directory, { fs: faulty.fileSystem }));
      index.openForAppend({ empty: true });
      fill(index, 0, count);
      faulty.refused = { fault, nth: fault === "open" ? faulty.callsOf("open") + 1 : 1, count: 1 };
      if (fault === "pwrite" && count === 1000) continue; // mapped entries are not written
      assert.throws(() => index.trim(), SystemError);
      fill(index, count, 2 * count);
      index.trim();
      assert.equal(Deno.statSync(place(directory).path).size, 16 * count);
      assert.equal(faulty.openCount, 0);
    }
  }
});
