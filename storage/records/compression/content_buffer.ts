/**
 * Memory for the records of one batch at a time, decompressed or compressed. Used again for each batch; any isolate that does so has some.
 *
 * Must always hold: it never grows beyond the limit of the batch at hand, and keeps at most KEPT_BYTES_MAX between two batches. What it
 * gives up is free at once.
 */
import { assert } from "../../base/assert.ts";
import { freeBytes } from "../../base/freed_bytes.ts";

/** Memory that is kept for the next batch: twice the default of `max.message.bytes`. */
const KEPT_BYTES_MAX = 2 * 1024 * 1024;
/** First allocation. */
const BYTES_MIN = 64 * 1024;
/**
 * Above it, all memory that the limit allows is reserved at once. The kernel supplies a page when it is first written, so this takes no
 * more than the content, while a copy to twice the memory would take both for a moment.
 */
const DOUBLED_BYTES_MAX = 8 * 1024 * 1024;

/** A growable buffer with a limit for each batch. */
export class ContentBuffer {
  #bytesMax = 0;
  /** Pieces that may still be added. */
  #piecesLeft = Infinity;
  /** The memory; only the first `length` bytes are content. */
  bytes: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  /** Bytes of content. */
  length = 0;

  /** Forgets the content. @param bytesMax most bytes of the next content @param piecesMax most calls of a library that add to it */
  reset(bytesMax: number, piecesMax = Infinity): void {
    assert(bytesMax > 0, "a limit on decompressed bytes is positive");
    this.trim();
    this.#bytesMax = bytesMax;
    this.#piecesLeft = piecesMax;
    this.length = 0;
  }

  /** Gives up memory that is larger than what is kept, and the content with it. */
  trim(): void {
    if (this.bytes.length <= KEPT_BYTES_MAX) return;
    freeBytes(this.bytes);
    this.bytes = new Uint8Array(0);
    this.length = 0;
  }

  /** Most bytes that the content may have. */
  get bytesMax(): number {
    return this.#bytesMax;
  }

  /** Bytes of memory after the content that may be filled without another `reserve()`. */
  get room(): number {
    return Math.min(this.bytes.length, this.#bytesMax) - this.length;
  }

  /**
   * Makes room after the content.
   * @returns index at which the room ends: `wanted` bytes after the content, or at the limit
   */
  reserve(wanted: number): number {
    const end = Math.min(this.length + wanted, this.#bytesMax);
    if (end > this.bytes.length) {
      const wantedBytes = end > DOUBLED_BYTES_MAX ? this.#bytesMax : Math.max(this.bytes.length * 2, end, BYTES_MIN);
      const grown = new Uint8Array(Math.min(wantedBytes, this.#bytesMax));
      grown.set(this.bytes.subarray(0, this.length));
      freeBytes(this.bytes);
      this.bytes = grown;
    }
    return end;
  }

  /** Counts a call of a library, which takes a microsecond however little it adds. @returns false when there were too many */
  beginPiece(): boolean {
    return --this.#piecesLeft >= 0;
  }

  /** Adds bytes. @returns false when they do not fit */
  append(bytes: Uint8Array): boolean {
    if (this.length + bytes.length > this.#bytesMax) return false;
    this.reserve(bytes.length);
    this.bytes.set(bytes, this.length);
    this.length += bytes.length;
    return true;
  }

  /**
   * Adds the result of a library and frees it. A large one that is the whole content so far is not copied: its memory becomes the content's.
   * @returns false when it does not fit
   */
  take(result: Uint8Array): boolean {
    const { buffer } = result;
    const isContent = this.length === 0 && result.length > KEPT_BYTES_MAX && result.length <= this.#bytesMax;
    if (isContent && buffer instanceof ArrayBuffer && buffer.byteLength === result.length) {
      freeBytes(this.bytes);
      this.bytes = new Uint8Array(buffer);
      this.length = result.length;
      return true;
    }
    const fits = this.append(result);
    freeBytes(result);
    return fits;
  }
}
