/**
 * The logs of one shard in a log directory: where they are, what the checkpoints say of them, what they share.
 * Runs on shards.
 */
import { join } from "node:path";
import {
  type Clock,
  type FileSystem,
  Log,
  LogDamagedError,
  LogResources,
  type Offset,
  partitionKey,
  readOffsetCheckpoint,
  storageFailure,
  toOffset,
} from "../storage/mod.ts";
import type { TopicImage } from "./metadata/image.ts";

/** Names of the checkpoint files that a log is opened with. */
const RECOVERY_POINTS_FILE = "recovery-point-offset-checkpoint";
const LOG_STARTS_FILE = "log-start-offset-checkpoint";

/** What the store is told. */
export interface LogStoreOptions {
  readonly fs: FileSystem;
  readonly clock: Clock;
  /** The log directory (`log.dirs`). */
  readonly directory: string;
  /** Whether it was left by a clean stop. */
  readonly cleanShutdown: boolean;
  /** `producer.id.expiration.ms` */
  readonly producerIdExpirationMs: number;
  /** Closed segments whose files may stay open, 256 where absent. */
  readonly warmSegmentsMax?: number;
  /** Gets sentences about what recovery found and did. */
  readonly report: (message: string) => void;
}

/** Opens logs. */
export class LogStore {
  readonly #options: LogStoreOptions;
  readonly #resources: LogResources;
  /** What the checkpoints said at the start; taken out as logs are opened, because a topic may be created anew under its name. */
  readonly #recoveryPoints: Map<string, number>;
  readonly #logStarts: Map<string, number>;

  /** Reads the checkpoints of the directory; a missing or damaged one costs a longer recovery, nothing else. */
  constructor(options: LogStoreOptions) {
    this.#options = options;
    this.#resources = new LogResources(options.fs, options.warmSegmentsMax);
    this.#recoveryPoints = this.#checkpoint(RECOVERY_POINTS_FILE);
    this.#logStarts = this.#checkpoint(LOG_STARTS_FILE);
  }

  /** Opens a partition's log, recovering it where needed. @returns the log, or a sentence why it cannot be served */
  open(topic: TopicImage, partition: number): Log | string {
    const { fs, clock, cleanShutdown, producerIdExpirationMs, report } = this.#options;
    const key = partitionKey(topic.name, partition);
    const directory = join(this.#options.directory, `${topic.name}-${partition}`);
    try {
      return Log.open({
        fs,
        clock,
        directory,
        config: topic.logConfig,
        cleanShutdown,
        recoveryPoint: take(this.#recoveryPoints, key),
        logStartOffset: take(this.#logStarts, key),
        producerIdExpirationMs,
        topicId: topic.id,
        resources: this.#resources,
        report,
      });
    } catch (error) {
      // A damaged log or a refusing disk takes this partition offline; anything else is a bug and stops the shard.
      const reason = error instanceof LogDamagedError ? error.message : storageFailure(error);
      return `Cannot open ${directory}: ${reason}`;
    }
  }

  /** Takes a lease on a segment file back. */
  release(lease: number): void {
    this.#resources.leases.release(lease);
  }

  #checkpoint(name: string): Map<string, number> {
    const path = join(this.#options.directory, name);
    const checkpoint = readOffsetCheckpoint(this.#options.fs, path);
    if (typeof checkpoint !== "string") return checkpoint;
    this.#options.report(`Ignoring ${path}: ${checkpoint}`);
    return new Map();
  }
}

function take(offsets: Map<string, number>, key: string): Offset {
  const offset = offsets.get(key) ?? 0;
  offsets.delete(key);
  return toOffset(offset);
}
