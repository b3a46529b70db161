/**
 * The leader epochs of a log and their file, `leader-epoch-checkpoint`. Runs on the shard that owns the log.
 * Must always hold: the file agrees with the memory before a batch of a new epoch is written. If the disk refuses the file, the batch is
 * refused and the next one tries again. An epoch without batches need not be in the file: a process that begins to lead thousands of
 * partitions would write as many files, and the start after a kill leads in a later epoch. The file need not be durable before the
 * batches: opening a log reads the epochs of all batches above the recovery point again. So nothing here waits for the disk while the log
 * is open; the flush that makes the batches durable includes the file. (Kafka waits.)
 *
 * Epochs that are dropped at the log's start stay in the file until its next write: opening the log drops them again.
 * Source: Kafka's LeaderEpochFileCache.
 */
import type { Offset } from "../../base/units.ts";
import { replaceFile, replaceFileUnflushed } from "../../directory/atomic_file.ts";
import { LeaderEpochTable } from "./leader_epoch_table.ts";
import type { FileSystem } from "../../sys/file_system.ts";
import type { Unflushed } from "../unflushed.ts";

/** Name of the file. */
export const LEADER_EPOCHS_FILE = "leader-epoch-checkpoint";

const decoder = new TextDecoder();

/** Leader epochs with their file. */
export class LeaderEpochFile {
  readonly #fs: FileSystem;
  readonly #directory: string;
  readonly #path: string;
  #epochs: LeaderEpochTable;
  /** Whether an epoch began that is not in the file. */
  #unsaved = false;
  /** Whether the file has entries that were dropped here. */
  #stale = false;
  /** Whether the file was missing or damaged, so that the epochs must come from the batches. */
  readonly wasLost: boolean;

  /**
   * Reads the file.
   * @param directory the partition's @param isNew whether there is none yet @throws the runtime's error when the file cannot be read
   */
  constructor(fs: FileSystem, directory: string, isNew = false) {
    this.#fs = fs;
    this.#directory = directory;
    this.#path = `${directory}/${LEADER_EPOCHS_FILE}`;
    const bytes = isNew ? null : fs.readFile(this.#path);
    const decoded = bytes === null || bytes.length === 0 ? null : LeaderEpochTable.decode(decoder.decode(bytes));
    this.wasLost = decoded === null;
    this.#epochs = decoded ?? new LeaderEpochTable();
  }

  /** The latest epoch, -1 for none. */
  get latest(): number {
    return this.#epochs.latest;
  }

  /**
   * Begins an epoch at an offset, if it is later than the latest one, and writes the file.
   * @param unflushed gets the file for the log's next flush
   * @throws when the disk refuses
   */
  assign(epoch: number, startOffset: Offset, unflushed: Unflushed): void {
    this.note(epoch, startOffset);
    if (this.#unsaved) this.save(unflushed);
  }

  /**
   * Notes the epoch of a leader's batch, and writes the file if it is another one than the latest. Entries that contradict it are dropped,
   * as in Kafka. @param unflushed as in `assign()` @throws when the disk refuses
   */
  follow(epoch: number, startOffset: Offset, unflushed: Unflushed): void {
    if (epoch >= 0 && epoch !== this.latest && this.#epochs.assign(epoch, startOffset)) this.#unsaved = true;
    if (this.#unsaved) this.save(unflushed);
  }

  /** Begins an epoch in memory only; `save()` writes it. */
  note(epoch: number, startOffset: Offset): void {
    if (epoch >= 0 && epoch > this.latest && this.#epochs.assign(epoch, startOffset)) this.#unsaved = true;
  }

  /**
   * Writes the file if something changed.
   * @param unflushed as in `assign()`; null makes it durable now @throws when the disk refuses
   */
  save(unflushed: Unflushed | null): void {
    if (!this.#unsaved && !this.#stale) return;
    const text = this.#epochs.encode();
    if (unflushed === null) replaceFile(this.#fs, this.#path, text);
    else {
      replaceFileUnflushed(this.#fs, this.#path, text);
      unflushed.addFile(this.#path);
      unflushed.addDirectory(this.#directory);
    }
    this.#unsaved = this.#stale = false;
  }

  /** Drops all epochs. */
  clear(): void {
    this.#epochs = new LeaderEpochTable();
    this.#stale = true;
  }

  /** Drops epochs below the log start; the epoch that holds it begins there. */
  truncateFromStart(logStartOffset: Offset): void {
    if (this.#epochs.truncateFromStart(logStartOffset)) this.#stale = true;
  }

  /** Drops epochs that begin at or above a log end; a new epoch is assigned later. */
  truncateFromEnd(logEndOffset: Offset): void {
    if (this.#epochs.truncateFromEnd(logEndOffset)) this.#stale = true;
  }

  /** Largest known epoch at most `epoch`, and where the next one begins. */
  endOffsetFor(epoch: number, logEndOffset: Offset): { epoch: number; endOffset: Offset } {
    return this.#epochs.endOffsetFor(epoch, logEndOffset);
  }

  /** Epoch in which the record at an offset was appended, -1 when unknown. */
  epochFor(offset: Offset): number {
    return this.#epochs.epochFor(offset);
  }
}
