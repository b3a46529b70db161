/** Memory of the requests of all connections of a shard, as one object that their pipelines share. Runs on shards. */
import { RequestWeights } from "./request_weights.ts";

/** Memory that the pipelines of a shard take together. */
export interface PipelineTotals {
  /** Bytes of unanswered requests. */
  heldBytes: number;
  /** Bytes of answers that wait for earlier ones. */
  keptBytes: number;
  /** Memory of decoded requests on the heap. */
  readonly weights: RequestWeights;
}

/** Totals of pipelines without requests. */
export function emptyTotals(): PipelineTotals {
  return { heldBytes: 0, keptBytes: 0, weights: new RequestWeights() };
}
