/**
 * gzip and zstd by the runtime's own library (`node:zlib`), into memory of the caller's. Any isolate but the main one.
 *
 * The public functions of `node:zlib` make a stream, its buffers and the library's context for each call, and choose the memory of their
 * output: 1 KB by zstd takes 23 µs where this takes 3, and 100 KB by gzip 198 µs where this takes 113 (bench/compression_bench.ts). So one
 * stream for each codec is kept, and its handle is called as the stream itself does: `_handle.writeSync()`, with its result in
 * `_writeState`. Both are names of Node, not of its documentation. The tests of this folder notice a runtime where they differ.
 *
 * Must always hold: every run begins with a reset, and an error of the library ends that run only.
 */
import { assert } from "../../base/assert.ts";
import { ContentBuffer } from "./content_buffer.ts";
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

/** Most that any content grows by: headers, and a few bytes for each block that cannot be compressed. */
const GROWTH_BYTES_MAX = 1024;
/** Compressed content, in its growing memory; for one call at a time. */
const packed = new ContentBuffer();
/** Shows whether output is left when the content has reached its limit. */
const spare = new Uint8Array(1);

/** A stream that is used again and again. */
export class ZlibHandle {
  readonly #stream: NativeStream;
  readonly #finish: number;
  #isDamaged = false;

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

  /** Compresses one input, with a stream that does so. @returns memory of its own */
  compress(bytes: Uint8Array): Uint8Array {
    packed.reset(2 * bytes.length + GROWTH_BYTES_MAX);
    const refusal = this.run(bytes, packed, bytes.length);
    assert(refusal === null, "compressed content has room");
    const result = packed.bytes.slice(0, packed.length);
    packed.trim();
    return result;
  }

  /**
   * Runs one input through the stream and adds the result to the content.
   * @param guess expected bytes of the result
   * @returns null when all of the input was used
   */
  run(input: Uint8Array, output: ContentBuffer, guess: number): DecompressionRefusal | null {
    const { _handle: handle, _writeState: state } = this.#stream;
    this.#isDamaged = false;
    handle.reset();
    let at = 0;
    let wanted = Math.max(guess, 1);
    while (true) {
      if (!output.beginPiece()) return "too-large";
      const room = output.reserve(wanted) - output.length;
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
