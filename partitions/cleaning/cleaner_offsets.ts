/**
 * How far each log is compacted: Kafka's `cleaner-offset-checkpoint`. The main isolate reads it at the start, and writes it whenever a
 * log was compacted or a topic deleted.
 *
 *   "0\n" · count "\n" · { topic " " partition " " offset "\n" }     records below the offset are compacted
 *
 * An offset that is lost, or too low, costs another compaction. One of a deleted topic would leave a part of a new topic of the same name
 * uncompacted, so offsets belong to topic ids here, and the file is written before such a topic can be created.
 * Source: Kafka's LogCleanerManager.
 */
import { CheckpointFile } from "../directory/checkpoint_file.ts";
import { type FileSystem, partitionKey, readOffsetCheckpoint } from "../../storage/control.ts";
import { speaksOfOthers } from "../directory/partition_offsets.ts";
import type { MetadataImage } from "../metadata/image.ts";

/** Name of the file in a log directory. */
export const CLEANER_OFFSETS_FILE = "cleaner-offset-checkpoint";

/** Where the offsets are, and of which topics. */
export interface CleanerOffsetsParts {
  readonly fs: FileSystem;
  readonly logDirectory: string;
  readonly image: MetadataImage;
  /** Gets a sentence when the file is damaged or could not be written. */
  readonly report: (text: string) => void;
}

/** The offsets of all logs. */
export class CleanerOffsets {
  readonly #parts: CleanerOffsetsParts;
  readonly #file: CheckpointFile;
  /** Whether the file that was found is damaged or names partitions that do not exist: it has to be written before topics are created. */
  readonly isStale: boolean;
  /** By topic id and partition. */
  readonly #offsets = new Map<string, number>();

  /** Reads the file. @throws Error of the runtime when the disk refuses */
  constructor(parts: CleanerOffsetsParts) {
    this.#parts = parts;
    const { fs, logDirectory, image, report } = parts;
    const path = `${logDirectory}/${CLEANER_OFFSETS_FILE}`;
    this.#file = new CheckpointFile(path, () => this.#lines());
    const found = readOffsetCheckpoint(fs, path);
    this.isStale = typeof found === "string" || speaksOfOthers(new Set(found.keys()), image);
    if (typeof found === "string") {
      report(`${path} is written anew, and compacted topics are compacted from their start: ${found}`);
      return;
    }
    for (const { id, name, partitions } of image.topics()) {
      for (const { partition } of partitions) {
        const offset = found.get(partitionKey(name, partition));
        if (offset !== undefined) this.set(id, partition, offset);
      }
    }
  }

  /** Records of a partition below it are compacted; undefined for a log that was never compacted. */
  get(topicId: string, partition: number): number | undefined {
    return this.#offsets.get(`${topicId} ${partition}`);
  }

  /** A log was compacted. */
  set(topicId: string, partition: number, offset: number): void {
    this.#offsets.set(`${topicId} ${partition}`, offset);
  }

  /** Writes the file, if anything changed. Settles when it is durable, or was reported as refused: the next time tries again. */
  async write(): Promise<void> {
    try {
      await this.#file.write();
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      this.#parts.report(`Cannot write checkpoint ${this.#file.path}: ${message}`);
    }
  }

  /** The lines of topics that exist; those of others are forgotten. */
  #lines() {
    const lines: { topic: string; partition: number; offset: number }[] = [];
    const kept = new Map<string, number>();
    for (const { id, name, partitions } of this.#parts.image.topics()) {
      for (const { partition } of partitions) {
        const offset = this.get(id, partition);
        if (offset === undefined) continue;
        kept.set(`${id} ${partition}`, offset);
        lines.push({ topic: name, partition, offset });
      }
    }
    for (const key of this.#offsets.keys()) if (!kept.has(key)) this.#offsets.delete(key);
    return lines;
  }
}
