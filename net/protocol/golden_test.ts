/**
 * Frames of other implementations: requests that librdkafka, franz-go and the Java client sent, responses of Apache Kafka, and
 * a few frames written by Kafka's message classes where a single broker never sends them. The expected decoding comes from
 * Kafka's own JSON converters. tests/golden/protocol_frames.jsonl has one frame per line; tests/interop/golden/record.ts adds some.
 */
import { deepEqual, equal, notEqual } from "node:assert/strict";
import { decodeRequestHeader, decodeResponseHeader, encodeRequestHeader, encodeResponseHeader } from "./headers.ts";
import { type Case, type DeclaredApi, declaredApis } from "./declared_testing.ts";
import { Reader } from "./reader.ts";
import type { Message } from "./schema.ts";
import { asEncodable, difference, messageViolation, type Struct, violation } from "./sample_values.ts";
import { Writer } from "./writer.ts";

interface Frame {
  readonly from: string;
  readonly kind: "request" | "response";
  readonly api: string;
  readonly version: number;
  readonly correlationId: number;
  readonly clientId: string;
  readonly body: Struct;
  readonly hex: string;
}

const frames: Frame[] = Deno.readTextFileSync(new URL("../../tests/golden/protocol_frames.jsonl", import.meta.url))
  .trim().split("\n").map((line) => JSON.parse(line));

function apiOf(frame: Frame): DeclaredApi {
  return declaredApis.find(({ name }) => name === frame.api)!;
}

function caseOf(frame: Frame): Case {
  const api = apiOf(frame);
  return {
    name: nameOf(frame),
    version: frame.version,
    message: frame.kind === "request" ? api.request : api.response,
  };
}

function nameOf({ from, kind, api, version }: Frame): string {
  return `${api} ${kind} v${version} of ${from}`;
}

function messageOf(apiKey: number): Message | undefined {
  return declaredApis.find(({ request }) => request.apiKey === apiKey)?.request;
}

function decodeHeader(frame: Frame, reader: Reader): { apiVersion: number; correlationId: number } {
  if (frame.kind === "request") return decodeRequestHeader(reader, messageOf);
  const { version } = frame;
  return { apiVersion: version, correlationId: decodeResponseHeader(reader, apiOf(frame).response, version) };
}

function bodyStart(frame: Frame): number {
  const reader = new Reader(Uint8Array.fromHex(frame.hex));
  decodeHeader(frame, reader);
  return reader.position;
}

/** The tool that records frames. Its header says what it needs. */
const RECORDER = "tests/interop/golden/record.ts";

Deno.test("golden frames cover every version of every message", () => {
  const seen = new Set(frames.map(({ kind, api, version }) => `${api} ${kind} v${version}`));
  for (const { name, request: { versions: { min, max } } } of declaredApis) {
    for (let version = min; version <= max; version++) {
      for (const kind of ["request", "response"]) {
        const frame = `${name} ${kind} v${version}`;
        equal(seen.has(frame), true, `no frame of ${frame}: deno run -A ${RECORDER} '${name} ${version} {…}'`);
      }
    }
  }
});

Deno.test("decode() reads every golden frame as Apache Kafka does", () => {
  for (const frame of frames) {
    const { message, version } = caseOf(frame);
    const reader = new Reader(Uint8Array.fromHex(frame.hex));
    const header = decodeHeader(frame, reader);
    equal(header.correlationId, frame.correlationId, nameOf(frame));
    const body = message.decode(reader, version) as Struct;
    equal(reader.failure, null, nameOf(frame));
    equal(reader.remaining, 0, nameOf(frame));
    equal(difference(message.fields, body, frame.body), null, nameOf(frame));
  }
});

Deno.test("decodeRequestHeader() reads key, version and client id of every golden request", () => {
  for (const frame of frames.filter(({ kind }) => kind === "request")) {
    deepEqual(decodeRequestHeader(new Reader(Uint8Array.fromHex(frame.hex)), messageOf), {
      apiKey: apiOf(frame).request.apiKey,
      apiVersion: frame.version,
      correlationId: frame.correlationId,
      clientId: frame.clientId,
    });
  }
});

Deno.test("encode() writes every golden frame byte for byte", () => {
  for (const frame of frames) {
    const { message, version } = caseOf(frame);
    const bytes = Uint8Array.fromHex(frame.hex);
    const reader = new Reader(bytes);
    const header = { clientId: frame.clientId, ...decodeHeader(frame, reader) };
    const body = asEncodable(message.fields, message.decode(reader, version) as Struct, bytes);
    const writer = new Writer(16);
    if (frame.kind === "request") encodeRequestHeader(writer, message, header);
    else encodeResponseHeader(writer, message, header);
    message.encode(writer, version, body);
    equal(writer.toBytes().toHex(), frame.hex, nameOf(frame));
  }
});

Deno.test("decode() refuses every golden frame that is cut short", () => {
  for (const frame of frames) {
    const bytes = Uint8Array.fromHex(frame.hex);
    const { message, version } = caseOf(frame);
    for (let length = 0; length < bytes.byteLength; length++) {
      const reader = new Reader(bytes.subarray(0, length));
      decodeHeader(frame, reader);
      message.decode(reader, version);
      notEqual(reader.failure, null, `${nameOf(frame)} cut at ${length}`);
    }
  }
});

Deno.test("decode() survives every flipped bit of every golden frame", () => {
  for (const frame of frames) {
    const body = Uint8Array.fromHex(frame.hex.slice(2 * bodyStart(frame)));
    for (let bit = 0; bit < body.byteLength * 8; bit++) {
      body[bit >> 3]! ^= 1 << (bit & 7);
      equal(messageViolation(caseOf(frame), body), null, `${nameOf(frame)} with bit ${bit} flipped`);
      body[bit >> 3]! ^= 1 << (bit & 7);
    }
  }
});

Deno.test("decodeRequestHeader() survives every flipped bit and refuses every cut", () => {
  const bytes = Uint8Array.fromHex(frames.find(({ kind, version }) => kind === "request" && version === 9)!.hex);
  const header = bytes.slice(0, bodyStart(frames.find(({ kind, version }) => kind === "request" && version === 9)!));
  for (let length = 0; length < header.byteLength; length++) {
    const reader = new Reader(header.subarray(0, length));
    decodeRequestHeader(reader, messageOf);
    notEqual(reader.failure, null, `cut at ${length}`);
  }
  for (let bit = 0; bit < header.byteLength * 8; bit++) {
    header[bit >> 3]! ^= 1 << (bit & 7);
    equal(violation((reader) => decodeRequestHeader(reader, messageOf), header), null, `bit ${bit} flipped`);
    header[bit >> 3]! ^= 1 << (bit & 7);
  }
});

Deno.test("decode() makes no more elements than bytes, whatever count is put anywhere in a golden frame", () => {
  const hostile = [
    "7fffffff",
    "80000000",
    "ffffffff",
    "00ffffff",
    "ffffffff0f",
    "ffffffff7f",
    "ffffffffffffffffff01",
    "8080808001",
  ];
  for (const frame of frames) {
    const body = Uint8Array.fromHex(frame.hex.slice(2 * bodyStart(frame)));
    for (const hex of hostile) {
      const count = Uint8Array.fromHex(hex);
      for (let at = 0; at + count.byteLength <= body.byteLength; at++) {
        const bytes = body.slice();
        bytes.set(count, at);
        equal(messageViolation(caseOf(frame), bytes), null, `${nameOf(frame)} with ${hex} at ${at}`);
      }
    }
  }
});
