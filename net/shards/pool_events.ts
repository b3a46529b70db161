/**
 * What the pool of shards tells the program that started it. Main isolate; types only.
 */
import type { CleaningNotice, RetentionEvent } from "../../partitions/control.ts";

/** Callbacks of the pool. */
export interface ShardPoolEvents {
  /** A log was recovered or could not be opened. @param text a sentence for the operator */
  onWarning(text: string): void;
  /** Retention of a shard has something to report. */
  onRetention(event: RetentionEvent): void;
  /** Connections that the limits count have ended. @param peers the numbers of their transfers */
  onClosed(peers: readonly number[]): void;
  /** Something concerns the compaction of a log. */
  onCleaningNotice(notice: CleaningNotice): void;
  /** A log could not be opened or was cut off, a flush failed, or a log went offline: a start must not believe the page cache. */
  onCacheDoubtful(): void;
  /** A shard failed; all others are being stopped. */
  onFailure(error: Error): void;
}
