/**
 * Assertions, always on, for what only a bug of our own can break. Bytes from a socket or a disk are checked and refused instead.
 * Any isolate.
 */

/** A broken invariant: the isolate that throws it stops, and the broker with it. */
export class AssertionError extends Error {
  override name = "AssertionError";
}

/**
 * Stops the isolate when an invariant is broken.
 * @param condition what must hold
 * @param message the invariant, as a sentence that holds ("log end never moves back")
 * @throws AssertionError when the condition does not hold
 */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new AssertionError(`Broken invariant: ${message}`);
}
