/** Header layouts that the golden frames do not cover. */
import { deepEqual, equal } from "node:assert/strict";
import {
  decodeRequestHeader,
  decodeResponseHeader,
  encodeRequestHeader,
  encodeResponseHeader,
  type HeaderOf,
} from "./headers.ts";
import { produceRequest, produceResponse } from "./messages/00_produce.ts";
import { fetchRequest } from "./messages/01_fetch.ts";
import { metadataRequest, metadataResponse } from "./messages/03_metadata.ts";
import { apiVersionsRequest, apiVersionsResponse } from "./messages/18_api_versions.ts";
import { Reader } from "./reader.ts";
import { Writer } from "./writer.ts";

const messages = [produceRequest, fetchRequest, metadataRequest, apiVersionsRequest];
const messageOf = (key: number) => messages.find(({ apiKey }) => apiKey === key);

function responseHeader(message: HeaderOf, apiVersion: number): string {
  const writer = new Writer();
  encodeResponseHeader(writer, message, { apiVersion, correlationId: 5 });
  return writer.toBytes().toHex();
}

Deno.test("encodeResponseHeader() adds tags from the flexible version on, except for ApiVersions", () => {
  equal(responseHeader(produceResponse, 8), "00000005");
  equal(responseHeader(produceResponse, 9), "0000000500");
  equal(responseHeader(apiVersionsResponse, 3), "00000005");
  equal(responseHeader(apiVersionsResponse, 0), "00000005");
});

Deno.test("decodeRequestHeader() reads past tags and keeps a null client id", () => {
  const reader = new Reader(Uint8Array.fromHex("0001000d00000007ffff" + "02" + "0003aabbcc" + "0701ff" + "ee"));
  deepEqual(decodeRequestHeader(reader, messageOf), { apiKey: 1, apiVersion: 13, correlationId: 7, clientId: null });
  equal(reader.remaining, 1);
});

Deno.test("decodeRequestHeader() reads the version of an ApiVersions request that is too new", () => {
  const reader = new Reader(Uint8Array.fromHex("00127fff00000007000161" + "00"));
  deepEqual(decodeRequestHeader(reader, messageOf), { apiKey: 18, apiVersion: 32767, correlationId: 7, clientId: "a" });
  equal(reader.failure, null);
});

Deno.test("decodeRequestHeader() names an unknown API", () => {
  for (const [hex, apiKey] of [["03e7", 999], ["ffff", -1]] as const) {
    const reader = new Reader(Uint8Array.fromHex(`${hex}00000000000700016100`));
    equal(decodeRequestHeader(reader, messageOf).apiKey, apiKey);
    equal(reader.failure, null);
  }
});

Deno.test("decodeResponseHeader() reads what a client receives", () => {
  equal(decodeResponseHeader(new Reader(Uint8Array.fromHex("0000000500")), metadataResponse, 9), 5);
  const writer = new Writer();
  encodeRequestHeader(writer, metadataRequest, { apiVersion: 9, correlationId: 5, clientId: null });
  equal(writer.toBytes().toHex(), "0003000900000005ffff00");
});
