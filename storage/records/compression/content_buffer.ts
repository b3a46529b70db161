/**
 * Memory for the decompressed records of one batch at a time. Used again for each batch; any isolate that decompresses has one.
 *
 * Must always hold: it never grows beyond the limit of the batch at hand, and keeps at most KEPT_BYTES_MAX between two batches.
 */
import { assert } from "../../base/assert.ts";

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
  bytes = new Uint8Array(0);
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
    this.bytes = new Uint8Array(0);
    this.length = 0;
  }

  /** Most bytes that the content may have. */
  get bytesMax(): number {
    return this.#bytesMax;
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
}
