/**
 * Shapes that measure produce requests of compressed batches, stored as they are or in another codec. The batches are compressed before
 * the clock starts, by this tree's codecs with the default levels of Kafka's producers. Main isolate.
 */
import { compress, decompressInto } from "../../../storage/records/compression/compression.ts";
import { ContentBuffer } from "../../../storage/records/compression/content_buffer.ts";
import { BATCH_HEADER_BYTES, type CodecName, codecNames } from "../../../storage/records/record_batch.ts";
import { buildBatch } from "../../../tests/record_batch_builder.ts";
import { jsonText } from "../../batch_texts.ts";
import { processCpuSeconds } from "../../peer/processes.ts";
import type { Figure } from "../figure.ts";
import type { RunContext, Shape } from "../shape.ts";
import { apacheKafka } from "../targets.ts";
import { wireRun, withTopic } from "./throughput_shapes.ts";

const RECORD_BYTES = 1024;
const RECORDS_PER_BATCH = 100;
const PARTITIONS = 4;
/** How long the library alone is measured, in CPU seconds, which the system counts in steps of 10 ms. */
const LIBRARY_CPU_SECONDS = 1;
/** Batches between two looks at that clock. */
const LIBRARY_BATCHES = 16;

/** What is sent, and how the topic stores it. */
interface Conversion {
  readonly sent: CodecName;
  /** The topic's `compression.type`. */
  readonly topic: "producer" | "uncompressed" | CodecName;
  readonly records: number;
}

/** The shapes of the report. */
export const compressionShapes: readonly Shape[] = [
  compressedShape("produce-zstd", true, { sent: "zstd", topic: "producer", records: 2e6 }),
  compressedShape("produce-lz4", false, { sent: "lz4", topic: "producer", records: 2e6 }),
  compressedShape("produce-snappy", false, { sent: "snappy", topic: "producer", records: 2e6 }),
  compressedShape("produce-gzip", false, { sent: "gzip", topic: "producer", records: 1e6 }),
  compressedShape("convert-lz4-zstd", false, { sent: "lz4", topic: "zstd", records: 1e6 }),
  compressedShape("convert-none-zstd", false, { sent: "none", topic: "zstd", records: 1e6 }),
  compressedShape("convert-zstd-none", false, { sent: "zstd", topic: "uncompressed", records: 1e6 }),
];

function compressedShape(name: string, quick: boolean, conversion: Conversion): Shape {
  const { sent, topic } = conversion;
  const stored = topic === "producer" ? "" : `, stored by compression.type=${topic}`;
  return {
    name,
    title: `Pre-encoded produce of JSON: codec ${sent}${stored}, ${RECORD_BYTES} B × ${RECORDS_PER_BATCH} per batch, ` +
      `${PARTITIONS} partitions, 4 connections`,
    quick,
    warmRunsMax: 10,
    run: (context) => produceCompressed(context, conversion),
  };
}

async function produceCompressed(context: RunContext, conversion: Conversion): Promise<Figure[]> {
  const batches = newBatches(conversion.sent);
  const file = `${context.scratch}/batches-${context.id}`;
  await Deno.writeFile(file, new Blob(batches).stream());
  try {
    const load = {
      recordBytes: RECORD_BYTES,
      recordsPerBatch: RECORDS_PER_BATCH,
      partitions: PARTITIONS,
      connections: 4,
      records: conversion.records,
      batches: file,
    };
    const configs = { "compression.type": conversion.topic };
    const figures = await withTopic(context, PARTITIONS, (topic) => wireRun(context, topic, "produce", load), configs);
    if (context.target.contender === apacheKafka) return figures;
    const seconds = libraryCpuSeconds(batches, conversion);
    return [...figures, { name: "its codec libraries alone, CPU-s per GB", value: seconds, better: "lower" }];
  } finally {
    await Deno.remove(file);
  }
}

/** One batch for each partition, each with other records. */
function newBatches(codec: CodecName): Uint8Array<ArrayBuffer>[] {
  const nowMs = Date.now();
  const text = jsonText(PARTITIONS * RECORDS_PER_BATCH * RECORD_BYTES);
  return Array.from({ length: PARTITIONS }, (_, partition) => {
    const records = Array.from({ length: RECORDS_PER_BATCH }, (_, index) => {
      const start = (partition * RECORDS_PER_BATCH + index) * RECORD_BYTES;
      return { value: text.subarray(start, start + RECORD_BYTES), timestamp: nowMs };
    });
    return buildBatch(records, { codec });
  });
}

/** CPU seconds that decompressing, and compressing where the topic's codec is another one, take for 10^9 bytes of values. */
function libraryCpuSeconds(batches: readonly Uint8Array[], { sent, topic }: Conversion): number {
  const content = new ContentBuffer();
  const from = codecNames.indexOf(sent);
  const to = topic === "producer" || topic === "uncompressed" ? 0 : codecNames.indexOf(topic);
  const convert = (batch: Uint8Array) => {
    const records = batch.subarray(BATCH_HEADER_BYTES);
    if (from !== 0) decompressInto(content, from, records, 2 * RECORDS_PER_BATCH * RECORD_BYTES);
    if (to !== 0) compress(to, from === 0 ? records : content.bytes.subarray(0, content.length));
  };
  const started = processCpuSeconds(Deno.pid);
  let count = 0;
  let seconds = 0;
  for (; seconds < LIBRARY_CPU_SECONDS; seconds = processCpuSeconds(Deno.pid) - started) {
    for (let i = 0; i < LIBRARY_BATCHES; i++) convert(batches[count++ % batches.length]!);
  }
  return seconds / (count * RECORDS_PER_BATCH * RECORD_BYTES / 1e9);
}
