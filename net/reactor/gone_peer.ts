/**
 * A connection whose client has gone: what the client had sent before is handled, but not for longer than this. Its requests may
 * wait for others, as a fetch does for records, and nobody wants the answers. Runs on shards.
 */
import type { DelayedOperation } from "../../partitions/mod.ts";

/** What a client that has gone had sent is handled for this long. */
const GONE_MS_MAX = 5000;

/** A connection as far as its end goes. */
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
