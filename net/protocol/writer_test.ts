/** Tests what the writer writes, by bytes spelled out here. The golden frames cover the rest. */
import { deepEqual, equal, throws } from "node:assert/strict";
import { Reader } from "./reader.ts";
import { EncodeError, Writer, WRITER_BYTES_MAX } from "./writer.ts";

function written(write: (writer: Writer) => void): string {
  const writer = new Writer(1);
  write(writer);
  return writer.toBytes().toHex();
}

Deno.test("int8() to int64() write big-endian two's complement", () => {
  equal(written((to) => to.int8(-1)), "ff");
  equal(written((to) => to.int16(-2)), "fffe");
  equal(written((to) => to.uint16(65534)), "fffe");
  equal(written((to) => to.int32(-2147483648)), "80000000");
  equal(written((to) => to.uint32(4294967295)), "ffffffff");
  equal(written((to) => to.int64(-1)), "ffffffffffffffff");
  equal(written((to) => to.int64(Number.MIN_SAFE_INTEGER)), "ffe0000000000001");
  equal(written((to) => to.int64(2 ** 63)), "7fffffffffffffff");
  equal(written((to) => to.float64(1.5)), "3ff8000000000000");
  equal(written((to) => to.bool(true)), "01");
});

Deno.test("unsignedVarint(), varint() and varlong() write the shortest form", () => {
  equal(written((to) => to.unsignedVarint(300)), "ac02");
  equal(written((to) => to.unsignedVarint(4294967295)), "ffffffff0f");
  equal(written((to) => to.varint(-2147483648)), "ffffffff0f");
  equal(written((to) => to.varint(1)), "02");
  equal(written((to) => to.varlong(-1)), "01");
  equal(written((to) => to.varlong(2 ** 52)), "8080808080808010");
});

Deno.test("varlong() writes what the reader reads back", () => {
  for (const value of [0, 1, -1, 63, -64, 64, 2 ** 31, -(2 ** 31), 2 ** 40 + 1, -(2 ** 52), 2 ** 52]) {
    equal(new Reader(Uint8Array.fromHex(written((to) => to.varlong(value)))).varlong(), value);
  }
});

Deno.test("string() and compactString() write UTF-8, short and long", () => {
  equal(written((to) => to.string("a€")), "000461e282ac");
  equal(written((to) => to.compactString("a€")), "0561e282ac");
  equal(written((to) => to.nullableString(null)), "ffff");
  equal(written((to) => to.compactNullableString(null)), "00");
  equal(written((to) => to.compactString("")), "01");
  equal(written((to) => to.string("x".repeat(65))), "0041" + "78".repeat(65));
  equal(written((to) => to.compactString("ß".repeat(100))), "c901" + "c39f".repeat(100));
});

Deno.test("string() throws beyond 32767 bytes of UTF-8", () => {
  equal(written((to) => to.string("x".repeat(32767))).length, 2 * (2 + 32767));
  throws(() => written((to) => to.string("x".repeat(32768))), EncodeError);
  throws(() => written((to) => to.compactString("€".repeat(11000))), EncodeError);
});

Deno.test("records() leaves a hole and toBytes() fills it", () => {
  const writer = new Writer(2);
  const first = Uint8Array.of(1, 2, 3);
  const second = Uint8Array.of(4);
  writer.records(first);
  writer.int8(9);
  writer.compactRecords(second);
  writer.nullableRecords(null);
  writer.compactNullableRecords(null);
  writer.records(new Uint8Array(0));
  deepEqual(writer.holes, [{ at: 4, payload: first }, { at: 6, payload: second }]);
  equal(writer.byteLength, writer.position + 4);
  equal(writer.toBytes().toHex(), "00000003010203" + "09" + "0204" + "ffffffff" + "00" + "00000000");
});

Deno.test("toBytes() throws for a payload that is not in memory", () => {
  const writer = new Writer();
  writer.records({ byteLength: 10 });
  throws(() => writer.toBytes(), TypeError);
  equal(writer.byteLength, 14);
});

Deno.test("closeTag() moves a value whose size takes more than a byte", () => {
  for (const length of [0, 1, 127, 128, 16383, 16384]) {
    const expected = written((to) => to.unsignedVarint(length)) + "ab".repeat(length);
    equal(
      written((to) => {
        const at = to.openTag(5);
        to.raw(new Uint8Array(length).fill(0xab));
        to.closeTag(at);
        to.int8(1);
      }),
      `05${expected}01`,
    );
  }
});

Deno.test("reset() keeps a small buffer and releases a large one", () => {
  const sizes: number[] = [];
  const writer = new Writer(100, (byteLength) => {
    sizes.push(byteLength);
    return new Uint8Array(byteLength);
  });
  writer.raw(new Uint8Array(150));
  writer.records(Uint8Array.of(1));
  writer.reset();
  deepEqual([sizes, writer.position, writer.holes.length], [[100, 200], 0, 0]);
  writer.raw(new Uint8Array(2 << 20));
  writer.reset();
  deepEqual(sizes, [100, 200, 2 << 20, 100]);
});

Deno.test("raw() throws before it takes more memory than allowed", () => {
  const sizes: number[] = [];
  const writer = new Writer(1, (byteLength) => {
    sizes.push(byteLength);
    return new Uint8Array(byteLength > 1 ? 0 : byteLength);
  });
  writer.position = WRITER_BYTES_MAX;
  throws(() => writer.int8(1), EncodeError);
  deepEqual(sizes, [1]);
});
