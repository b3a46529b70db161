/**
 * The folder's door for shards: logs on a disk, and the kernel interface that the reactor shares with them.
 *
 * `Log.open(options)` opens a log, `appendAsLeader()` writes to it, and `read()` lends a slice of a file, which `release()` gives
 * back by its lease number. A follower's log grows by `appendAsFollower()`, and `truncateTo()` cuts its end off. `flush()` makes it
 * durable; `beginFlush()` and `endFlush()` do so on another thread. `close()` or `remove()` ends it. All of it is synchronous and belongs
 * to one isolate, which passes one `LogResources` to all its logs.
 */
export { type Clock, ManualClock, systemClock } from "./base/clock.ts";
export { NO_OFFSET, type Offset, toOffset } from "./base/units.ts";

export { bytesOfBatch, bytesOfRecord, completeBatch, writeBatch, writeRecord } from "./records/batch_writer.ts";
export { cleaningOf, cleaningOrder, type CleaningTerms } from "./cleaner/cleaning_orders.ts";
export type { SegmentReplacement } from "./cleaner/cleaning_job.ts";
export type { CleaningOrder } from "./cleaner_workers/cleaner_messages.ts";
export { decideRetention, type RetentionDecision } from "./cleaner/retention.ts";
export type { FetchedBatches, FollowerAppend } from "./log/follower/follower_appends.ts";
export { Log } from "./log/log.ts";
export { batchRules, type LogConfig } from "./log/log_config.ts";
export { refusedAppend } from "./log/log_results.ts";
export { LogResources } from "./log/log_resources.ts";
export type {
  AppendRefusal,
  AppendResult,
  DatedSegment,
  FlushRequest,
  ReadRefusal,
  ReadResult,
  UncommittedTraces,
} from "./log/log_types.ts";
export {
  baseOffset,
  baseSequence,
  BATCH_HEADER_BYTES,
  BATCH_STEP_BYTES,
  codec,
  codecNames,
  partitionLeaderEpoch,
  producerId,
} from "./records/record_batch.ts";
export { listRecordErrors, type RecordErrorBudget, type RecordErrors } from "./records/record_errors.ts";
export { transcodeBatch, transcodeUs } from "./records/batch_intake.ts";
export type { CodecAnswer, CodecWork, SearchWork } from "./codec_workers/codec_messages.ts";
export type { SearchElsewhere } from "./log/record_searches.ts";
export type { FoundRecord } from "./records/timestamp_search.ts";
export { freeBytes } from "./base/freed_bytes.ts";
export type { BatchRefusal, BatchRules } from "./records/batch_rules.ts";
export type { SegmentSwap } from "./log/segment_swap.ts";
export type { RenamedDirectory } from "./directory/partition_directory.ts";
export { RecordRunReader } from "./records/record_run_reader.ts";
export { LogDamagedError, storageFailure } from "./log/storage_failure.ts";

export * from "./directory/offset_checkpoint.ts";
export * from "./base/uuid.ts";

export * from "./sys/epoll.ts";
export { type FileSystem, linuxFileSystem } from "./sys/file_system.ts";
export type { FlushOutcome } from "./sys/flush_outcome.ts";
export * from "./sys/page_cache.ts";
export { lastErrorText } from "./sys/libc.ts";
export { allocateNative, type NativeMemory, nativeMemory } from "./sys/memory.ts";
export { monotonicMicroseconds } from "./sys/monotonic_clock.ts";
export { askForShortSlices } from "./sys/scheduling.ts";
export * from "./sys/sockets.ts";
export { volumeSpace } from "./sys/volume.ts";
