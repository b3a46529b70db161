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
