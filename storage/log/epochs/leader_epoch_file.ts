/**
 * The leader epochs of a log and their file, `leader-epoch-checkpoint`. Runs on the shard that owns the log.
 * Must always hold: the file says what the memory says before a batch of a new epoch is written; where the disk refused
 * that, the batch is refused and the next one tries again. It need not be durable before the batches are: an open notes the epochs
 * of all batches above the recovery point anew. So nothing here waits for the disk while the log is open; the flush that makes the
 * batches durable takes the file along. (Kafka waits.)
 *
 * What is forgotten at the log's start stays in the file until it is written for another reason: an open forgets it again.
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

/** Leader epochs that are kept in a file. */
export class LeaderEpochFile {
  readonly #fs: FileSystem;
  readonly #directory: string;
  readonly #path: string;
  #epochs: LeaderEpochTable;
  /** An epoch began that the file does not have. */
  #unsaved = false;
  /** The file has more than is known here. */
  #stale = false;
  /** Whether the file was missing or damaged, so that the epochs must come from the batches. */
  readonly wasLost: boolean;

  /** Reads the file. @param directory the partition's @throws the runtime's error when it cannot be read */
  constructor(fs: FileSystem, directory: string) {
    this.#fs = fs;
    this.#directory = directory;
    this.#path = `${directory}/${LEADER_EPOCHS_FILE}`;
    const bytes = fs.readFile(this.#path);
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
   * @param unflushed takes the file to the next flush of the log
   * @throws when the disk refuses
   */
  assign(epoch: number, startOffset: Offset, unflushed: Unflushed): void {
    this.note(epoch, startOffset);
    if (this.#unsaved) this.save(unflushed);
  }

  /** Begins an epoch in memory only; `save()` writes it. */
  note(epoch: number, startOffset: Offset): void {
    if (epoch >= 0 && epoch > this.latest && this.#epochs.assign(epoch, startOffset)) this.#unsaved = true;
  }

  /** Writes the file if something changed. @param unflushed as of `assign()`; null: durable now @throws when the disk refuses */
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

  /** Forgets all. */
  clear(): void {
    this.#epochs = new LeaderEpochTable();
    this.#stale = true;
  }

  /** Forgets what lies below the log start; the epoch that it falls into begins there. */
  truncateFromStart(logStartOffset: Offset): void {
    if (this.#epochs.truncateFromStart(logStartOffset)) this.#stale = true;
  }

  /** Forgets epochs that begin at the log end or above, as it was found: an epoch that begins now is assigned afterwards. */
  truncateFromEnd(logEndOffset: Offset): void {
    if (this.#epochs.truncateFromEnd(logEndOffset)) this.#stale = true;
  }

  /** Largest known epoch at most `epoch`, and where the next one begins. */
  endOffsetFor(epoch: number, logEndOffset: Offset): { epoch: number; endOffset: Offset } {
    return this.#epochs.endOffsetFor(epoch, logEndOffset);
  }

  /** Epoch in which the record at an offset was appended, -1 where not known. */
  epochFor(offset: Offset): number {
    return this.#epochs.epochFor(offset);
  }
}
