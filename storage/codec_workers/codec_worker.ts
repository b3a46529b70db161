/**
 * Entry module of a codec worker: decompresses, checks and compresses batches that would take a shard too long, and searches in them, one
 * at a time. It reads a produced batch in the arena of the shard that received it, and stamps it there, or returns a rebuilt one. It opens
 * no file and makes no system call. An error is a bug; it ends this worker and refuses the batch (net/shards/shard_jobs.ts).
 */
/// <reference lib="deno.worker" />
import { assert } from "../base/assert.ts";
import { freeBytes } from "../base/freed_bytes.ts";
import { transcodeBatch } from "../records/batch_intake.ts";
import { findInBatch } from "../records/timestamp_search.ts";
import type { NativeMemory } from "../sys/memory.ts";
import type { CodecOutcome, CodecStart, CodecTask, CodecWork, SearchWork } from "./codec_messages.ts";

declare const self: DedicatedWorkerGlobalScope;

/** Memory without an address, because nothing here passes it to the kernel. */
function memoryOf(buffer: ArrayBuffer | SharedArrayBuffer): NativeMemory {
  return { bytes: new Uint8Array(buffer), view: new DataView(buffer), address: 0 };
}

/** The shard writes from this memory: smaller buffers may lie in the heap of the engine and move (sys/memory.ts). */
const NATIVE_BYTES_MIN = 128;
const allocate = (bytes: number) => memoryOf(new ArrayBuffer(Math.max(bytes, NATIVE_BYTES_MIN)));

let arenas: readonly NativeMemory[] = [];

function transcode({ arena, start, rules }: CodecWork, contentBytesMax: number): void {
  const memory = arenas[arena];
  assert(memory !== undefined, "a batch lies in the arena of a shard");
  const transcoded = transcodeBatch({ memory, start }, rules, { contentBytesMax, allocate });
  const { refusal, message, recordIndex, isPending } = transcoded;
  const rebuilt = transcoded.rebuilt === null ? null : transcoded.rebuilt.bytes.buffer as ArrayBuffer;
  post(
    { type: "transcoded", answer: { refusal, message, recordIndex, rebuilt }, isPending },
    rebuilt === null ? [] : [rebuilt],
  );
}

function search({ batch, search }: SearchWork): void {
  const bytes = new Uint8Array(batch);
  const record = findInBatch(bytes, search);
  assert(record !== "too-large", "a search without limits ends");
  freeBytes(bytes);
  post({ type: "found", record });
}

function post(outcome: CodecOutcome, transferred: Transferable[] = []): void {
  self.postMessage(outcome, transferred);
}

self.onmessage = ({ data }: MessageEvent<CodecStart | CodecTask>) => {
  if ("arenas" in data) arenas = data.arenas.map(memoryOf);
  else if (data.type === "transcode") transcode(data.work, data.contentBytesMax);
  else search(data.work);
};
