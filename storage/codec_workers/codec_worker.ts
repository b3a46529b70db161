/**
 * Entry module of a codec worker: decompresses, checks and compresses batches that would take a shard too long, one at a time. It reads a
 * batch in the arena of the shard that received it, and stamps it there, or returns a rebuilt one. It opens no file and makes no system
 * call. An error is a bug, and ends the broker (codec_pool.ts).
 */
/// <reference lib="deno.worker" />
import { assert } from "../base/assert.ts";
import { transcodeBatch } from "../records/batch_intake.ts";
import { CONTENT_BYTES_MAX } from "../records/batch_rules.ts";
import type { NativeMemory } from "../sys/memory.ts";
import type { CodecAnswer, CodecStart, CodecWork } from "./codec_messages.ts";

declare const self: DedicatedWorkerGlobalScope;

/** Memory without an address, because nothing here passes it to the kernel. */
function memoryOf(buffer: ArrayBuffer | SharedArrayBuffer): NativeMemory {
  return { bytes: new Uint8Array(buffer), view: new DataView(buffer), address: 0 };
}

/** The shard writes from this memory: smaller buffers may lie in the heap of the engine and move (sys/memory.ts). */
const NATIVE_BYTES_MIN = 128;
const limits = {
  contentBytesMax: CONTENT_BYTES_MAX,
  allocate: (bytes: number) => memoryOf(new ArrayBuffer(Math.max(bytes, NATIVE_BYTES_MIN))),
};

let arenas: readonly NativeMemory[] = [];

self.onmessage = ({ data }: MessageEvent<CodecStart | CodecWork>) => {
  if ("arenas" in data) {
    arenas = data.arenas.map(memoryOf);
    return;
  }
  const memory = arenas[data.arena];
  assert(memory !== undefined, "a batch lies in the arena of a shard");
  const { refusal, message, recordIndex, rebuilt } = transcodeBatch({ memory, start: data.start }, data.rules, limits);
  const buffer = rebuilt === null ? null : rebuilt.bytes.buffer as ArrayBuffer;
  const answer: CodecAnswer = { refusal, message, recordIndex, rebuilt: buffer };
  self.postMessage(answer, buffer === null ? [] : [buffer]);
};
