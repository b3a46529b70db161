/**
 * Reads Kafka's primitive types from a byte range that a client sent. Runs in any isolate; the bytes may be in shared memory.
 *
 * Must always hold: no read leaves the range. The first failure stays in `failure`, and every later read returns 0, ""
 * or empty. Nothing is allocated from a length or count before it was compared with the bytes left. A frame never makes more elements
 * than `ELEMENTS_MAX`. The range must not change while it is being read.
 *
 * Source: the Kafka protocol guide ("Protocol Primitive Types"), KIP-482 (compact types, tagged fields).
 */
import { readInt64 } from "../../storage/base/int64.ts";
import { decodeText, decodeUuid, UUID_BYTES, ZERO_UUID } from "./text_cache.ts";

/** Position of a record set inside the reader's bytes. It is never copied. */
export interface RecordsRange {
  /** Index of its first byte in the bytes that the reader was given. */
  readonly start: number;
  /** Its length in bytes, 0 when empty. */
  readonly length: number;
}

/** Longest string in bytes, also where the length field could hold more (Kafka refuses it too). */
export const STRING_BYTES_MAX = 0x7fff;
/**
 * Largest number of array elements and tagged fields in one frame of the broker's own records and messages. Requests of clients may
 * hold fewer (api.ts).
 */
export const ELEMENTS_MAX = 1 << 20;

/** A tag and a size take at least this many bytes. */
const TAG_BYTES_MIN = 2;

const NO_BYTES = new Uint8Array(0);
const TWO_POW_28 = 2 ** 28;

/** Reads a range of bytes from front to back. */
export class Reader {
  /** Index of the next byte. */
  position: number;
  /** Why the bytes were refused, null while they are valid. The first reason stays. */
  failure: string | null = null;
  #bytes: Uint8Array;
  #view: DataView;
  #start = 0;
  #end: number;
  #elements = 0;
  #elementsMax = ELEMENTS_MAX;

  /** @param bytes the range to read */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.position = 0;
    this.#end = bytes.byteLength;
  }

  /**
   * Points the reader at another range, without allocating while `bytes` stays the same object.
   * @param bytes what holds the range, for example a whole arena
   * @param start index of its first byte
   * @param end index after its last byte
   */
  reset(bytes: Uint8Array, start: number, end: number): void {
    if (start < 0 || end < start || end > bytes.byteLength) {
      throw new RangeError(`Cannot read bytes ${start} to ${end} of ${bytes.byteLength}`);
    }
    if (bytes !== this.#bytes) {
      this.#bytes = bytes;
      this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    }
    this.position = this.#start = start;
    this.#end = end;
    this.failure = null;
    this.#elements = 0;
    this.#elementsMax = ELEMENTS_MAX;
  }

  /** Allows fewer elements than ELEMENTS_MAX in this range. */
  limitElements(elementsMax: number): void {
    this.#elementsMax = elementsMax;
  }

  /** Whether the bytes were refused because they hold more elements than allowed. */
  get hasTooManyElements(): boolean {
    return this.#elements > this.#elementsMax;
  }

  /** Array elements and tagged fields that were read. */
  get elementsCount(): number {
    return this.#elements;
  }

  /** The bytes that hold the range; a RecordsRange points into them. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }

  /** Bytes left. */
  get remaining(): number {
    return this.#end - this.position;
  }

  /** Refuses the bytes, unless they were refused before. @param reason what is wrong with them */
  fail(reason: string): void {
    if (this.failure === null) this.failure = `${reason} at byte ${this.position - this.#start}`;
    this.#end = this.position;
  }

  int8(): number {
    const at = this.#take(1);
    return at < 0 ? 0 : this.#view.getInt8(at);
  }

  int16(): number {
    const at = this.#take(2);
    return at < 0 ? 0 : this.#view.getInt16(at);
  }

  int32(): number {
    const at = this.#take(4);
    return at < 0 ? 0 : this.#view.getInt32(at);
  }

  /** Rounded beyond 2^53. */
  int64(): number {
    const at = this.#take(8);
    return at < 0 ? 0 : readInt64(this.#view, at);
  }

  bigInt64(): bigint {
    const at = this.#take(8);
    return at < 0 ? 0n : this.#view.getBigInt64(at);
  }

  uint16(): number {
    const at = this.#take(2);
    return at < 0 ? 0 : this.#view.getUint16(at);
  }

  uint32(): number {
    const at = this.#take(4);
    return at < 0 ? 0 : this.#view.getUint32(at);
  }

  float64(): number {
    const at = this.#take(8);
    return at < 0 ? 0 : this.#view.getFloat64(at);
  }

  /** Any byte but 0 is true. */
  bool(): boolean {
    return this.int8() !== 0;
  }

  /** 22 base64url characters, as Kafka prints it. */
  uuid(): string {
    const at = this.#take(UUID_BYTES);
    return at < 0 ? ZERO_UUID : decodeUuid(this.#view, at);
  }

  /** Base-128 number of at most 5 bytes, least significant group first. */
  unsignedVarint(): number {
    const first = this.position;
    if (first < this.#end) {
      const byte = this.#bytes[first]!;
      if (byte < 0x80) {
        this.position = first + 1;
        return byte;
      }
    }
    return this.#longUnsignedVarint();
  }

  /** Zigzag: 0, -1, 1, -2 ... */
  varint(): number {
    const raw = this.unsignedVarint();
    return (raw >>> 1) ^ -(raw & 1);
  }

  /** Zigzag of up to 10 bytes, rounded beyond 2^53. */
  varlong(): number {
    let value = 0;
    let scale = 1;
    let parity = 0;
    for (let index = 0; index < 10; index++) {
      const at = this.#take(1);
      if (at < 0) return 0;
      const byte = this.#bytes[at]!;
      if (index === 0) parity = byte & 1;
      if (index === 9 && byte > 1) break;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return parity === 0 ? value / 2 : -((value + 1) / 2);
      scale *= 128;
    }
    this.fail("varlong of more than 64 bits");
    return 0;
  }

  string(): string {
    return this.#text(this.int16());
  }

  nullableString(): string | null {
    const length = this.int16();
    return length === -1 ? null : this.#text(length);
  }

  compactString(): string {
    return this.#text(this.unsignedVarint() - 1);
  }

  compactNullableString(): string | null {
    const length = this.unsignedVarint() - 1;
    return length === -1 ? null : this.#text(length);
  }

  bytesValue(): Uint8Array {
    return this.#copy(this.int32());
  }

  nullableBytesValue(): Uint8Array | null {
    const length = this.int32();
    return length === -1 ? null : this.#copy(length);
  }

  compactBytesValue(): Uint8Array {
    return this.#copy(this.unsignedVarint() - 1);
  }

  compactNullableBytesValue(): Uint8Array | null {
    const length = this.unsignedVarint() - 1;
    return length === -1 ? null : this.#copy(length);
  }

  records(): RecordsRange {
    return this.#range(this.int32());
  }

  nullableRecords(): RecordsRange | null {
    const length = this.int32();
    return length === -1 ? null : this.#range(length);
  }

  compactRecords(): RecordsRange {
    return this.#range(this.unsignedVarint() - 1);
  }

  compactNullableRecords(): RecordsRange | null {
    const length = this.unsignedVarint() - 1;
    return length === -1 ? null : this.#range(length);
  }

  /**
   * Reads the number of elements of an array.
   * @param elementBytesMin fewest bytes of an element, at least 1
   * @returns at most as many as the bytes left can hold; 0 when refused
   */
  count(elementBytesMin: number): number {
    return this.#elementCount(this.int32(), elementBytesMin);
  }

  /** As `count()`, -1 for a null array. */
  nullableCount(elementBytesMin: number): number {
    const count = this.int32();
    return count === -1 && this.failure === null ? -1 : this.#elementCount(count, elementBytesMin);
  }

  /** As `count()`, for flexible versions. */
  compactCount(elementBytesMin: number): number {
    return this.#elementCount(this.unsignedVarint() - 1, elementBytesMin);
  }

  /** As `nullableCount()`, for flexible versions. */
  compactNullableCount(elementBytesMin: number): number {
    const count = this.unsignedVarint() - 1;
    return count === -1 && this.failure === null ? -1 : this.#elementCount(count, elementBytesMin);
  }

  /** Reads the number of tagged fields, which count as elements of the frame. @returns 0 when refused */
  tagCount(): number {
    return this.#elementCount(this.unsignedVarint(), TAG_BYTES_MIN);
  }

  /** Skips a section of tagged fields of which none is known. */
  skipTags(): void {
    for (let left = this.tagCount(); left > 0 && this.failure === null; left--) {
      this.unsignedVarint();
      this.skip(this.unsignedVarint());
    }
  }

  /** Skips bytes. @param count how many */
  skip(count: number): void {
    this.#take(count);
  }

  /**
   * Reads the size of a tagged field and ends the range there.
   * @returns what `closeTag()` needs to restore the end
   */
  openTag(): number {
    const end = this.#end;
    const size = this.unsignedVarint();
    if (size > this.remaining) this.fail(`Tagged field of ${size} bytes, ${this.remaining} left`);
    else this.#end = this.position + size;
    return end;
  }

  /** Restores the end, and refuses a value that did not fill its field. @param end what `openTag()` returned */
  closeTag(end: number): void {
    if (this.failure !== null) return;
    if (this.position !== this.#end) return this.fail(`Tagged field with ${this.remaining} bytes too many`);
    this.#end = end;
  }

  /** @returns index of the next `count` bytes, or -1 when fewer are left */
  #take(count: number): number {
    const at = this.position;
    if (count > this.#end - at) return this.#failShort(count);
    this.position = at + count;
    return at;
  }

  #failShort(count: number): number {
    this.fail(`${count} bytes wanted, ${this.remaining} left`);
    return -1;
  }

  #longUnsignedVarint(): number {
    let value = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      const at = this.#take(1);
      if (at < 0) return 0;
      const byte = this.#bytes[at]!;
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    const at = this.#take(1);
    if (at < 0) return 0;
    const last = this.#bytes[at]!;
    if (last <= 0x0f) return last * TWO_POW_28 + value;
    this.fail("Varint of more than 32 bits");
    return 0;
  }

  #text(length: number): string {
    if (length < 0 || length > STRING_BYTES_MAX) {
      this.fail(`String of ${length} bytes`);
      return "";
    }
    const at = this.#take(length);
    if (at < 0) return "";
    const text = decodeText(this.#bytes, at, length);
    // A malformed byte becomes three bytes when it is written back, and a response that names the text must still be encodable.
    if (length * 3 > STRING_BYTES_MAX && text.includes("\ufffd")) this.fail("Long string of malformed UTF-8");
    return text;
  }

  /** Copies the bytes, because the receive buffer is used again. */
  #copy(length: number): Uint8Array {
    const at = this.#takeLength(length);
    return at < 0 ? NO_BYTES : this.#bytes.slice(at, at + length);
  }

  #range(length: number): RecordsRange {
    const at = this.#takeLength(length);
    return at < 0 ? { start: 0, length: 0 } : { start: at, length };
  }

  #takeLength(length: number): number {
    if (length >= 0) return this.#take(length);
    this.fail(`Length of ${length} bytes`);
    return -1;
  }

  #elementCount(count: number, elementBytesMin: number): number {
    this.#elements += count;
    if (count < 0 || count * elementBytesMin > this.remaining) {
      this.fail(`Array of ${count} elements, ${this.remaining} bytes left`);
      return 0;
    }
    if (this.#elements <= this.#elementsMax) return count;
    this.fail(`More than ${this.#elementsMax} array elements, which is the most that one request may have,`);
    return 0;
  }
}
