/**
 * fdatasync that does not block the caller: the calls run on the runtime's thread pool. The main isolate flushes this way for the
 * shards what no acknowledgement waits for, which may take seconds when a segment is large, and what comes before the flush worker
 * serves. A shard that flushed itself would stall all its partitions.
 * Source: man 2 fdatasync, fsync.
 */
import { openDirectoryFd } from "./file_system.ts";
import type { FlushOutcome } from "./flush_outcome.ts";
import { libc } from "./libc.ts";
import { threadedLibc } from "./threaded_libc.ts";

/** Files and directories that become durable together. */
export interface FlushedFiles {
  /** Open files; they must stay open until the flush has ended. */
  readonly fds: readonly number[];
  /** Paths. */
  readonly directories: readonly string[];
}

/** Requests of one call that are executed side by side: a journal commits the changes of several files together. */
const LANES_MAX = 4;

/**
 * Makes files and directories durable.
 * @param requests independent of each other
 * @returns an outcome for each request, "failed" when one of its files or directories failed, even if another could not be opened
 */
export async function flushInBackground(requests: readonly FlushedFiles[]): Promise<FlushOutcome[]> {
  const outcomes = requests.map((): FlushOutcome => "failed");
  let next = 0;
  const work = async () => {
    for (let index = next++; index < requests.length; index = next++) {
      outcomes[index] = await flushFiles(requests[index] as FlushedFiles);
    }
  };
  await Promise.all(Array.from({ length: Math.min(LANES_MAX, requests.length) }, work));
  return outcomes;
}

async function flushFiles({ fds, directories }: FlushedFiles): Promise<FlushOutcome> {
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
