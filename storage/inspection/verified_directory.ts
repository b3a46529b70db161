/**
 * `main.ts verify --data DIR`: reads everything in a log directory and reports what is damaged. The main isolate of the command; it
 * writes nothing but the lock, which keeps brokers away meanwhile.
 */
import { readCleanShutdown } from "../directory/clean_shutdown.ts";
import { type DirectoryLock, lockDirectory, unlockDirectory } from "../directory/directory_lock.ts";
import { readMetaProperties } from "../directory/meta_properties.ts";
import {
  LOG_STARTS_FILE,
  partitionKey,
  readOffsetCheckpoint,
  RECOVERY_POINTS_FILE,
} from "../directory/offset_checkpoint.ts";
import { DELETE_DIRECTORY_SUFFIX, parsePartitionFileName } from "../segments/segment_names.ts";
import type { FileSystem } from "../sys/file_system.ts";
import { damage, note, type Report } from "./finding.ts";
import { type VerifiedPartition, verifyPartition } from "./verified_partition.ts";

/** The directory cannot be verified. The message is a sentence for the user. */
export class VerifyError extends Error {
  override name = "VerifyError";
}

/** What a directory holds. */
export interface VerifiedDirectory extends VerifiedPartition {
  partitions: number;
}

/** A report, or how much there is to do. */
export type DirectoryReport =
  | Report
  | { readonly kind: "size"; readonly partitions: number; readonly bytes: number }
  | {
    /** A partition was read. */
    readonly kind: "partition";
  };

const PARTITION_DIRECTORY = /^(.+)-(0|[1-9]\d{0,9})(-future\.[0-9a-f]{32}|\.[0-9a-f]{32}-(?:future|stray))?$/;

/**
 * Verifies a log directory.
 * @throws VerifyError when there is none, or a broker uses it @throws SystemError, or the runtime's errors, when the disk refuses
 */
export function* verifyDirectory(fs: FileSystem, path: string): Generator<DirectoryReport, VerifiedDirectory> {
  if (fs.modifiedMs(path) === null) throw new VerifyError(`There is no directory ${path}`);
  const lock = yield* locked(fs, path);
  try {
    return yield* verifyLocked(fs, path);
  } finally {
    if (lock !== null) unlockDirectory(lock);
  }
}

function* locked(fs: FileSystem, path: string): Generator<Report, DirectoryLock | null> {
  let lock: DirectoryLock | null;
  try {
    lock = lockDirectory(fs, path);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    yield note(path, `it cannot be locked (${reason}): what a broker writes meanwhile may look like damage`);
    return null;
  }
  if (lock !== null) return lock;
  throw new VerifyError(
    `${path} is used by a broker: stop it first, because what it is about to write would look like damage`,
  );
}

function* verifyLocked(fs: FileSystem, path: string): Generator<DirectoryReport, VerifiedDirectory> {
  const entries = fs.list(path).toSorted((a, b) => a.name < b.name ? -1 : 1);
  const directories = entries.filter(({ isDirectory }) => isDirectory).map(({ name }) => name);
  const partitions = directories.filter((name) => PARTITION_DIRECTORY.test(name));
  yield {
    kind: "size",
    partitions: partitions.length,
    bytes: partitions.reduce((sum, name) => sum + logBytes(fs, `${path}/${name}`), 0),
  };
  const recoveryPoints = yield* smallFiles(fs, path);
  const wasClean = readCleanShutdown(fs, path) !== null;
  const sums: VerifiedDirectory = { partitions: partitions.length, segments: 0, batches: 0, records: 0, bytes: 0 };
  for (const name of directories) {
    const directory = `${path}/${name}`;
    if (name.endsWith(DELETE_DIRECTORY_SUFFIX)) {
      yield note(directory, "its topic was deleted: the next start removes it");
    }
    const [, topic = "", partition = "", suffix] = PARTITION_DIRECTORY.exec(name) ?? [];
    if (topic === "") continue;
    if (suffix !== undefined) yield note(directory, "no broker serves it");
    const durableBelow = wasClean ? Infinity : recoveryPoints.get(partitionKey(topic, Number(partition))) ?? 0;
    const found = yield* verifyPartition(fs, { directory, durableBelow });
    sums.segments += found.segments;
    sums.batches += found.batches;
    sums.records += found.records;
    sums.bytes += found.bytes;
    yield { kind: "partition" };
  }
  return sums;
}

/** @returns the recovery points */
function* smallFiles(fs: FileSystem, path: string): Generator<Report, ReadonlyMap<string, number>> {
  const meta = readMetaProperties(fs, path);
  if (meta === null) yield note(path, "it has no meta.properties: a broker that starts with it writes a new one");
  else if (typeof meta === "string") yield damage(`${path}/meta.properties`, meta);
  let recoveryPoints: ReadonlyMap<string, number> = new Map();
  for (const name of [RECOVERY_POINTS_FILE, LOG_STARTS_FILE]) {
    const offsets = readOffsetCheckpoint(fs, `${path}/${name}`);
    if (typeof offsets === "string") yield damage(`${path}/${name}`, offsets);
    else if (name === RECOVERY_POINTS_FILE) recoveryPoints = offsets;
  }
  return recoveryPoints;
}

/** Bytes of the `.log` files of a partition. */
function logBytes(fs: FileSystem, directory: string): number {
  let sum = 0;
  for (const { name } of fs.list(directory)) {
    const file = parsePartitionFileName(name);
    if (file?.kind !== ".log" || file.suffix !== "") continue;
    const fd = fs.open(`${directory}/${name}`, { write: false });
    sum += fs.size(fd);
    fs.close(fd);
  }
  return sum;
}
