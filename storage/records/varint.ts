/**
 * Zigzag varints of records. They are read without a cursor: the value and the index after it are two calls, which the compiler
 * inlines into a loop. A cursor object or a module variable would cost a store and a load for each. Pure; any isolate.
 *
 * A varint that is too long or leaves the memory ends at NEVER, beyond any range, so the one bounds check at the end of a record
 * finds it. Bytes beyond the range but inside the memory may be read; they decide nothing.
 * Source: Kafka's ByteUtils.readVarint (at most 5 bytes) and readVarlong (at most 10).
 */

/** Index after a varint that does not end. */
export const NEVER = 0x7fff_ffff;

const VARINT_BYTES_MAX = 5;
const VARLONG_BYTES_MAX = 10;

/** The zigzag value without its lowest bit, the sign: exact up to 2^53, while the whole value would lose that bit first. */
function longMagnitude(bytes: Uint8Array, at: number, bytesMax: number): number {
  let magnitude = 0;
  let scale = 0.5;
  for (let index = 0; index < bytesMax && at + index < bytes.length; index++) {
    const byte = bytes[at + index]!;
    magnitude += (byte & (index === 0 ? 0x7e : 0x7f)) * scale;
    scale *= 128;
    if (byte < 0x80) break;
  }
  return magnitude;
}

function longVarint(bytes: Uint8Array, at: number): number {
  const magnitude = longMagnitude(bytes, at, VARINT_BYTES_MAX) % 2 ** 31;
  return (bytes[at]! & 1) === 0 ? magnitude : -magnitude - 1;
}

function longVarlong(bytes: Uint8Array, at: number): number {
  const magnitude = longMagnitude(bytes, at, VARLONG_BYTES_MAX);
  return (bytes[at]! & 1) === 0 ? magnitude : -magnitude - 1;
}

function afterLongVarint(bytes: Uint8Array, at: number, bytesMax: number): number {
  for (let index = 0; index < bytesMax && at + index < bytes.length; index++) {
    if (bytes[at + index]! < 0x80) return at + index + 1;
  }
  return NEVER;
}

/** Value of the varint at an index; 32 bits as in Kafka, which drops the fifth byte's upper bits. */
export function varintAt(bytes: Uint8Array, at: number): number {
  const first = bytes[at]!;
  if (first < 0x80) return (first >>> 1) ^ -(first & 1);
  const second = bytes[at + 1]!;
  if (second < 0x80) return ((second << 6) | ((first & 0x7f) >>> 1)) ^ -(first & 1);
  return longVarint(bytes, at);
}

/** Index after the varint at an index, or NEVER. */
export function afterVarint(bytes: Uint8Array, at: number): number {
  if (bytes[at]! < 0x80) return at + 1;
  if (bytes[at + 1]! < 0x80) return at + 2;
  return afterLongVarint(bytes, at, VARINT_BYTES_MAX);
}

/** Value of the varlong at an index; exact up to 2^53. */
export function varlongAt(bytes: Uint8Array, at: number): number {
  const first = bytes[at]!;
  if (first < 0x80) return (first >>> 1) ^ -(first & 1);
  const second = bytes[at + 1]!;
  if (second < 0x80) return ((second << 6) | ((first & 0x7f) >>> 1)) ^ -(first & 1);
  return longVarlong(bytes, at);
}

/** Index after the varlong at an index, or NEVER. */
export function afterVarlong(bytes: Uint8Array, at: number): number {
  if (bytes[at]! < 0x80) return at + 1;
  if (bytes[at + 1]! < 0x80) return at + 2;
  return afterLongVarint(bytes, at, VARLONG_BYTES_MAX);
}

/** Bytes that the varint of a 32-bit integer takes. */
export function varintBytes(value: number): number {
  const zigzag = ((value << 1) ^ (value >> 31)) >>> 0;
  if (zigzag < 0x80) return 1;
  if (zigzag < 0x4000) return 2;
  if (zigzag < 0x20_0000) return 3;
  return zigzag < 0x1000_0000 ? 4 : 5;
}

/** Writes the varint of a 32-bit integer. @returns index after it */
export function writeVarint(bytes: Uint8Array, at: number, value: number): number {
  let rest = ((value << 1) ^ (value >> 31)) >>> 0;
  let next = at;
  while (rest >= 0x80) {
    bytes[next++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  bytes[next++] = rest;
  return next;
}

/** Most bytes that `writeVarlong()` writes: a number has 54 bits with its sign. */
export const VARLONG_WRITTEN_MAX = 8;

/** Writes the varlong of an integer, exact up to 2^53. @returns index after it */
export function writeVarlong(bytes: Uint8Array, at: number, value: number): number {
  const magnitude = value < 0 ? -value - 1 : value;
  let rest = Math.floor(magnitude / 64);
  let next = at;
  bytes[next++] = ((magnitude % 64) << 1) | (value < 0 ? 1 : 0) | (rest > 0 ? 0x80 : 0);
  while (rest > 0) {
    const low = rest % 128;
    rest = Math.floor(rest / 128);
    bytes[next++] = low | (rest > 0 ? 0x80 : 0);
  }
  return next;
}
