/**
 * The log directories of a broker (`log.dirs`). One that cannot be used is offline, and the partitions on it with it; the others serve. The
 * broker does not start without the directory of the metadata store, or when another broker uses a directory, or when directories belong
 * to different clusters or brokers. Main isolate.
 *
 * Always: the index of a directory is its place in `log.dirs`; the image names directories by it.
 * Source: Kafka's LogManager (createAndValidateLogDirs), MetaPropertiesEnsemble.verify.
 */
import { linuxFileSystem, partitionKey, readMetaProperties } from "../../storage/control.ts";
import type {
  FoundDirectory,
  FoundFuture,
  FoundPartition,
  PartitionDirectories,
  PartitionIdentity,
} from "../metadata/adoption.ts";
import type { CacheTrust } from "./cache_trust.ts";
import { checkApart, checkStoreFound } from "./log_dirs_rules.ts";
import {
  type ClusterIdSource,
  LogDirectory,
  LogDirectoryError,
  METADATA_STORE_FILE,
  UnusableDirectoryError,
} from "./log_directory.ts";

/** How to open the log directories. */
export interface LogDirectoriesOptions {
  /** `log.dirs` */
  readonly logDirectories: readonly string[];
  /** `metadata.log.dir` */
  readonly metadataLogDirectory: string;
  readonly nodeId: number;
  /** Cluster id for new directories; null for a random one. A source is asked when the first one is locked. */
  readonly clusterId: string | null | ClusterIdSource;
  /** `barnabas.recovery.trust.page.cache` */
  readonly recoveryTrustsPageCache: boolean;
  /** Gets sentences about what could not be done. */
  readonly report: (sentence: string) => void;
  /** Whether the broker is in a cluster; false by default. */
  readonly isInCluster?: boolean;
}

/** What a shard needs to know of a directory. */
export interface OpenedDirectory {
  readonly path: string;
  readonly isOnline: boolean;
  readonly cleanShutdown: boolean;
  /** Whether the page cache has all that the last broker wrote (cache_trust.ts). */
  readonly isCacheIntact: boolean;
}

/**
 * The cluster of the first directory that has one; null where all are new. A new one may stand before it, on a disk that was replaced. One
 * that cannot be read is not considered: its opening says why.
 */
function knownCluster(paths: readonly string[]): string | null {
  for (const path of paths) {
    let found: ReturnType<typeof readMetaProperties>;
    try {
      found = readMetaProperties(linuxFileSystem, path);
    } catch {
      continue;
    }
    if (found !== null && typeof found !== "string") return found.clusterId;
  }
  return null;
}

/** A source that hears of the known cluster for a new directory, too. */
function askedWith(
  known: string | null,
  source: LogDirectoriesOptions["clusterId"],
): LogDirectoriesOptions["clusterId"] {
  if (known === null || typeof source !== "function") return known ?? source;
  return async (found, path) => await source(found ?? known, path) ?? known;
}

/** The log directories, locked. */
export class LogDirectories implements PartitionDirectories, AsyncDisposable {
  readonly clusterId: string;
  /** Path of the metadata store's file. */
  readonly storePath: string;
  readonly ids: readonly (string | null)[];
  readonly found: readonly FoundDirectory[];
  readonly futures: readonly FoundFuture[];
  readonly paths: readonly string[];
  /** By index, at the start; absolute where the directory is online. */
  readonly opened: readonly OpenedDirectory[];
  /** Partitions in the checkpoints, by `partitionKey()`; they may belong to deleted topics. */
  readonly checkpointed: ReadonlySet<string>;
  /** Sentences about directories that are offline. */
  readonly warnings: readonly string[];
  readonly #directories: readonly (LogDirectory | null)[];
  readonly #isInCluster: boolean;
  /** Indexes of directories that failed since the start. */
  readonly #failed = new Set<number>();

  private constructor(
    directories: readonly (LogDirectory | string)[],
    { paths, storePath, clusterId, isInCluster }: {
      paths: readonly string[];
      storePath: string;
      clusterId: string;
      isInCluster: boolean;
    },
  ) {
    this.#isInCluster = isInCluster;
    this.clusterId = clusterId;
    this.storePath = storePath;
    this.#directories = directories.map((directory) => typeof directory === "string" ? null : directory);
    this.warnings = directories.filter((directory) => typeof directory === "string").map((why) =>
      `${why}. Its partitions are offline (KAFKA_STORAGE_ERROR), the other directories serve`
    );
    this.ids = this.#directories.map((directory) => directory?.directoryId ?? null);
    this.found = this.#directories.flatMap((directory, index) =>
      (directory?.found ?? []).map((found) => ({ ...found, directory: index }))
    );
    this.futures = this.#directories.flatMap((directory, index) =>
      (directory?.futures ?? []).map((future) => ({ ...future, directory: index }))
    );
    this.opened = this.#directories.map((directory, index) => ({
      path: directory?.path ?? paths[index] ?? "",
      isOnline: directory !== null,
      cleanShutdown: directory?.wasCleanShutdown ?? false,
      isCacheIntact: directory?.cache.isIntact ?? false,
    }));
    this.paths = this.opened.map(({ path }) => path);
    this.checkpointed = new Set(this.#online.flatMap(({ checkpointed }) => [...checkpointed.keys()]));
  }

  /** Opens the directories, and creates those that do not exist. @throws LogDirectoryError when the broker cannot start with them */
  static async open(options: LogDirectoriesOptions): Promise<LogDirectories> {
    await using opened = new AsyncDisposableStack();
    const { logDirectories: paths, isInCluster = false } = options;
    let clusterId = askedWith(knownCluster(paths), options.clusterId);
    await checkApart(paths);
    const storePath = await storePathOf(options);
    if (!isInCluster) await checkStoreFound(paths, storePath);
    const directories: (LogDirectory | string)[] = [];
    for (const path of paths) {
      const directory = await openOrExplain(path, { ...options, clusterId, storePath });
      directories.push(directory);
      if (typeof directory === "string") continue;
      opened.use(directory);
      if (
        typeof clusterId === "string" &&
        directories.some((one) => typeof one !== "string" && one.clusterId !== directory.clusterId)
      ) {
        throw new LogDirectoryError(
          `Log directory ${path} belongs to cluster ${directory.clusterId}, the others to ${clusterId}: ` +
            "a broker serves one cluster; take it out of log.dirs",
        );
      }
      clusterId = directory.clusterId;
    }
    if (typeof clusterId !== "string" || directories.every((directory) => typeof directory === "string")) {
      throw new LogDirectoryError(directories.join("\n"));
    }
    opened.move();
    return new LogDirectories(directories, { paths, storePath, clusterId, isInCluster });
  }

  identify(found: FoundDirectory | FoundFuture): Promise<PartitionIdentity | string> {
    const directory = this.#directories[found.directory];
    const name = "name" in found ? found.name : undefined;
    return directory?.identify(found, name) ?? Promise.resolve("its log directory is offline");
  }

  async promote(copy: FoundFuture): Promise<void> {
    await this.#directories[copy.directory]?.promote(copy, copy.name);
  }

  removeFuture({ directory, name }: FoundFuture): void {
    this.#directories[directory]?.removeFuture(name);
  }

  /** Puts a complete copy in the place of a partition's directory, durably. @param from index of its old log directory */
  async exchange(copy: FoundFuture, from: number): Promise<void> {
    // The copy's own name must be durable before the partition loses the other one.
    await this.#directories[copy.directory]?.sync();
    await this.#directories[from]?.remove(copy);
    await this.#directories[from]?.sync();
    await this.promote(copy);
  }

  async remove(partition: FoundPartition, index?: number): Promise<void> {
    const directories = index === undefined
      ? this.#online
      : this.#online.filter((one) => one === this.#directories[index]);
    for (const directory of directories) await directory.remove(partition);
  }

  async setAside(partition: FoundDirectory): Promise<string> {
    const directory = this.#directories[partition.directory];
    if (directory === null || directory === undefined) throw new LogDirectoryError("The log directory is offline");
    return await directory.setAside(partition);
  }

  async forgetOffsets(away: readonly FoundDirectory[]): Promise<void> {
    for (const [index, directory] of this.#directories.entries()) {
      const keys = new Set(
        away.filter((one) => one.directory === index).map((one) => partitionKey(one.topic, one.partition)),
      );
      if (keys.size > 0) await directory?.forgetOffsets(keys);
    }
  }

  hadRecords({ topic, partition, directory }: FoundDirectory): boolean {
    return (this.#directories[directory]?.checkpointed.get(partitionKey(topic, partition)) ?? 0) > 0;
  }

  async sync(): Promise<void> {
    for (const directory of this.#online) await directory.sync();
  }

  /** Adopted partitions that the clean stop of their directory says nothing about, by `partitionKey()`. */
  unmarked(adopted: readonly FoundPartition[]): string[] {
    const marked = new Set<string>();
    for (const { topic, partition, directory } of this.found) {
      if (this.#directories[directory]?.wasClosedByKafka) marked.add(partitionKey(topic, partition));
    }
    return adopted.map(({ topic, partition }) => partitionKey(topic, partition)).filter((key) => !marked.has(key));
  }

  /** Whether retention has run in all of them before, or they are new (log_directory.ts). */
  get hasRetention(): boolean {
    return this.#online.every((directory) => directory.hasRetention);
  }

  /**
   * Removes the marks, so that this start announces retention, and later ones until the first check: partitions were adopted, whose
   * settings stayed with their old broker. @throws the runtime's errors when a disk refuses
   */
  async unmarkRetention(): Promise<void> {
    for (const directory of this.#online) await directory.unmarkRetention();
  }

  /** Marks that retention runs from now on. @throws the runtime's errors when a disk refuses */
  async markRetention(): Promise<void> {
    for (const directory of this.#online) await directory.markRetention();
  }

  /** Whether starts may believe the page cache, for each directory that is online. */
  get caches(): CacheTrust[] {
    return this.#online.map(({ cache }) => cache);
  }

  /** A directory failed. @returns whether the broker can go on: others are online, and the metadata store does not lie in this one */
  fail(index: number): boolean {
    this.#directories[index]?.cache.doubt();
    this.#failed.add(index);
    const hasStore = !this.#isInCluster && this.storePath.startsWith(`${this.opened[index]?.path}/`);
    return !hasStore && this.opened.some(({ isOnline }, other) => isOnline && !this.#failed.has(other));
  }

  /**
   * Broker epoch of the process that stopped cleanly on these directories, as all of them prove; -1 when one has no proof, another one, or is
   * offline. The cluster believes it only if it is the epoch of the broker's last registration.
   */
  get cleanEpoch(): number {
    const epochs = new Set(this.#directories.map((directory) => directory?.cleanEpoch ?? -1));
    const [epoch = -1] = epochs;
    return epochs.size === 1 ? epoch : -1;
  }

  /**
   * Marks a clean stop of a directory; called last before the release, once its logs were closed cleanly and its checkpoints written.
   * @param brokerEpoch epoch of the process's registration, for a broker in a cluster
   */
  markClean(index: number, brokerEpoch?: number): void {
    if (!this.#failed.has(index)) this.#directories[index]?.markClean(brokerEpoch);
  }

  /** Releases the locks, after all removals under way have ended. Idempotent. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const directory of this.#directories) await directory?.[Symbol.asyncDispose]();
  }

  get #online(): LogDirectory[] {
    return this.#directories.filter((directory, index) =>
      directory !== null && !this.#failed.has(index)
    ) as LogDirectory[];
  }
}

/** Path of the metadata store's file. @throws LogDirectoryError when its directory cannot be created */
async function storePathOf({ metadataLogDirectory: path }: LogDirectoriesOptions): Promise<string> {
  try {
    await Deno.mkdir(path, { recursive: true });
    return `${await Deno.realPath(path)}/${METADATA_STORE_FILE}`;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new LogDirectoryError(
      `Cannot use ${path}, where the topics and settings lie (metadata.log.dir): ${why}; choose another`,
    );
  }
}

/** @returns the directory, or a sentence why it is offline @throws LogDirectoryError when the broker cannot start with it */
async function openOrExplain(
  path: string,
  options: LogDirectoriesOptions & { storePath: string },
): Promise<LogDirectory | string> {
  const { logDirectories, recoveryTrustsPageCache: trustsPageCache } = options;
  try {
    return await LogDirectory.open({ ...options, path, trustsPageCache });
  } catch (error) {
    if (error instanceof UnusableDirectoryError && logDirectories.length > 1) return error.message;
    throw error;
  }
}
