/** Measures how long flushes take, from their beginning to their outcome on the shard. Runs on shards. */
import type { Clock, FlushOutcome, FlushRequest } from "../../storage/mod.ts";
import type { FlushAll } from "../owned/group_flush.ts";

/** Where the time goes. */
export interface FlushTimer {
  readonly clock: Clock;
  /** A log was flushed. @param tookMs since the flush began */
  readonly onFlushed: (tookMs: number) => void;
}

/** The same way to flush several logs, with its time taken. */
export function timedFlushAll(flush: FlushAll, { clock, onFlushed }: FlushTimer): FlushAll {
  return (requests, done) => {
    const beganMs = clock.monotonicMs();
    flush(requests, (outcomes) => {
      const tookMs = clock.monotonicMs() - beganMs;
      for (const outcome of outcomes) if (outcome === "flushed") onFlushed(tookMs);
      done(outcomes);
    });
  };
}

/** The same way to flush one log, with its time taken. */
export function timedFlush(
  flush: (request: FlushRequest, done: (outcome: FlushOutcome) => void) => void,
  timer: FlushTimer,
): (request: FlushRequest, done: (outcome: FlushOutcome) => void) => void {
  return (request, done) => {
    const timed = timedFlushAll(
      ([only], ended) => flush(only as FlushRequest, (outcome) => ended([outcome])),
      timer,
    );
    timed([request], ([outcome = "failed"]) => done(outcome));
  };
}
