/**
 * Writes Kafka's primitive types into a buffer that grows. Runs in any isolate. Record sets are not copied in: each leaves a hole,
 * and the sender of the bytes sends the payload there (by `sendfile`, or from memory).
 *
 * Must always hold: holes are in ascending order. `bytes` up to `position` is what was written since `reset()`.
 * The buffer never exceeds its limit. Values come from our own code, so a value that cannot be written throws.
 *
 * Source: the Kafka protocol guide ("Protocol Primitive Types"), KIP-482 (compact types, tagged fields).
 */
import { writeInt64 } from "../../storage/base/int64.ts";
import { ErrorCounts } from "./error_counts.ts";
import { STRING_BYTES_MAX } from "./reader.ts";
import { encodeUuid, UUID_BYTES } from "./text_cache.ts";

/** A record set to be sent: bytes in memory, slices of files, or anything that knows its size. */
export interface RecordsPayload {
  readonly byteLength: number;
}

/** Position of a payload between the written bytes. */
export interface RecordsHole {
  /** The payload is sent before the written byte of this index. */
  readonly at: number;
  readonly payload: RecordsPayload;
}

/** A value that the protocol, or this version of it, cannot carry. */
export class EncodeError extends Error {
  override name = "EncodeError";
}

/** Largest number of bytes between two `reset()`s, without holes, unless the writer was created with its own limit. */
export const WRITER_BYTES_MAX = 1 << 28;
/** `reset()` releases a buffer that grew beyond this. */
const WRITER_BYTES_KEPT_MAX = 1 << 20;
const CAPACITY_DEFAULT = 4096;
/** Strings beyond this length are left to TextEncoder, which is then faster than a loop over the characters. */
const LOOPED_CHARS_MAX = 64;
const INT64_LIMIT = 2 ** 63;

const encoder = new TextEncoder();

/** Writes from front to back. */
export class Writer {
  /** The buffer. It is replaced when it grows. */
  bytes: Uint8Array;
  /** Big-endian access to `bytes`. */
  view: DataView;
  /** Number of bytes written, and index of the next one. */
  position = 0;
  /** Payloads that are not in `bytes`, in the order in which they are sent. */
  readonly holes: RecordsHole[] = [];
  /** Error codes that were written; null before the first one. */
  errors: ErrorCounts | null = null;
  readonly #capacity: number;
  readonly #bytesMax: number;
  readonly #allocate: (byteLength: number) => Uint8Array;

  /**
   * @param capacity initial size in bytes
   * @param allocate makes a buffer, for a caller that wants native or shared memory
   * @param options bytesMax: largest size in bytes
   */
  constructor(
    capacity = CAPACITY_DEFAULT,
    allocate = (byteLength: number): Uint8Array => new Uint8Array(byteLength),
    options: { readonly bytesMax?: number } = {},
  ) {
    this.#capacity = capacity;
    this.#allocate = allocate;
    this.#bytesMax = options.bytesMax ?? WRITER_BYTES_MAX;
    this.bytes = allocate(capacity);
    this.view = new DataView(this.bytes.buffer, this.bytes.byteOffset, this.bytes.byteLength);
  }

  /** Discards what was written. The sender must be done with the buffer. */
  reset(): void {
    this.position = 0;
    this.holes.length = 0;
    this.errors?.clear();
    if (this.bytes.byteLength > Math.max(this.#capacity, WRITER_BYTES_KEPT_MAX)) {
      this.#use(this.#allocate(this.#capacity));
    }
  }

  /** Bytes to be sent: what was written and the payloads of all holes. */
  get byteLength(): number {
    let total = this.position;
    for (const hole of this.holes) total += hole.payload.byteLength;
    return total;
  }

  int8(value: number): void {
    const at = this.#reserve(1);
    this.view.setInt8(at, value);
  }

  int16(value: number): void {
    const at = this.#reserve(2);
    this.view.setInt16(at, value);
  }

  /** An int16 that is an error code of Kafka's, which is counted. */
  errorCode(value: number): void {
    if (value !== 0) (this.errors ??= new ErrorCounts()).add(value);
    this.int16(value);
  }

  /** Counts error codes that were written elsewhere. */
  noteErrors(errors: ErrorCounts | null): void {
    errors?.each((code, count) => (this.errors ??= new ErrorCounts()).add(code, count));
  }

  int32(value: number): void {
    const at = this.#reserve(4);
    this.view.setInt32(at, value);
  }

  /** @param value an integer; 2^63 is written as the largest int64, which is read as 2^63 */
  int64(value: number): void {
    const at = this.#reserve(8);
    if (value < INT64_LIMIT) return writeInt64(this.view, at, value);
    this.view.setInt32(at, 0x7fffffff);
    this.view.setInt32(at + 4, -1);
  }

  bigInt64(value: bigint): void {
    const at = this.#reserve(8);
    this.view.setBigInt64(at, value);
  }

  uint16(value: number): void {
    const at = this.#reserve(2);
    this.view.setUint16(at, value);
  }

  uint32(value: number): void {
    const at = this.#reserve(4);
    this.view.setUint32(at, value);
  }

  float64(value: number): void {
    const at = this.#reserve(8);
    this.view.setFloat64(at, value);
  }

  bool(value: boolean): void {
    this.int8(value ? 1 : 0);
  }

  /** @param value 22 base64url characters @throws RangeError when it is no uuid */
  uuid(value: string): void {
    const at = this.#reserve(UUID_BYTES);
    encodeUuid(value, this.bytes, at);
  }

  /** @param value 0 to 2^32 - 1 */
  unsignedVarint(value: number): void {
    let rest = value >>> 0;
    while (rest >= 0x80) {
      this.#byte((rest & 0x7f) | 0x80);
      rest >>>= 7;
    }
    this.#byte(rest);
  }

  /** Zigzag of a 32-bit integer. */
  varint(value: number): void {
    this.unsignedVarint((value << 1) ^ (value >> 31));
  }

  /** Zigzag of an integer, exact up to 2^52. */
  varlong(value: number): void {
    let rest = value < 0 ? -value * 2 - 1 : value * 2;
    while (rest >= 0x80) {
      this.#byte((rest % 0x80) | 0x80);
      rest = Math.floor(rest / 0x80);
    }
    this.#byte(rest);
  }

  string(value: string): void {
    if (value.length > LOOPED_CHARS_MAX) return this.#encodedString(value);
    const length = value.length;
    const at = this.#reserve(2 + length);
    this.view.setInt16(at, length);
    if (!this.#ascii(value, at + 2)) this.#rewind(at).#encodedString(value);
  }

  nullableString(value: string | null): void {
    if (value === null) this.int16(-1);
    else this.string(value);
  }

  compactString(value: string): void {
    if (value.length > LOOPED_CHARS_MAX) return this.#encodedCompactString(value);
    const length = value.length;
    const at = this.#reserve(1 + length);
    this.bytes[at] = length + 1;
    if (!this.#ascii(value, at + 1)) this.#rewind(at).#encodedCompactString(value);
  }

  compactNullableString(value: string | null): void {
    if (value === null) this.unsignedVarint(0);
    else this.compactString(value);
  }

  bytesValue(value: Uint8Array): void {
    this.int32(value.byteLength);
    this.raw(value);
  }

  nullableBytesValue(value: Uint8Array | null): void {
    if (value === null) this.int32(-1);
    else this.bytesValue(value);
  }

  compactBytesValue(value: Uint8Array): void {
    this.unsignedVarint(value.byteLength + 1);
    this.raw(value);
  }

  compactNullableBytesValue(value: Uint8Array | null): void {
    if (value === null) this.unsignedVarint(0);
    else this.compactBytesValue(value);
  }

  /** Writes the length and leaves a hole. */
  records(value: RecordsPayload): void {
    this.int32(value.byteLength);
    this.#hole(value);
  }

  nullableRecords(value: RecordsPayload | null): void {
    if (value === null) this.int32(-1);
    else this.records(value);
  }

  compactRecords(value: RecordsPayload): void {
    this.unsignedVarint(value.byteLength + 1);
    this.#hole(value);
  }

  compactNullableRecords(value: RecordsPayload | null): void {
    if (value === null) this.unsignedVarint(0);
    else this.compactRecords(value);
  }

  /** Writes the number of elements of an array. @param count -1 for null */
  count(count: number): void {
    this.int32(count);
  }

  /** As `count()`, for flexible versions. */
  compactCount(count: number): void {
    this.unsignedVarint(count + 1);
  }

  /** Writes bytes without a length. */
  raw(value: Uint8Array): void {
    const at = this.#reserve(value.byteLength);
    this.bytes.set(value, at);
  }

  /**
   * Begins a tagged field.
   * @param tag its number
   * @returns what `closeTag()` needs
   */
  openTag(tag: number): number {
    this.unsignedVarint(tag);
    return this.#reserve(1);
  }

  /** Writes the size of a tagged field before its value, which moves when the size takes more than one byte. */
  closeTag(at: number): void {
    const start = at + 1;
    const size = this.position - start;
    let sizeBytes = 1;
    for (let rest = size; rest >= 0x80; rest >>>= 7) sizeBytes++;
    if (sizeBytes > 1) {
      this.#reserve(sizeBytes - 1);
      this.bytes.copyWithin(at + sizeBytes, start, start + size);
    }
    const end = at + sizeBytes + size;
    this.position = at;
    this.unsignedVarint(size);
    this.position = end;
  }

  /**
   * Returns everything in one piece, for tests and small clients.
   * @throws TypeError when a payload is not in memory
   */
  toBytes(): Uint8Array<ArrayBuffer> {
    const whole = new Uint8Array(this.byteLength);
    let from = 0;
    let to = 0;
    for (const { at, payload } of this.holes) {
      if (!(payload instanceof Uint8Array)) throw new TypeError("Cannot flatten a payload that is not in memory");
      whole.set(this.bytes.subarray(from, at), to);
      whole.set(payload, to + at - from);
      to += at - from + payload.byteLength;
      from = at;
    }
    whole.set(this.bytes.subarray(from, this.position), to);
    return whole;
  }

  #hole(payload: RecordsPayload): void {
    if (payload.byteLength > 0) this.holes.push({ at: this.position, payload });
  }

  /** @returns false at the first character that is not ASCII */
  #ascii(value: string, at: number): boolean {
    const bytes = this.bytes;
    for (let index = 0; index < value.length; index++) {
      const code = value.charCodeAt(index);
      if (code >= 0x80) return false;
      bytes[at + index] = code;
    }
    return true;
  }

  #encodedString(value: string): void {
    const text = encodeText(value);
    this.int16(text.byteLength);
    this.raw(text);
  }

  #encodedCompactString(value: string): void {
    const text = encodeText(value);
    this.unsignedVarint(text.byteLength + 1);
    this.raw(text);
  }

  #byte(value: number): void {
    const at = this.#reserve(1);
    this.bytes[at] = value;
  }

  #rewind(position: number): this {
    this.position = position;
    return this;
  }

  #reserve(count: number): number {
    const at = this.position;
    const end = at + count;
    if (end > this.bytes.byteLength) this.#grow(end);
    this.position = end;
    return at;
  }

  #grow(needed: number): void {
    if (needed > this.#bytesMax) {
      throw new EncodeError(`Cannot write ${needed} bytes: the limit is ${this.#bytesMax}`);
    }
    const written = this.bytes.subarray(0, this.position);
    this.#use(this.#allocate(Math.min(this.#bytesMax, Math.max(needed, 2 * this.bytes.byteLength))));
    this.bytes.set(written);
  }

  #use(bytes: Uint8Array): void {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }
}

function encodeText(value: string): Uint8Array {
  const text = encoder.encode(value);
  if (text.byteLength <= STRING_BYTES_MAX) return text;
  throw new EncodeError(`Cannot write a string of ${text.byteLength} bytes: the limit is ${STRING_BYTES_MAX}`);
}
