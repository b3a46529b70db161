import { strict as assert } from "node:assert";
import { varint } from "../../tests/record_batch_builder.ts";
import {
  afterVarint,
  afterVarlong,
  NEVER,
  varintAt,
  varintBytes,
  VARLONG_WRITTEN_MAX,
  varlongAt,
  writeVarint,
  writeVarlong,
} from "./varint.ts";

const edges = [0, 1, 63, 64, 65, 8191, 8192, 8193, 2 ** 20 - 1, 2 ** 20, 2 ** 27 - 1, 2 ** 27, 2 ** 31 - 1];

Deno.test("varintAt() and afterVarint() read every length of a varint, at any index", () => {
  for (const value of [...edges, ...edges.map((edge) => -edge - 1)]) {
    const encoded = varint(value);
    const bytes = new Uint8Array([0xff, ...encoded, 0xff, 0xff]);
    assert.equal(varintAt(bytes, 1), value);
    assert.equal(afterVarint(bytes, 1), 1 + encoded.length);
  }
});

Deno.test("varlongAt() and afterVarlong() read values up to 2^53 with both signs", () => {
  for (const value of [...edges, 2 ** 32, 2 ** 41, 2 ** 52, 2 ** 53 - 2].flatMap((edge) => [edge, -edge - 1])) {
    const encoded = varint(value);
    const bytes = new Uint8Array([0xff, ...encoded, 0xff]);
    assert.equal(varlongAt(bytes, 1), value);
    assert.equal(afterVarlong(bytes, 1), 1 + encoded.length);
  }
});

Deno.test("varintAt() drops the bits above 32, as Kafka does", () => {
  assert.equal(varintAt(new Uint8Array([0x80, 0x80, 0x80, 0x80, 0x10]), 0), 0);
  assert.equal(varintAt(new Uint8Array([0xff, 0xff, 0xff, 0xff, 0x7f]), 0), -(2 ** 31));
});

Deno.test("afterVarint() and afterVarlong() return NEVER for a varint that is too long or cut off", () => {
  const endless = new Uint8Array(20).fill(0x80);
  assert.equal(afterVarint(endless, 0), NEVER);
  assert.equal(afterVarlong(endless, 0), NEVER);
  assert.equal(afterVarint(new Uint8Array([0x80, 0x80, 0x80, 0x80, 0x80, 0x01]), 0), NEVER, "six bytes");
  assert.equal(afterVarint(new Uint8Array([0x80, 0x80, 0x80, 0x80, 0x01]), 0), 5);
  assert.equal(afterVarlong(new Uint8Array([...new Array(10).fill(0x80), 1]), 0), NEVER, "eleven bytes");
  assert.equal(afterVarlong(new Uint8Array([...new Array(9).fill(0x80), 1]), 0), 10);
  for (const bytes of [[], [0x80], [0x80, 0x80]]) {
    for (let at = 0; at <= 3; at++) {
      assert.ok(afterVarint(new Uint8Array(bytes), at) === NEVER);
      assert.ok(Number.isInteger(varintAt(new Uint8Array(bytes), at)));
    }
  }
  assert.equal(afterVarint(endless, NEVER), NEVER);
});

Deno.test("writeVarint() writes the shortest form, in varintBytes() bytes", () => {
  for (const value of [...edges, ...edges.map((edge) => -edge - 1)]) {
    const bytes = new Uint8Array(8).fill(0xee);
    const encoded = varint(value);
    assert.equal(writeVarint(bytes, 1, value), 1 + encoded.length);
    assert.deepEqual([...bytes.subarray(0, 2 + encoded.length)], [0xee, ...encoded, 0xee]);
    assert.equal(varintBytes(value), encoded.length);
  }
});

Deno.test("writeVarlong() writes what varlongAt() reads, up to 2^53 with both signs", () => {
  for (const value of [...edges, 2 ** 32, 2 ** 41, 2 ** 52, 2 ** 53 - 1].flatMap((edge) => [edge, -edge - 1])) {
    const bytes = new Uint8Array(1 + VARLONG_WRITTEN_MAX);
    const end = writeVarlong(bytes, 1, value);
    assert.deepEqual([...bytes.subarray(1, end)], varint(value), String(value));
  }
});
