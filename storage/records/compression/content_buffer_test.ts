import { strict as assert } from "node:assert";
import { ContentBuffer } from "./content_buffer.ts";

Deno.test("ContentBuffer grows up to the limit of the content at hand, and not beyond", () => {
  const content = new ContentBuffer();
  content.reset(100_000);
  assert.equal(content.bytes.length, 0, "nothing is allocated before it is needed");
  assert.equal(content.reserve(10), 10);
  assert.equal(content.append(new Uint8Array(70_000).fill(1)), true);
  assert.equal(content.reserve(1_000_000_000), 100_000);
  assert.equal(content.bytes.length, 100_000);
  assert.equal(content.append(new Uint8Array(30_001)), false);
  assert.equal(content.length, 70_000, "what does not fit is not added in part");
  assert.equal(content.append(new Uint8Array(30_000).fill(2)), true);
  assert.deepEqual([content.bytes[69_999], content.bytes[70_000]], [1, 2]);
});

Deno.test("ContentBuffer keeps its memory for the next content, except after a large one", () => {
  const content = new ContentBuffer();
  content.reset(1 << 30);
  content.append(new Uint8Array(300_000));
  const { bytes } = content;
  content.reset(1 << 30);
  assert.equal(content.length, 0);
  content.append(new Uint8Array(300_000));
  assert.equal(content.bytes, bytes);
  content.trim();
  assert.equal(content.bytes, bytes);
  content.append(new Uint8Array(5_000_000));
  content.trim();
  assert.deepEqual([content.bytes.length, content.length], [0, 0]);
  content.append(new Uint8Array(5_000_000));
  content.reset(1 << 30);
  assert.equal(content.bytes.length, 0);
});

Deno.test("ContentBuffer.take() adds what a library made and frees it, and does not copy a large one that is the whole content", () => {
  const content = new ContentBuffer();
  content.reset(1 << 30);
  const small = new Uint8Array([1, 2, 3]);
  assert.equal(content.take(small), true);
  assert.deepEqual([small.length, ...content.bytes.subarray(0, content.length)], [0, 1, 2, 3]);
  const second = new Uint8Array(5_000_000).fill(7);
  assert.equal(content.take(second), true);
  assert.deepEqual([second.length, content.length, content.bytes[3]], [0, 5_000_003, 7]);
  content.reset(6_000_000);
  const large = new Uint8Array(5_000_000);
  assert.equal(content.take(large), true);
  assert.equal(content.bytes.buffer, large.buffer);
  const part = new Uint8Array(100).subarray(0, 10);
  assert.equal(content.take(part), true);
  assert.deepEqual([part.length, content.length], [10, 5_000_010], "others may use the rest of its memory");
  assert.equal(content.take(new Uint8Array(1_000_000)), false);
  content.reset(4_999_999);
  assert.equal(content.take(new Uint8Array(5_000_000)), false);
});

Deno.test("ContentBuffer frees the memory that it gives up at once, not when garbage is collected", () => {
  const content = new ContentBuffer();
  content.reset(1 << 30);
  const given: Uint8Array[] = [];
  for (const bytes of [100_000, 1_000_000, 9_000_000]) {
    content.append(new Uint8Array(bytes));
    given.push(content.bytes);
  }
  content.trim();
  assert.deepEqual(given.map(({ length }) => length), [0, 0, 0]);
});
