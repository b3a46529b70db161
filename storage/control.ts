/**
 * The folder's door for the main isolate: the small files of a log directory, descriptors and memory. It imports no log and no
 * library that logs need: a start loads this module before the shards' workers begin, so every import here delays it.
 */
export { systemClock } from "./base/clock.ts";

export { replaceFile } from "./directory/atomic_file.ts";
export { replaceFileAsync, syncDirectoryAsync } from "./directory/atomic_file_async.ts";
export { encodeOffsetCheckpoint, partitionKey, readOffsetCheckpoint } from "./directory/offset_checkpoint.ts";
export { LeaderEpochTable } from "./log/epochs/leader_epoch_table.ts";
export { deletedDirectoryName, parsePartitionFileName, strayDirectoryName } from "./segments/segment_names.ts";
export { LogDamagedError, storageFailure } from "./log/storage_failure.ts";

export * from "./directory/boot_mark.ts";
export * from "./directory/clean_shutdown.ts";
export * from "./directory/directory_lock.ts";
export * from "./directory/meta_properties.ts";
export * from "./directory/partition_metadata.ts";
export * from "./base/uuid.ts";

export { type CleanerLimits, CleanerPool, type RunningCleaning } from "./cleaner_workers/cleaner_pool.ts";
export type { CleaningOrder } from "./cleaner_workers/cleaner_messages.ts";
export type { SegmentReplacement } from "./cleaner/cleaning_job.ts";
export type { CodecAnswer } from "./codec_workers/codec_messages.ts";
export { CodecPool } from "./codec_workers/codec_pool.ts";
export { flushInBackground } from "./sys/background_flush.ts";
export { loadPages } from "./sys/background_load.ts";
export { DatagramSender } from "./sys/datagram.ts";
export * from "./sys/descriptors.ts";
export { createEvent } from "./sys/epoll.ts";
export { type FileSystem, linuxFileSystem } from "./sys/file_system.ts";
export { unsupportedReason } from "./sys/libc.ts";
export { nativeMemory } from "./sys/memory.ts";
export { returnFreedMemory } from "./sys/memory_return.ts";
export { monotonicMicroseconds } from "./sys/monotonic_clock.ts";
export * from "./sys/sockets.ts";
export { keepsWritesOfKilled, volumeType } from "./sys/volume.ts";
