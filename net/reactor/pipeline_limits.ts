/**
 * When a connection handles no further request for a while: it has too many of its own, its client does not take its answers, or the
 * requests of all connections take too much memory. Runs on shards.
 */
import type { Pipeline } from "../requests/pipeline.ts";
import type { Sender } from "./sender.ts";

/** Requests of a connection that may wait for their answers. Reading pauses at this many. */
const PIPELINE_REQUESTS_MAX = 128;
/** Unsent bytes of a connection at which reading pauses. */
const PENDING_BYTES_MAX = 1024 * 1024;
/** Memory of a connection's unsent answers at which reading pauses. Slices of files take none. */
const UNSENT_HELD_BYTES_MAX = 256 * 1024;
/** Bytes of unanswered requests, and of answers that wait for earlier ones, at which reading pauses. */
const PIPELINE_BYTES_MAX = 8 * 1024 * 1024;
/** Bytes of unanswered requests of all connections of a shard. Above it each connection handles one request at a time. */
const PIPELINES_BYTES_MAX = 64 * 1024 * 1024;
/** The same limit for answers that wait for earlier ones. */
const KEPT_ANSWERS_BYTES_MAX = 8 * 1024 * 1024;

/** Whether the connection of this pipeline and sender has to wait before it handles another request. */
export function isPipelineFull(pipeline: Pipeline, sender: Sender): boolean {
  if (pipeline.isHeld) return true;
  const { heldBytes, keptBytes, weights } = pipeline.totals;
  const isCrowded = heldBytes >= PIPELINES_BYTES_MAX || keptBytes >= KEPT_ANSWERS_BYTES_MAX || weights.isFull;
  if (isCrowded && pipeline.length > 0) return true;
  return pipeline.length >= PIPELINE_REQUESTS_MAX || pipeline.heldBytes >= PIPELINE_BYTES_MAX ||
    sender.pendingBytes >= PENDING_BYTES_MAX || sender.heldBytes >= UNSENT_HELD_BYTES_MAX;
}
