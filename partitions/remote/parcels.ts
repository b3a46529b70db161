/**
 * Bytes that other shards read in place, in this shard's arena. Small parcels are packed one behind the other into a shared block, so that
 * a request of a hundred bytes does not take a block of its own. A reader reports each parcel that it has read, and the parcel's hold on
 * its block ends. Runs on shards.
 *
 * Always: a parcel that finds no room waits for a later turn and is never lost. When the arena is full, parcels use its reserved block one
 * after the other. The number of waiting parcels is limited by the requests of the connections, their bytes by PIPELINES_BYTES_MAX
 * (net/reactor/connection.ts).
 */
import type { Arena } from "../shared/arena.ts";
import type { Outbox } from "../shared/mail.ts";
import * as message from "../shared/messages.ts";

/** Size of a shared block; a parcel of more than half of it gets a block of its own. */
const SHARED_BLOCK_BYTES = 64 * 1024;

/** Where the bytes of a parcel lie. */
export interface Parcel {
  /** The block, which the reader names when it has read the parcel. */
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
  #waitingBytes = 0;
  /** The block into which small parcels are packed; this object holds it, too. -1 for none. */
  #block = -1;
  #filled = 0;
  /** The previous shared block. It is kept, so that it can be used again once its parcels were read, even when the arena is full. */
  #spare = -1;

  /** @param arena this shard's @param options inOrder: parcels are sent in the order of `send()`; otherwise one may pass one that waits */
  constructor(arena: Arena, options: { inOrder: boolean }) {
    this.#arena = arena;
    this.#isInOrder = options.inOrder;
  }

  /** Parcels that wait for room. */
  get waitingCount(): number {
    return this.#waiting.length;
  }

  /** Bytes of the parcels that wait for room. They lie on the heap. */
  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /**
   * Sends bytes, now or on a later turn.
   * @param bytes copied during the call @param length how many of them, 1 to BLOCK_BYTES_MAX
   * @param announce tells the reader where they lie
   */
  send(bytes: Uint8Array, length: number, announce: (parcel: Parcel) => void): void {
    const mustWait = this.#isInOrder && this.#waiting.length > 0;
    const parcel = mustWait ? null : this.#pack(bytes, length);
    if (parcel !== null) return announce(parcel);
    this.#waiting.push({ bytes: bytes.slice(0, length), announce });
    this.#waitingBytes += length;
  }

  /** Sends the waiting parcels for which there is room now. */
  sendWaiting(): void {
    if (this.#waiting.length === 0) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const one of waiting) {
      const mustWait = this.#isInOrder && this.#waiting.length > 0;
      const parcel = mustWait ? null : this.#pack(one.bytes, one.bytes.length);
      if (parcel === null) this.#waiting.push(one);
      else {
        this.#waitingBytes -= one.bytes.length;
        one.announce(parcel);
      }
    }
  }

  /** A parcel has been read. @param block in which it lies */
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

  /** A shared block with room for a parcel of this length; -1 when there is none. */
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

/** Reports to the shard of an outbox that bytes in its arena have been read. @param block as it named the block of the bytes */
export function reportTaken(outbox: Outbox, kind: message.TakenKind, block: number): void {
  const { ints, int } = outbox.begin(kind);
  ints[int + message.taken.block] = block;
  outbox.commit();
}
