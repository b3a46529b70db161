/**
 * LZ4 blocks: decoding into a given range. Pure; any isolate.
 *
 *   sequence = token (4 bits literal length, 4 bits match length - 4) · length bytes while 255 · literals
 *              · uint16 LE distance · length bytes while 255;   the last sequence ends after its literals
 *
 * This is our own code because the packages either need the exact output size, which frames do not carry, or allocate without a
 * limit. No input makes it read or write a byte outside the given ranges.
 * Source: lz4_Block_format.md of the LZ4 project.
 */

const MATCH_BYTES_MIN = 4;
/** Copies shorter than this are faster byte by byte than by a library call. */
const BULK_BYTES_MIN = 32;

/** The input cannot be a block. */
export const LZ4_CORRUPT = -1;
/** The output range is full. */
export const LZ4_OUTPUT_FULL = -2;

/** The range of a block. */
export interface Lz4Input {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
}

/** The range for its content; a match reaches back at most to `windowStart`. */
export interface Lz4Output {
  readonly bytes: Uint8Array;
  readonly windowStart: number;
  readonly start: number;
  readonly end: number;
}

function copyLiterals(from: Lz4Input, at: number, into: Uint8Array, place: { at: number; length: number }): void {
  if (place.length >= BULK_BYTES_MIN) into.set(from.bytes.subarray(at, at + place.length), place.at);
  else for (let index = 0; index < place.length; index++) into[place.at + index] = from.bytes[at + index]!;
}

function copyMatch(bytes: Uint8Array, at: number, distance: number, length: number): void {
  const from = at - distance;
  if (length >= BULK_BYTES_MIN && distance >= length) bytes.copyWithin(at, from, from + length);
  else if (distance === 1 && length >= BULK_BYTES_MIN) bytes.fill(bytes[from]!, at, at + length);
  else for (let index = 0; index < length; index++) bytes[at + index] = bytes[from + index]!;
}

/**
 * Decodes one block.
 * @param input range of the block @param output range for the content
 * @returns index after the content in the output, LZ4_CORRUPT, or LZ4_OUTPUT_FULL
 */
export function decodeLz4Block(input: Lz4Input, output: Lz4Output): number {
  const { bytes: source, end: sourceEnd } = input;
  const { bytes: target, end: targetEnd } = output;
  const place = { at: 0, length: 0 };
  let at = input.start;
  let to = output.start;
  while (at < sourceEnd) {
    const token = source[at++]!;
    let literals = token >>> 4;
    if (literals === 15) {
      let more = 255;
      while (more === 255 && at < sourceEnd) literals += more = source[at++]!;
    }
    if (at + literals > sourceEnd) return LZ4_CORRUPT;
    if (to + literals > targetEnd) return LZ4_OUTPUT_FULL;
    [place.at, place.length] = [to, literals];
    copyLiterals(input, at, target, place);
    at += literals;
    to += literals;
    if (at === sourceEnd) return to;
    if (at + 2 > sourceEnd) return LZ4_CORRUPT;
    const distance = source[at]! | (source[at + 1]! << 8);
    at += 2;
    let match = token & 15;
    if (match === 15) {
      let more = 255;
      while (more === 255 && at < sourceEnd) match += more = source[at++]!;
    }
    match += MATCH_BYTES_MIN;
    if (distance === 0 || to - distance < output.windowStart) return LZ4_CORRUPT;
    if (to + match > targetEnd) return LZ4_OUTPUT_FULL;
    copyMatch(target, to, distance, match);
    to += match;
  }
  // A block ends with literals; one that ends with a match or is empty was cut off.
  return LZ4_CORRUPT;
}
