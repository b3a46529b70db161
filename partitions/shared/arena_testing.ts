/** What tests of full arenas share. Tests only. */
import { type Arena, BLOCK_BYTES_MAX, BLOCK_BYTES_MIN } from "./arena.ts";

/** Allocates all of an arena that is free. @returns the blocks, the largest first */
export function fillArena(arena: Arena): number[] {
  const blocks: number[] = [];
  for (let bytes = BLOCK_BYTES_MAX; bytes >= BLOCK_BYTES_MIN; bytes /= 2) {
    for (let block = arena.allocate(bytes); block !== -1; block = arena.allocate(bytes)) blocks.push(block);
  }
  return blocks;
}
