/**
 * Bytes that other shards read where they lie: packed one behind the other into blocks of this shard's arena, so that a request of a
 * hundred bytes does not take a block of its own. Whoever read a parcel says so, and its hold on the block is given back.
 * Runs on shards.
 *
 * Always: a parcel that finds no room waits for a later turn and is never lost; when the arena is used up, the block that it keeps set
 * aside serves one after the other. How many may wait is limited by the requests of the connections, how much by their
 * memory (net/reactor/connection.ts, PIPELINES_BYTES_MAX).
 */
import type { Arena } from "../shared/arena.ts";

/** What small parcels share; a parcel of more than half of it gets a block of its own. */
const SHARED_BLOCK_BYTES = 64 * 1024;

/** Bytes on their way: where they lie. */
export interface Parcel {
  /** The block that its reader gives back. */
  readonly block: number;
  /** Its first byte in the arena. */
  readonly start: number;
  readonly length: number;
}

interface WaitingParcel {
  readonly bytes: Uint8Array;
  readonly announce: (parcel: Parcel) => void;
}

/** The parcels of one kind that a shard sends. */
export class Parcels {
  readonly #arena: Arena;
  readonly #isInOrder: boolean;
  #waiting: WaitingParcel[] = [];
  /** The block that small parcels are packed into, with a hold of its own; -1 for none. */
  #block = -1;
  #filled = 0;
  /** The one before it, which is kept: once its parcels have been read it serves again, whatever fills the arena. */
  #spare = -1;

  /** @param arena this shard's @param options inOrder: none is sent before those that were to be sent earlier */
  constructor(arena: Arena, options: { inOrder: boolean }) {
    this.#arena = arena;
    this.#isInOrder = options.inOrder;
  }

  /** Parcels that found no room yet. */
  get waitingCount(): number {
    return this.#waiting.length;
  }

  /**
   * Sends bytes, now or on a later turn.
   * @param bytes they are copied @param length how many of them, at most BLOCK_BYTES_MAX and at least one
   * @param announce tells the reader where they lie
   */
  send(bytes: Uint8Array, length: number, announce: (parcel: Parcel) => void): void {
    const mustWait = this.#isInOrder && this.#waiting.length > 0;
    const parcel = mustWait ? null : this.#pack(bytes, length);
    if (parcel !== null) return announce(parcel);
    this.#waiting.push({ bytes: bytes.slice(0, length), announce });
  }

  /** Sends what waits, as far as there is room now. */
  sendWaiting(): void {
    if (this.#waiting.length === 0) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const one of waiting) {
      const mustWait = this.#isInOrder && this.#waiting.length > 0;
      const parcel = mustWait ? null : this.#pack(one.bytes, one.bytes.length);
      if (parcel === null) this.#waiting.push(one);
      else one.announce(parcel);
    }
  }

  /** A parcel has been read. @param block that it lies in */
  release(block: number): void {
    this.#arena.release(block);
  }

  #pack(bytes: Uint8Array, length: number): Parcel | null {
    let block = length > SHARED_BLOCK_BYTES / 2 ? this.#arena.allocate(length) : this.#sharedBlock(length);
    if (block === -1) block = this.#arena.allocateReserved(length);
    if (block === -1) return null;
    let start = block;
    if (block === this.#block) {
      this.#arena.retain(block);
      start += this.#filled;
      this.#filled += length;
    }
    this.#arena.memory.bytes.set(length === bytes.length ? bytes : bytes.subarray(0, length), start);
    return { block, start, length };
  }

  /** The block for small parcels, with room for one of this length; -1 when there is none. */
  #sharedBlock(length: number): number {
    if (this.#block !== -1 && !this.#arena.isShared(this.#block)) this.#filled = 0;
    if (this.#block !== -1 && this.#filled + length <= SHARED_BLOCK_BYTES) return this.#block;
    const isSpareRead = this.#spare !== -1 && !this.#arena.isShared(this.#spare);
    const block = isSpareRead ? this.#spare : this.#arena.allocate(SHARED_BLOCK_BYTES);
    if (block === -1) return -1;
    if (!isSpareRead && this.#spare !== -1) this.#arena.release(this.#spare);
    this.#spare = this.#block;
    this.#block = block;
    this.#filled = 0;
    return block;
  }
}
