/** Tests the primitive types, including refused bytes, with the examples of the protocol guide and of protobuf. */
import { deepEqual, equal, match, throws } from "node:assert/strict";
import { ELEMENTS_MAX, Reader } from "./reader.ts";
import { ZERO_UUID } from "./text_cache.ts";

function readerOf(hex: string): Reader {
  return new Reader(Uint8Array.fromHex(hex));
}

Deno.test("int8() to int64() read big-endian two's complement", () => {
  equal(readerOf("80").int8(), -128);
  equal(readerOf("fffe").int16(), -2);
  equal(readerOf("fffe").uint16(), 65534);
  equal(readerOf("80000000").int32(), -2147483648);
  equal(readerOf("ffffffff").uint32(), 4294967295);
  equal(readerOf("ffffffffffffffff").int64(), -1);
  equal(readerOf("001fffffffffffff").int64(), Number.MAX_SAFE_INTEGER);
  equal(readerOf("ffe0000000000001").int64(), Number.MIN_SAFE_INTEGER);
  equal(readerOf("3ff8000000000000").float64(), 1.5);
  equal(readerOf("02").bool(), true);
});

Deno.test("unsignedVarint() reads up to 32 bits and refuses more", () => {
  equal(readerOf("00").unsignedVarint(), 0);
  equal(readerOf("7f").unsignedVarint(), 127);
  equal(readerOf("ac02").unsignedVarint(), 300);
  equal(readerOf("ffffffff07").unsignedVarint(), 2147483647);
  equal(readerOf("ffffffff0f").unsignedVarint(), 4294967295);
  for (const hex of ["ffffffff1f", "ffffffffff01", "8080808080", "80", ""]) {
    const reader = readerOf(hex);
    equal(reader.unsignedVarint(), 0);
    equal(typeof reader.failure, "string", hex);
  }
});

Deno.test("varint() and varlong() undo the zigzag", () => {
  for (
    const [hex, value] of [["00", 0], ["01", -1], ["02", 1], ["03", -2], ["fdffffff0f", -2147483647], [
      "ffffffff0f",
      -2147483648,
    ]]
  ) {
    equal(readerOf(hex as string).varint(), value);
    equal(readerOf(hex as string).varlong(), value);
  }
  equal(readerOf("8080808080808020").varlong(), 2 ** 53);
  equal(readerOf("ffffffffffffffffff01").varlong(), -(2 ** 63));
  const tooLong = readerOf("ffffffffffffffffff02");
  equal(tooLong.varlong(), 0);
  equal(typeof tooLong.failure, "string");
});

Deno.test("uuid() prints as Kafka does", () => {
  equal(readerOf("00".repeat(16)).uuid(), ZERO_UUID);
  equal(readerOf("00000000000000000000000000000001").uuid(), "AAAAAAAAAAAAAAAAAAAAAQ"); // Uuid.ONE_UUID of Kafka
  equal(readerOf("fbffbf030405060708090a0b0c0d0eff").uuid(), "-_-_AwQFBgcICQoLDA0O_w");
});

Deno.test("string() tells null, empty and text apart", () => {
  equal(readerOf("0000").string(), "");
  equal(readerOf("ffff").nullableString(), null);
  equal(readerOf("0003e282ac").string(), "€");
  equal(readerOf("01").compactString(), "");
  equal(readerOf("00").compactNullableString(), null);
  equal(readerOf("0568c3a9c3").compactString(), "hé\ufffd");
  equal(readerOf("04efbbbf").compactString(), "\ufeff");
});

Deno.test("string() refuses null, negative, overlong and unfinished lengths", () => {
  const reads: ((reader: Reader) => unknown)[] = [
    (reader) => reader.string(),
    (reader) => reader.nullableString(),
    (reader) => reader.compactString(),
    (reader) => reader.compactNullableString(),
  ];
  const hostile = [["ffff", "fffe", "0001"], ["fffe", "0001"], [
    "00",
    "02",
    "818040" + "61".repeat(32768),
  ], ["05616161"]];
  for (const [index, cases] of hostile.entries()) {
    for (const hex of cases) {
      const reader = readerOf(hex);
      equal(reads[index]!(reader), "", hex.slice(0, 12));
      equal(typeof reader.failure, "string", hex.slice(0, 12));
    }
  }
});

Deno.test("string() refuses malformed UTF-8 that could not be written back", () => {
  const reader = readerOf("7fff" + "ff".repeat(32767));
  reader.string();
  equal(typeof reader.failure, "string");
  equal(readerOf("0010" + "ff".repeat(16)).string(), "\ufffd".repeat(16));
});

Deno.test("records() yields the range and copies nothing", () => {
  const reader = readerOf("aa00000003010203");
  reader.int8();
  deepEqual(reader.records(), { start: 5, length: 3 });
  deepEqual(readerOf("00000000").nullableRecords(), { start: 4, length: 0 });
  equal(readerOf("ffffffff").nullableRecords(), null);
  equal(readerOf("00").compactNullableRecords(), null);
  deepEqual(readerOf("03aabb").compactRecords(), { start: 1, length: 2 });
  const short = readerOf("00000004010203");
  deepEqual(short.records(), { start: 0, length: 0 });
  equal(typeof short.failure, "string");
});

Deno.test("bytesValue() copies out of the receive buffer", () => {
  const bytes = Uint8Array.fromHex("000000020102");
  const value = new Reader(bytes).bytesValue();
  bytes.fill(9);
  deepEqual([...value], [1, 2]);
  equal(readerOf("00").compactNullableBytesValue(), null);
  equal(readerOf("fffffffe").nullableBytesValue()!.byteLength, 0);
});

Deno.test("count() compares the count with the bytes left before anything is allocated", () => {
  equal(readerOf("0000000200000000").count(2), 2);
  for (const hex of ["0000000300000000", "7fffffff00000000", "ffffffff", "80000000"]) {
    const reader = readerOf(hex);
    equal(reader.count(2), 0);
    equal(typeof reader.failure, "string", hex);
  }
  equal(readerOf("ffffffff").nullableCount(1), -1);
  equal(readerOf("00").compactNullableCount(1), -1);
  equal(readerOf("030102").compactCount(1), 2);
  const cut = readerOf("ffff");
  equal(cut.nullableCount(1), 0);
});

Deno.test("count() limits the elements of a whole frame", () => {
  const bytes = new Uint8Array(8 + 2 * ELEMENTS_MAX);
  const view = new DataView(bytes.buffer);
  view.setInt32(0, ELEMENTS_MAX);
  view.setInt32(4, 1);
  const reader = new Reader(bytes);
  equal(reader.count(1), ELEMENTS_MAX);
  equal(reader.failure, null);
  equal(reader.count(1), 0);
  equal(typeof reader.failure, "string");
  reader.reset(bytes, 0, bytes.byteLength);
  equal(reader.count(1), ELEMENTS_MAX);
});

Deno.test("skipTags() skips unknown fields and refuses more than the bytes left can hold", () => {
  const reader = readerOf("0205020102" + "9a0500" + "ff");
  reader.skipTags();
  equal(reader.failure, null);
  equal(reader.remaining, 1);
  for (const hex of ["020000", "ffffffff0f0000", "010005aa", "01"]) {
    const refused = readerOf(hex);
    refused.skipTags();
    equal(typeof refused.failure, "string", hex);
  }
  const bytes = new Uint8Array(8 + 2 * (ELEMENTS_MAX + 1));
  bytes.set(Uint8Array.fromHex("818040")); // ELEMENTS_MAX + 1
  const many = new Reader(bytes);
  many.skipTags();
  match(many.failure ?? "", /^More than 1048576 array elements/);
});

Deno.test("failure keeps the first reason, and later reads yield nothing", () => {
  const reader = readerOf("0001");
  reader.int32();
  const first = reader.failure;
  equal(first, "4 bytes wanted, 2 left at byte 0");
  equal(reader.int8(), 0);
  equal(reader.string(), "");
  equal(reader.uuid(), ZERO_UUID);
  equal(reader.count(1), 0);
  reader.skipTags();
  equal(reader.failure, first);
  equal(reader.remaining, 0);
});

Deno.test("closeTag() refuses a value that is shorter or longer than its field", () => {
  for (const [hex, ok] of [["0401020304", true], ["050102030405", false], ["03010203", false]] as const) {
    const reader = readerOf(hex + "ff");
    const end = reader.openTag();
    reader.int32();
    reader.closeTag(end);
    equal(reader.failure === null, ok, hex);
    equal(reader.remaining, ok ? 1 : 0, hex);
  }
  const beyond = readerOf("7f00");
  beyond.closeTag(beyond.openTag());
  equal(typeof beyond.failure, "string");
});

Deno.test("reset() points at a part of shared memory and reads nothing outside", () => {
  const arena = new Uint8Array(new SharedArrayBuffer(64)).subarray(8, 40);
  arena.set(Uint8Array.fromHex("00036162630005e282ace282ac"), 3);
  const reader = new Reader(arena);
  reader.reset(arena, 3, 8);
  equal(reader.string(), "abc");
  equal(reader.int8(), 0);
  equal(typeof reader.failure, "string");
  reader.reset(arena, 8, 16);
  equal(reader.failure, null);
  equal(reader.string(), "€\ufffd");
  throws(() => reader.reset(arena, 0, 33), RangeError);
});
