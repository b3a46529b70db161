/** Tests what a declaration means, on messages made for these tests. */
import { deepEqual, equal, throws } from "node:assert/strict";
import { Reader } from "./reader.ts";
import {
  array,
  bigInt64,
  bool,
  bytes,
  field,
  float64,
  int16,
  int32,
  int64,
  int8,
  message,
  string,
  struct,
  uint16,
  uint32,
  uuid,
} from "./schema.ts";
import { ZERO_UUID } from "./text_cache.ts";
import { versionRange } from "./wire_types.ts";
import { EncodeError, Writer } from "./writer.ts";

const sample = message({ apiKey: 99, versions: "0-3", flexible: "2+" }, {
  always: field(int32, "0+", { default: 7 }),
  fromOne: field(string, "1+", { default: "none" }),
  hint: field(int16, "1+", { default: -1, ignorable: true }),
  maybe: field(string, "0+", { nullable: "1+", default: "" }),
  list: field(array(int8), "0+", { nullable: "3+", default: [] }),
  late: field(array(struct({ id: field(uuid, "3+") })), "3+", { tag: 1, taggedVersions: "3+" }),
  early: field(bool, "2+", { default: true, tag: 0, taggedVersions: "2+" }),
});

const LARGE_COUNT = 5000;

const all = message({ apiKey: 98, versions: "0", flexible: "none" }, {
  small: field(uint16, "0+"),
  large: field(uint32, "0+"),
  wide: field(int64, "0+"),
  real: field(float64, "0+"),
  blob: field(bytes, "0+", { nullable: "0+" }),
  inner: field(struct({ x: field(int8, "0+"), y: field(int8, "0+", { default: 3 }) }), "0+", {
    nullable: "0+",
    default: null,
  }),
});

function encoded(version: number, value: Parameters<typeof sample.encode>[2]): string {
  const writer = new Writer();
  sample.encode(writer, version, value);
  return writer.toBytes().toHex();
}

function decoded(version: number, hex: string): { value: ReturnType<typeof sample.decode>; failure: string | null } {
  const reader = new Reader(Uint8Array.fromHex(hex));
  return { value: sample.decode(reader, version), failure: reader.failure };
}

Deno.test("encode() writes the default of a field that is left out", () => {
  equal(encoded(0, {}), "00000007" + "0000" + "00000000");
  equal(encoded(1, {}), "00000007" + "00046e6f6e65" + "ffff" + "0000" + "00000000");
  equal(encoded(3, {}), "00000007" + "056e6f6e65" + "ffff" + "01" + "01" + "00");
});

Deno.test("decode() fills in the defaults of fields that the version does not carry", () => {
  const { value, failure } = decoded(0, "00000001" + "000161" + "0000000105");
  equal(failure, null);
  deepEqual(value, { always: 1, fromOne: "none", hint: -1, maybe: "a", list: [5], late: [], early: true });
});

Deno.test("encode() throws for a value that the version cannot carry, unless it is the default or ignorable", () => {
  throws(() => encoded(0, { fromOne: "x" }), { name: "EncodeError", message: /fromOne in version 0/ });
  throws(() => encoded(2, { late: [{ id: ZERO_UUID }] }), EncodeError);
  throws(() => encoded(1, { early: false }), EncodeError);
  equal(encoded(0, { fromOne: "none", hint: 5, late: [], early: true }), encoded(0, {}));
});

Deno.test("encode() throws for null where the version does not allow it", () => {
  throws(() => encoded(0, { maybe: null }), { name: "EncodeError", message: /maybe in version 0: it cannot be null/ });
  throws(() => encoded(2, { list: null }), EncodeError);
  equal(encoded(3, { maybe: null, list: null }), "00000007" + "056e6f6e65" + "ffff" + "00" + "00" + "00");
});

Deno.test("decode() refuses null where the version does not allow it", () => {
  equal(typeof decoded(0, "00000001" + "ffff" + "00000000").failure, "string");
  equal(typeof decoded(2, "00000001" + "01" + "0000" + "01" + "00" + "00").failure, "string");
  equal(decoded(3, "00000001" + "01" + "0000" + "00" + "00" + "00").failure, null);
});

Deno.test("encode() writes tagged fields in the order of their tags, and only if they differ from their default", () => {
  const id = "AAAAAAAAAAAAAAAAAAAAAQ";
  const head = "00000007" + "056e6f6e65" + "ffff" + "01" + "01";
  equal(encoded(3, { early: false }), `${head}01000100`);
  equal(
    encoded(3, { early: false, late: [{ id }] }),
    `${head}02000100` + "0112" + "02" + "00".repeat(15) + "01" + "00",
  );
  equal(encoded(3, { early: true, late: [] }), `${head}00`);
});

Deno.test("decode() reads known tags in any order and skips unknown ones", () => {
  const head = "00000007" + "01" + "ffff" + "01" + "01";
  const late = "0112" + "02" + "00".repeat(15) + "01" + "00";
  const { value, failure } = decoded(3, `${head}03` + late + "9a0503aabbcc" + "000100");
  equal(failure, null);
  equal(value.early, false);
  deepEqual(value.late, [{ id: "AAAAAAAAAAAAAAAAAAAAAQ" }]);
});

Deno.test("decode() refuses a tagged field whose size is wrong", () => {
  const head = "00000007" + "01" + "ffff" + "01" + "01";
  for (const tags of ["01000200ff", "010000", "01007f00", "ffffffff0f", "01"]) {
    equal(typeof decoded(3, head + tags).failure, "string", tags);
  }
});

Deno.test("encode() and decode() carry every other type, and null structs", () => {
  const value = {
    small: 65535,
    large: 4294967295,
    wide: -5,
    real: -0.5,
    blob: Uint8Array.of(1),
    inner: { x: -1, y: 2 },
  };
  const writer = new Writer();
  all.encode(writer, 0, value);
  equal(
    writer.toBytes().toHex(),
    "ffff" + "ffffffff" + "fffffffffffffffb" + "bfe0000000000000" + "0000000101" + "01ff02",
  );
  deepEqual(all.decode(new Reader(writer.toBytes()), 0), value);
  writer.reset();
  all.encode(writer, 0, { ...value, blob: null, inner: null });
  equal(writer.toBytes().toHex().slice(44), "ffffffff" + "ff");
  deepEqual(all.decode(new Reader(writer.toBytes()), 0), { ...value, blob: null, inner: null });
});

const marked = message({ apiKey: 97, versions: "0", flexible: "0+" }, {
  hash: field(bigInt64, "0+", { tag: 0, taggedVersions: "0+" }),
  inner: field(struct({ x: field(int8, "0+") }), "0+", { nullable: "0+", tag: 1, taggedVersions: "0+" }),
});

Deno.test("encode() and decode() mark a null struct in a tagged field by a varint, and keep 64 bits, as Kafka does", () => {
  const cases = [
    [{ hash: 0n, inner: { x: 0 } }, "00"],
    [{ hash: 0n, inner: null }, "01" + "010100"],
    [{ hash: -(2n ** 63n) + 1n, inner: { x: 5 } }, "02" + "00088000000000000001" + "0103010500"],
  ] as const;
  for (const [value, hex] of cases) {
    const writer = new Writer();
    marked.encode(writer, 0, value);
    equal(writer.toBytes().toHex(), hex);
    const reader = new Reader(Uint8Array.fromHex(hex));
    deepEqual(marked.decode(reader, 0), value);
    equal(reader.failure, null);
  }
});

Deno.test("decode() and encode() throw for a version that is not declared", () => {
  for (const version of [-1, 4, 0.5, NaN]) {
    throws(() => sample.decode(new Reader(new Uint8Array(9)), version), RangeError);
    throws(() => sample.encode(new Writer(), version, {}), RangeError);
  }
});

Deno.test("versionRange() reads Kafka's notation", () => {
  deepEqual(versionRange("0-3"), { min: 0, max: 3 });
  deepEqual(versionRange("2"), { min: 2, max: 2 });
  deepEqual(versionRange("4+"), { min: 4, max: 32767 });
  equal(versionRange("none").max < versionRange("none").min, true);
  for (const text of ["", "+", "1-", "-1", "1-2-3", "1 - 2"]) throws(() => versionRange(text), SyntaxError);
});

Deno.test("Message.decode() reads large bodies like small ones, and refuses their truncations", () => {
  const inner = struct({ name: field(string, "0+"), numbers: field(array(int32), "0+", { nullable: "0+" }) });
  for (const flexible of ["none", "0+"]) {
    const lists = message({ apiKey: 97, versions: "0", flexible }, { list: field(array(inner), "0+") });
    const of = (count: number) =>
      Array.from(
        { length: count },
        (_, index) => ({ name: `n${index}`, numbers: index % 3 === 0 ? null : [index, 7] }),
      );
    for (const count of [2, LARGE_COUNT]) {
      const writer = new Writer();
      lists.encode(writer, 0, { list: of(count) });
      const bytes = writer.bytes.slice(0, writer.position);
      const reader = new Reader(bytes);
      reader.limitElements(3 * count);
      deepEqual(lists.decode(reader, 0), { list: of(count) });
      equal(reader.failure, null);
      for (const cut of [1, 100, bytes.length >> 1]) {
        const short = new Reader(bytes.subarray(0, bytes.length - Math.min(cut, bytes.length)));
        lists.decode(short, 0);
        equal(short.failure !== null, true);
      }
    }
  }
});
