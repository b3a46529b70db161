/**
 * Bytes that other shards read where they lie: packed one behind the other into blocks of this shard's arena, so that a request of a
 * hundred bytes does not take a block of its own. Whoever read a parcel says so, and its hold on the block is given back.
 * Runs on shards.
 *
 * Always: parcels are sent in the order of `post()`; one that finds no room waits for a later turn and is never lost. How many may wait
 * is limited by the requests of the connections, how much by their memory (net/connection.ts, PIPELINES_BYTES_MAX).
 */
import type { Arena } from "../partitions/mod.ts";

/** What small parcels share; a parcel of more than half of it gets a block of its own. */
const SHARED_BLOCK_BYTES = 64 * 1024;

/** Where a parcel lies. */
export interface ParcelPlace {
  /** The block that its reader gives back. */
  readonly block: number;
  /** Its first byte in the arena. */
  readonly start: number;
  readonly length: number;
}

interface WaitingParcel {
  readonly bytes: Uint8Array;
  readonly send: (place: ParcelPlace) => void;
}

/** The parcels of one shard. */
export class Parcels {
  readonly #arena: Arena;
  #waiting: WaitingParcel[] = [];
  /** Blocks that had been freed when there was no room: none will do until there are more. */
  #freedCount = -1;
  /** The block that small parcels are packed into, with a hold of its own; -1 for none. */
  #block = -1;
  #filled = 0;

  /** @param arena this shard's */
  constructor(arena: Arena) {
    this.#arena = arena;
  }

  /** Parcels that found no room yet. */
  get waitingCount(): number {
    return this.#waiting.length;
  }

  /**
   * Sends bytes, now or on a later turn.
   * @param bytes they are copied @param length how many of them, at most BLOCK_BYTES_MAX and at least one
   * @param send tells the reader where they lie
   */
  post(bytes: Uint8Array, length: number, send: (place: ParcelPlace) => void): void {
    const place = this.#waiting.length > 0 ? null : this.#place(bytes, length);
    if (place !== null) return send(place);
    this.#waiting.push({ bytes: bytes.slice(0, length), send });
  }

  /** Sends what waits, as far as there is room now. */
  postWaiting(): void {
    if (this.#waiting.length === 0 || this.#arena.freedCount === this.#freedCount) return;
    let sent = 0;
    for (const { bytes, send } of this.#waiting) {
      const place = this.#place(bytes, bytes.length);
      if (place === null) break;
      send(place);
      sent++;
    }
    this.#waiting.splice(0, sent);
  }

  /** A parcel has been read. @param block of its place */
  release(block: number): void {
    this.#arena.release(block);
  }

  #place(bytes: Uint8Array, length: number): ParcelPlace | null {
    const block = length > SHARED_BLOCK_BYTES / 2 ? this.#arena.allocate(length) : this.#sharedBlock(length);
    if (block === -1) {
      this.#freedCount = this.#arena.freedCount;
      return null;
    }
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
    const block = this.#arena.allocate(SHARED_BLOCK_BYTES);
    if (block === -1) return -1;
    if (this.#block !== -1) this.#arena.release(this.#block);
    this.#filled = 0;
    this.#block = block;
    return block;
  }
}
