/**
 * Cuts what arrives on a connection into answers: a size of 4 bytes, then as many bytes. Keeps less than one answer. Pure; the main isolate.
 */

/** Longest answer to a broker, in bytes. They take about 100. */
export const ANSWER_BYTES_MAX = 64 * 1024;

const SIZE_BYTES = 4;
const START_BYTES = 1024;

/** The answers of one connection. */
export class AnswerFrames {
  #bytes = new Uint8Array(START_BYTES);
  readonly #bytesMax: number;
  #from = 0;
  #to = 0;

  /** @param bytesMax longest answer */
  constructor(bytesMax = ANSWER_BYTES_MAX) {
    this.#bytesMax = bytesMax;
  }

  /** Adds what has arrived. Called when `next()` has returned null. */
  add(bytes: Uint8Array): void {
    const kept = this.#to - this.#from;
    if (this.#to + bytes.length > this.#bytes.length) {
      const room = Math.max(START_BYTES, kept + bytes.length);
      const moved = room > this.#bytes.length ? new Uint8Array(2 * room) : this.#bytes;
      moved.set(this.#bytes.subarray(this.#from, this.#to));
      this.#bytes = moved;
      this.#from = 0;
      this.#to = kept;
    }
    this.#bytes.set(bytes, this.#to);
    this.#to += bytes.length;
  }

  /** Takes the next answer. @returns its bytes, valid until `add()`; null when it is not whole yet; its size when no answer has that */
  next(): Uint8Array | number | null {
    const filled = this.#to - this.#from;
    if (filled < SIZE_BYTES) return null;
    const size = new DataView(this.#bytes.buffer).getInt32(this.#from);
    if (size < 0 || size > this.#bytesMax) return size;
    if (filled < SIZE_BYTES + size) return null;
    const start = this.#from + SIZE_BYTES;
    this.#from = start + size;
    return this.#bytes.subarray(start, this.#from);
  }
}
