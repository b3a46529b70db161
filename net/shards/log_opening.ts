/**
 * The part of a start in which the shards open their logs. Main isolate.
 */
import { type Controller, type LogDirectories, systemTimers } from "../../partitions/control.ts";
import type { ShardPool, ShardSettings } from "./shard_pool.ts";
import { StartProgress } from "./start_progress.ts";

/**
 * Lets the shards open their logs. A start that is broken off meanwhile leaves nothing that says that the page cache can be believed.
 * @param by report: gets sentences about the progress of a long start
 */
export async function openLogs(
  pool: ShardPool,
  by: {
    controller: Controller;
    directories: LogDirectories;
    settings: ShardSettings;
    report: (sentence: string) => void;
  },
): Promise<void> {
  const { controller, directories: { caches }, settings, report } = by;
  using progress = new StartProgress(controller.partitionsCount, { timers: systemTimers, report });
  for (const cache of caches) cache.forget();
  await pool.start(settings, controller, progress);
  for (const cache of caches) cache.keep();
}
