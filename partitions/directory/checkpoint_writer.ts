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
import { LOG_STARTS_FILE, RECOVERY_POINTS_FILE } from "./checkpoint_files.ts";
import type { BrokerConfig } from "../config/broker/broker_config.ts";
import { CheckpointFile, type OffsetSnapshot } from "./checkpoint_file.ts";

/** Timers, as a parameter for tests. */
export interface Timers {
  /** Calls back periodically. @returns a function that ends it */
  every(ms: number, callback: () => void): () => void;
}

/** The runtime's timers. */
export const systemTimers: Timers = {
  every: (ms, callback) => {
    const timer = setInterval(callback, ms);
    return () => clearInterval(timer);
  },
};

/** The disk refused to write a checkpoint, whose old content stays. The message says which one, and why. */
export class CheckpointError extends Error {
  override name = "CheckpointError";
}

/** What is written, and when. */
export interface CheckpointsOptions {
  /** Where they are. */
  readonly logDirectory: string;
  readonly config: Pick<
    BrokerConfig,
    | "logFlushOffsetCheckpointIntervalMs"
    | "logFlushStartOffsetCheckpointIntervalMs"
    | "replicaHighWatermarkCheckpointIntervalMs"
  >;
  readonly recoveryPoints: OffsetSnapshot;
  readonly logStartOffsets: OffsetSnapshot;
  readonly highWatermarks: OffsetSnapshot;
  /** Gets a sentence when a file could not be written; the next interval tries again. */
  readonly report: (sentence: string) => void;
  readonly timers?: Timers;
}

/** Index of the log start offsets. */
const LOG_STARTS = 1;

/** The checkpoints of a log directory, written at Kafka's intervals from the construction until `stop()`. */
export class Checkpoints implements Disposable {
  readonly #files: CheckpointFile[];
  readonly #ends: (() => void)[];

  constructor(options: CheckpointsOptions) {
    const { logDirectory, config, report, timers = systemTimers } = options;
    const rows: [name: string, intervalMs: number, snapshot: OffsetSnapshot][] = [
      [RECOVERY_POINTS_FILE, config.logFlushOffsetCheckpointIntervalMs, options.recoveryPoints],
      [LOG_STARTS_FILE, config.logFlushStartOffsetCheckpointIntervalMs, options.logStartOffsets],
      ["replication-offset-checkpoint", config.replicaHighWatermarkCheckpointIntervalMs, options.highWatermarks],
    ];
    this.#files = rows.map(([name, , snapshot]) => new CheckpointFile(`${logDirectory}/${name}`, snapshot));
    this.#ends = this.#files.map((file, index) => {
      const intervalMs = (rows[index] as (typeof rows)[number])[1];
      return timers.every(intervalMs, () => {
        file.write().catch((error: unknown) => report(describe(file.path, error)));
      });
    });
  }

  /**
   * Writes the log start offsets now. Settles when their values at the time of the call are durable.
   * @throws CheckpointError as `writeAll()` does
   */
  async writeLogStarts(): Promise<void> {
    const file = this.#files[LOG_STARTS] as CheckpointFile;
    try {
      await file.write();
    } catch (error) {
      throw new CheckpointError(describe(file.path, error));
    }
  }

  /** Writes all checkpoints now. Settles when they are durable. @throws CheckpointError when the disk refused one */
  async writeAll(): Promise<void> {
    for (const file of this.#files) {
      try {
        await file.write();
      } catch (error) {
        throw new CheckpointError(describe(file.path, error));
      }
    }
  }

  /** Ends the intervals. Idempotent. */
  [Symbol.dispose](): void {
    for (const end of this.#ends.splice(0)) end();
  }

  /** Ends the intervals and writes everything once more; called after the logs were closed. @throws CheckpointError as `writeAll()` does */
  async stop(): Promise<void> {
    this[Symbol.dispose]();
    await this.writeAll();
  }
}

function describe(path: string, error: unknown): string {
  return `Cannot write checkpoint ${path}: ${error instanceof Error ? error.message : String(error)}`;
}
