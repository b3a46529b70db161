/**
 * What the pool of shards tells the program that started it. Main isolate; types only.
 */
import type { LogLine } from "../../partitions/config/log_lines.ts";
import type { CleaningNotice, RetentionEvent } from "../../partitions/control.ts";

/** A connection to another broker. */
export interface WantedConnection {
  /** Number under which the shard asks. */
  readonly id: number;
  readonly host: string;
  readonly port: number;
}

/** Callbacks of the pool. */
export interface ShardPoolEvents {
  /** A shard, or a job that was done for one, has something to tell the operator. */
  onLine(line: LogLine): void;
  /** Retention of a shard has something to report. */
  onRetention(event: RetentionEvent): void;
  /** Connections that the limits count have ended. @param peers the numbers of their transfers */
  onClosed(peers: readonly number[]): void;
  /** Something concerns the compaction of a log. */
  onCleaningNotice(notice: CleaningNotice): void;
  /** A log could not be opened or was cut off, a flush failed, or a log went offline: a start must not believe the page cache. */
  onCacheDoubtful(): void;
  /** A shard wants a connection to another broker; `ShardPool.handOut()` or `ShardPool.refuse()` answers. */
  onConnect(shard: number, wanted: WantedConnection): void;
  /** A shard failed; all others are being stopped. */
  onFailure(error: Error): void;
}
