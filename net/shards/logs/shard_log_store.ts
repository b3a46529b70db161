/** The logs of a shard in its log directories, with what the shard's line to the main isolate does for them. Runs on shards. */
import { LogStore, type ShardPartitionsParts } from "../../../partitions/mod.ts";
import { linuxFileSystem, systemClock } from "../../../storage/mod.ts";
import type { JobLink } from "../job_link.ts";
import type { FromShard, ShardStart } from "../shard_messages.ts";

/** Makes the store. @param start of the shard @param by what it calls */
export function shardLogStore(
  { shard, directories, unmarked, warmSegmentsMax, mappingsMax, logsMax, config }: ShardStart,
  { jobs, report, post }: { jobs: JobLink; report: (text: string) => void; post: (message: FromShard) => void },
): LogStore {
  return new LogStore({
    search: (batch, search, done) => jobs.search({ batch, search }, done),
    fs: linuxFileSystem,
    clock: systemClock,
    directories,
    unmarked,
    get producerIdExpirationMs() {
      return config.producerIdExpirationMs; // dynamic
    },
    warmSegmentsMax,
    mappingsMax,
    logsMax: logsMax[shard],
    report,
    onProgress: (soFar) => post({ type: "progress", soFar }),
  });
}

/** When a shard looks for segments to remove. */
export function shardRetention({ config, announcesRetention }: ShardStart): ShardPartitionsParts["retention"] {
  return {
    initialDelayMs: config.logInitialTaskDelayMs,
    checkMs: config.logRetentionCheckIntervalMs,
    isAnnounced: announcesRetention,
  };
}
