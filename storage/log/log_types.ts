/**
 * What goes into a log and what comes out of it. Plain data; slices, leases and flush requests may cross isolates.
 */
import type { BatchRefusal } from "../records/batch_validation.ts";
import type { Clock } from "../base/clock.ts";
import type { Offset } from "../base/units.ts";
import type { LogConfig } from "./log_config.ts";
import type { LogResources } from "./log_resources.ts";
import type { ProducerRefusal } from "./producers/producer_state.ts";
import type { FileSystem } from "../sys/file_system.ts";

/** How a log is opened. */
export interface LogOptions {
  readonly fs: FileSystem;
  readonly clock: Clock;
  /** The partition's directory, `…/<topic>-<partition>`; created where missing. */
  readonly directory: string;
  readonly config: LogConfig;
  /** Whether the log directory was shut down cleanly: nothing is scanned then. */
  readonly cleanShutdown: boolean;
  /** Whether `log.handOver()` closed it in this process: as whole as after a clean stop, but durable only below `recoveryPoint`. */
  readonly isHandedOver?: boolean;
  /** From `recovery-point-offset-checkpoint`; 0 where it has no line. */
  readonly recoveryPoint: Offset;
  /** From `log-start-offset-checkpoint`; 0 where it has no line. */
  readonly logStartOffset: Offset;
  /** `producer.id.expiration.ms` */
  readonly producerIdExpirationMs: number;
  /** Written to `partition.metadata` where that is missing; a different id there refuses the log. */
  readonly topicId?: string;
  /** What the logs of a shard share; one of its own where absent. */
  readonly resources?: LogResources;
  /** Uniform in [0, 1), for the roll jitter; `Math.random` where absent. */
  readonly random?: () => number;
  /** Called with sentences about what recovery found and did. */
  readonly report?: (message: string) => void;
}

/**
 * Why a batch was not appended. "log-offline" is Kafka's KAFKA_STORAGE_ERROR, which clients retry: the disk refused this
 * write and the log is as it was before it, or (`log.offlineReason`) it takes no writes until it is opened anew.
 */
export type AppendRefusal = BatchRefusal | ProducerRefusal | "log-offline";

/** Under which circumstances a batch is appended. */
export interface AppendOptions {
  /** Epoch under which this broker leads the partition. */
  readonly leaderEpoch: number;
  /** Wall-clock time in ms. */
  readonly nowMs: number;
}

/** What became of an append. Written is not durable: durable is what lies below `log.recoveryPoint`. */
export interface AppendResult {
  /** null when the batch is in the log. */
  readonly refusal: AppendRefusal | null;
  /** Sentence for the refusal, else "". */
  readonly message: string;
  /** Which record was refused, -1 for the whole batch. */
  readonly recordIndex: number;
  /** Offset of the first record; of a duplicate, the one it got the first time. -1 when refused. */
  readonly baseOffset: Offset;
  /** Offset of the last record. */
  readonly lastOffset: Offset;
  /** Time of the append for LogAppendTime, and for a duplicate the timestamp of the first append; else -1. */
  readonly appendTimeMs: number;
  /** Whether the batch was in the log already, so that nothing was written. */
  readonly duplicate: boolean;
}

/** A run of whole batches in a file, with a lease that keeps its descriptor open. */
export interface LogSlice {
  readonly fd: number;
  /** Position of the first batch; it holds the offset that was asked for, and may begin before it. */
  readonly position: number;
  readonly length: number;
  /** Offset after the last batch. */
  readonly nextOffset: Offset;
  /** Number for `log.release()` or `resources.leases.release()`, on the isolate that owns the log. */
  readonly leaseId: number;
}

/** Why nothing was read. */
export type ReadRefusal = "offset-out-of-range" | "log-offline";

/** What a read found: a refusal, or a slice, or neither when nothing is visible at the offset yet. */
export interface ReadResult {
  readonly refusal: ReadRefusal | null;
  /** Sentence for the refusal, else "". */
  readonly message: string;
  readonly slice: LogSlice | null;
  /** Nothing was looked for: these files are cold, and the read asked to be told (`deferCold`). */
  readonly coldFiles?: readonly string[];
}

/** What a read may return. */
export interface ReadOptions {
  /** Most bytes, unless `atLeastOne`. */
  readonly maxBytes: number;
  /** No record at or above it: the high watermark or the last stable offset. */
  readonly maxOffset: Offset;
  /** Whether the first batch is returned even when it is larger than `maxBytes` (KIP-74). */
  readonly atLeastOne: boolean;
  /** Whether to do nothing where the index of a closed segment would have to be opened: its pages may be on the disk only. */
  readonly deferCold?: boolean;
}

/** A record found by its timestamp. */
export interface TimestampedOffset {
  readonly offset: Offset;
  /** Of the record, in ms. */
  readonly timestamp: number;
  /** Epoch of the leader that appended it, -1 for none. */
  readonly leaderEpoch: number;
}

/** What a search by time found, null for nothing. "unfinished": it read as much as one call may; the next one goes on from there. */
export type FoundByTime = TimestampedOffset | null | "unfinished";

/**
 * What must be flushed so that all records below `upTo` are durable: fdatasync every descriptor, then sync every directory.
 * The descriptors stay open until the request is given back by `log.endFlush()`.
 */
export interface FlushRequest {
  readonly fds: readonly number[];
  readonly directories: readonly string[];
  readonly upTo: Offset;
  /** At most the base offset of the active segment: the files of all segments below are in their final form. */
  readonly closedBelow: Offset;
  readonly leaseIds: readonly number[];
  /** Those of `fds` that `endFlush()` closes. */
  readonly ownedFds: readonly number[];
  /** Which changes of small files and directories are in it (unflushed.ts). */
  readonly changesUpTo: number;
}

/** What a log that Apache Kafka wrote shows of transactions that were not committed. Their records are served like all others. */
export interface UncommittedTraces {
  /** Whether a segment has an index of aborted transactions, or an abort marker was seen while the log was opened. */
  readonly hasAborted: boolean;
  /** Producers whose transaction has no end in the log. */
  readonly openCount: number;
}

/** A segment as retention looks at it. */
export interface SegmentFacts {
  readonly baseOffset: Offset;
  /** Base offset of the next segment; the log end offset for the active one. */
  readonly endOffset: Offset;
  readonly logFileBytes: number;
  /** Largest record timestamp, or else the file's modification time, in ms. */
  readonly retentionTimestamp: number;
}
