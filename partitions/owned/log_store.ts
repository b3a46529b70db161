/**
 * Opens the logs of one shard in their log directories, with their checkpoints and with the leases and file limits that they share.
 * Runs on shards.
 */
import {
  type Clock,
  type FileSystem,
  Log,
  LogDamagedError,
  LogResources,
  partitionKey,
  type SearchElsewhere,
  storageFailure,
  toOffset,
} from "../../storage/mod.ts";
import {
  HIGH_WATERMARKS_FILE,
  LOG_STARTS_FILE,
  readCheckpoint,
  RECOVERY_POINTS_FILE,
} from "../directory/checkpoint_files.ts";
import type { TopicImage } from "../metadata/image.ts";
import { OFFLINE_DIRECTORY } from "../placement/directory_placement.ts";
import { emptyWatermarks, partitionState, type Watermarks } from "../shared/watermarks.ts";
import { type OpenedSoFar, OpeningProgress } from "./opening_progress.ts";
import { UncommittedLogs } from "./uncommitted_logs.ts";

/** Why a log is not opened when there are not enough descriptors for all; reported once for all such logs (mod.ts). */
export const NO_DESCRIPTORS = "The log is offline for want of descriptors";

/** Why a log is not opened while its log directory is offline; reported once for all such logs (log_directories.ts). */
export const DIRECTORY_OFFLINE = "The log is offline because its log directory is";

/** One of `log.dirs`. */
export interface LogStoreDirectory {
  readonly path: string;
  readonly isOnline: boolean;
  /** Whether the last broker stopped cleanly. */
  readonly cleanShutdown: boolean;
  /** Whether the page cache has all that the last broker wrote, because it was only killed; false by default. */
  readonly isCacheIntact?: boolean;
}

/** Options of a log store. */
export interface LogStoreOptions {
  readonly fs: FileSystem;
  readonly clock: Clock;
  /** `log.dirs`, by the index that the image names. */
  readonly directories: readonly LogStoreDirectory[];
  /** Logs to which neither the clean stop nor the page cache applies, by `partitionKey()`; none by default. */
  readonly unmarked?: readonly string[];
  /** `producer.id.expiration.ms`, read whenever producers expire: it may change. */
  readonly producerIdExpirationMs: number;
  /** Closed segments whose files may stay open, and mappings of files; there are defaults. */
  readonly warmSegmentsMax?: number;
  readonly mappingsMax?: number;
  /** Most logs opened at the start, limited by descriptors; the controller limits logs that are created later. */
  readonly logsMax?: number;
  /** Lets a codec worker search in a large batch; where absent, the shard does it. */
  readonly search?: SearchElsewhere;
  /** Gets sentences about recoveries. */
  readonly report: (message: string) => void;
  /** Told now and then how far the start is. */
  readonly onProgress?: (soFar: OpenedSoFar) => void;
}

/** Opens the logs of one shard. */
export class LogStore {
  readonly #options: LogStoreOptions;
  readonly #resources: LogResources;
  /** The checkpoints of the start, by directory; a line is removed when its log is opened. */
  readonly #checkpoints: readonly StartCheckpoints[];
  /** How many more of the logs that existed at the start may be opened. */
  #openable: number;
  #isStarting = true;
  /** Logs that could not be opened so far. */
  readonly #unopened = new Set<string>();
  /** Logs to which the last clean stop and the page cache do not apply: adopted logs, and logs that were handed over but could not be opened. */
  readonly #unfinished = new Set<string>();
  /** Logs that hold aborted or open transactions. */
  readonly #uncommitted = new UncommittedLogs();
  readonly #progress: OpeningProgress;
  #isIntact = true;

  /**
   * Reads the checkpoints of the directories. If recovery points are damaged, recoveries take longer; if high watermarks are, a follower
   * learns its own from the leader. Damaged log starts are refused, because deleted records would come back.
   * @throws LogDamagedError when the checkpoint of log starts is damaged
   */
  constructor(options: LogStoreOptions) {
    this.#options = options;
    this.#openable = options.logsMax ?? Infinity;
    this.#progress = new OpeningProgress(options.clock, options.onProgress ?? (() => {}));
    const onChecked = (bytes: number) => this.#progress.countChecked(bytes);
    this.#resources = new LogResources(options.fs, { ...options, onChecked });
    this.#checkpoints = options.directories.map((directory) => readCheckpoints(directory, options));
    for (const key of options.unmarked ?? []) this.#unfinished.add(key);
  }

  /**
   * Opens a partition's log, recovering it where needed.
   * @param handedOver its row, when another shard of this broker has handed it over
   * @returns the log, or a sentence why it cannot be served
   */
  open(topic: TopicImage, partition: number, handedOver: Watermarks | null = null): Log | string {
    const log = this.#open(topic, partition, handedOver);
    if (typeof log === "string" ? log !== DIRECTORY_OFFLINE : log.found.hasCut) this.#isIntact = false;
    if (this.#isStarting) this.#progress.countLog();
    return log;
  }

  #open(topic: TopicImage, partition: number, handedOver: Watermarks | null): Log | string {
    const options = this.#options;
    const { fs, clock, report } = options;
    const key = partitionKey(topic.name, partition);
    const index = topic.partitions[partition]?.directory ?? OFFLINE_DIRECTORY;
    const [place, checkpoints] = [this.#options.directories[index], this.#checkpoints[index]];
    if (place === undefined || checkpoints === undefined || !place.isOnline) {
      this.#unopened.add(key);
      return DIRECTORY_OFFLINE;
    }
    const { recoveryPoints, logStarts } = checkpoints;
    if (handedOver !== null) {
      recoveryPoints.set(key, handedOver.recoveryPoint);
      logStarts.set(key, handedOver.logStartOffset);
    }
    const isHandedOver = handedOver !== null;
    const isOld = !isHandedOver && (this.#isStarting || this.#unopened.has(key));
    if (isOld && this.#openable === 0) {
      this.#unopened.add(key);
      return NO_DESCRIPTORS;
    }
    const isUnfinished = this.#unfinished.has(key);
    const cleanShutdown = isHandedOver || place.cleanShutdown && !isUnfinished;
    const logStartOffset = toOffset(logStarts.get(key) ?? 0);
    const directory = `${place.path}/${topic.name}-${partition}`;
    try {
      const log = Log.open({
        fs,
        clock,
        directory,
        config: topic.logConfig,
        cleanShutdown,
        isCacheIntact: place.isCacheIntact === true && !isHandedOver && !isUnfinished,
        isHandedOver,
        recoveryPoint: toOffset(recoveryPoints.get(key) ?? 0),
        logStartOffset,
        get producerIdExpirationMs() {
          return options.producerIdExpirationMs;
        },
        topicId: topic.id,
        resources: this.#resources,
        report,
      });
      if (isOld) this.#openable--;
      if (handedOver === null || log.logEndOffset === handedOver.logEndOffset) {
        this.forget(topic, partition);
        if (handedOver === null) this.#uncommitted.note(`${topic.name}-${partition}`, log.found.uncommitted);
        return log;
      }
      log.close({ clean: false });
      const ends = `it ends at ${log.logEndOffset}, and ended at ${handedOver.logEndOffset} before`;
      throw new LogDamagedError(`Cannot open ${directory}: ${ends}. The next start checks it`);
    } catch (error) {
      this.#unopened.add(key);
      if (isHandedOver) this.#unfinished.add(key);
      // A damaged log or a refusing disk takes this partition offline. Any other error is a bug and stops the shard.
      return error instanceof LogDamagedError ? error.message : `Cannot open ${directory}: ${storageFailure(error)}`;
    }
  }

  /** Whether all logs so far in directories that are online could be opened, and recovery cut nothing off. */
  get isIntact(): boolean {
    return this.#isIntact;
  }

  /** The warning about uncommitted transactions, once the logs of a start are open; null for none. */
  uncommittedWarning(): string | null {
    return this.#uncommitted.warning();
  }

  /**
   * Forgets the checkpoints, except those of logs that could not be opened. Called once all logs were tried: topics created from now on
   * may have the name of a deleted one.
   */
  forgetCheckpoints(): void {
    this.#isStarting = false;
    this.#resources.freeRecoveryWindow();
    for (const checkpoint of this.#checkpoints.flatMap((files) => Object.values(files) as Map<string, number>[])) {
      for (const key of checkpoint.keys()) if (!this.#unopened.has(key)) checkpoint.delete(key);
    }
  }

  /** Forgets the checkpoints of a partition. */
  forget(topic: TopicImage, partition: number): void {
    const key = partitionKey(topic.name, partition);
    this.#unopened.delete(key);
    this.#unfinished.delete(key);
    const checkpoints = this.#checkpoints[topic.partitions[partition]?.directory ?? OFFLINE_DIRECTORY];
    checkpoints?.recoveryPoints.delete(key);
    checkpoints?.logStarts.delete(key);
    checkpoints?.highWatermarks.delete(key);
  }

  /** The checkpointed offsets of a log that is not open yet; where it could not be opened, the next checkpoints must repeat them. */
  checkpointed(topic: TopicImage, partition: number): CheckpointedOffsets {
    const key = partitionKey(topic.name, partition);
    const checkpoints = this.#checkpoints[topic.partitions[partition]?.directory ?? OFFLINE_DIRECTORY];
    return {
      recoveryPoint: toOffset(checkpoints?.recoveryPoints.get(key) ?? 0),
      logStartOffset: toOffset(checkpoints?.logStarts.get(key) ?? 0),
      highWatermark: toOffset(checkpoints?.highWatermarks.get(key) ?? 0),
    };
  }

  /** Gives up what other threads may use yet, once all logs are closed. @returns descriptors, to be closed when those threads have ended */
  abandon(): number[] {
    return this.#resources.abandon();
  }

  /** Ends a lease on a segment file. */
  release(lease: number): void {
    this.#resources.leases.release(lease);
  }
}

/** What the checkpoints say of a log; 0 where they have no line. */
export type CheckpointedOffsets = Pick<Watermarks, "recoveryPoint" | "logStartOffset" | "highWatermark">;

/**
 * The row of a log that could not be opened: it keeps the checkpointed offsets. Without them, a later opening would bring back deleted
 * records, would not notice lost records that had been flushed, and would forget what was committed.
 * @param leadership of the row before
 */
export function rowOfUnopened(kept: CheckpointedOffsets, leadership: number): Watermarks {
  const { recoveryPoint, logStartOffset } = kept;
  const highWatermark = toOffset(Math.max(logStartOffset, kept.highWatermark));
  const ends = { logStartOffset, highWatermark, lastStableOffset: highWatermark, logEndOffset: highWatermark };
  return { ...emptyWatermarks(), leadership, recoveryPoint, ...ends, state: partitionState.offline };
}

/** The checkpoints of one directory at the start, by `partitionKey()`. */
interface StartCheckpoints {
  readonly recoveryPoints: Map<string, number>;
  readonly logStarts: Map<string, number>;
  readonly highWatermarks: Map<string, number>;
}

function readCheckpoints(
  { path, isOnline }: LogStoreDirectory,
  { fs, report }: Pick<LogStoreOptions, "fs" | "report">,
): StartCheckpoints {
  if (!isOnline) return { recoveryPoints: new Map(), logStarts: new Map(), highWatermarks: new Map() };
  const place = { fs, logDirectory: path };
  const readUnlessDamaged = (name: string) => {
    const found = readCheckpoint(place, name);
    if (typeof found !== "string") return found;
    report(`Ignoring a damaged checkpoint: ${found}`);
    return new Map<string, number>();
  };
  const logStarts = readCheckpoint(place, LOG_STARTS_FILE);
  if (typeof logStarts === "string") throw new LogDamagedError(logStarts);
  const recoveryPoints = readUnlessDamaged(RECOVERY_POINTS_FILE);
  return { recoveryPoints, logStarts, highWatermarks: readUnlessDamaged(HIGH_WATERMARKS_FILE) };
}
