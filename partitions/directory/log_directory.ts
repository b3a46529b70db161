/**
 * The log directory of a broker: created, locked, identified, scanned at the start; marked clean at the end. Main
 * isolate. A few small files are read and written synchronously, at the start and the stop only; nothing in between
 * blocks.
 *
 * ```
 *   .lock                            held while the broker runs, as by Apache Kafka (POSIX lock)
 *   meta.properties                  cluster.id, node.id, directory.id
 *   .kafka_cleanshutdown             between a stop that closed every log cleanly and the next start
 *   <topic>-<partition>/             logs
 *   <topic>-<partition>.<hex>-delete/  logs of deleted topics, removed at the next start at the latest
 *   barnabas-metadata.sqlite         metadata store (metadata/sqlite_store.ts)
 * ```
 *
 * Always: the mark of a clean stop is gone, durably, before anything else is written. One broker per directory.
 * Source: Kafka's LogManager (lockLogDirs, loadLogs), KafkaRaftServer.initializeLogDirs, LocalLog.parseTopicPartitionName.
 */
import {
  deletedDirectoryName,
  type FileSystem,
  LeaderEpochTable,
  linuxFileSystem,
  LogDamagedError,
  type MetaProperties,
  randomUuid,
  readCleanShutdown,
  readMetaProperties,
  readPartitionMetadata,
  removeCleanShutdown,
  writeCleanShutdown,
  writeMetaProperties,
} from "../../storage/control.ts";
import { checkpointedPartitions } from "./checkpoint_files.ts";
import type { FoundPartition, PartitionDirectories, PartitionIdentity } from "../metadata/adoption.ts";

/** Name of the metadata store's file in a log directory. */
export const METADATA_STORE_FILE = "barnabas-metadata.sqlite";

const LOCK_FILE = ".lock";
const LEADER_EPOCHS_FILE = "leader-epoch-checkpoint";
const PARTITION_DIRECTORY = /^(.+)-(0|[1-9]\d{0,9})$/;
const DELETED_DIRECTORY = /^.+-\d+\.[0-9a-f]{32}-delete$/;
const PARTITION_MAX = 0x7fff_ffff;
/** This broker has no epoch of a controller quorum. */
const BROKER_EPOCH = -1;

/** Directories locked by this process. A second descriptor on `.lock` would end the first one's POSIX lock when it closes. */
const locked = new Set<string>();

/** The log directory cannot be used. The message says what to do. */
export class LogDirectoryError extends Error {
  override name = "LogDirectoryError";
}

/** How to open it. */
export interface LogDirectoryOptions {
  readonly path: string;
  readonly nodeId: number;
  /** The id that a new directory gets; null makes a random one. */
  readonly clusterId: string | null;
  readonly fs?: FileSystem;
}

/** The directory, locked. */
export class LogDirectory implements PartitionDirectories, AsyncDisposable {
  /** Without symbolic links. */
  readonly path: string;
  readonly clusterId: string;
  readonly directoryId: string;
  /** Whether the last broker stopped cleanly, so that logs need no recovery. */
  readonly wasCleanShutdown: boolean;
  /** Whether that was Apache Kafka's stop, which closed the directories, too, that this broker does not know. */
  readonly wasClosedByKafka: boolean;
  readonly found: readonly FoundPartition[];
  /** Partitions of which the checkpoints speak, by `partitionKey()`: those of topics that are gone among them. */
  readonly checkpointed: ReadonlySet<string>;
  readonly #fs: FileSystem;
  readonly #lockFd: number;
  readonly #removals = new Set<Promise<void>>();
  #isReleased = false;

  private constructor(lock: Lock, meta: MetaProperties & { directoryId: string }, names: readonly string[]) {
    const checkpointed = checkpointedPartitions({ fs: lock.fs, logDirectory: lock.path });
    if (typeof checkpointed === "string") throw new LogDirectoryError(checkpointed);
    this.checkpointed = checkpointed;
    this.path = lock.path;
    this.#fs = lock.fs;
    this.#lockFd = lock.fd;
    this.clusterId = meta.clusterId;
    this.directoryId = meta.directoryId;
    const mark = readCleanShutdown(lock.fs, lock.path);
    this.wasCleanShutdown = mark !== null;
    const isOurs = mark?.brokerEpoch === BROKER_EPOCH &&
      lock.fs.modifiedMs(`${lock.path}/${METADATA_STORE_FILE}`) !== null;
    this.wasClosedByKafka = mark !== null && !isOurs;
    this.found = names.flatMap((name) => parsePartitionDirectory(name) ?? []);
    for (const name of names) if (DELETED_DIRECTORY.test(name)) this.#removeLater(`${lock.path}/${name}`);
  }

  /**
   * Opens it, creating it where there is none.
   * @throws LogDirectoryError when it is in use, not writable, no directory, of another broker, or its log starts are unreadable
   */
  static async open(options: LogDirectoryOptions): Promise<LogDirectory> {
    const fs = options.fs ?? linuxFileSystem;
    const path = await makeDirectory(options.path);
    const lock = takeLock(fs, path);
    try {
      const meta = identifyDirectory(lock, options);
      const names: string[] = [];
      for await (const { name, isDirectory } of Deno.readDir(path)) if (isDirectory) names.push(name);
      const directory = new LogDirectory(lock, meta, names);
      removeCleanShutdown(fs, path);
      return directory;
    } catch (error) {
      releaseLock(lock);
      if (error instanceof LogDirectoryError) throw error;
      throw new LogDirectoryError(`Cannot use log directory ${path}: ${messageOf(error)}`);
    }
  }

  // deno-lint-ignore require-await -- the files are small and few; the interface allows a store that is further away.
  async identify({ topic, partition }: FoundPartition): Promise<PartitionIdentity | string> {
    const directory = `${this.path}/${topic}-${partition}`;
    try {
      const topicId = readPartitionMetadata(this.#fs, directory);
      const bytes = this.#fs.readFile(`${directory}/${LEADER_EPOCHS_FILE}`);
      const epochs = LeaderEpochTable.decode(new TextDecoder().decode(bytes ?? new Uint8Array()));
      if (epochs === null) return `${LEADER_EPOCHS_FILE} is damaged`;
      return { topicId, latestLeaderEpoch: epochs.latest };
    } catch (error) {
      if (error instanceof LogDamagedError || error instanceof Deno.errors.PermissionDenied) return error.message;
      throw error;
    }
  }

  async remove({ topic, partition }: FoundPartition): Promise<void> {
    const name = `${topic}-${partition}`;
    const away = `${this.path}/${deletedDirectoryName(name, crypto.randomUUID().replaceAll("-", ""))}`;
    try {
      await Deno.rename(`${this.path}/${name}`, away);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return;
      throw error;
    }
    this.#removeLater(away);
  }

  async sync(): Promise<void> {
    using directory = await Deno.open(this.path, { read: true });
    await directory.sync();
  }

  /** Says that all logs were closed cleanly and all checkpoints written; the last thing before the release. */
  markClean(): void {
    writeCleanShutdown(this.#fs, this.path, BROKER_EPOCH);
  }

  /** Gives up the lock, after what is being removed is gone. Idempotent. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isReleased) return;
    this.#isReleased = true;
    await Promise.all(this.#removals);
    releaseLock({ fs: this.#fs, path: this.path, fd: this.#lockFd });
  }

  /** Frees the bytes of a directory in the background; what a crash leaves is found at the next start. */
  #removeLater(path: string): void {
    const removal = Deno.remove(path, { recursive: true }).then(
      () => {},
      // It has no name any more that a topic could get, and the next start tries again.
      () => {},
    ).finally(() => this.#removals.delete(removal));
    this.#removals.add(removal);
  }
}

/** Takes a directory's name apart as Kafka does: the partition is what follows the last "-". @returns null for another name */
export function parsePartitionDirectory(name: string): FoundPartition | null {
  const match = PARTITION_DIRECTORY.exec(name);
  const partition = Number(match?.[2]);
  return match === null || partition > PARTITION_MAX ? null : { topic: match[1] as string, partition };
}

interface Lock {
  readonly fs: FileSystem;
  readonly path: string;
  readonly fd: number;
}

async function makeDirectory(path: string): Promise<string> {
  try {
    await Deno.mkdir(path, { recursive: true });
    const real = await Deno.realPath(path);
    if ((await Deno.stat(real)).isDirectory) return real;
  } catch (error) {
    if (error instanceof Deno.errors.PermissionDenied) {
      throw new LogDirectoryError(`Cannot create log directory ${path}: permission denied; choose another (--data)`);
    }
    const isFile = error instanceof Deno.errors.AlreadyExists || error instanceof Deno.errors.NotADirectory;
    if (!isFile) throw new LogDirectoryError(`Cannot create log directory ${path}: ${messageOf(error)}`);
  }
  throw new LogDirectoryError(`Cannot use log directory ${path}: it is a file; choose another (--data)`);
}

function takeLock(fs: FileSystem, path: string): Lock {
  const inUse = `Log directory ${path} is used by another broker; stop that one, or choose another directory (--data)`;
  if (locked.has(path)) throw new LogDirectoryError(inUse);
  let fd: number;
  try {
    fd = fs.open(`${path}/${LOCK_FILE}`, { write: true, create: true });
  } catch (error) {
    throw new LogDirectoryError(`Log directory ${path} is not writable (${messageOf(error)}); check its permissions`);
  }
  if (!fs.tryLock(fd)) {
    fs.close(fd);
    throw new LogDirectoryError(inUse);
  }
  locked.add(path);
  return { fs, path, fd };
}

function releaseLock({ fs, path, fd }: Lock): void {
  fs.close(fd);
  locked.delete(path);
}

/** Reads whose the directory is, or makes it this broker's. */
function identifyDirectory(
  { fs, path }: Lock,
  { nodeId, clusterId }: LogDirectoryOptions,
): MetaProperties & { directoryId: string } {
  const found = readMetaProperties(fs, path);
  if (typeof found === "string") {
    throw new LogDirectoryError(`Cannot read ${path}/meta.properties: ${found}; repair it from a backup`);
  }
  if (found !== null && found.nodeId !== nodeId) {
    throw new LogDirectoryError(
      `Log directory ${path} belongs to node.id ${found.nodeId}, but this broker has node.id ${nodeId}; ` +
        `start it with --override node.id=${found.nodeId}, or choose another directory (--data)`,
    );
  }
  const directoryId = found?.directoryId ?? randomUuid();
  const meta = { clusterId: found?.clusterId ?? clusterId ?? randomUuid(), nodeId, directoryId };
  if (found?.directoryId !== directoryId) writeMetaProperties(fs, path, meta);
  return meta;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
