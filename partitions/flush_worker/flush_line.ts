/**
 * A shard's line to the flush worker of one log directory: groups of flushes go there through a ring, and their outcomes come back with
 * the shard's mail. Runs on shards.
 *
 * Not every group goes this way. A worker is started by the first group, and ended when it was idle for long: without one, the main
 * isolate has the files flushed on other threads (net/shards/shard_pool.ts). So it has those of a group with a new directory entry
 * (a segment rolled, a partition is new), because a path does not fit into a record.
 *
 * Always: each group gets one answer. A worker that ends looks into its rings once more after it has written that it does not serve. So
 * a group that is sent to an ending worker is either seen by it, or this shard sees that it has ended, and asks for another.
 */
import type { FlushOutcome, FlushRequest } from "../../storage/mod.ts";
import type { FlushAll } from "../owned/group_flush.ts";
import type { Outbox } from "../shared/mail.ts";
import * as message from "../shared/messages.ts";
import type { RingRecord } from "../shared/ring.ts";
import { flushOutbox, FlushWorkerWords, type SharedState } from "../shared/shared_state.ts";
import { FLUSH_WORKER } from "../shared/words.ts";
import { isFlushed, sendFlush } from "./flush_records.ts";

/** What a line is built from. */
export interface FlushLineParts {
  /** To the worker. */
  readonly outbox: Outbox;
  /** Whether the worker serves. */
  readonly isServing: () => boolean;
  /** No worker serves, and perhaps none will see a group that waits in the ring: start one, unless one runs. */
  readonly onUnserved: () => void;
  /** Executes a group without the worker. */
  readonly flushElsewhere: FlushAll;
}

interface Operation {
  readonly partitionsCount: number;
  readonly done: (outcomes: readonly FlushOutcome[]) => void;
}

/** The line. */
export class FlushLine {
  readonly #parts: FlushLineParts;
  readonly #operations = new Map<number, Operation>();
  #nextOperation = 1;

  /** The lines of a shard, by log directory. @param parts see FlushLineParts; `onUnserved` gets the directory */
  static allOf(
    state: SharedState,
    shard: number,
    parts: { onUnserved: (directory: number) => void; flushElsewhere: FlushAll },
  ): FlushLine[] {
    return state.flushRings.map((_, directory) => {
      const words = new FlushWorkerWords(state, directory);
      return new FlushLine({
        outbox: flushOutbox(state, { shard, directory }),
        isServing: () => words.get(FLUSH_WORKER.isServing) === 1,
        onUnserved: () => parts.onUnserved(directory),
        flushElsewhere: parts.flushElsewhere,
      });
    });
  }

  /** @param parts the ways to the worker, and around it */
  constructor(parts: FlushLineParts) {
    this.#parts = parts;
  }

  /** Groups that the worker has, or will get. */
  get inFlight(): number {
    return this.#operations.size;
  }

  /** Makes the files of several requests durable; `done` runs on a later turn, with an outcome for each request. */
  flush(requests: readonly FlushRequest[], done: (outcomes: readonly FlushOutcome[]) => void): void {
    const { outbox, isServing, onUnserved, flushElsewhere } = this.#parts;
    const isServed = isServing();
    if (!isServed) onUnserved();
    if (!isServed || !requests.every(hasFilesOnly)) return flushElsewhere(requests, done);
    const operation = this.#nextOperation++ & 0x7fff_ffff;
    this.#operations.set(operation, { partitionsCount: requests.length, done });
    sendFlush(outbox, operation, requests.map(({ fds }) => fds));
    outbox.flush();
    if (!isServing()) onUnserved();
  }

  /** Handles a ring record. @returns false when it is no answer of the worker */
  receive(record: RingRecord): boolean {
    const { ints, int } = record;
    if (ints[int] !== message.kind.flushed) return false;
    const number = ints[int + message.flushed.operation] as number;
    const operation = this.#operations.get(number);
    this.#operations.delete(number);
    const outcomes = Array.from(
      { length: operation?.partitionsCount ?? 0 },
      (_, partition): FlushOutcome => isFlushed(record, partition) ? "flushed" : "failed",
    );
    operation?.done(outcomes);
    return true;
  }
}

function hasFilesOnly({ fds, directories }: FlushRequest): boolean {
  return fds.length > 0 && directories.length === 0;
}
