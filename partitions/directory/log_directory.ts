/**
 * The log directory of a broker: created, locked, identified and scanned at the start, marked clean at the end. Main isolate. At the
 * start and the stop, a few small files are read and written synchronously; between them nothing blocks.
 *
 * ```
 *   .lock                            held while the broker runs, as by Apache Kafka (POSIX lock)
 *   meta.properties                  cluster.id, node.id, directory.id
 *   .kafka_cleanshutdown             between a stop that closed every log cleanly and the next start
 *   barnabas-boot                    while the broker runs, and after it was killed (cache_trust.ts)
 *   <topic>-<partition>/             logs
 *   <topic>-<partition>.<hex>-delete/  logs of deleted topics, removed at the next start at the latest
 *   barnabas-metadata.sqlite         metadata store (metadata/store/sqlite_store.ts)
 *   barnabas-etcd/                   an etcd that the broker runs itself (metadata/etcd/managed/member_file.ts)
 *   barnabas-etcd-position           how far a broker with etcd has seen it (metadata/etcd/etcd_position_file.ts)
 *   barnabas-retention               retention removes old records here, or has been announced (retention_notice.ts)
 * ```
 *
 * Always: the removal of the clean stop's mark is durable before anything else is written. One broker per directory.
 * Source: Kafka's LogManager (lockLogDirs, loadLogs), KafkaRaftServer.initializeLogDirs, LocalLog.parseTopicPartitionName.
 */
import {
  type BootIdentity,
  deletedDirectoryName,
  type DirectoryLock,
  type FileSystem,
  LeaderEpochTable,
  linuxFileSystem,
  lockDirectory,
  LogDamagedError,
  type MetaProperties,
  randomUuid,
  readCleanShutdown,
  readMetaProperties,
  readPartitionMetadata,
  removeCleanShutdown,
  replaceFile,
  replaceFileAsync,
  strayDirectoryName,
  syncDirectoryAsync,
  unlockDirectory,
  writeCleanShutdown,
  writeMetaProperties,
} from "../../storage/control.ts";
import { bootIdentity, CacheTrust } from "./cache_trust.ts";
import { checkpointedPartitions } from "./checkpoint_files.ts";
import { forgetOffsets } from "./forgotten_offsets.ts";
import type { FoundPartition, PartitionIdentity } from "../metadata/adoption.ts";

/** Name of the metadata store's file in a log directory. */
export const METADATA_STORE_FILE = "barnabas-metadata.sqlite";

/** How far a broker of a cluster has seen its etcd (metadata/etcd/etcd_position_file.ts). */
export const ETCD_POSITION_FILE = "barnabas-etcd-position";

/** Marks that retention runs in a directory. */
export const RETENTION_FILE = "barnabas-retention";
/** Content of that file. */
const RETENTION_TEXT =
  "Retention removes old records in this directory. Without this file, the next start announces it first.\n";
const LEADER_EPOCHS_FILE = "leader-epoch-checkpoint";
/** A copy that AlterReplicaLogDirs made. */
const FUTURE_DIRECTORY = /^(.+-\d+)\.[0-9a-f]{32}-future$/;
const PARTITION_DIRECTORY = /^(.+)-(0|[1-9]\d{0,9})$/;
const DELETED_DIRECTORY = /^.+-\d+\.[0-9a-f]{32}-delete$/;
const PARTITION_MAX = 0x7fff_ffff;
/** The broker epoch in the clean stop's mark of a broker that is in no cluster: nobody assigns one. */
const BROKER_EPOCH = -1;

/** The log directory cannot be used. The message names the remedy. */
export class LogDirectoryError extends Error {
  override name = "LogDirectoryError";
}

/** The disk of a log directory refuses it. With several directories, the broker starts without this one. */
export class UnusableDirectoryError extends LogDirectoryError {
  override name = "UnusableDirectoryError";
}

/**
 * Finds the cluster id of a directory that has just been locked.
 * @param found the one that it has, null where it is new @param path of the directory @returns null for a random one
 */
export type ClusterIdSource = (found: string | null, path: string) => Promise<string | null>;

/** How to open a log directory. */
export interface LogDirectoryOptions {
  readonly path: string;
  readonly nodeId: number;
  /** Cluster id for a new directory; null for a random one. */
  readonly clusterId: string | null | ClusterIdSource;
  /** Path of the metadata store's file; in the directory itself by default. */
  readonly storePath?: string;
  readonly fs?: FileSystem;
  /** Whether a start after a kill may believe the page cache; false by default. */
  readonly trustsPageCache?: boolean;
  /** Gets sentences about what could not be done; ignored by default. */
  readonly report?: (sentence: string) => void;
  /** Whether the broker is in a cluster, where marks of clean stops have epochs; false by default. */
  readonly isInCluster?: boolean;
}

/** A locked log directory. */
export class LogDirectory implements AsyncDisposable {
  /** Absolute path, with symbolic links resolved. */
  readonly path: string;
  readonly clusterId: string;
  readonly directoryId: string;
  /** Whether the last broker stopped cleanly, so that logs need no recovery. */
  readonly wasCleanShutdown: boolean;
  /** Broker epoch in the mark of that stop; -1 where it has none. */
  readonly cleanEpoch: number;
  /** Whether Apache Kafka stopped cleanly. It then also closed logs that this broker does not know. */
  readonly wasClosedByKafka: boolean;
  readonly found: readonly FoundPartition[];
  /** Copies of partitions that a move to this directory had begun, with the names of their directories. */
  readonly futures: readonly (FoundPartition & { readonly name: string })[];
  #hasRetention: boolean;
  /** Whether a start may believe the page cache. */
  readonly cache: CacheTrust;
  /** The highest offset that a checkpoint has of each partition, by `partitionKey()`; they may belong to deleted topics. */
  readonly checkpointed: ReadonlyMap<string, number>;
  readonly #fs: FileSystem;
  readonly #lock: DirectoryLock;
  readonly #removals = new Set<Promise<void>>();
  #isReleased = false;

  private constructor(
    lock: DirectoryLock,
    meta: MetaProperties & { directoryId: string },
    about: {
      names: readonly string[];
      storePath: string;
      identity: BootIdentity | null;
      report: (sentence: string) => void;
      isInCluster: boolean;
    },
  ) {
    const { names, storePath, identity, report, isInCluster } = about;
    const checkpointed = checkpointedPartitions({ fs: lock.fs, logDirectory: lock.path });
    if (typeof checkpointed === "string") throw new LogDirectoryError(checkpointed);
    this.checkpointed = checkpointed;
    this.path = lock.path;
    this.#fs = lock.fs;
    this.#lock = lock;
    this.clusterId = meta.clusterId;
    this.directoryId = meta.directoryId;
    const mark = readCleanShutdown(lock.fs, lock.path);
    this.wasCleanShutdown = mark !== null;
    this.cleanEpoch = mark?.brokerEpoch ?? BROKER_EPOCH;
    this.cache = new CacheTrust({ fs: lock.fs, path: lock.path, identity, wasCleanShutdown: mark !== null, report });
    const isOurs = isInCluster || (this.cleanEpoch === BROKER_EPOCH && lock.fs.modifiedMs(storePath) !== null);
    this.wasClosedByKafka = mark !== null && !isOurs;
    this.#hasRetention = lock.fs.modifiedMs(`${lock.path}/${RETENTION_FILE}`) !== null;
    this.found = names.flatMap((name) => parsePartitionDirectory(name) ?? []);
    this.futures = names.flatMap((name) => {
      const found = parsePartitionDirectory(FUTURE_DIRECTORY.exec(name)?.[1] ?? "");
      return found === null ? [] : [{ ...found, name }];
    });
    for (const name of names) if (DELETED_DIRECTORY.test(name)) this.#removeLater(`${lock.path}/${name}`);
  }

  /**
   * Opens a log directory, and creates it when it does not exist.
   * @throws LogDirectoryError when it is in use, not writable, not a directory, of another broker, or its log starts are unreadable
   */
  static async open(options: LogDirectoryOptions): Promise<LogDirectory> {
    const fs = options.fs ?? linuxFileSystem;
    const path = await makeDirectory(options.path);
    const lock = takeLock(fs, path);
    const { storePath = `${path}/${METADATA_STORE_FILE}` } = options;
    try {
      const meta = await identifyDirectory(lock, options);
      const names: string[] = [];
      for await (const { name, isDirectory } of Deno.readDir(path)) if (isDirectory) names.push(name);
      const identity = options.trustsPageCache === true ? await bootIdentity(path) : null;
      const { report = () => {}, isInCluster = false } = options;
      const directory = new LogDirectory(lock, meta, { names, storePath, identity, report, isInCluster });
      removeCleanShutdown(fs, path);
      return directory;
    } catch (error) {
      unlockDirectory(lock);
      if (error instanceof LogDirectoryError) throw error;
      if (error instanceof UnknownClusterError) throw error.cause;
      throw new UnusableDirectoryError(`Cannot use log directory ${path}: ${messageOf(error)}`);
    }
  }

  /** Reads the small files of a partition's directory. @param name of the directory, if it is a copy's @returns their contents, or a sentence when they cannot be read */
  // deno-lint-ignore require-await -- a few small files are read synchronously; the interface allows asynchronous stores.
  async identify(
    { topic, partition }: FoundPartition,
    name = `${topic}-${partition}`,
  ): Promise<PartitionIdentity | string> {
    const directory = `${this.path}/${name}`;
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

  /** Gives a copy the name of its partition's directory, durably. @param name of the copy's directory */
  async promote({ topic, partition }: FoundPartition, name: string): Promise<void> {
    await Deno.rename(`${this.path}/${name}`, `${this.path}/${topic}-${partition}`);
    await this.sync();
  }

  /**
   * Removes a copy, in the background. It loses its name first: what a crash leaves of a complete copy must not count as one later.
   * @param name of its directory
   */
  removeFuture(name: string): void {
    this.#removeLater(`${this.path}/${name}`, `${this.path}/${name.replace(/-future$/, "-delete")}`);
  }

  /** Gives a partition's directory a name that no start takes for a partition's. @returns the name @throws the runtime's errors when the disk refuses */
  async setAside({ topic, partition }: FoundPartition): Promise<string> {
    const name = `${topic}-${partition}`;
    const away = strayDirectoryName(name, crypto.randomUUID().replaceAll("-", ""));
    await Deno.rename(`${this.path}/${name}`, `${this.path}/${away}`);
    return away;
  }

  /** Removes the checkpoints' lines of partitions of which nothing is here any more. @param keys by `partitionKey()` */
  async forgetOffsets(keys: ReadonlySet<string>): Promise<void> {
    await forgetOffsets({ fs: this.#fs, logDirectory: this.path }, keys);
  }

  /** Removes a partition's directory, if it exists; its bytes are freed later. */
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

  /** Settles when all creations, renames and removals so far are durable. */
  async sync(): Promise<void> {
    await syncDirectoryAsync(this.path);
  }

  /** Whether retention has run here before, or the directory is new. Older versions kept all records, so it is announced there first. */
  get hasRetention(): boolean {
    return this.#hasRetention;
  }

  /** Marks that retention runs here from now on. @throws the runtime's errors when the disk refuses */
  async markRetention(): Promise<void> {
    if (!this.#hasRetention) await replaceFileAsync(`${this.path}/${RETENTION_FILE}`, RETENTION_TEXT);
    this.#hasRetention = true;
  }

  /** Removes the mark: retention has to be announced. @throws the runtime's errors when the disk refuses */
  async unmarkRetention(): Promise<void> {
    if (this.#hasRetention) await Deno.remove(`${this.path}/${RETENTION_FILE}`);
    this.#hasRetention = false;
  }

  /**
   * Marks a clean stop; called last before the release, once all logs were closed cleanly and all checkpoints written.
   * @param brokerEpoch epoch of the process's registration in its cluster
   */
  markClean(brokerEpoch = BROKER_EPOCH): void {
    writeCleanShutdown(this.#fs, this.path, brokerEpoch);
  }

  /** Releases the lock, after all removals under way have ended. Idempotent. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isReleased) return;
    this.#isReleased = true;
    await Promise.all(this.#removals);
    unlockDirectory(this.#lock);
  }

  /** Removes a directory in the background; the next start removes what a crash leaves. @param away its name meanwhile */
  #removeLater(path: string, away = path): void {
    const renamed = away === path ? Promise.resolve() : Deno.rename(path, away);
    const removal = renamed.then(() => Deno.remove(away, { recursive: true })).then(
      () => {},
      // Harmless: no topic can have the directory's new name, and the next start removes it.
      () => {},
    ).finally(() => this.#removals.delete(removal));
    this.#removals.add(removal);
  }
}

/** Parses a directory's name as Kafka does: the partition follows the last "-". @returns null when the name has another form */
export function parsePartitionDirectory(name: string): FoundPartition | null {
  const match = PARTITION_DIRECTORY.exec(name);
  const partition = Number(match?.[2]);
  return match === null || partition > PARTITION_MAX ? null : { topic: match[1] as string, partition };
}

async function makeDirectory(path: string): Promise<string> {
  try {
    await Deno.mkdir(path, { recursive: true });
    const real = await Deno.realPath(path);
    if ((await Deno.stat(real)).isDirectory) return real;
  } catch (error) {
    if (error instanceof Deno.errors.PermissionDenied) {
      throw new UnusableDirectoryError(
        `Cannot create log directory ${path}: permission denied; choose another (--data)`,
      );
    }
    const isFile = error instanceof Deno.errors.AlreadyExists || error instanceof Deno.errors.NotADirectory;
    if (!isFile) throw new UnusableDirectoryError(`Cannot create log directory ${path}: ${messageOf(error)}`);
  }
  throw new UnusableDirectoryError(`Cannot use log directory ${path}: it is a file; choose another (--data)`);
}

function takeLock(fs: FileSystem, path: string): DirectoryLock {
  let lock: DirectoryLock | null;
  try {
    lock = lockDirectory(fs, path);
  } catch (error) {
    throw new UnusableDirectoryError(
      `Log directory ${path} is not writable (${messageOf(error)}); check its permissions`,
    );
  }
  if (lock !== null) return lock;
  throw new LogDirectoryError(
    `Log directory ${path} is used by another broker; stop that one, or choose another directory (--data)`,
  );
}

/** The cluster id is not known, which is no fault of the directory; the cause says why. */
class UnknownClusterError extends Error {
  override name = "UnknownClusterError";
}

/** Reads the identity of the directory; a new directory gets this broker's. */
async function identifyDirectory(
  { fs, path }: DirectoryLock,
  { nodeId, clusterId: source }: LogDirectoryOptions,
): Promise<MetaProperties & { directoryId: string }> {
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
  const clusterId = typeof source === "function"
    ? await source(found?.clusterId ?? null, path).catch((cause) =>
      Promise.reject(new UnknownClusterError("", { cause }))
    )
    : source;
  const directoryId = found?.directoryId ?? randomUuid();
  if (found === null) replaceFile(fs, `${path}/${RETENTION_FILE}`, RETENTION_TEXT);
  const meta = { clusterId: found?.clusterId ?? clusterId ?? randomUuid(), nodeId, directoryId };
  if (found?.directoryId !== directoryId) writeMetaProperties(fs, path, meta);
  return meta;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
