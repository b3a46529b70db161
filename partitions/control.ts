/**
 * What the main isolate may import from this folder: metadata, the log directory, and the memory it shares with the shards. It loads
 * neither logs nor group coordinators.
 */
export { Balancer } from "./placement/balancer.ts";
export type { CleaningAnswer, CleaningNotice, CleaningRequest } from "./cleaning/cleaning_calls.ts";
export { CleanerOffsets } from "./cleaning/cleaner_offsets.ts";
export { type CleanerSettings, LogCleaner } from "./cleaning/log_cleaner.ts";
export { CheckpointError, type CheckpointKind, Checkpoints } from "./directory/checkpoint_writer.ts";
export { fileExists } from "./directory/file_exists.ts";
export { LogDirectories } from "./directory/log_directories.ts";
export { LogDirectoryError, METADATA_STORE_FILE } from "./directory/log_directory.ts";
export type { ControlCallName, ControlCalls, ControlPlane } from "./metadata/control_calls.ts";
export type { Changes, ChangesParts, LoadedMetadata } from "./metadata/changes/changes.ts";
export { BrokerSettings, type ReloadedSettings } from "./metadata/configs/broker_settings.ts";
export { Controller, type ControllerOptions } from "./metadata/controller.ts";
export {
  type ImageDelta,
  isHere,
  type MetadataImage,
  NO_CONTROLLER,
  type PartitionFailure,
  type PartitionImage,
  type TopicImage,
} from "./metadata/image.ts";
export { NO_LEADER } from "./cluster/partition_row.ts";
export type { PartitionRoom } from "./metadata/topic_creation.ts";
export { type ClusterParts, loadClusterParts } from "./cluster/on_demand.ts";
export type { ReplicationCounters } from "./cluster/replication_counters.ts";
export { MembershipError } from "./cluster/membership/membership_error.ts";
export {
  type OpenedEtcd,
  openEtcdStore,
  readEtcdAccess,
  startAntiEntropy,
  startManagedEtcd,
} from "./metadata/store/etcd_on_demand.ts";
export { SqliteStore } from "./metadata/store/sqlite_store.ts";
export { type MetadataStore, MetadataStoreError } from "./metadata/store/store.ts";
export type { ClientQuota } from "./metadata/settings/quota_rows.ts";
export { quotaName } from "./quotas/quota_name.ts";
export * as rates from "./quotas/rates.ts";
export type { Rate } from "./quotas/rates.ts";
export { systemTimers, type Timers } from "./directory/checkpoint_writer.ts";
export { checkpointsOf, notClosedCleanly, speaksOfOthers } from "./directory/partition_offsets.ts";
export { FlushWorkerHosts } from "./flush_worker/flush_worker_hosts.ts";
export { brokerLinesMax, LineLimiter } from "./line_limiter.ts";
export type { RetentionEvent } from "./retention/retention_events.ts";
export { RetentionNotice } from "./directory/retention_notice.ts";
export { IsolateTable, type Outbox } from "./shared/mail.ts";
export { allocateSharedState, outboxes, releaseSharedState, type SharedState } from "./shared/shared_state.ts";
export { CounterReader, OTHER_CODES } from "./shared/counters/counter_reader.ts";
export { BUCKET_BOUNDS_MS, type HistogramCounts } from "./shared/counters/histogram.ts";
export { addCounts, noTraffic, type TrafficCounts } from "./shared/counters/partition_traffic.ts";
export { FETCH, FOLLOWER_FETCH, requestTime } from "./shared/counters/shard_counters.ts";
export { TURN_TIME_BOUNDS_MS, type TurnTimes, TurnTimesReader } from "./shared/turn_times.ts";
export { emptyWatermarks, isLed, partitionState, type Watermarks, WatermarkTable } from "./shared/watermarks.ts";
export { ISOLATE } from "./shared/words.ts";
export type { OpenedSoFar } from "./owned/opening_progress.ts";
