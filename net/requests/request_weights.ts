/**
 * Memory that decoded requests take on a shard's heap until they end: elements of arrays cost more there than on the wire. A
 * request is decoded only while there is room for its elements. One with more elements waits while its bytes stay in the arena, and
 * is decoded again when there is room. A few elements always have room, so that usual requests never wait. Runs on shards.
 */
import { REQUEST_ELEMENTS_MAX } from "../protocol/api.ts";
import { assert } from "../../storage/base/assert.ts";

/** Bytes of an element, of what a handler makes of it, and of its part of the answer. */
const ELEMENT_BYTES = 400;
/** Bytes of a request without elements. */
const REQUEST_BYTES = 512;
/** Largest weight of a shard's requests together, except for those with few elements. */
export const WEIGHTS_MAX = 8 * 1024 * 1024;
/** Number of elements that a request may always have. When the shard is full, each connection has one such request at a time. */
export const FEW_ELEMENTS = 256;

assert(weightOf(REQUEST_ELEMENTS_MAX) <= WEIGHTS_MAX, "the largest request fits alone");

/** Bytes of heap that a decoded request takes. @param elements of its arrays */
export function weightOf(elements: number): number {
  return REQUEST_BYTES + elements * ELEMENT_BYTES;
}

/** Whether a request of this weight has more than a few elements. */
export function isLargeWeight(bytes: number): boolean {
  return bytes > weightOf(FEW_ELEMENTS);
}

/** Weights of the requests of one shard. */
export class RequestWeights {
  /** Owned by the memory of requests: a request waits for room, and later ones must not overtake it. */
  isAwaited = false;
  #heldBytes = 0;

  /** Bytes counted. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** Number of elements that the next request may have. */
  get elementsRoom(): number {
    return this.isAwaited ? FEW_ELEMENTS : this.room;
  }

  /** Number of elements for which the request that has waited longest has room. */
  get room(): number {
    return Math.max(FEW_ELEMENTS, Math.floor((WEIGHTS_MAX - this.#heldBytes) / ELEMENT_BYTES));
  }

  /** Whether the shard is full, so that each connection should have one request at a time. */
  get isFull(): boolean {
    return this.#heldBytes >= WEIGHTS_MAX;
  }

  /** Counts bytes. @param bytes negative when they are returned */
  add(bytes: number): void {
    this.#heldBytes += bytes;
  }
}
