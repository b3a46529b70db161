/**
 * fdatasync without waiting: the calls run on the runtime's thread pool. For the main isolate, which must not block, on behalf
 * of shards, which would stall everything they own for the seconds that a large segment takes.
 * Source: man 2 fdatasync, fsync.
 */
import { openDirectoryFd } from "./file_system.ts";
import { libc } from "./libc.ts";
import { threadedLibc } from "./threaded_libc.ts";

/**
 * Makes files and directories durable.
 * @param fds open files; they must stay open until the promise settles @param directories paths
 * @returns whether all of it succeeded; after a failure nothing may be tried again, the pages may be gone
 */
export async function flushInBackground(fds: readonly number[], directories: readonly string[]): Promise<boolean> {
  if (threadedLibc === null) return false;
  let ok = true;
  for (const fd of fds) ok = (await threadedLibc.fdatasync(fd)) === 0 && ok;
  for (const path of directories) {
    const fd = openDirectoryFd(path);
    if (fd < 0) return false;
    ok = (await threadedLibc.fsync(fd)) === 0 && ok;
    libc.close(fd);
  }
  return ok;
}
