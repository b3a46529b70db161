/** Headers whose layout the golden frames do not settle. */
import { deepEqual, equal } from "node:assert/strict";
import { decodeRequestHeader, decodeResponseHeader, encodeRequestHeader, encodeResponseHeader } from "./headers.ts";
import { Reader } from "./reader.ts";
import { Writer } from "./writer.ts";

function responseHeader(apiKey: number, apiVersion: number): string {
  const writer = new Writer();
  encodeResponseHeader(writer, { apiKey, apiVersion, correlationId: 5 });
  return writer.toBytes().toHex();
}

Deno.test("encodeResponseHeader() adds tags from the flexible version on, except for ApiVersions", () => {
  equal(responseHeader(0, 8), "00000005");
  equal(responseHeader(0, 9), "0000000500");
  equal(responseHeader(18, 3), "00000005");
  equal(responseHeader(18, 0), "00000005");
});

Deno.test("decodeRequestHeader() reads past tags and keeps a null client id", () => {
  const reader = new Reader(Uint8Array.fromHex("0001000d00000007ffff" + "02" + "0003aabbcc" + "0701ff" + "ee"));
  deepEqual(decodeRequestHeader(reader), { apiKey: 1, apiVersion: 13, correlationId: 7, clientId: null });
  equal(reader.remaining, 1);
});

Deno.test("decodeRequestHeader() reads the version of an ApiVersions request that is too new", () => {
  const reader = new Reader(Uint8Array.fromHex("00127fff00000007000161" + "00"));
  deepEqual(decodeRequestHeader(reader), { apiKey: 18, apiVersion: 32767, correlationId: 7, clientId: "a" });
  equal(reader.failure, null);
});

Deno.test("decodeRequestHeader() names an API that is not in the table", () => {
  for (const [hex, apiKey] of [["03e7", 999], ["ffff", -1]] as const) {
    const reader = new Reader(Uint8Array.fromHex(`${hex}00000000000700016100`));
    equal(decodeRequestHeader(reader).apiKey, apiKey);
    equal(reader.failure, null);
  }
});

Deno.test("decodeResponseHeader() reads what a client gets", () => {
  equal(decodeResponseHeader(new Reader(Uint8Array.fromHex("0000000500")), { apiKey: 3, apiVersion: 9 }), 5);
  const writer = new Writer();
  encodeRequestHeader(writer, { apiKey: 3, apiVersion: 9, correlationId: 5, clientId: null });
  equal(writer.toBytes().toHex(), "0003000900000005ffff00");
});
