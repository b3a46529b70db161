/**
 * What the main isolate asks a shard to do for the compaction of logs, and the answers (drawn in log_cleaner.ts). Plain data.
 */
import type { CleaningOrder, SegmentReplacement } from "../../storage/mod.ts";

/** Main isolate to shard. Slots are rows of the watermark table. */
export type CleaningRequest =
  /** Which of these partitions is the filthiest? In columns: there may be thousands. */
  | {
    readonly kind: "choose";
    readonly slots: Int32Array;
    /** Where the last cleaning of each ended, -1 for none. */
    readonly checkpointed: Float64Array;
  }
  /** From now on the partition's segments stay as they are. */
  | {
    readonly kind: "begin";
    readonly slot: number;
    readonly checkpointed: number;
    readonly dedupeBufferBytes: number;
    readonly dedupeLoadFactor: number;
  }
  /** Puts the new segments in the place of the old ones. */
  | { readonly kind: "swap"; readonly slot: number; readonly replacements: readonly SegmentReplacement[] }
  /** The cleaning has ended without new segments. `damage`: a sentence, where the worker met damaged batches. */
  | { readonly kind: "end"; readonly slot: number; readonly damage: string | null };

/** Shard to main isolate, by itself. */
export type CleaningNotice =
  /** The result of the worker that cleans the partition is not wanted any more. */
  | { readonly kind: "aborted"; readonly slot: number }
  /** The log was cut off at an offset: what comes behind it is not compacted. */
  | { readonly kind: "truncated"; readonly slot: number; readonly endOffset: number };

/** The answers. */
export type CleaningAnswer =
  | { readonly kind: "chosen"; readonly slot: number; readonly dirtyRatio: number }
  | { readonly kind: "begun"; readonly order: CleaningOrder }
  /** The new segments are in place, durably. */
  | { readonly kind: "swapped" }
  /** Nothing is to be done, or not any more: the partition was removed or handed over, its topic is not compacted, its log is offline. */
  | { readonly kind: "nothing" }
  /** The disk failed in a way that nothing repairs before a restart. */
  | { readonly kind: "failed"; readonly message: string };
