/** Reads the aborted transactions of a log from the indexes beside its segments. Runs on the cleaner worker. */
import { partitionFileName } from "../segments/segment_names.ts";
import { type AbortedTransaction, decodeTransactionIndex } from "../segments/transaction_index.ts";
import type { FileSystem } from "../sys/file_system.ts";
import type { CleaningJob } from "./cleaning_job.ts";
import { UncleanableError } from "./uncleanable.ts";

/**
 * Reads all aborted transactions that may have batches in the segments of a job. The abort marker of such a transaction lies in one of
 * them, or in the active segment after them.
 * @throws UncleanableError when an index cannot be right @throws the runtime's errors when the disk refuses
 */
export function readAborted(fs: FileSystem, { directory, segments }: CleaningJob): AbortedTransaction[] {
  const present = new Set(fs.list(directory).map(({ name }) => name));
  const baseOffsets = [...segments.map(({ baseOffset }) => baseOffset), segments.at(-1)!.endOffset];
  return baseOffsets.flatMap((baseOffset) => {
    const name = partitionFileName(baseOffset, ".txnindex");
    const bytes = present.has(name) ? fs.readFile(`${directory}/${name}`) : null;
    if (bytes === null) return [];
    const transactions = decodeTransactionIndex(bytes, baseOffset);
    if (transactions !== null) return transactions;
    throw new UncleanableError(`Cannot clean ${directory}: ${name} is damaged`);
  });
}
