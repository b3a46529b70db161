/**
 * The worker of a shard, whose new objects have a limit. V8 lets the young generation of an isolate grow to 64 MiB as objects survive in it,
 * and gives nothing back while there is work: attacks on a broker with two shards left 128 MiB there. Only workers of `node:worker_threads`
 * can have a limit. The main isolate has none: that takes a flag of V8's command line. Runs on the main isolate.
 *
 * Source: V8's `ResourceConstraints`, which Deno sets as Node.js does.
 */
import { SHARE_ENV, Worker } from "node:worker_threads";
import type { FromShard, ToShard } from "./shard_messages.ts";

/**
 * The young generation is three semi-spaces of 8 MiB, of which mostly two exist. Under small produce requests V8 enlarges them to
 * that size anyway (bench/NOTES.md).
 */
export const SHARD_LIMITS = { maxYoungGenerationSizeMb: 24 } as const;

/** What happens in a shard. */
export interface ShardThreadEvents {
  readonly onMessage: (message: FromShard) => void;
  /** The shard failed and has ended. */
  readonly onError: (error: Error) => void;
}

/** A running shard. */
export interface ShardThread {
  /** @param transferred buffers that the shard gets instead of copies */
  postMessage(message: ToShard, transferred: ArrayBuffer[]): void;
  /** Ends the shard at once. */
  terminate(): void;
}

/** Starts a shard, which waits for its first message. @param shard its number, for its name */
export function startShardThread(shard: number, { onMessage, onError }: ShardThreadEvents): ShardThread {
  const worker = new Worker(new URL("./shard_worker.ts", import.meta.url), {
    name: `shard-${shard}`,
    env: SHARE_ENV,
    resourceLimits: SHARD_LIMITS,
  });
  worker.on("message", onMessage);
  worker.on("error", onError);
  return worker;
}
