/**
 * What must hold of `log.dirs` and `metadata.log.dir` before any of them is opened. Main isolate, once, at a start; it only reads.
 *
 * - No directory is named twice, by a symbolic link or a relative path, and none lies in another one: what lies in a log directory may be
 *   taken for the log of a partition, and be removed with its topic.
 * - A broker whose directories have been used before finds the store of their topics. Where log.dirs has another order, or the disk of the
 *   store is not mounted, a new store would be begun: compacted topics would get the default policy, and retention would remove their records.
 */
import { basename, dirname, join, resolve } from "node:path";
import {
  ETCD_POSITION_FILE,
  LogDirectoryError,
  METADATA_STORE_FILE,
  parsePartitionDirectory,
  RETENTION_FILE,
} from "./log_directory.ts";

/** Where a path leads, symbolic links resolved, also when it does not exist yet. */
async function realPathOf(path: string): Promise<string> {
  try {
    return await Deno.realPath(path);
  } catch {
    // It does not exist, or cannot be read, which its opening explains. Its name then says where it is.
    const absolute = resolve(path);
    const parent = dirname(absolute);
    return parent === absolute ? absolute : join(await realPathOf(parent), basename(absolute));
  }
}

/** @throws LogDirectoryError when two of the paths are the same directory, or one lies in another */
export async function checkApart(paths: readonly string[]): Promise<void> {
  const real = await Promise.all(paths.map(realPathOf));
  for (const [index, inner] of real.entries()) {
    for (const [other, outer] of real.entries()) {
      if (other < index && inner === outer) {
        throw new LogDirectoryError(
          `log.dirs names ${inner} twice, as ${paths[other]} and as ${paths[index]}; take one out`,
        );
      }
      if (other !== index && inner.startsWith(outer === "/" ? outer : `${outer}/`)) {
        throw new LogDirectoryError(
          `Log directory ${paths[index]} lies in log directory ${
            paths[other]
          }: its files could be taken for those of a topic; ` +
            "choose directories beside each other",
        );
      }
    }
  }
}

/**
 * Checks that the store is where the log directories' topics are known.
 * @param storePath of the store's file
 * @throws LogDirectoryError when there is none, although another log directory has one, or was used with one
 */
export async function checkStoreFound(paths: readonly string[], storePath: string): Promise<void> {
  if (await exists(storePath)) return;
  for (const path of paths) {
    if (!await exists(join(path, ETCD_POSITION_FILE))) continue;
    throw new LogDirectoryError(
      `Log directory ${path} belongs to a broker of a cluster: start it with the cluster's etcd (--etcd), or choose another ` +
        "directory (--data)",
    );
  }
  const storeDirectory = dirname(storePath);
  for (const path of paths) {
    if (!await exists(join(path, METADATA_STORE_FILE))) continue;
    throw new LogDirectoryError(
      `The topics and settings of this broker lie in ${path}, but metadata.log.dir, by default the first of log.dirs, is ` +
        `${storeDirectory}; set metadata.log.dir=${path}`,
    );
  }
  for (const path of paths) {
    if (await realPathOf(path) === storeDirectory || !await hasServed(path)) continue;
    throw new LogDirectoryError(
      `Log directory ${path} has partitions of this broker, but their topics and settings are not in ${storeDirectory} ` +
        `(metadata.log.dir, by default the first of log.dirs); mount that disk, or set metadata.log.dir to their place. ` +
        `If they are lost, remove ${path}/${RETENTION_FILE}: the partitions are then adopted with default settings`,
    );
  }
}

/** Whether this broker has had partitions in a directory. One that Apache Kafka wrote lacks the mark. */
async function hasServed(path: string): Promise<boolean> {
  if (!await exists(join(path, RETENTION_FILE))) return false;
  for await (const { name, isDirectory } of Deno.readDir(path)) {
    if (isDirectory && parsePartitionDirectory(name) !== null) return true;
  }
  return false;
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.lstat(path);
    return true;
  } catch {
    return false; // It cannot be read, which the opening of its directory explains.
  }
}
