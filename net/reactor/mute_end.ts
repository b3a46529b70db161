/**
 * The end of the time for which a connection is muted, because its client has used more than its quota. Runs on shards.
 */
import type { DelayedOperation } from "../../partitions/mod.ts";

/** What it needs of a connection. */
interface Mutable {
  onMuteEnded(): void;
}

/** The deadline of a muted connection. */
export class MuteEnd implements DelayedOperation {
  readonly deadlineMs: number;
  heapIndex = -1;
  isMarked = false;
  readonly #connection: Mutable;

  /** @param deadlineMs monotonic time */
  constructor(connection: Mutable, deadlineMs: number) {
    this.#connection = connection;
    this.deadlineMs = deadlineMs;
  }

  onProgress(): void {}

  onExpired(): void {
    this.#connection.onMuteEnded();
  }
}
