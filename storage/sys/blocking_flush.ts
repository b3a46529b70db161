/**
 * fdatasync that blocks the caller: the flush worker's. The first file is flushed by the calling thread itself, which costs no wake-up of
 * another one. Further files are flushed side by side with it, on the runtime's thread pool: a journal commits the changes of several
 * files together. Source: man 2 fdatasync.
 */
import { libc } from "./libc.ts";
import { threadedLibc } from "./threaded_libc.ts";

/** Files that are flushed at the same time. */
const LANES_MAX = 8;

/**
 * Makes files durable.
 * @param files open descriptors in groups, such as those of one partition; they must stay open until the end
 * @returns for each group, whether all its files are on the disk. After a failure the group's other files are not flushed
 */
export function flushFilesHere(files: readonly (readonly number[])[]): boolean[] | Promise<boolean[]> {
  const [only] = files;
  if (files.length === 1 && only !== undefined) return [only.every(flushHere)];
  return flushSideBySide(files);
}

async function flushSideBySide(files: readonly (readonly number[])[]): Promise<boolean[]> {
  const areFlushed = files.map(() => false);
  let next = 1;
  const work = async () => {
    for (let index = next++; index < files.length; index = next++) {
      areFlushed[index] = await flushElsewhere(files[index] as readonly number[]);
    }
  };
  const others = Array.from({ length: Math.min(LANES_MAX, files.length) - 1 }, work);
  areFlushed[0] = (files[0] ?? []).every(flushHere);
  await Promise.all(others);
  return areFlushed;
}

function flushHere(fd: number): boolean {
  return libc.fdatasync(fd) === 0;
}

async function flushElsewhere(fds: readonly number[]): Promise<boolean> {
  for (const fd of fds) if (threadedLibc === null || (await threadedLibc.fdatasync(fd)) !== 0) return false;
  return true;
}
