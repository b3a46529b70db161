/**
 * What leaves a connection, in order: encoded bytes from blocks of the shard's arena, and slices of segment files between
 * them. A small slice is read into the block, a larger one goes by sendfile; both ways stay, because neither wins
 * everywhere, and each is counted. Runs on shards.
 *
 * A slice's lease is given back as soon as its last byte is in the kernel or in a block, and when the connection goes.
 */
import type { Arena } from "../partitions/mod.ts";
import { assert } from "../storage/base/assert.ts";
import { type FileSystem, send, sendFile } from "../storage/mod.ts";
import { BLOCK_BYTES_MIN } from "../partitions/mod.ts";
import type { RecordsPayload } from "./protocol/writer.ts";

/** A borrowed part of a segment file, as the records of a response. */
export interface FileSlice extends RecordsPayload {
  readonly fd: number;
  readonly position: number;
  /** Gives the lease back; called once. */
  release(): void;
}

/**
 * Slices of fewer bytes are read and sent with the header instead of by a sendfile of their own: one system call and one
 * packet less. Measured by bench/sendfile_bench.ts.
 */
export const SENDFILE_BYTES_MIN = 32 * 1024;

/** Most bytes one sendfile call moves, so that one connection does not hold the shard. */
const SENDFILE_BYTES_MAX = 1024 * 1024;

/** How much left which way, for the metrics. */
export interface SendCounts {
  copiedSlices: number;
  sentSlices: number;
}

interface Chunk {
  readonly kind: "chunk";
  readonly block: number;
  readonly capacity: number;
  filled: number;
  sent: number;
}

interface Slice {
  readonly kind: "slice";
  readonly file: FileSlice;
  sent: number;
}

/** What the shard lends to its senders. */
export interface SenderTools {
  readonly arena: Arena;
  readonly fs: FileSystem;
  readonly counts: SendCounts;
}

/** How a flush ended. */
export type FlushResult = "drained" | "blocked" | "broken";

/** One connection's way out. */
export class Sender {
  readonly #fd: number;
  readonly #tools: SenderTools;
  #parts: (Chunk | Slice)[] = [];
  #pendingBytes = 0;

  /** @param fd the socket @param tools of the shard */
  constructor(fd: number, tools: SenderTools) {
    [this.#fd, this.#tools] = [fd, tools];
  }

  /** Bytes that wait to be sent. */
  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  /**
   * Adds encoded bytes and the payloads between them.
   * @param bytes the encoding @param end its length @param holes where payloads go, ascending
   * @returns false when the arena has no room; the connection cannot continue then. Every lease is taken over either way.
   */
  append(bytes: Uint8Array, end: number, holes: readonly { at: number; payload: RecordsPayload }[]): boolean {
    let from = 0;
    let ok = true;
    for (const { at, payload } of holes) {
      ok = ok && this.#appendBytes(bytes, from, at);
      ok = this.#appendPayload(payload, ok);
      from = at;
    }
    return ok && this.#appendBytes(bytes, from, end);
  }

  /** Sends as much as the socket takes. "broken": a file ended before its slice, so the response cannot be completed. */
  flush(): FlushResult {
    let done = 0;
    let result: FlushResult = "drained";
    for (const [index, part] of this.#parts.entries()) {
      const more = index + 1 < this.#parts.length;
      result = part.kind === "chunk" ? this.#sendChunk(part, more) : this.#sendSlice(part.file, part);
      if (result !== "drained") break;
      done++;
    }
    if (done === this.#parts.length) this.#parts.length = 0;
    else if (done > 0) this.#parts.splice(0, done);
    return result;
  }

  /** Gives back everything that was not sent: the connection is gone. */
  discard(): void {
    for (const part of this.#parts) {
      if (part.kind === "chunk") this.#tools.arena.release(part.block);
      else part.file.release();
    }
    this.#parts.length = 0;
    this.#pendingBytes = 0;
  }

  #appendBytes(bytes: Uint8Array, start: number, end: number): boolean {
    let from = start;
    while (from < end) {
      const chunk = this.#chunkWithRoom(end - from);
      if (chunk === null) return false;
      const count = Math.min(end - from, chunk.capacity - chunk.filled);
      this.#tools.arena.memory.bytes.set(bytes.subarray(from, from + count), chunk.block + chunk.filled);
      chunk.filled += count;
      this.#pendingBytes += count;
      from += count;
    }
    return true;
  }

  #appendPayload(payload: RecordsPayload, hasRoom: boolean): boolean {
    if (payload instanceof Uint8Array) return hasRoom && this.#appendBytes(payload, 0, payload.length);
    const file = payload as FileSlice;
    if (!hasRoom) {
      file.release();
      return false;
    }
    if (file.byteLength < SENDFILE_BYTES_MIN) return this.#copySlice(file);
    this.#parts.push({ kind: "slice", file, sent: 0 });
    this.#pendingBytes += file.byteLength;
    this.#tools.counts.sentSlices++;
    return true;
  }

  #copySlice(file: FileSlice): boolean {
    const { arena, fs, counts } = this.#tools;
    const chunk = this.#chunkWithRoom(file.byteLength, file.byteLength);
    const count = chunk === null
      ? -1
      : fs.pread(file.fd, arena.memory, chunk.block + chunk.filled, file.byteLength, file.position);
    file.release();
    if (chunk === null || count !== file.byteLength) return false;
    chunk.filled += count;
    this.#pendingBytes += count;
    counts.copiedSlices++;
    return true;
  }

  /** The last chunk when it has room for `atLeast` bytes, else a new one with room for `wanted` where possible. */
  #chunkWithRoom(wanted: number, atLeast = 1): Chunk | null {
    const last = this.#parts.at(-1);
    if (last?.kind === "chunk" && last.capacity - last.filled >= atLeast) return last;
    const { arena } = this.#tools;
    const size = Math.max(BLOCK_BYTES_MIN, Math.min(wanted, CHUNK_BYTES_MAX));
    const block = arena.allocate(size);
    if (block === -1) return null;
    const chunk: Chunk = { kind: "chunk", block, capacity: arena.sizeOf(block), filled: 0, sent: 0 };
    this.#parts.push(chunk);
    return chunk;
  }

  #sendChunk(chunk: Chunk, more: boolean): FlushResult {
    const { arena } = this.#tools;
    while (chunk.sent < chunk.filled) {
      const address = arena.memory.address + chunk.block + chunk.sent;
      const count = send(this.#fd, address, chunk.filled - chunk.sent, { more });
      if (count <= 0) return "blocked";
      chunk.sent += count;
      this.#pendingBytes -= count;
    }
    arena.release(chunk.block);
    return "drained";
  }

  #sendSlice(file: FileSlice, slice: Slice): FlushResult {
    while (slice.sent < file.byteLength) {
      const length = Math.min(file.byteLength - slice.sent, SENDFILE_BYTES_MAX);
      const count = sendFile(this.#fd, { fd: file.fd, position: file.position + slice.sent, length });
      if (count === 0) return "broken";
      if (count < 0) return "blocked";
      slice.sent += count;
      this.#pendingBytes -= count;
    }
    file.release();
    return "drained";
  }
}

/** Largest block taken for encoded bytes at a time. */
const CHUNK_BYTES_MAX = 1024 * 1024;
assert(SENDFILE_BYTES_MIN <= CHUNK_BYTES_MAX, "a slice that is copied fits into a chunk");
