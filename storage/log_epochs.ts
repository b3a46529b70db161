/**
 * The leader epochs of a log and their file, `leader-epoch-checkpoint`. Runs on the shard that owns the log.
 * Must always hold: the file says what the memory says before a batch of a new epoch is written; where the disk refused
 * that, the batch is refused and the next one tries again.
 * Source: Kafka's LeaderEpochFileCache.
 */
import type { Offset } from "./base/units.ts";
import { writeAtomically, writeUnflushed } from "./checkpoint.ts";
import { LeaderEpochs } from "./leader_epochs.ts";
import type { FileSystem } from "./sys/file_system.ts";
import type { Unflushed } from "./unflushed.ts";

/** Name of the file. */
export const LEADER_EPOCHS_FILE = "leader-epoch-checkpoint";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Leader epochs that are kept in a file. */
export class LogEpochs {
  readonly #fs: FileSystem;
  readonly #path: string;
  #epochs: LeaderEpochs;
  #unsaved = false;
  /** Whether the file was missing or damaged, so that the epochs must come from the batches. */
  readonly wasLost: boolean;

  /** Reads the file. @param directory the partition's @throws the runtime's error when it cannot be read */
  constructor(fs: FileSystem, directory: string) {
    this.#fs = fs;
    this.#path = `${directory}/${LEADER_EPOCHS_FILE}`;
    const bytes = fs.readFile(this.#path);
    const decoded = bytes === null || bytes.length === 0 ? null : LeaderEpochs.decode(decoder.decode(bytes));
    this.wasLost = decoded === null;
    this.#epochs = decoded ?? new LeaderEpochs();
  }

  /** The latest epoch, -1 for none. */
  get latest(): number {
    return this.#epochs.latest;
  }

  /**
   * Begins an epoch at an offset, if it is later than the latest one, and writes the file.
   * @param unflushed of an empty log: the file is durable with its first flush
   * @throws when the disk refuses
   */
  assign(epoch: number, startOffset: Offset, unflushed: Unflushed | null = null): void {
    this.note(epoch, startOffset);
    this.save(unflushed);
  }

  /** Begins an epoch in memory only; `save()` writes it. */
  note(epoch: number, startOffset: Offset): void {
    if (epoch >= 0 && epoch > this.latest && this.#epochs.assign(epoch, startOffset)) this.#unsaved = true;
  }

  /** Writes the file if something changed. @param unflushed as of `assign()` @throws when the disk refuses */
  save(unflushed: Unflushed | null = null): void {
    if (!this.#unsaved) return;
    const bytes = encoder.encode(this.#epochs.encode());
    if (unflushed === null) writeAtomically(this.#fs, this.#path, bytes);
    else {
      writeUnflushed(this.#fs, this.#path, bytes);
      unflushed.addFile(this.#path);
    }
    this.#unsaved = false;
  }

  /** Forgets what lies outside of the log. */
  truncate(range: { logStartOffset: Offset; logEndOffset: Offset }): void {
    const cut = this.#epochs.truncateFromEnd(range.logEndOffset);
    if (this.#epochs.truncateFromStart(range.logStartOffset) || cut) this.#unsaved = true;
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
