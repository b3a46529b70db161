/**
 * What a connection sends, in order: encoded bytes from blocks of the shard's arena, and slices of segment files between
 * them. A small slice is read into the block, a larger one is sent by sendfile. Both ways exist because neither is faster
 * for every size, and each is counted. Runs on shards.
 *
 * What is not in the page cache is loaded on another thread before it is sent, so that a shard never waits for the disk here.
 *
 * A slice's lease is returned as soon as its last byte is in the kernel or in a block, and when the connection closes.
 */
import type { Arena } from "../../partitions/mod.ts";
import { assert } from "../../storage/base/assert.ts";
import { isColdAt, isResident, readResident, send, sendFile } from "../../storage/mod.ts";
import { BLOCK_BYTES_MIN, blockBytesFor } from "../../partitions/mod.ts";
import type { AnswerMemory } from "./answer_memory.ts";
import type { FileSlice } from "./file_slice.ts";
import type { TimedSender } from "../requests/times/request_times.ts";
import type { RecordsPayload } from "../protocol/writer.ts";

/**
 * Slices of fewer bytes are read and sent with the header instead of by a sendfile of their own, which saves one system call and
 * one packet. At 16 and 32 KiB the two ways took the same time within 6 %. From 64 to 256 KiB sendfile was 1.2 to 2 times
 * faster (bench/sendfile_bench.ts, 2 cores).
 */
export const SENDFILE_BYTES_MIN = 32 * 1024;

/** Room that copies leave in the arena for allocations that have no alternative. */
const COPY_ROOM_BYTES_MIN = 32 * 1024 * 1024;

/** Bytes that one sendfile call moves at most, so that one connection does not occupy the shard. */
const SENDFILE_BYTES_MAX = 1024 * 1024;

/** Bytes that one connection sends in a row, so that the others get their turn. */
const SENT_PER_FLUSH_MAX = 4 * 1024 * 1024;

/** How far the page cache is filled ahead of a reader of files, so that its next fetch finds headers there. */
const LOOK_AHEAD_BYTES = 1024 * 1024;

/** How often in a row a writable socket may accept nothing. */
const STALLS_MAX = 8;

/** How many slices were sent which way, for the metrics. */
export interface SendCounts {
  copiedSlices: number;
  sentSlices: number;
  /** Pieces that were not in the page cache and had to be loaded first. */
  loadedSlices: number;
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
  /** Bytes from the slice's start that were seen in the page cache. */
  resident: number;
  isLoading: boolean;
  /** The connection closed while it was loading. */
  isAbandoned: boolean;
}

/** Memory that a slice of a file takes while it waits to be sent. */
const SLICE_BYTES = 256;
/** Above this much memory for unsent answers, a connection gets no copies of slices: they can be sent from their files. */
const COPIED_HELD_BYTES_MAX = 1024 * 1024;

/** What the shard lends to its senders. */
export interface SenderTools {
  readonly arena: Arena;
  /** Memory that the answers of all connections take. */
  readonly answers: AnswerMemory;
  readonly counts: SendCounts;
  /** Brings a cold part of a file into the page cache; `done` runs in a later turn. */
  load(range: { fd: number; position: number; length: number }, done: () => void): void;
  /** Closes the client with the most unread answers to free memory. @returns whether there was one */
  closeMostUnsent(): boolean;
}

/**
 * How a flush ended: "more" when it sent its share and continues after the others; "blocked" until the socket accepts more;
 * "loading" until a cold slice has been loaded; "broken" when a file ended before its slice, so that the response cannot be completed.
 */
export type FlushResult = "drained" | "more" | "blocked" | "loading" | "broken";

/** Sends the answers of one connection. */
export class Sender implements TimedSender {
  readonly #fd: number;
  readonly #tools: SenderTools;
  readonly #onLoaded: () => void;
  #parts: (Chunk | Slice)[] = [];
  #pendingBytes = 0;
  #heldBytes = 0;
  #sentBytes = 0;
  #flushEndBytes = 0;
  #lookedAtBytes = -1;
  #stallsCount = 0;
  #isDiscarded = false;
  #isLoadingAhead = false;
  firstTimed = -1;
  lastTimed = -1;

  /** @param fd the socket @param tools of the shard @param onLoaded called when a slice that was cold can be sent */
  constructor(fd: number, tools: SenderTools, onLoaded: () => void) {
    this.#fd = fd;
    this.#tools = tools;
    this.#onLoaded = onLoaded;
  }

  /** Bytes that wait to be sent. */
  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  /** Bytes ever sent. */
  get sentBytes(): number {
    return this.#sentBytes;
  }

  /** Whether nothing was sent since the last call. */
  isStalledSinceLook(): boolean {
    const isStalled = this.#lookedAtBytes === this.#sentBytes;
    this.#lookedAtBytes = this.#sentBytes;
    return isStalled;
  }

  /** Memory of what waits to be sent, in bytes: blocks of the arena, and a little for each slice of a file. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /**
   * Adds encoded bytes and the payloads between them. Takes over every lease in all cases.
   * @param bytes the encoding @param end its length @param holes where payloads go, ascending
   * @returns false when the arena has no room and none can be made; the connection cannot continue then
   */
  append(bytes: Uint8Array, end: number, holes: readonly { at: number; payload: RecordsPayload }[]): boolean {
    let from = 0;
    let ok = !this.#isDiscarded;
    for (const { at, payload } of holes) {
      ok = ok && this.#appendBytes(bytes, from, at);
      ok = this.#appendPayload(payload, ok);
      from = at;
    }
    return ok && this.#appendBytes(bytes, from, end);
  }
  /**
   * Sends as much as the socket accepts and the page cache has.
   * @param wasWritable epoll reported room. A socket that then accepts nothing, time and again, is not full: the file
   * cannot be read.
   */
  flush(wasWritable = false): FlushResult {
    const before = this.#pendingBytes;
    const result = this.#flushParts();
    if (result !== "blocked" || this.#pendingBytes < before) this.#stallsCount = 0;
    else if (wasWritable && ++this.#stallsCount >= STALLS_MAX) return "broken";
    return result;
  }

  #flushParts(): FlushResult {
    let done = 0;
    let result: FlushResult = "drained";
    this.#flushEndBytes = this.#sentBytes + SENT_PER_FLUSH_MAX;
    for (const part of this.#parts) {
      const more = done + 1 < this.#parts.length;
      result = part.kind === "chunk" ? this.#sendChunk(part, more) : this.#sendSlice(part.file, part);
      if (result !== "drained") break;
      done++;
    }
    if (done === this.#parts.length) this.#parts.length = 0;
    else if (done > 0) this.#parts.splice(0, done);
    return result;
  }

  /** Returns everything that was not sent, and sends nothing any more, because the connection is closed or about to be. */
  discard(): void {
    this.#isDiscarded = true;
    for (const part of this.#parts) {
      if (part.kind === "chunk") this.#tools.arena.release(part.block);
      else if (part.isLoading) part.isAbandoned = true;
      else part.file.release();
    }
    this.#parts.length = 0;
    this.#pendingBytes = 0;
    this.#hold(-this.#heldBytes);
  }

  #appendBytes(bytes: Uint8Array, start: number, end: number): boolean {
    let from = start;
    while (from < end) {
      const chunk = this.#chunkWithRoom(end - from);
      if (chunk === null) {
        // The client to close may be this one.
        if (this.#tools.closeMostUnsent() && !this.#isDiscarded) continue;
        return false;
      }
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
    if (file.byteLength < SENDFILE_BYTES_MIN && this.#copySlice(file)) return true;
    // The client to close may be this one.
    while (!this.#tools.answers.hasRoom(SLICE_BYTES) && this.#tools.closeMostUnsent());
    if (this.#isDiscarded) {
      file.release();
      return false;
    }
    this.#hold(SLICE_BYTES);
    this.#parts.push({ kind: "slice", file, sent: 0, resident: 0, isLoading: false, isAbandoned: false });
    this.#pendingBytes += file.byteLength;
    this.#tools.counts.sentSlices++;
    return true;
  }

  /** Copies a slice that is in the page cache behind the encoded bytes. @returns false when it is cold, or there is no room */
  #copySlice(file: FileSlice): boolean {
    const { arena, counts } = this.#tools;
    if (this.#heldBytes >= COPIED_HELD_BYTES_MAX) return false;
    if (arena.sharedBytes - arena.usedBytes < COPY_ROOM_BYTES_MIN) return false;
    const chunk = this.#chunkWithRoom(file.byteLength, file.byteLength);
    if (chunk === null) return false;
    const range = { start: chunk.block + chunk.filled, length: file.byteLength };
    const count = readResident(file, arena.memory, range);
    if (count !== file.byteLength) return false;
    file.release();
    chunk.filled += count;
    this.#pendingBytes += count;
    counts.copiedSlices++;
    return true;
  }

  /** The last chunk when it has room for `atLeast` bytes, otherwise a new one with room for `wanted` bytes where possible. */
  #chunkWithRoom(wanted: number, atLeast = 1): Chunk | null {
    const last = this.#parts.at(-1);
    if (last?.kind === "chunk" && last.capacity - last.filled >= atLeast) return last;
    const { arena, answers } = this.#tools;
    const size = Math.max(BLOCK_BYTES_MIN, Math.min(wanted, CHUNK_BYTES_MAX));
    const block = answers.hasRoom(blockBytesFor(size)) ? arena.allocate(size) : -1;
    if (block === -1) return null;
    const chunk: Chunk = { kind: "chunk", block, capacity: arena.sizeOf(block), filled: 0, sent: 0 };
    this.#parts.push(chunk);
    this.#hold(chunk.capacity);
    return chunk;
  }

  #hold(bytes: number): void {
    this.#heldBytes += bytes;
    this.#tools.answers.add(bytes);
  }

  #sendChunk(chunk: Chunk, more: boolean): FlushResult {
    const { arena } = this.#tools;
    while (chunk.sent < chunk.filled) {
      if (this.#sentBytes >= this.#flushEndBytes) return "more";
      const address = arena.memory.address + chunk.block + chunk.sent;
      const count = send(this.#fd, address, chunk.filled - chunk.sent, { more });
      if (count <= 0) return "blocked";
      chunk.sent += count;
      this.#countSent(count);
    }
    arena.release(chunk.block);
    this.#hold(-chunk.capacity);
    return "drained";
  }

  #sendSlice(file: FileSlice, slice: Slice): FlushResult {
    if (slice.isLoading) return "loading";
    while (slice.sent < file.byteLength) {
      if (this.#sentBytes >= this.#flushEndBytes) return "more";
      const length = Math.min(file.byteLength - slice.sent, SENDFILE_BYTES_MAX);
      if (slice.sent + length > slice.resident && !this.#isReady(slice, length)) return "loading";
      const count = sendFile(this.#fd, { fd: file.fd, position: file.position + slice.sent, length });
      if (count === 0) return "broken";
      if (count < 0) return "blocked";
      slice.sent += count;
      this.#countSent(count);
    }
    this.#hold(-SLICE_BYTES);
    this.#loadAhead(file);
    return "drained";
  }

  /**
   * After a slice has been sent, loads what its reader wants next, unless it is in the page cache, because the search for the start of
   * the next slice reads the log on the shard. Returns the slice's lease when that is done.
   */
  #loadAhead(file: FileSlice): void {
    const position = file.position + file.byteLength;
    if (this.#isLoadingAhead || !isColdAt(file.fd, position + LOOK_AHEAD_BYTES)) return file.release();
    this.#isLoadingAhead = true;
    this.#tools.load({ fd: file.fd, position, length: LOOK_AHEAD_BYTES }, () => {
      this.#isLoadingAhead = false;
      file.release();
    });
  }

  #countSent(count: number): void {
    this.#pendingBytes -= count;
    this.#sentBytes += count;
  }

  /** Whether the next piece of a slice can be sent without waiting for the disk. Starts to load it otherwise. */
  #isReady(slice: Slice, length: number): boolean {
    const { file, sent } = slice;
    const range = { fd: file.fd, position: file.position + sent, length };
    if (isResident(range.fd, range.position, length)) {
      slice.resident = sent + length;
      return true;
    }
    slice.isLoading = true;
    this.#tools.counts.loadedSlices++;
    this.#tools.load(range, () => {
      slice.isLoading = false;
      slice.resident = sent + length;
      if (slice.isAbandoned) file.release();
      else this.#onLoaded();
    });
    return false;
  }
}

/** Largest block for encoded bytes. */
const CHUNK_BYTES_MAX = 1024 * 1024;
assert(SENDFILE_BYTES_MIN <= CHUNK_BYTES_MAX, "a slice that is copied fits into a chunk");
