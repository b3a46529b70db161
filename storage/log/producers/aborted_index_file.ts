/**
 * Writes the index of aborted transactions of the active segment (segments/transaction_index.ts) for a log that takes over batches of others:
 * a follower's. Cleanings rely on it. With an entry missing they take the records of an aborted transaction for the latest ones of their
 * keys. Runs on the shard that owns the log.
 *
 * Always: an entry is written before the batch of its abort marker, and counts once that is in the log. One whose batch the disk refused is
 * overwritten or cut off. The next flush makes the file durable with the batch; what a crash leaves is put right by the next start
 * (aborted_recovery.ts).
 * Source: Kafka's LogSegment.updateTxnIndex, ProducerStateManager.lastStableOffset.
 */
import type { Offset } from "../../base/units.ts";
import { partitionFileName } from "../../segments/segment_names.ts";
import {
  abortedBytesBelow,
  type AbortedTransaction,
  encodeTransactionIndex,
} from "../../segments/transaction_index.ts";
import type { FileSystem } from "../../sys/file_system.ts";
import { SystemError } from "../../sys/libc.ts";
import { allocateNative } from "../../sys/memory.ts";
import type { Unflushed } from "../unflushed.ts";

/** The index of the segment that is appended to. */
export class AbortedIndexFile {
  readonly #fs: FileSystem;
  readonly #directory: string;
  readonly #unflushed: Unflushed;
  /** Base offset of the segment whose size is known, -1 for none. */
  #base = -1;
  /** Bytes of its entries whose markers are in the log. */
  #bytes = 0;

  /** @param directory of the partition @param unflushed gets the file */
  constructor(fs: FileSystem, directory: string, unflushed: Unflushed) {
    this.#fs = fs;
    this.#directory = directory;
    this.#unflushed = unflushed;
  }

  /**
   * Writes an entry, appends the batch of its marker, and cuts the entry off again where the batch was refused.
   * @param base base offset of the segment @param append returns why the disk refused the batch, or null
   * @throws SystemError, or the runtime's errors, when the disk refuses the entry; the batch is not appended then
   */
  append(base: Offset, aborted: AbortedTransaction, append: () => string | null): string | null {
    const path = `${this.#directory}/${partitionFileName(base, ".txnindex")}`;
    const entry = encodeTransactionIndex([aborted]);
    const memory = allocateNative(entry.length);
    memory.bytes.set(entry);
    const fd = this.#fs.open(path, { write: true, create: true });
    try {
      if (this.#base !== base) {
        const bytes = this.#fs.readFile(path) as Uint8Array;
        this.#bytes = abortedBytesBelow(bytes, aborted.lastOffset);
        this.#fs.truncate(fd, this.#bytes);
        this.#base = base;
      }
      const written = this.#fs.pwrite(fd, memory, 0, entry.length, this.#bytes);
      const refusal = written === entry.length ? append() : `${new SystemError(`write ${path}`).message}`;
      if (refusal === null) this.#bytes += entry.length;
      else this.#fs.truncate(fd, this.#bytes);
      return refusal;
    } finally {
      this.#fs.close(fd);
      this.#unflushed.addFile(path);
      this.#unflushed.addDirectory(this.#directory);
    }
  }

  /** The log was truncated: the size of the file is not known any more. */
  forget(): void {
    this.#base = -1;
  }
}
