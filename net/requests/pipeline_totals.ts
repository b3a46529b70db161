/** What the requests of all connections of a shard take, as one object that their pipelines share. Runs on shards. */
import { RequestWeights } from "./request_weights.ts";

/** What the pipelines of a shard take together. */
export interface PipelineTotals {
  /** Bytes of requests without an answer. */
  heldBytes: number;
  /** Bytes of answers that are not their turn. */
  keptBytes: number;
  /** What decoded requests take on the heap. */
  readonly weights: RequestWeights;
}

/** Totals of pipelines that hold nothing. */
export function emptyTotals(): PipelineTotals {
  return { heldBytes: 0, keptBytes: 0, weights: new RequestWeights() };
}
