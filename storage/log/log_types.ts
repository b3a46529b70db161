/**
 * The options and results of a log. Plain data; slices, leases and flush requests may cross isolates.
 */
import type { RetainedSegment } from "../cleaner/retention.ts";
import type { BatchRefusal } from "../records/batch_rules.ts";
import type { Clock } from "../base/clock.ts";
import type { Offset } from "../base/units.ts";
import type { LogConfig } from "./log_config.ts";
import type { LogResources } from "./log_resources.ts";
import type { ProducerRefusal } from "./producers/producer_state.ts";
import type { SegmentFileKind } from "../segments/segment_names.ts";
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
  /**
   * Whether the page cache has everything that was written to the log, because its last owner was only killed (boot_mark.ts): recovery
   * then checks the end of the log.
   */
  readonly isCacheIntact?: boolean;
  /**
   * Whether `log.handOver()` closed it in this process: it is complete as after a clean stop, but durable only below
   * `recoveryPoint`.
   */
  readonly isHandedOver?: boolean;
  /** From `recovery-point-offset-checkpoint`; 0 where it has no line. */
  readonly recoveryPoint: Offset;
  /** From `log-start-offset-checkpoint`; 0 where it has no line. */
  readonly logStartOffset: Offset;
  /** `producer.id.expiration.ms` */
  readonly producerIdExpirationMs: number;
  /** Written to `partition.metadata` where that is missing; the log is refused when the file has another id. */
  readonly topicId?: string;
  /** What the logs of a shard share; where absent, the log has its own. */
  readonly resources?: LogResources;
  /** Uniform in [0, 1), for the roll jitter; `Math.random` where absent. */
  readonly random?: () => number;
  /** Called with messages about what recovery found and did. */
  readonly report?: (message: string) => void;
}

/**
 * Why a batch was not appended. "log-offline" is Kafka's KAFKA_STORAGE_ERROR, which clients retry: the disk refused this write and
 * the log is unchanged, or (`log.offlineReason`) the log takes no writes until it is reopened.
 */
export type AppendRefusal = BatchRefusal | ProducerRefusal | "log-offline";

/** The circumstances of an append. */
export interface AppendOptions {
  /** Epoch under which this broker leads the partition. */
  readonly leaderEpoch: number;
  /** Wall-clock time in ms. */
  readonly nowMs: number;
}

/** The result of an append. Written is not durable: records are durable below `log.recoveryPoint`. */
export interface AppendResult {
  /** null when the batch is in the log. */
  readonly refusal: AppendRefusal | null;
  /** Sentence for the refusal, else "". */
  readonly message: string;
  /** Which record was refused, -1 for the whole batch. */
  readonly recordIndex: number;
  /** Offset of the first record; for a duplicate that of the first append; -1 when refused. */
  readonly baseOffset: Offset;
  /** Offset of the last record. */
  readonly lastOffset: Offset;
  /** Time of the append for LogAppendTime; for a duplicate the timestamp of the first append; else -1. */
  readonly appendTimeMs: number;
  /** Whether the batch was already in the log, so nothing was written. */
  readonly duplicate: boolean;
}

/** A run of whole batches in a file, with a lease that keeps its descriptor open. */
export interface LogSlice {
  readonly fd: number;
  /** Position of the first batch; it holds the requested offset and may begin before it. */
  readonly position: number;
  readonly length: number;
  /** Offset after the last batch. */
  readonly nextOffset: Offset;
  /** Number for `log.release()` or `resources.leases.release()`, on the isolate that owns the log. */
  readonly leaseId: number;
}

/** Why nothing was read. */
export type ReadRefusal = "offset-out-of-range" | "log-offline";

/** The result of a read: a refusal, a slice, or neither when nothing is visible at the offset yet. */
export interface ReadResult {
  readonly refusal: ReadRefusal | null;
  /** Sentence for the refusal, else "". */
  readonly message: string;
  readonly slice: LogSlice | null;
  /** Set when the read was deferred because these files are cold (`deferCold`). */
  readonly coldFiles?: readonly string[];
}

/** Limits of a read. */
export interface ReadOptions {
  /** Most bytes, unless `atLeastOne`. */
  readonly maxBytes: number;
  /** No record at or above it: the high watermark or the last stable offset. */
  readonly maxOffset: Offset;
  /** Whether the first batch is returned even when it is larger than `maxBytes` (KIP-74). */
  readonly atLeastOne: boolean;
  /** Whether to defer a read that has to open the index of a closed segment, because its pages may be on the disk only. */
  readonly deferCold?: boolean;
}

/** A record found by its timestamp. */
export interface TimestampedOffset {
  readonly offset: Offset;
  /** Timestamp of the record, in ms. */
  readonly timestamp: number;
  /** Epoch of the leader that appended it, -1 for none. */
  readonly leaderEpoch: number;
}

/**
 * The result of a search by time; null for no record. "unfinished": it read as much as one call may, and the next call continues.
 */
export type FoundByTime = TimestampedOffset | null | "unfinished";

/**
 * What must be flushed so that all records below `upTo` are durable: fdatasync every descriptor, then sync every directory.
 * The descriptors stay open until `log.endFlush()`.
 */
export interface FlushRequest {
  readonly fds: readonly number[];
  readonly directories: readonly string[];
  readonly upTo: Offset;
  /** All segments below this offset are in their final form; at most the base offset of the active segment. */
  readonly closedBelow: Offset;
  readonly leaseIds: readonly number[];
  /** The descriptors of `fds` that `endFlush()` closes. */
  readonly ownedFds: readonly number[];
  /** Number of the last change of small files and directories that it includes (unflushed.ts). */
  readonly changesUpTo: number;
  /** Number of truncations before it began. */
  readonly truncations: number;
}

/** Traces of uncommitted transactions in a log that Apache Kafka wrote. Their records are served like all others. */
export interface UncommittedTraces {
  /** Whether a segment has an index of aborted transactions, or an abort marker was seen while the log was opened. */
  readonly hasAborted: boolean;
  /** Producers whose transaction has no end in the log. */
  readonly openCount: number;
}

/** A segment whose retention timestamp can be read from its files. */
export interface DatedSegment extends RetainedSegment {
  /** Reads `knownRetentionTimestamp`, and leaves no file open. @throws SystemError, or the runtime's errors, when the disk refuses */
  learnRetentionTimestamp(): void;
  /** Path of one of its files. */
  path(kind: SegmentFileKind): string;
}

/** What tests and tools look at in a segment. */
export interface SegmentFacts {
  readonly baseOffset: Offset;
  /** Base offset of the next segment; the log end offset for the active one. */
  readonly endOffset: Offset;
  readonly logFileBytes: number;
  /** Largest record timestamp, or else the file's modification time, in ms. */
  readonly retentionTimestamp: number;
}
