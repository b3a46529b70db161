/**
 * A shard's arena: the memory into which it receives requests and from which it sends responses. It is shared memory: the owner of a
 * partition writes a batch to disk straight from the arena of the shard that received it. A buddy allocator; only the owning shard sees
 * its bookkeeping. Runs on shards.
 *
 * Blocks are powers of two from 16 KiB to 128 MiB (one request of the largest `socket.request.max.bytes` default). The lowest
 * free address is taken first, so blocks in use stay at the front and in the cache. Pages behind KEEP_BYTES go back to the kernel as soon
 * as their block is free; those before it, when `discardFree()` is called.
 *
 * One block at the end may be reserved: it stays available in one piece, however fragmented the rest is.
 */
import { assert } from "../../storage/base/assert.ts";
import { discardPages, type NativeMemory, nativeMemory } from "../../storage/sys/memory.ts";

/** Address space of an arena; pages cost memory only while touched. */
export const ARENA_BYTES = 512 * 1024 * 1024;
/** Smallest block. */
export const BLOCK_BYTES_MIN = 16 * 1024;
/** Largest block. */
export const BLOCK_BYTES_MAX = 128 * 1024 * 1024;
/** Front part of the arena whose pages are kept for reuse. */
export const KEEP_BYTES = 12 * 1024 * 1024;

const LEAVES = ARENA_BYTES / BLOCK_BYTES_MIN;
const ROOT_ORDER = Math.log2(LEAVES);

/** Shared memory for an arena. */
export function allocateArena(): SharedArrayBuffer {
  return new SharedArrayBuffer(ARENA_BYTES);
}

/** The allocator. */
export class Arena {
  readonly memory: NativeMemory;
  /**
   * The buddy tree as a heap: node 1 is the whole arena, nodes 2n and 2n+1 its halves. A word holds 1 + the order of the
   * largest free block below the node, 0 when none is.
   */
  readonly #largest = new Uint8Array(2 * LEAVES);
  /** Number of holders of the block that starts at this leaf. */
  readonly #holders = new Uint32Array(LEAVES);
  /** Order of the block that starts at this leaf. */
  readonly #orders = new Uint8Array(LEAVES);
  /** Start of the reserved block, -1 for none. */
  readonly #reservedStart: number;
  #usedBytes = 0;
  #freedCount = 0;
  #allocatedCount = 0;

  /**
   * @param buffer from `allocateArena()`; the calling shard becomes its owner
   * @param options reservedBytes: size of the block for `allocateReserved()`
   */
  constructor(buffer: SharedArrayBuffer, options: { reservedBytes?: number } = {}) {
    this.memory = nativeMemory(buffer);
    for (let node = 1; node < 2 * LEAVES; node++) this.#largest[node] = 1 + ROOT_ORDER - Math.floor(Math.log2(node));
    this.#reservedStart = options.reservedBytes === undefined ? -1 : this.#reserve(orderFor(options.reservedBytes));
  }

  /** The most bytes that `allocate()` can give out. */
  get sharedBytes(): number {
    return this.#reservedStart === -1 ? ARENA_BYTES : this.#reservedStart;
  }

  /** Bytes in blocks that are held, without the reserved block. */
  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** Blocks allocated since the start: while it stays the same, nothing has arrived. */
  get allocatedCount(): number {
    return this.#allocatedCount;
  }

  /** Blocks freed since the start: while it stays the same, an allocation that failed would fail again. */
  get freedCount(): number {
    return this.#freedCount;
  }

  /**
   * Allocates a block, with one holder.
   * @param length bytes needed, at most BLOCK_BYTES_MAX
   * @returns where it starts in the memory, or -1 when no free block is large enough
   */
  allocate(length: number): number {
    const order = orderFor(length);
    if ((this.#largest[1] as number) < order + 1) return -1;
    let node = 1;
    for (let level = ROOT_ORDER; level > order; level--) {
      node = (this.#largest[2 * node] as number) >= order + 1 ? 2 * node : 2 * node + 1;
    }
    this.#largest[node] = 0;
    this.#updateAbove(node);
    const leaf = (node << order) - LEAVES;
    this.#holders[leaf] = 1;
    this.#orders[leaf] = order;
    this.#usedBytes += BLOCK_BYTES_MIN << order;
    this.#allocatedCount++;
    return leaf * BLOCK_BYTES_MIN;
  }

  /**
   * Allocates the reserved block, with one holder.
   * @param length bytes needed
   * @returns where it starts, or -1 when it is in use or too small
   */
  allocateReserved(length = 0): number {
    const start = this.#reservedStart;
    if (start === -1 || (this.#holders[start / BLOCK_BYTES_MIN] as number) > 0) return -1;
    if (length > this.sizeOf(start)) return -1;
    this.#holders[start / BLOCK_BYTES_MIN] = 1;
    this.#allocatedCount++;
    return start;
  }

  /** Size of a block in bytes. @param start from `allocate()` */
  sizeOf(start: number): number {
    return BLOCK_BYTES_MIN << (this.#orders[start / BLOCK_BYTES_MIN] as number);
  }

  /** Adds a holder to a block. */
  retain(start: number): void {
    const leaf = start / BLOCK_BYTES_MIN;
    assert((this.#holders[leaf] as number) > 0, "a retained block is held");
    this.#holders[leaf] = (this.#holders[leaf] as number) + 1;
  }

  /** Whether the block has more than one holder, so that its bytes must stay. */
  isShared(start: number): boolean {
    return (this.#holders[start / BLOCK_BYTES_MIN] as number) > 1;
  }

  /** Removes a holder; removing the last one frees the block. */
  release(start: number): void {
    const leaf = start / BLOCK_BYTES_MIN;
    const holders = (this.#holders[leaf] as number) - 1;
    assert(holders >= 0, "a released block is held");
    this.#holders[leaf] = holders;
    if (holders > 0) return;
    const order = this.#orders[leaf] as number;
    const length = BLOCK_BYTES_MIN << order;
    this.#freedCount++;
    const behind = Math.max(start, KEEP_BYTES);
    if (behind < start + length) discardPages(this.memory, { start: behind, length: start + length - behind });
    if (start === this.#reservedStart) return;
    this.#usedBytes -= length;
    const node = (leaf + LEAVES) >> order;
    this.#largest[node] = order + 1;
    this.#updateAbove(node);
  }

  /** Gives the pages of all free blocks back to the kernel; those behind KEEP_BYTES were given back earlier. */
  discardFree(): void {
    this.#discardBelow(1, ROOT_ORDER);
  }

  /** Starts at the root and stops at allocated nodes, because the words below an allocated node are out of date. */
  #discardBelow(node: number, order: number): void {
    const start = ((node << order) - LEAVES) * BLOCK_BYTES_MIN;
    const largest = this.#largest[node] as number;
    if (start >= KEEP_BYTES || largest === 0) return;
    if (largest === order + 1) {
      const length = Math.min(BLOCK_BYTES_MIN << order, KEEP_BYTES - start);
      return discardPages(this.memory, { start, length });
    }
    this.#discardBelow(2 * node, order - 1);
    this.#discardBelow(2 * node + 1, order - 1);
  }

  /** Removes the last block of an order from the tree for good. @returns its start */
  #reserve(order: number): number {
    const node = 2 * (LEAVES >> order) - 1;
    const leaf = (node << order) - LEAVES;
    this.#largest[node] = 0;
    this.#updateAbove(node);
    this.#orders[leaf] = order;
    return leaf * BLOCK_BYTES_MIN;
  }

  #updateAbove(from: number): void {
    let order = ROOT_ORDER - Math.floor(Math.log2(from));
    for (let node = from >> 1; node >= 1; node >>= 1) {
      order++;
      const left = this.#largest[2 * node] as number;
      const right = this.#largest[2 * node + 1] as number;
      // Two whole free halves merge into one block of this node's order.
      this.#largest[node] = left === order && right === order ? order + 1 : Math.max(left, right);
    }
  }
}

/** Size of the block that a length gets. @param length in bytes, at most BLOCK_BYTES_MAX */
export function blockBytesFor(length: number): number {
  return BLOCK_BYTES_MIN << orderFor(length);
}

function orderFor(length: number): number {
  assert(length > 0 && length <= BLOCK_BYTES_MAX, "a block is at most 128 MiB");
  return Math.max(0, 32 - Math.clz32(Math.ceil(length / BLOCK_BYTES_MIN) - 1));
}
