/** Why compressed records cannot be read. Pure; any isolate. */

/**
 * "corrupt-data": not a sound stream of the codec. "too-large": more bytes, or more pieces, than the caller allows (a decompression
 * bomb, or a batch beyond our limit). "unsupported-codec": an unknown codec number.
 */
export type DecompressionRefusal = "corrupt-data" | "too-large" | "unsupported-codec";
