import { strict as assert } from "node:assert";
import { xxh32 } from "./xxh32.ts";

Deno.test("xxh32() returns the values of the reference implementation with seed 0", () => {
  const hash = (text: string) => xxh32(new TextEncoder().encode(text), 0, text.length);
  assert.equal(hash(""), 0x02cc5d05);
  assert.equal(hash("a"), 0x550d7456);
  assert.equal(hash("abc"), 0x32d153ff);
  assert.equal(hash("Nobody inspects the spammish repetition"), 0xe2293b2f);
});

Deno.test("xxh32() returns the header checksum of the frames that Kafka writes", () => {
  assert.equal((xxh32(new Uint8Array([0x60, 0x40]), 0, 2) >>> 8) & 0xff, 0x82);
});

Deno.test("xxh32() covers only the range", () => {
  const text = "Nobody inspects the spammish repetition";
  const bytes = new TextEncoder().encode(`xyz${text}uvw`);
  assert.equal(xxh32(bytes, 3, 3 + text.length), 0xe2293b2f);
});
