/**
 * Memory that the unsent answers of a shard take. When it is used up, the client with the most unread answers is disconnected.
 * Runs on shards.
 */

/** Memory for the unsent answers of all shards. */
const ANSWERS_BYTES_MAX = 48 * 1024 * 1024;
/** The smallest share of a shard. */
const SHARD_ANSWERS_BYTES_MIN = 24 * 1024 * 1024;

/** Memory that the unsent answers of a shard take. */
export class AnswerMemory {
  readonly #bytesMax: number;
  #heldBytes = 0;

  /** @param shardsCount shards that share the memory */
  constructor(shardsCount: number) {
    this.#bytesMax = Math.max(SHARD_ANSWERS_BYTES_MIN, ANSWERS_BYTES_MAX / shardsCount);
  }

  /** Bytes that unsent answers take. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** Whether this many more bytes fit. */
  hasRoom(bytes: number): boolean {
    return this.#heldBytes + bytes <= this.#bytesMax;
  }

  /** Counts bytes. @param bytes negative when they are returned */
  add(bytes: number): void {
    this.#heldBytes += bytes;
  }
}

/** A connection with unsent answers. */
interface Unsent {
  readonly closeReason: string | null;
  readonly sender: {
    /** Memory of its answers, in bytes. */
    readonly heldBytes: number;
    /** Whether nothing was sent since the last call. */
    isStalledSinceLook(): boolean;
  };
}

/**
 * Finds the connection whose answers take the most memory. Connections that took no bytes since the last look come first.
 * @returns null when no connection holds memory for answers
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
