/** Messages between the main isolate and a cleaner worker. Plain data. */
import type { CleaningJob, CleaningResult, CleaningSegment } from "../cleaner/cleaning_job.ts";

/** A job without what the worker itself reads from the disk: the shard that owns the log would wait for it. */
export interface CleaningOrder extends Omit<CleaningJob, "segments"> {
  readonly segments: readonly Omit<CleaningSegment, "modifiedMs">[];
}

/** How a cleaning ended. */
export type CleaningOutcome =
  | { readonly kind: "cleaned"; readonly result: CleaningResult }
  /** It was aborted, and has removed its files. */
  | { readonly kind: "aborted" }
  /** The disk refused. A later one may succeed. @see FileSystem */
  | { readonly kind: "refused"; readonly message: string }
  /** The log's batches are damaged. */
  | { readonly kind: "damaged"; readonly message: string }
  /** The log cannot be cleaned (`UncleanableError`), or the cleaner has a bug. */
  | { readonly kind: "failed"; readonly message: string };

/** Main isolate to worker: one cleaning at a time. */
export type ToCleaner =
  | { readonly type: "clean"; readonly order: CleaningOrder; readonly bytesPerSecond: number }
  | { readonly type: "abort" };
