/** Messages between the main isolate and a codec worker. Plain data. */
import type { BatchCheck, BatchRules } from "../records/batch_rules.ts";

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

/** The first message to a worker: the arenas, by shard. */
export interface CodecStart {
  readonly arenas: readonly SharedArrayBuffer[];
}
