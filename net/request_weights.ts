/**
 * Memory that decoded requests take on a shard's heap until they are over: elements of arrays cost more there than on the wire.
 * A connection hands a request over only if what it may weigh fits beside those that are not over; until then its bytes stay in the
 * arena. Runs on shards.
 */
import { ELEMENTS_MAX } from "./protocol/reader.ts";

/** What an element takes with its part of the answer. */
const ELEMENT_BYTES = 160;
/** What a request takes without elements. */
const REQUEST_BYTES = 512;
/** Most that requests of a shard weigh together; a single one may always be handled. */
export const WEIGHTS_MAX = 32 * 1024 * 1024;

/** Bytes of heap that a decoded request takes. @param elements of its arrays */
export function weightOf(elements: number): number {
  return REQUEST_BYTES + elements * ELEMENT_BYTES;
}

/** What the requests of one shard weigh. */
export class RequestWeights {
  #heldBytes = 0;

  /** Bytes held. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** Whether a request may be decoded now. @param size its bytes on the wire, each of which may be an element */
  admits(size: number): boolean {
    return this.#heldBytes === 0 || this.#heldBytes + weightOf(Math.min(size, ELEMENTS_MAX)) <= WEIGHTS_MAX;
  }

  /** Counts bytes. @param bytes negative when they are given back */
  add(bytes: number): void {
    this.#heldBytes += bytes;
  }
}
