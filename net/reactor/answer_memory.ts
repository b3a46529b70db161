/**
 * Memory that the unsent answers of a shard take, and who gives way when it is used up: the client that leaves most of its answers
 * lying. Runs on shards.
 */

/** Unsent answers of all shards, … */
const ANSWERS_BYTES_MAX = 48 * 1024 * 1024;
/** … and the least that a shard has of it. */
const SHARD_ANSWERS_BYTES_MIN = 24 * 1024 * 1024;

/** Memory that the unsent answers of a shard take. */
export class AnswerMemory {
  readonly #bytesMax: number;
  #heldBytes = 0;

  /** @param shardsCount shards that share the memory */
  constructor(shardsCount: number) {
    this.#bytesMax = Math.max(SHARD_ANSWERS_BYTES_MIN, ANSWERS_BYTES_MAX / shardsCount);
  }

  /** Whether so many bytes more fit. */
  hasRoom(bytes: number): boolean {
    return this.#heldBytes + bytes <= this.#bytesMax;
  }

  /** Counts bytes. @param bytes negative when they are given back */
  add(bytes: number): void {
    this.#heldBytes += bytes;
  }
}

/** A connection that leaves answers lying. */
interface Unsent {
  readonly closeReason: string | null;
  readonly sender: {
    /** Memory of its answers, in bytes. */
    readonly heldBytes: number;
    /** Whether nothing was sent since this was asked last. */
    isStalledSinceLook(): boolean;
  };
}

/**
 * The connection whose answers take most memory, among those that took none of them since the last look where there are such.
 * @returns null when none takes any
 */
export function mostUnsent<T extends Unsent>(connections: Iterable<T>): T | null {
  let largest: T | null = null;
  let largestStalled: T | null = null;
  for (const connection of connections) {
    const { sender } = connection;
    const isStalled = sender.isStalledSinceLook();
    if (connection.closeReason !== null || sender.heldBytes === 0) continue;
    if (sender.heldBytes > (largest?.sender.heldBytes ?? 0)) largest = connection;
    if (isStalled && sender.heldBytes > (largestStalled?.sender.heldBytes ?? 0)) largestStalled = connection;
  }
  return largestStalled ?? largest;
}
