/** Messages between the main isolate and a codec worker. Plain data. */
import type { BatchCheck, BatchRules } from "../records/batch_rules.ts";
import type { FoundRecord, RecordSearch } from "../records/timestamp_search.ts";

/** A batch to unpack, check and pack. It lies in the arena of the shard that received it, and stays there until the answer. */
export interface CodecWork {
  /** Number of that shard. */
  readonly arena: number;
  readonly start: number;
  readonly length: number;
  /** The topic's rules, as of the first stage of the check. */
  readonly rules: BatchRules;
}

/** The answer: a final check. */
export interface CodecAnswer extends Omit<BatchCheck, "isPending"> {
  /** The batch that is stored in place of the client's, transferred; null where the client's own bytes are stored. */
  readonly rebuilt: ArrayBuffer | null;
}

/** A stored batch, transferred, and what to find in it. */
export interface SearchWork {
  readonly batch: ArrayBuffer;
  readonly search: RecordSearch;
}

/** The first message to a worker: the arenas, by shard. */
export interface CodecStart {
  readonly arenas: readonly SharedArrayBuffer[];
}

/** What a worker is asked to do. */
export type CodecTask =
  | { readonly type: "transcode"; readonly work: CodecWork; readonly contentBytesMax: number }
  | { readonly type: "search"; readonly work: SearchWork };

/** Its answer. A check that is pending found more content than the task allows. */
export type CodecOutcome =
  | { readonly type: "transcoded"; readonly answer: CodecAnswer; readonly isPending: boolean }
  | { readonly type: "found"; readonly record: FoundRecord };
