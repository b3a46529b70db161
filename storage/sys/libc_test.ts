import { strict as assert } from "node:assert";
import { libc, openLibc, unsupportedReason, word64 } from "./libc.ts";

Deno.test("openLibc() says in a sentence why the broker cannot run: another system, another C library, no permission", () => {
  const fails = (error: unknown) => () => {
    throw error;
  };
  // The error of Alpine's musl, and that of a glibc without preadv2.
  for (
    const message of [
      "Could not open library: Error loading shared library libc.so.6: No such file or directory",
      'Failed to register symbol preadv2: Could not obtain symbol from the library: "libc.so.6: undefined symbol: preadv2"',
    ]
  ) {
    const { refused } = openLibc("linux", fails(new Error(message)));
    assert.match(refused ?? "", /needs Linux .* with glibc .* another C library, as Alpine's musl, or an older one: /);
    assert.ok(refused?.endsWith(message));
  }
  const { refused } = openLibc("linux", fails(new Deno.errors.NotCapable("Requires ffi access")));
  assert.match(refused ?? "", /run with -A or --allow-ffi$/);
  assert.match(openLibc("windows", fails(new Error("unused"))).refused ?? "", /this is windows on /);
});

Deno.test("openLibc() opened the C library of this system", () => {
  assert.equal(unsupportedReason, null);
  assert.ok(libc.sysconf(30) > 0);
});

Deno.test("word64() is the bigint of every exact number, also above 2^32", () => {
  for (const value of [0, 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 0x7fff_1234_5678, Number.MAX_SAFE_INTEGER]) {
    assert.equal(word64(value), BigInt(value));
  }
});
