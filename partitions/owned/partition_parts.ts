/** What a partition of this shard is built from, and what it reports to its owner. Runs on the owning shard. */
import type { LogConfig, Offset } from "../../storage/mod.ts";
import type { LedRow } from "../replication/leader_partition.ts";
import type { Watermarks, WatermarkTable } from "../shared/watermarks.ts";
import type { CodecJobs } from "./appends/codec_jobs.ts";
import type { Flusher } from "./partition_flushes.ts";

/** What a partition reports to its owner. */
export interface PartitionOwner extends Flusher {
  /** The high watermark or the log start moved, or the partition was removed. */
  onProgress(slot: number): void;
  /** The log went offline. */
  onOffline(): void;
  /** Files have to be removed, after a delay in ms. */
  onFilesRemoved(paths: readonly string[], delayMs: number): void;
  /** The log was cut off at an offset. */
  onTruncated(slot: number, endOffset: Offset): void;
  /** The log start or the recovery point moved: there may be segments to remove. */
  onSegmentsBelowStart(slot: number): void;
  /** Appends are left whose turn has come: `runQueue()` has to be called in a later turn. */
  onAppendsLeft(slot: number): void;
  /** The batches of the shard for codec workers. */
  readonly codecJobs: CodecJobs;
}

/** A change of the topic's configuration, or of the partition's row. */
export interface PartitionChange {
  /** Whether this broker leads from now on. */
  readonly leads: boolean;
  /** Whether another one does; false by default. */
  readonly follows?: boolean;
  readonly leaderEpoch: number;
  readonly config: LogConfig;
  /** The row, where this broker leads with followers; null by default. */
  readonly led?: LedRow | null;
}

/** What a partition needs in addition to its log. */
export interface PartitionParts {
  /** Row of the partition in the table. */
  readonly slot: number;
  /** Epoch of the leadership, of this broker or another, or of the time without one. */
  readonly leaderEpoch: number;
  /** The topic's configuration, with the broker's defaults. */
  readonly config: LogConfig;
  readonly table: WatermarkTable;
  readonly owner: PartitionOwner;
  /** The row, when another shard handed the log over; null by default. */
  readonly handedOver?: Watermarks | null;
  /** The leadership of the row before; 0 by default. */
  readonly lastLeadership?: number;
  /** The checkpointed high watermark, where this broker does not lead; null, the default, where it does. */
  readonly followsFrom?: Offset | null;
  /** Whether it is the only replica when it leads; true by default. Otherwise `update()` has to follow, with its row. */
  readonly isAlone?: boolean;
}
