/**
 * fdatasync that does not block the caller: the calls run on the runtime's thread pool. The main isolate flushes this way for the
 * shards. A shard that flushed itself would stall all its partitions, for seconds when a segment is large.
 * Source: man 2 fdatasync, fsync.
 */
import { openDirectoryFd } from "./file_system.ts";
import type { FlushOutcome } from "./flush_outcome.ts";
import { libc } from "./libc.ts";
import { threadedLibc } from "./threaded_libc.ts";

/**
 * Makes files and directories durable.
 * @param fds open files; they must stay open until the promise settles @param directories paths
 * @returns "failed" when one of them failed, even if another could not be opened
 */
export async function flushInBackground(
  fds: readonly number[],
  directories: readonly string[],
): Promise<FlushOutcome> {
  if (threadedLibc === null) return "failed";
  let outcome: FlushOutcome = "flushed";
  for (const fd of fds) if ((await threadedLibc.fdatasync(fd)) !== 0) outcome = "failed";
  for (const path of directories) {
    const fd = openDirectoryFd(path);
    if (fd < 0) {
      if (outcome === "flushed") outcome = "postponed";
      continue;
    }
    if ((await threadedLibc.fsync(fd)) !== 0) outcome = "failed";
    libc.close(fd);
  }
  return outcome;
}
