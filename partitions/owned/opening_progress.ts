/**
 * What a shard has done of its start: logs opened, bytes checked. The main isolate hears of it now and then. Runs on shards.
 */
import type { Clock } from "../../storage/mod.ts";

/** Time between two notices: a few for each line that the main isolate writes. */
const NOTICE_MS = 250;

/** How far the opening of a shard's logs is. */
export interface OpenedSoFar {
  readonly logs: number;
  /** Bytes that recoveries have checked. */
  readonly checkedBytes: number;
}

/** The count of one shard. */
export class OpeningProgress {
  readonly #clock: Clock;
  readonly #onNotice: (soFar: OpenedSoFar) => void;
  #logs = 0;
  #checkedBytes = 0;
  #nextMs: number;

  /** @param onNotice called during the start, at most every 250 ms */
  constructor(clock: Clock, onNotice: (soFar: OpenedSoFar) => void) {
    this.#clock = clock;
    this.#onNotice = onNotice;
    this.#nextMs = clock.monotonicMs() + NOTICE_MS;
  }

  /** Counts a log that was opened, or could not be. */
  countLog(): void {
    this.#logs++;
    this.#noticeIfDue();
  }

  /** Counts bytes that a recovery has checked. */
  countChecked(bytes: number): void {
    this.#checkedBytes += bytes;
    this.#noticeIfDue();
  }

  #noticeIfDue(): void {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs < this.#nextMs) return;
    this.#nextMs = nowMs + NOTICE_MS;
    this.#onNotice({ logs: this.#logs, checkedBytes: this.#checkedBytes });
  }
}
