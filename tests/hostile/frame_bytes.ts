/**
 * Writes the bytes of a request, in which one element can be repeated a million times without a million objects. Like
 * bench/peer/wire_bytes.ts it does not use net/protocol, so that an error there is found. Pure; any isolate. Test code.
 *
 * Source: the protocol guide of Apache Kafka ("Protocol Primitive Types"), KIP-482.
 */
import { numbered } from "./victim_topics.ts";

/** A place in an element whose bytes differ from one repetition to the next. */
export interface Slot {
  readonly at: number;
  /** Writes the bytes of the repetition with this number. */
  readonly write: (bytes: Uint8Array, at: number, repetition: number) => void;
}

/** Appends big-endian values; grows as needed. */
export class FrameBytes {
  /** Places whose bytes differ from one repetition to the next. */
  readonly slots: Slot[] = [];
  /** Array elements and unknown tagged fields written so far. */
  elements = 0;
  #bytes = new Uint8Array(256);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** The bytes written so far; the view is valid until the next write. */
  get bytes(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(0, this.#length);
  }

  /** A signed number of 1, 2, 4 or 8 bytes. */
  integer(value: number, size: 1 | 2 | 4 | 8): void {
    const at = this.#reserve(size);
    if (size === 1) this.#view.setInt8(at, value);
    else if (size === 2) this.#view.setInt16(at, value);
    else if (size === 4) this.#view.setInt32(at, value);
    else this.#view.setBigInt64(at, BigInt(value));
  }

  /** An unsigned varint. @param size number of bytes to write, even if fewer were enough */
  unsignedVarint(value: number, size = 1): void {
    for (let [rest, left] = [value, size];; rest = Math.floor(rest / 128), left--) {
      const isLast = rest < 128 && left <= 1;
      this.#byte((rest % 128) | (isLast ? 0 : 128));
      if (isLast) return;
    }
  }

  /** The length of a string, bytes or an array; -1 is null. @param size in bytes where it is not compact */
  count(value: number, { size, isCompact }: { size: 2 | 4; isCompact: boolean }): void {
    if (isCompact) this.unsignedVarint(value + 1);
    else this.integer(value, size);
  }

  raw(bytes: Uint8Array): void {
    const at = this.#reserve(bytes.length);
    this.#bytes.set(bytes, at);
  }

  /** Bytes that differ from one repetition of the element to the next. */
  differing(size: number, write: Slot["write"]): void {
    const at = this.#reserve(size);
    write(this.#bytes, at, 0);
    this.slots.push({ at, write });
  }

  /** Repeats an element. */
  repeat(element: FrameBytes, times: number): void {
    const size = element.length;
    const start = this.#reserve(size * times);
    if (times === 0) return;
    this.#bytes.set(element.bytes, start);
    for (let filled = size; filled < size * times; filled *= 2) {
      this.#bytes.copyWithin(start + filled, start, start + Math.min(filled, size * times - filled));
    }
    for (const { at, write } of element.slots) {
      for (let repetition = 0; repetition < times; repetition++) {
        write(this.#bytes, start + at + repetition * size, repetition);
      }
    }
  }

  /** Overwrites four bytes. */
  patch(at: number, value: number): void {
    this.#view.setInt32(at, value);
  }

  #byte(value: number): void {
    const at = this.#reserve(1);
    this.#bytes[at] = value;
  }

  #reserve(count: number): number {
    const at = this.#length;
    this.#length += count;
    if (this.#length > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(this.#length, this.#bytes.length * 2));
      larger.set(this.#bytes.subarray(0, at));
      this.#bytes = larger;
      this.#view = new DataView(larger.buffer);
    }
    return at;
  }
}

/** Writes "e0000123". */
export function writeNumbered(bytes: Uint8Array, at: number, of: { letter: string; index: number }): void {
  const name = numbered(of.letter, of.index);
  for (let index = 0; index < name.length; index++) bytes[at + index] = name.charCodeAt(index);
}
