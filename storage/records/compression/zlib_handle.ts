/**
 * gzip and zstd by the runtime's own library (`node:zlib`), into memory of the caller's. Any isolate but the main one.
 *
 * The public functions of `node:zlib` make a stream, its buffers and the library's context for each call, and choose the memory of their
 * output: 1 KB by zstd takes 23 µs where this takes 3, and 100 KB by gzip 198 µs where this takes 113 (bench/compression_bench.ts). So one
 * stream for each codec is kept, and its handle is called as the stream itself does: `_handle.writeSync()`, with its result in
 * `_writeState`. Both are names of Node, not of its documentation. The tests of this folder notice a runtime where they differ.
 *
 * Must always hold: every run after the first begins with a reset, and an error of the library ends that run only.
 */
import { assert } from "../../base/assert.ts";
import type { ContentBuffer } from "./content_buffer.ts";
import type { Pieces } from "./content_pieces.ts";
import type { DecompressionRefusal } from "./refusal.ts";

/** The inner interface of a stream of `node:zlib`. */
interface NativeHandle {
  onerror: (message: string, errno: number, code: string) => void;
  reset(): void;
  close(): void;
  writeSync(
    flush: number,
    input: Uint8Array,
    inputOffset: number,
    inputLength: number,
    output: Uint8Array,
    outputOffset: number,
    outputLength: number,
  ): void;
}

interface NativeStream {
  readonly _handle: NativeHandle;
  /** Free bytes of the output and unread bytes of the input after a write. */
  readonly _writeState: Uint32Array;
}

/** Number of the operation that goes on with a stream: Z_NO_FLUSH, and ZSTD_e_continue. */
const CONTINUE = 0;
const NO_INPUT: Uint8Array = new Uint8Array(0);
/** Receives results that are counted. Small: an isolate that counts none has it too. */
const ignored = new Uint8Array(16 * 1024);
/** Shows whether output is left when the content has reached its limit. */
const spare = new Uint8Array(1);

/** A stream that is used again and again. */
export class ZlibHandle {
  readonly #stream: NativeStream;
  readonly #finish: number;
  #isDamaged = false;
  #isUsed = false;

  /**
   * @param stream of `node:zlib`, in no other use
   * @param finish number of the operation that ends a stream: Z_FINISH or ZSTD_e_end
   */
  constructor(stream: unknown, finish: number) {
    this.#stream = stream as NativeStream;
    this.#finish = finish;
    this.#stream._handle.onerror = () => {
      this.#isDamaged = true;
    };
  }

  /** Frees the library's memory. Not to be used afterwards. */
  close(): void {
    this.#stream._handle.close();
  }

  /**
   * Compresses content, with a stream that does so. Content of one piece is compressed by one call, so that a frame may state its size.
   * @param pieces the content @param output receives the result, up to its limit
   * @returns false when the result is larger than that
   */
  pack(pieces: Pieces, output: ContentBuffer): boolean {
    this.#reset();
    let last = NO_INPUT;
    if (pieces instanceof Uint8Array) last = pieces;
    else for (const piece of pieces) if (!this.#add(piece, output)) return false;
    const refusal = this.#runOn(last, output, last.length);
    assert(refusal !== "corrupt-data", "a library compresses whatever it gets");
    return refusal === null;
  }

  /** Prepares for another input. A new stream needs it not, and would forget the size of its content, by which it chooses its memory. */
  #reset(): void {
    this.#isDamaged = false;
    if (this.#isUsed) this.#stream._handle.reset();
    this.#isUsed = true;
  }

  /** Adds a piece to a stream that goes on. */
  #add(piece: Uint8Array, output: ContentBuffer): boolean {
    const { _handle: handle, _writeState: state } = this.#stream;
    for (let left = piece.length; left > 0;) {
      output.reserve(left);
      const { room } = output;
      if (room === 0) return false;
      handle.writeSync(CONTINUE, piece, piece.length - left, left, output.bytes, output.length, room);
      output.length += room - state[0]!;
      left = state[1]!;
    }
    return true;
  }

  /**
   * Runs one input through the stream and adds the result to the content.
   * @param guess expected bytes of the result
   * @returns null when all of the input was used
   */
  run(input: Uint8Array, output: ContentBuffer, guess: number): DecompressionRefusal | null {
    this.#reset();
    return this.#runOn(input, output, guess);
  }

  /**
   * Counts the bytes of a result without keeping them.
   * @returns "too-large" when there are more than `bytesMax`
   */
  count(input: Uint8Array, bytesMax: number): number | DecompressionRefusal {
    const { _handle: handle, _writeState: state } = this.#stream;
    this.#reset();
    let at = 0;
    for (let counted = 0;;) {
      try {
        handle.writeSync(this.#finish, input, at, input.length - at, ignored, 0, ignored.length);
      } catch {
        return "corrupt-data"; // as in #runOn()
      }
      if (this.#isDamaged) return "corrupt-data";
      counted += ignored.length - state[0]!;
      if (counted > bytesMax) return "too-large";
      const left = state[1]!;
      if (state[0]! > 0) return left === 0 ? counted : "corrupt-data";
      at = input.length - left;
    }
  }

  #runOn(input: Uint8Array, output: ContentBuffer, guess: number): DecompressionRefusal | null {
    const { _handle: handle, _writeState: state } = this.#stream;
    let at = 0;
    let wanted = Math.max(guess, 1);
    while (true) {
      if (!output.beginPiece()) return "too-large";
      output.reserve(wanted);
      const room = output.room;
      // With no room at all the library reports an error even if nothing is left to be written; one spare byte shows what is left.
      const isFull = output.length === output.bytesMax;
      const [target, to, size] = isFull ? [spare, 0, 1] : [output.bytes, output.length, room];
      try {
        handle.writeSync(this.#finish, input, at, input.length - at, target, to, size);
      } catch {
        // The library of zstd throws one error for all damage; the one of gzip calls onerror.
        return "corrupt-data";
      }
      const written = size - state[0]!;
      const left = state[1]!;
      if (isFull && written > 0) return "too-large";
      if (this.#isDamaged) return "corrupt-data";
      output.length += written;
      if (state[0]! > 0) {
        // There was more room than output, so a frame has ended: one that follows is read by another write.
        if (left === 0) return null;
        if (left === input.length - at) return "corrupt-data";
      }
      at = input.length - left;
      wanted = Math.max(output.length, 1);
    }
  }
}
