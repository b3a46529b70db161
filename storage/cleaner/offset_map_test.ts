import { strict as assert } from "node:assert";
import { createRandom } from "../base/random.ts";
import { toOffset } from "../base/units.ts";
import { type KeyMemory, OFFSET_MAP_BYTES_MIN, OffsetMap, PLACE_BYTES } from "./offset_map.ts";

function keyOf(text: string): KeyMemory {
  const bytes = new TextEncoder().encode(text);
  return { bytes, view: new DataView(bytes.buffer) };
}

/** A key and its offset, in one memory for all of them. */
class NumberedKeys {
  readonly #memory = { bytes: new Uint8Array(8), view: new DataView(new ArrayBuffer(8)) };
  readonly #map: OffsetMap;

  constructor(map: OffsetMap) {
    this.#map = map;
    this.#memory.view = new DataView(this.#memory.bytes.buffer);
  }

  put(key: number, offset: number): boolean {
    this.#memory.view.setFloat64(0, key);
    return this.#map.put(this.#memory, 0, 8, toOffset(offset));
  }

  get(key: number): number {
    this.#memory.view.setFloat64(0, key);
    return this.#map.get(this.#memory, 0, 8);
  }
}

Deno.test("OffsetMap keeps the last offset of each key, offset 0 and the empty key too", () => {
  const map = new OffsetMap(4096, 0.9);
  const put = (key: string, offset: number) => map.put(keyOf(key), 0, key.length, toOffset(offset));
  const get = (key: string) => map.get(keyOf(key), 0, key.length);
  assert.equal(get(""), -1);
  assert.ok(put("", 0) && put("a", 1) && put("ab", 2) && put("a", 2 ** 52));
  assert.deepEqual([get(""), get("a"), get("ab"), get("b")], [0, 2 ** 52, 2, -1]);
  assert.equal(map.size, 3);
});

Deno.test("OffsetMap agrees with a Map while it grows from 1,000 to 200,000 keys", () => {
  const map = new OffsetMap(64 * 1024 * 1024, 0.9);
  const keys = new NumberedKeys(map);
  const expected = new Map<number, number>();
  const random = createRandom(7);
  for (let offset = 0; offset < 300_000; offset++) {
    const key = Math.floor(random() * 200_000);
    assert.ok(keys.put(key, offset));
    expected.set(key, offset);
    if (offset % 50_000 !== 0) continue;
    for (const [known, last] of expected) assert.ok(keys.get(known) === last);
  }
  assert.equal(map.size, expected.size);
  for (const [key, last] of expected) assert.ok(keys.get(key) === last);
  for (let key = 200_000; key < 210_000; key++) assert.equal(keys.get(key), -1);
});

Deno.test("OffsetMap refuses keys beyond its memory, keeps those it has, and still moves their offsets", () => {
  for (const bytes of [OFFSET_MAP_BYTES_MIN, 500, 5000, 100_000, 1_000_003]) {
    for (const loadFactor of [0.1, 0.5, 0.9, 0.99]) {
      const map = new OffsetMap(bytes, loadFactor);
      const keys = new NumberedKeys(map);
      let count = 0;
      while (keys.put(count, count)) count++;
      const most = Math.max(1, Math.floor(Math.floor(bytes / PLACE_BYTES) * loadFactor));
      const where = `${bytes} bytes, load ${loadFactor}`;
      assert.ok(count >= 1 && count <= most, where);
      if (loadFactor <= 0.9 && bytes >= 5000) assert.ok(count > most * 0.9, `${where}: ${count} of ${most} keys`);
      assert.equal(map.size, count);
      assert.equal(keys.put(count, 0), false, where);
      for (let key = 0; key < count; key++) assert.ok(keys.put(key, key + 1000), where);
      for (let key = 0; key < count; key++) assert.equal(keys.get(key), key + 1000, where);
      assert.equal(keys.get(count), -1, where);
      assert.ok(map.utilization <= 1, where);
    }
  }
});
