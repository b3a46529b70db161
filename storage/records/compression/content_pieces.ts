/** Content that is compressed piece by piece, so that it never has to lie in memory as a whole. Pure; any isolate. */

/** The whole content; or its parts in order, each valid until the next one is asked for. */
export type Pieces = Uint8Array | Iterable<Uint8Array>;

/** Cuts content into blocks of a size; the last one may be shorter. Each is valid until the next one is asked for. */
export function* blocksOf(pieces: Pieces, blockBytes: number): Generator<Uint8Array> {
  if (pieces instanceof Uint8Array) {
    for (let at = 0; at < pieces.length; at += blockBytes) yield pieces.subarray(at, at + blockBytes);
    return;
  }
  const block = new Uint8Array(blockBytes);
  let filled = 0;
  for (const piece of pieces) {
    for (let at = 0; at < piece.length;) {
      const part = piece.subarray(at, at + blockBytes - filled);
      block.set(part, filled);
      at += part.length;
      filled += part.length;
      if (filled < blockBytes) continue;
      yield block;
      filled = 0;
    }
  }
  if (filled > 0) yield block.subarray(0, filled);
}
