/**
 * The compaction of a broker: how far each log is compacted, the workers, and what looks for work. Runs on the main isolate.
 */
import {
  CleanerOffsets,
  type CleanerSettings,
  type CleaningAnswer,
  type CleaningNotice,
  type CleaningRequest,
  LogCleaner,
  type MetadataImage,
  type WatermarkTable,
} from "../../partitions/control.ts";
import { CleanerPool, type FileSystem, linuxFileSystem } from "../../storage/control.ts";

/** What a compaction is built from. */
export interface CompactionParts {
  readonly config: CleanerSettings;
  /** The log directories, by index. */
  readonly directories: readonly { readonly path: string; readonly isOnline: boolean }[];
  readonly image: MetadataImage;
  readonly watermarks: WatermarkTable;
  /** Asks one of them something. */
  readonly shards: { clean(shard: number, request: CleaningRequest): Promise<CleaningAnswer> };
  /** Reports trouble to the operator, as a sentence. */
  readonly report: (text: string) => void;
  /** Says what was done. */
  readonly inform: (text: string) => void;
  readonly fs?: FileSystem;
}

function callAfter(ms: number, callback: () => void): () => void {
  const timer = setTimeout(callback, ms);
  return () => clearTimeout(timer);
}

/** Compacts logs until `stop()`. */
export class Compaction implements AsyncDisposable {
  readonly offsets: CleanerOffsets;
  readonly #workers: CleanerPool;
  readonly #cleaner: LogCleaner;

  private constructor({ config, directories, image, shards, report, inform, fs = linuxFileSystem }: CompactionParts) {
    this.offsets = new CleanerOffsets({ fs, directories, image, report });
    const workers = this.#workers = new CleanerPool({ after: callAfter });
    const clean: ConstructorParameters<typeof LogCleaner>[0]["clean"] = (...job) => workers.clean(...job);
    const ask = (shard: number, request: CleaningRequest) => shards.clean(shard, request);
    this.#cleaner = new LogCleaner({ image, offsets: this.offsets, config, ask, clean, report, inform });
  }

  /** Begins, once the shards have opened their logs. @throws Error of the runtime when the checkpoint cannot be read */
  static async start(parts: CompactionParts): Promise<Compaction> {
    const compaction = new Compaction(parts);
    // A process may have ended between a truncation and the checkpoint.
    const isLowered = compaction.offsets.lowerToEnds(parts.watermarks);
    if (isLowered || compaction.offsets.isStale) await compaction.offsets.write();
    return compaction;
  }

  /** A shard tells something. */
  receive(notice: CleaningNotice): void {
    if (notice.kind === "aborted") this.#cleaner.onAborted(notice.slot);
    else if (this.offsets.lower(notice.slot, notice.endOffset)) void this.offsets.write();
  }

  /** The settings have changed. */
  configure(): void {
    this.#cleaner.configure();
  }

  /** Compacts what is due now. Settles when nothing is due any more. */
  look(): Promise<void> {
    return this.#cleaner.look();
  }

  /** Ends what is under way, and the workers. Settles when that is done. Idempotent. */
  async stop(): Promise<void> {
    await this.#cleaner.stop();
    this.#workers[Symbol.dispose]();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}
