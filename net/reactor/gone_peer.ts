/**
 * Limits how long a connection is kept after its client has disconnected. What the client had sent is handled, but its requests may
 * wait for something, as a fetch waits for records, and nobody reads the answers. Runs on shards.
 */
import type { DelayedOperation } from "../../partitions/mod.ts";

/** What a disconnected client had sent is handled for this long. */
const GONE_MS_MAX = 5000;

/** What the deadline needs of a connection. */
interface Closable {
  close(reason: string): void;
}

/** The deadline of such a connection. */
export class GonePeer implements DelayedOperation {
  readonly deadlineMs: number;
  heapIndex = -1;
  isMarked = false;
  readonly #connection: Closable;
  readonly #reason: string;

  /** @param reason why the connection closes @param nowMs monotonic time */
  constructor(connection: Closable, reason: string, nowMs: number) {
    this.#connection = connection;
    this.#reason = reason;
    this.deadlineMs = nowMs + GONE_MS_MAX;
  }

  onProgress(): void {}

  onExpired(): void {
    this.#connection.close(this.#reason);
  }
}
