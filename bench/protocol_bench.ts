/**
 * Cost of decoding and encoding the messages of the hot path, and of their wire types. `deno bench bench/protocol_bench.ts`.
 * "walked" decodes by walking the declaration, for comparison with the generated decoders.
 */
import {
  decodeRequestHeader,
  encodeRequestHeader,
  encodeResponseHeader,
  type HeaderOf,
} from "../net/protocol/headers.ts";
import { produceRequest, type ProduceResponse, produceResponse } from "../net/protocol/messages/00_produce.ts";
import { fetchRequest, type FetchResponse, fetchResponse } from "../net/protocol/messages/01_fetch.ts";
import { Reader } from "../net/protocol/reader.ts";
import { decodeText } from "../net/protocol/text_cache.ts";
import { defaultValue, type Fields, includes, placeOf, type WireType } from "../net/protocol/wire_types.ts";
import { Writer } from "../net/protocol/writer.ts";

const TOPIC_ID = "MDEyMzQ1Njc4OWFiY2RlZg";
/** Requests lie in a large shared arena, as in the broker. */
const arena = new Uint8Array(new SharedArrayBuffer(1 << 24));
const reader = new Reader(arena);
const writer = new Writer();
let arenaUsed = 4096;

/** Copies a request into the arena. */
function copyToArena(encode: (writer: Writer) => void): { start: number; end: number } {
  writer.reset();
  encode(writer);
  const frame = writer.toBytes();
  const start = arenaUsed;
  arena.set(frame, start);
  arenaUsed += frame.byteLength;
  return { start, end: arenaUsed };
}

function produceFrame(version: number): { start: number; end: number } {
  return copyToArena((to) => {
    encodeRequestHeader(to, produceRequest, { apiVersion: version, correlationId: 7, clientId: "rdkafka" });
    produceRequest.encode(to, version, {
      acks: -1,
      timeoutMs: 30_000,
      topicData: [{
        name: "orders",
        topicId: TOPIC_ID,
        partitionData: [{ index: 3, records: new Uint8Array(1000) }],
      }],
    });
  });
}

function fetchFrame(partitionsCount: number): { start: number; end: number } {
  const partitions = Array.from({ length: partitionsCount }, (_, partition) => ({
    partition,
    fetchOffset: 1_000_000 + partition,
    partitionMaxBytes: 1 << 20,
  }));
  return copyToArena((to) => {
    encodeRequestHeader(to, fetchRequest, { apiVersion: 13, correlationId: 7, clientId: "rdkafka" });
    fetchRequest.encode(to, 13, { maxWaitMs: 500, minBytes: 1, topics: [{ topicId: TOPIC_ID, partitions }] });
  });
}

const produced: ProduceResponse = {
  responses: [{
    name: "orders",
    topicId: TOPIC_ID,
    partitionResponses: [{ index: 3, errorCode: 0, baseOffset: 123_456_789, logAppendTimeMs: -1, logStartOffset: 0 }],
  }],
  throttleTimeMs: 0,
};
const fetched: FetchResponse = {
  responses: [{
    topicId: TOPIC_ID,
    partitions: [{
      partitionIndex: 3,
      errorCode: 0,
      highWatermark: 123_456_789,
      lastStableOffset: 123_456_789,
      logStartOffset: 0,
      abortedTransactions: null,
      records: { byteLength: 1 << 20 },
    }],
  }],
};

const produce9 = produceFrame(9);
const produce13 = produceFrame(13);
const fetchOne = fetchFrame(1);
const fetchHundred = fetchFrame(100);

function decodeProduce(frame: { start: number; end: number }): number {
  reader.reset(arena, frame.start, frame.end);
  const header = decodeRequestHeader(reader, messageOf);
  return produceRequest.decode(reader, header.apiVersion).topicData.length;
}

function decodeFetch(frame: { start: number; end: number }): number {
  reader.reset(arena, frame.start, frame.end);
  const header = decodeRequestHeader(reader, messageOf);
  return fetchRequest.decode(reader, header.apiVersion).topics.length;
}

Deno.bench("decode Produce v9, 1 partition, with header", { group: "decode", baseline: true }, () => {
  decodeProduce(produce9);
});
Deno.bench("decode Produce v9, walked", { group: "decode" }, () => {
  reader.reset(arena, produce9.start, produce9.end);
  decodeRequestHeader(reader, messageOf);
  walk(reader, produceRequest.fields, 9);
});
Deno.bench("decode Produce v13, 1 partition, with header", { group: "decode" }, () => {
  decodeProduce(produce13);
});
Deno.bench("decode Fetch v13, 1 partition, with header", { group: "decode" }, () => {
  decodeFetch(fetchOne);
});
Deno.bench("decode Fetch v13, 100 partitions, with header", { group: "decode" }, () => {
  decodeFetch(fetchHundred);
});

for (const version of [9, 13]) {
  Deno.bench(`encode Produce response v${version}, with header`, { group: "encode" }, () => {
    writer.reset();
    encodeResponseHeader(writer, produceResponse, { apiVersion: version, correlationId: 7 });
    produceResponse.encode(writer, version, produced);
  });
}
Deno.bench("encode Fetch response v13, 1 partition, with header", { group: "encode" }, () => {
  writer.reset();
  encodeResponseHeader(writer, fetchResponse, { apiVersion: 13, correlationId: 7 });
  fetchResponse.encode(writer, 13, fetched);
});

const messages = [produceRequest, fetchRequest];
function messageOf(apiKey: number): HeaderOf | undefined {
  return messages[apiKey];
}

const text = copyToArena((to) => to.raw(new TextEncoder().encode("orders-by-region")));
const textDecoder = new TextDecoder();
Deno.bench("16 characters from the cache", { group: "text" }, () => {
  decodeText(arena, text.start, 16);
});
Deno.bench("16 characters by TextDecoder", { group: "text" }, () => {
  textDecoder.decode(arena.slice(text.start, text.end));
});

/** Decodes a struct of a flexible version by walking its declaration. */
function walk(from: Reader, fields: Fields, version: number): unknown {
  const value: { [name: string]: unknown } = {};
  for (const [name, declared] of Object.entries(fields)) {
    const inline = placeOf(declared, version) === "inline";
    value[name] = inline
      ? walkType(from, declared.type, version, includes(declared.nullable, version))
      : defaultValue(declared);
  }
  from.skipTags();
  return value;
}

function walkType(from: Reader, type: WireType, version: number, nullable: boolean): unknown {
  switch (type.kind) {
    case "int16":
      return from.int16();
    case "int32":
      return from.int32();
    case "string":
      return nullable ? from.compactNullableString() : from.compactString();
    case "records":
      return from.compactNullableRecords();
    case "struct":
      return walk(from, type.fields!, version);
    case "array": {
      const count = from.compactCount(1);
      return Array.from({ length: count }, () => walkType(from, type.element!, version, false));
    }
    default:
      throw new TypeError(`${type.kind} does not occur in Produce v9`);
  }
}
