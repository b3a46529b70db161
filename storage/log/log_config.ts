/**
 * The settings of a log from its topic's configuration, resolved to numbers. Plain data: it crosses isolates. Each field names its
 * topic config; the defaults are in partitions/config.
 */
import type { BatchRules, CompressionType } from "../records/batch_rules.ts";
import type { CompressionLevels } from "../records/compression/levels.ts";

/** Settings of one log. */
export interface LogConfig {
  /** `segment.bytes` */
  readonly segmentBytes: number;
  /** `segment.ms` */
  readonly segmentMs: number;
  /** `segment.jitter.ms` */
  readonly segmentJitterMs: number;
  /** `segment.index.bytes` */
  readonly segmentIndexBytes: number;
  /** `index.interval.bytes` */
  readonly indexIntervalBytes: number;
  /** `max.message.bytes` */
  readonly maxMessageBytes: number;
  /** `message.timestamp.type` */
  readonly messageTimestampType: "CreateTime" | "LogAppendTime";
  /** `message.timestamp.before.max.ms`; Infinity for Long.MAX_VALUE */
  readonly messageTimestampBeforeMaxMs: number;
  /** `message.timestamp.after.max.ms` */
  readonly messageTimestampAfterMaxMs: number;
  /** `flush.messages`; Infinity for Long.MAX_VALUE */
  readonly flushMessages: number;
  /** `flush.ms`; Infinity for Long.MAX_VALUE */
  readonly flushMs: number;
  /** `compression.type` */
  readonly compressionType: CompressionType;
  /** `compression.gzip.level`, `compression.lz4.level`, `compression.zstd.level` */
  readonly compressionLevels: CompressionLevels;
  /** Whether `cleanup.policy` contains compact. */
  readonly compact: boolean;
  /** Whether `cleanup.policy` contains delete: `retention.ms` and `retention.bytes` apply. */
  readonly delete: boolean;
  /** `retention.ms`; negative: no limit */
  readonly retentionMs: number;
  /** `retention.bytes`; negative: no limit */
  readonly retentionBytes: number;
  /** `max.compaction.lag.ms`; Infinity for Long.MAX_VALUE. Compacted logs roll by it too. */
  readonly maxCompactionLagMs: number;
  /** `min.compaction.lag.ms` */
  readonly minCompactionLagMs: number;
  /** `min.cleanable.dirty.ratio`, 0 to 1 */
  readonly minCleanableDirtyRatio: number;
  /** `delete.retention.ms` */
  readonly deleteRetentionMs: number;
  /** `preallocate` */
  readonly preallocate: boolean;
  /** `file.delete.delay.ms` */
  readonly fileDeleteDelayMs: number;
  /** How the active segment is written: broker config `barnabas.log.append.mode`. */
  readonly appendMode: "pwrite" | "mapped";
  /** Bytes that are appended before a flush in the background: broker config `barnabas.recovery.interval.bytes`. */
  readonly recoveryIntervalBytes: number;
}

/** The settings that a segment follows from its beginning on. */
export type SegmentConfig = Pick<
  LogConfig,
  | "segmentBytes"
  | "segmentMs"
  | "segmentJitterMs"
  | "segmentIndexBytes"
  | "indexIntervalBytes"
  | "preallocate"
  | "appendMode"
>;

/** The topic's rules for a produced batch; the caller fills in the time of the append and the number of free offsets. */
export function batchRules(config: LogConfig): BatchRules {
  return {
    nowMs: 0,
    recordsMax: 0,
    maxMessageBytes: config.maxMessageBytes,
    segmentBytes: config.segmentBytes,
    messageTimestampType: config.messageTimestampType,
    messageTimestampBeforeMaxMs: config.messageTimestampBeforeMaxMs,
    messageTimestampAfterMaxMs: config.messageTimestampAfterMaxMs,
    keysRequired: config.compact,
    transactionsAllowed: false,
    compressionType: config.compressionType,
    compressionLevels: config.compressionLevels,
  };
}
