/**
 * Memory that decoded requests take on a shard's heap until they are over: elements of arrays cost more there than on the wire. A
 * request is decoded as far as there is room for its elements; one that has more waits, its bytes stay in the arena, and it is
 * decoded again when there is room. Few elements always have room, so that usual requests never wait. Runs on shards.
 */
import { REQUEST_ELEMENTS_MAX } from "../protocol/api.ts";
import { assert } from "../../storage/base/assert.ts";

/** What an element takes with what a handler makes of it and its part of the answer. */
const ELEMENT_BYTES = 400;
/** What a request takes without elements. */
const REQUEST_BYTES = 512;
/** Most that requests of a shard weigh together, but for those of few elements. */
export const WEIGHTS_MAX = 8 * 1024 * 1024;
/** Elements that a request may have however much the others weigh; each connection has one such request then. */
export const FEW_ELEMENTS = 256;

assert(weightOf(REQUEST_ELEMENTS_MAX) <= WEIGHTS_MAX, "the largest request fits alone");

/** Bytes of heap that a decoded request takes. @param elements of its arrays */
export function weightOf(elements: number): number {
  return REQUEST_BYTES + elements * ELEMENT_BYTES;
}

/** What the requests of one shard weigh. */
export class RequestWeights {
  /** Belongs to the memory of requests: somebody waits for room, and nobody who comes later gets ahead. */
  isAwaited = false;
  #heldBytes = 0;

  /** Bytes held. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** Elements that the next request may have. */
  get elementsRoom(): number {
    return this.isAwaited ? FEW_ELEMENTS : this.room;
  }

  /** Elements that the request may have that has waited longest. */
  get room(): number {
    return Math.max(FEW_ELEMENTS, Math.floor((WEIGHTS_MAX - this.#heldBytes) / ELEMENT_BYTES));
  }

  /** Whether so much is held that each connection should have one request at a time. */
  get isFull(): boolean {
    return this.#heldBytes >= WEIGHTS_MAX;
  }

  /** Counts bytes. @param bytes negative when they are given back */
  add(bytes: number): void {
    this.#heldBytes += bytes;
  }
}
