import { strict as assert } from "node:assert";
import { freeBytes } from "./freed_bytes.ts";

Deno.test("freeBytes() frees a whole buffer, and leaves alone what others may use", () => {
  const whole = new Uint8Array(1000);
  freeBytes(whole);
  assert.deepEqual([whole.length, whole.buffer.byteLength], [0, 0]);
  freeBytes(whole);
  const part = new Uint8Array(1000).subarray(1);
  freeBytes(part);
  assert.equal(part.length, 999);
  const shared = new Uint8Array(new SharedArrayBuffer(1000));
  freeBytes(shared);
  assert.equal(shared.length, 1000);
});
