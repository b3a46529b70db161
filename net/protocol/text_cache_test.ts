/** Compares cached text and uuids with the runtime's own decoders. */
import { equal, throws } from "node:assert/strict";
import { createRandom } from "../../storage/base/random.ts";
import { randomBytes, seedOfThisRun } from "./sample_values.ts";
import { decodeText, decodeUuid, encodeUuid, isUuid, ZERO_UUID } from "./text_cache.ts";

const seed = seedOfThisRun();

Deno.test(`decodeText() agrees with TextDecoder, however often slots are replaced (BARNABAS_SEED=${seed})`, () => {
  const random = createRandom(seed);
  const reference = new TextDecoder("utf-8", { ignoreBOM: true });
  for (let index = 0; index < 20_000; index++) {
    const bytes = randomBytes(Math.floor(random() * 70), random);
    if (index % 4 !== 0) {
      for (let at = 0; at < bytes.byteLength; at++) bytes[at]! &= 0x7f;
    }
    equal(decodeText(bytes, 0, bytes.byteLength), reference.decode(bytes));
    equal(decodeText(bytes, 0, bytes.byteLength), reference.decode(bytes));
  }
});

Deno.test("decodeText() distinguishes texts that share a hash slot", () => {
  const texts = Array.from({ length: 10_000 }, (_, index) => `topic-${index}`);
  const encoded = texts.map((text) => new TextEncoder().encode(text));
  for (let round = 0; round < 2; round++) {
    for (const [index, bytes] of encoded.entries()) equal(decodeText(bytes, 0, bytes.byteLength), texts[index]);
  }
});

Deno.test(`decodeUuid() and encodeUuid() agree with base64url (BARNABAS_SEED=${seed})`, () => {
  const random = createRandom(seed);
  for (let index = 0; index < 10_000; index++) {
    const bytes = randomBytes(16, random);
    const expected = bytes.toBase64({ alphabet: "base64url", omitPadding: true });
    equal(decodeUuid(new DataView(bytes.buffer), 0), expected);
    equal(decodeUuid(new DataView(bytes.buffer), 0), expected);
    const written = new Uint8Array(18);
    encodeUuid(expected, written, 1);
    equal(written.subarray(1, 17).toHex(), bytes.toHex());
    equal(written[17], 0);
  }
});

Deno.test("encodeUuid() refuses text that is no uuid", () => {
  equal(isUuid(ZERO_UUID), true);
  for (const text of ["", "A".repeat(21), "A".repeat(23), "A".repeat(21) + "B", "A".repeat(21) + "+", "é".repeat(22)]) {
    equal(isUuid(text), false, text);
    throws(() => encodeUuid(text, new Uint8Array(16), 0), RangeError);
  }
});
