/**
 * Batches and records as text for people (main.ts dump). Pure; the main isolate of the command.
 *
 *   batch 4..6  position 310  162 bytes  3 records  lz4  CreateTime 2026-03-01T10:00:00.002Z  leader epoch 0
 *     4  2026-03-01T10:00:00.000Z  key "user-1"  value "{\"a\":1}"  headers {trace: "7f"}
 */
import { NO_TIMESTAMP } from "../base/units.ts";
import { BatchRecordReader } from "../records/batch_record_reader.ts";
import { readEndMarker } from "../records/control_records.ts";
import * as batches from "../records/record_batch.ts";

/** Bytes of a key or value that are shown. */
const SHOWN_BYTES_MAX = 256;
/** Headers of a record that are shown. */
const SHOWN_HEADERS_MAX = 16;

const strictDecoder = new TextDecoder("utf-8", { fatal: true });
// deno-lint-ignore no-control-regex -- text with control characters is shown as bytes
const CONTROL_CHARACTERS = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/;

/** A batch whose header was checked. @param at index of its first byte @param position in its file */
export function describeStoredBatch(view: DataView, at: number, position: number): string {
  const count = batches.recordsCount(view, at);
  const parts = [
    `batch ${batches.baseOffset(view, at)}..${batches.lastOffset(view, at)}`,
    `position ${position}`,
    `${batches.batchBytes(view, at)} bytes`,
    `${count} ${count === 1 ? "record" : "records"}`,
    codecName(batches.codec(view, at)),
    `${batches.isLogAppendTime(view, at) ? "LogAppendTime" : "CreateTime"} ${time(batches.maxTimestamp(view, at))}`,
    `leader epoch ${batches.partitionLeaderEpoch(view, at)}`,
  ];
  const producerId = batches.producerId(view, at);
  if (producerId >= 0) {
    const sequence = batches.baseSequence(view, at);
    parts.push(`producer ${producerId} (epoch ${batches.producerEpoch(view, at)}, sequence ${sequence})`);
  }
  if (batches.isTransactional(view, at)) parts.push("transactional");
  if (batches.isControl(view, at)) parts.push("control");
  if (batches.hasDeleteHorizon(view, at)) parts.push(`delete horizon ${time(batches.baseTimestamp(view, at))}`);
  return parts.join("  ");
}

/**
 * The records of a batch, a line each, and a sentence where they end too early.
 * @param memory holds the whole batch @param at index of its first byte
 */
export function* describeRecords(memory: { bytes: Uint8Array; view: DataView }, at: number): Generator<string> {
  const { view } = memory;
  const marker = batches.isControl(view, at) ? readEndMarker(view, at) : null;
  if (marker !== null) {
    const kind = marker.committed ? "commit" : "abort";
    yield `  ${batches.baseOffset(view, at)}  ${kind} marker, coordinator epoch ${marker.coordinatorEpoch}`;
    return;
  }
  const reader = BatchRecordReader.open(memory, at);
  if (typeof reader === "string") {
    yield `  its records cannot be unpacked: ${reader}`;
    return;
  }
  while (reader.next()) {
    const headers = reader.headersCount === 0 ? "" : `  headers ${describeHeaders(reader)}`;
    yield `  ${reader.offset}  ${time(reader.timestamp)}  key ${content(reader.key())}  value ${
      content(reader.value())
    }${headers}`;
  }
  if (reader.damaged) yield `  the records after offset ${reader.offset} do not fit their batch`;
}

/** A timestamp in ms as ISO 8601; "none" for -1; the number where it is no date. */
export function time(ms: number): string {
  if (ms === NO_TIMESTAMP) return "none";
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? `${ms} ms` : date.toISOString();
}

function codecName(codec: number): string {
  return codec === 0 ? "not compressed" : batches.codecNames[codec] ?? `codec ${codec}`;
}

function describeHeaders(reader: BatchRecordReader): string {
  const headers = reader.headers();
  const shown = headers.slice(0, SHOWN_HEADERS_MAX).map(({ key, value }) => `${content(key)}: ${content(value)}`);
  if (headers.length > shown.length) shown.push(`… ${headers.length - shown.length} more`);
  return `{${shown.join(", ")}}`;
}

/** Bytes as quoted text where they are UTF-8 without control characters, otherwise in hexadecimal. */
function content(bytes: Uint8Array | null): string {
  if (bytes === null) return "null";
  const shown = bytes.subarray(0, SHOWN_BYTES_MAX);
  const rest = bytes.length > shown.length ? `… (${bytes.length} bytes)` : "";
  return (textOf(shown, rest !== "") ?? `0x${shown.toHex()}`) + rest;
}

function textOf(bytes: Uint8Array, isCut: boolean): string | null {
  // A cut may split a character, which has at most 4 bytes.
  for (let cut = 0; cut <= (isCut ? 3 : 0); cut++) {
    try {
      // A copy, because the decoder takes no shared memory.
      const text = strictDecoder.decode(bytes.slice(0, bytes.length - cut));
      return CONTROL_CHARACTERS.test(text) ? null : JSON.stringify(text);
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
    }
  }
  return null;
}
