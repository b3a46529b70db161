/**
 * Kafka's offset checkpoints: for each log the offset from which it must be recovered, the offset at which it starts, and its high
 * watermark. The main isolate writes them with asynchronous file calls, so that no shard waits. Their values may be old, never wrong:
 * the offsets are taken before the file is written.
 *
 * `recovery-point-offset-checkpoint`, `log-start-offset-checkpoint`, `replication-offset-checkpoint`:
 *   "0\n" · count "\n" · { topic " " partition " " offset "\n" }
 *
 * Always: after a crash each file has its old or its new content.
 * Source: Kafka's LogManager.checkpointLogRecoveryOffsets, ReplicaManager.checkpointHighWatermarks, CheckpointFile.
 */
import { encodeOffsetCheckpoint } from "../../storage/control.ts";
import { HIGH_WATERMARKS_FILE, LOG_STARTS_FILE, RECOVERY_POINTS_FILE } from "./checkpoint_files.ts";
import type { BrokerConfig } from "../config/broker/broker_config.ts";
import { CheckpointFile, type OffsetSnapshot } from "./checkpoint_file.ts";

/** Timers, as a parameter for tests. */
export interface Timers {
  /** Calls back periodically. @returns a function that ends it */
  every(ms: number, callback: () => void): () => void;
}

/** A longer time is none for the runtime's timers, which would call back at once, again and again: 24.8 days. */
const INTERVAL_MS_MAX = 2 ** 31 - 1;

/** The runtime's timers. */
export const systemTimers: Timers = {
  every: (ms, callback) => {
    const timer = setInterval(callback, Math.min(ms, INTERVAL_MS_MAX));
    return () => clearInterval(timer);
  },
};

/** The disk refused to write a checkpoint, whose old content stays. The message says which one, and why. */
export class CheckpointError extends Error {
  override name = "CheckpointError";
}

/** A small file of every log directory that is written like a checkpoint. */
export interface CheckpointKind {
  readonly name: string;
  readonly intervalMs: number;
  /** Its text now. @param directory index of the log directory */
  readonly content: (directory: number) => string;
}

/** What is written, and when. */
export interface CheckpointsOptions {
  /** The log directories, by index. */
  readonly directories: readonly { readonly path: string; readonly isOnline: boolean }[];
  readonly config: Pick<
    BrokerConfig,
    | "logFlushOffsetCheckpointIntervalMs"
    | "logFlushStartOffsetCheckpointIntervalMs"
    | "replicaHighWatermarkCheckpointIntervalMs"
  >;
  readonly recoveryPoints: OffsetSnapshot;
  readonly logStartOffsets: OffsetSnapshot;
  readonly highWatermarks: OffsetSnapshot;
  /** Further files; none by default. */
  readonly others?: readonly CheckpointKind[];
  /** Gets a sentence when a file could not be written; the next interval tries again. */
  readonly report: (sentence: string) => void;
  /** Called once when the disk of a directory has failed or is gone. Nothing is written to it any more. */
  readonly onDirectoryFailed: (directory: number, failure: CheckpointError) => void;
  readonly timers?: Timers;
}

/** System errors after which a disk takes no more writes by itself: it is broken, gone, or read-only. A full disk is none of them. */
const DISK_FAILURES: ReadonlySet<string> = new Set(["EIO", "ENODEV", "ENOENT", "ENOTDIR", "ENXIO", "EROFS", "ESTALE"]);

/** The checkpoints of the log directories, written at Kafka's intervals from the construction until `stop()`. */
export class Checkpoints implements Disposable {
  readonly #options: CheckpointsOptions;
  #files: CheckpointFile[] = [];
  readonly #ends: (() => void)[];

  constructor(options: CheckpointsOptions) {
    const { directories, config, others = [], timers = systemTimers } = options;
    this.#options = options;
    const rows: [name: string, intervalMs: number, snapshot: OffsetSnapshot][] = [
      [RECOVERY_POINTS_FILE, config.logFlushOffsetCheckpointIntervalMs, options.recoveryPoints],
      [LOG_STARTS_FILE, config.logFlushStartOffsetCheckpointIntervalMs, options.logStartOffsets],
      [HIGH_WATERMARKS_FILE, config.replicaHighWatermarkCheckpointIntervalMs, options.highWatermarks],
    ];
    const kinds = rows.map(([name, intervalMs, snapshot]): CheckpointKind => {
      return { name, intervalMs, content: (directory) => encodeOffsetCheckpoint(snapshot(directory)) };
    });
    this.#ends = [...kinds, ...others].map(({ name, intervalMs, content }) => {
      for (const [directory, { path, isOnline }] of directories.entries()) {
        if (!isOnline) continue;
        this.#files.push(new CheckpointFile({ path, name, directory }, () => content(directory)));
      }
      return timers.every(intervalMs, () => {
        for (const file of this.#files) {
          if (file.name === name) file.write().catch((error: unknown) => this.#onRefused(file, error));
        }
      });
    });
  }

  /**
   * Writes the log start offsets now. Settles when their values at the time of the call are durable.
   * @throws CheckpointError as `writeAll()` does
   */
  async writeLogStarts(): Promise<void> {
    await this.#write(this.#files.filter(({ name }) => name === LOG_STARTS_FILE));
  }

  /** Writes all checkpoints now. Settles when they are durable. @throws CheckpointError when a disk refused one; the others are written */
  async writeAll(): Promise<void> {
    await this.#write(this.#files);
  }

  /** Ends the intervals. Idempotent. */
  [Symbol.dispose](): void {
    for (const end of this.#ends.splice(0)) end();
  }

  /**
   * Ends the intervals and writes everything once more; called after the logs were closed.
   * @returns what disks refused, by the index of the directory
   */
  async stop(): Promise<ReadonlyMap<number, CheckpointError>> {
    this[Symbol.dispose]();
    return await this.#tryAll(this.#files);
  }

  #onRefused({ path, directory }: CheckpointFile, error: unknown): void {
    const refusal = refusalOf(path, error);
    const code = (error as { code?: unknown }).code;
    if (typeof code !== "string" || !DISK_FAILURES.has(code)) return this.#options.report(refusal.message);
    if (!this.#files.some((file) => file.directory === directory)) return;
    this.#files = this.#files.filter((file) => file.directory !== directory);
    this.#options.onDirectoryFailed(directory, refusal);
  }

  async #write(files: readonly CheckpointFile[]): Promise<void> {
    for (const [, refusal] of await this.#tryAll(files)) throw refusal;
  }

  async #tryAll(files: readonly CheckpointFile[]): Promise<Map<number, CheckpointError>> {
    const refusals = new Map<number, CheckpointError>();
    for (const file of files) {
      try {
        await file.write();
      } catch (error) {
        refusals.set(file.directory, refusalOf(file.path, error));
      }
    }
    return refusals;
  }
}

function refusalOf(path: string, error: unknown): CheckpointError {
  const why = error instanceof Error ? error.message : String(error);
  return new CheckpointError(`Cannot write checkpoint ${path}: ${why}`, { cause: error });
}
