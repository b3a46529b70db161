/**
 * How far each log is compacted: Kafka's `cleaner-offset-checkpoint`, one in each log directory. The main isolate reads them at the start,
 * and writes one whenever a log of its directory was compacted or a topic deleted.
 *
 *   "0\n" · count "\n" · { topic " " partition " " offset "\n" }     records below the offset are compacted
 *
 * An offset that is lost, or too low, costs another compaction. One that is too high would leave records of a log uncompacted, so it is
 * lowered when the log is truncated. One of a deleted topic would leave a part of a new topic of the same name
 * uncompacted, so offsets belong to topic ids here, and the file is written before such a topic can be created.
 * Source: Kafka's LogCleanerManager.
 */
import { CheckpointFile } from "../directory/checkpoint_file.ts";
import { encodeOffsetCheckpoint, type FileSystem, partitionKey, readOffsetCheckpoint } from "../../storage/control.ts";
import { speaksOfOthers } from "../directory/partition_offsets.ts";
import { isHere, type MetadataImage } from "../metadata/image.ts";
import { emptyWatermarks, partitionState, type WatermarkTable } from "../shared/watermarks.ts";

/** Name of the file in a log directory. */
export const CLEANER_OFFSETS_FILE = "cleaner-offset-checkpoint";

/** Where the offsets are, and of which topics. */
export interface CleanerOffsetsParts {
  readonly fs: FileSystem;
  /** The log directories, by index. */
  readonly directories: readonly { readonly path: string; readonly isOnline: boolean }[];
  readonly image: MetadataImage;
  /** Gets a sentence when the file is damaged or could not be written. */
  readonly report: (text: string) => void;
}

/** The offsets of all logs. */
export class CleanerOffsets {
  readonly #parts: CleanerOffsetsParts;
  readonly #files: readonly CheckpointFile[];
  /** Whether a file that was found is damaged or names partitions that do not exist: it has to be written before topics are created. */
  readonly isStale: boolean;
  /** By topic id and partition. */
  readonly #offsets = new Map<string, number>();

  /** Reads the files. @throws Error of the runtime when the disk refuses */
  constructor(parts: CleanerOffsetsParts) {
    this.#parts = parts;
    this.#files = parts.directories.flatMap(({ path, isOnline }, directory) => {
      const content = () => encodeOffsetCheckpoint(this.#lines(directory));
      return isOnline ? [new CheckpointFile({ path, name: CLEANER_OFFSETS_FILE, directory }, content)] : [];
    });
    this.isStale = this.#files.map((file) => this.#read(file)).includes("stale");
  }

  /** Records of a partition below it are compacted; undefined for a log that was never compacted. */
  get(topicId: string, partition: number): number | undefined {
    return this.#offsets.get(`${topicId} ${partition}`);
  }

  /** A log was compacted. */
  set(topicId: string, partition: number, offset: number): void {
    this.#offsets.set(`${topicId} ${partition}`, offset);
  }

  /**
   * A log was cut off at an offset. (Kafka's LogCleanerManager.maybeTruncateCheckpoint.)
   * @param slot its row in the watermark table @returns whether it was compacted beyond it, so that `write()` has to follow
   */
  lower(slot: number, endOffset: number): boolean {
    if (this.#offsets.size === 0) return false;
    for (const { id, partitions } of this.#parts.image.topics()) {
      const found = partitions.find((place) => place.slot === slot && isHere(place));
      if (found === undefined) continue;
      if ((this.get(id, found.partition) ?? 0) <= endOffset) return false;
      this.set(id, found.partition, endOffset);
      return true;
    }
    return false;
  }

  /** Does so with all open logs that end below their offsets. @returns as `lower()` */
  lowerToEnds(watermarks: WatermarkTable): boolean {
    let isLowered = false;
    const row = emptyWatermarks();
    for (const { id, partitions } of this.#parts.image.topics()) {
      for (const { partition, slot } of partitions.filter(isHere)) {
        const offset = this.get(id, partition);
        if (offset === undefined) continue;
        const { state, logEndOffset } = watermarks.read(slot, row);
        if (state !== partitionState.open || offset <= logEndOffset) continue;
        this.set(id, partition, logEndOffset);
        isLowered = true;
      }
    }
    return isLowered;
  }

  /** Writes the files that changed. Settles when they are durable, or were reported as refused: the next time tries again. */
  async write(): Promise<void> {
    for (const file of this.#files) {
      try {
        await file.write();
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error);
        this.#parts.report(`Cannot write checkpoint ${file.path}: ${message}`);
      }
    }
  }

  #read({ path, directory: index }: CheckpointFile): "stale" | "sound" {
    const { fs, image, report } = this.#parts;
    const found = readOffsetCheckpoint(fs, path);
    if (typeof found === "string") {
      report(`${path} is written anew, and compacted topics are compacted from their start: ${found}`);
      return "stale";
    }
    for (const { id, name, partitions } of image.topics()) {
      for (const { partition, directory } of partitions) {
        const offset = found.get(partitionKey(name, partition));
        if (offset !== undefined && directory === index) this.set(id, partition, offset);
      }
    }
    return speaksOfOthers(new Set(found.keys()), image) ? "stale" : "sound";
  }

  /** The lines of partitions that this broker has; those of others are forgotten. */
  #lines(index: number) {
    const lines: { topic: string; partition: number; offset: number }[] = [];
    const kept = new Set<string>();
    for (const { id, name, partitions } of this.#parts.image.topics()) {
      for (const { partition, directory } of partitions.filter(isHere)) {
        kept.add(`${id} ${partition}`);
        const offset = this.get(id, partition);
        if (offset !== undefined && directory === index) lines.push({ topic: name, partition, offset });
      }
    }
    for (const key of this.#offsets.keys()) if (!kept.has(key)) this.#offsets.delete(key);
    return lines;
  }
}
