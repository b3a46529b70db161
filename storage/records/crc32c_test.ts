import assert from "node:assert/strict";
import { crc32c } from "./crc32c.ts";

Deno.test("crc32c() returns the check value of the CRC catalogue for 123456789", () => {
  const bytes = new TextEncoder().encode("123456789");
  assert.equal(crc32c(bytes, 0, bytes.length), 0xe3069283);
});

Deno.test("crc32c() returns the test vectors of RFC 3720 B.4", () => {
  assert.equal(crc32c(new Uint8Array(32), 0, 32), 0x8a9136aa);
  assert.equal(crc32c(new Uint8Array(32).fill(0xff), 0, 32), 0x62a8ab43);
  assert.equal(crc32c(Uint8Array.from({ length: 32 }, (_, index) => index), 0, 32), 0x46dd794e);
});

Deno.test("crc32c() covers only the range, in shared memory too", () => {
  const shared = new Uint8Array(new SharedArrayBuffer(4096)).fill(7);
  shared.set(new TextEncoder().encode("123456789"), 100);
  assert.equal(crc32c(shared, 100, 9), 0xe3069283);
  assert.equal(crc32c(shared, 100, 0), 0);
});
