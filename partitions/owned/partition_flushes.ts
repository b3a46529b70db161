/**
 * The flushes of one partition's log, all on another thread: those that acknowledgements wait for (`flush.messages`), with the shard's
 * next group (group_flush.ts), and those that nobody waits for, by themselves (flush_gate.ts): for `flush.ms`, when a segment has
 * closed, and after every `barnabas.recovery.interval.bytes`, so that recovery stays short. Runs on the shard that owns the partition.
 *
 * Always: at most one flush is under way. Flushes continue until every closed segment is flushed, so that recovery stays short.
 */
import { type FlushOutcome, type FlushRequest, type Log, storageFailure } from "../../storage/mod.ts";

/** The report of a flush that is tried again: after a pause when records wait for it, else by the next roll or `flush.ms`. */
const POSTPONED = "Cannot flush at the moment: a file or directory could not be opened";

/** Executes flushes. */
export interface Flusher {
  /** Whether a flush by itself may begin now; otherwise the partition's `flushLater()` is called when one may. */
  mayFlush(slot: number): boolean;
  /** Makes files durable on another thread; `done` runs on a later turn. */
  onFlush(request: FlushRequest, done: (outcome: FlushOutcome) => void): void;
  /** Records wait for a flush: the shard's next group has to include the partition. @param isRetry not at once, but after a pause */
  onFlushNeeded(slot: number, isRetry: boolean): void;
  /** The disk refuses something; a sentence for the operator. */
  onTrouble(slot: number, text: string): void;
}

/** What a partition's flushes call. */
export interface FlushEvents {
  /** A flush of everything appended so far begins. */
  onBegin(): void;
  /** A flush has ended, or could not begin: "postponed". */
  onEnd(outcome: FlushOutcome): void;
}

/**
 * Time between two flushes that shorten a recovery. By then the kernel has written the pages by itself (vm.dirty_expire_centisecs). Sooner,
 * a partition that gets 64 MiB several times a second would be flushed all the time: that took a quarter of its rate.
 */
const SHORTENED_MS_MIN = 30_000;

/** The flushes of one log. */
export class PartitionFlushes {
  readonly #log: Log;
  readonly #slot: number;
  readonly #flusher: Flusher;
  readonly #events: FlushEvents;
  #isUnderWay = false;
  /** Called when the flush with a group has ended, before another one can begin. */
  readonly #whenEnded: (() => void)[] = [];
  #isInGroup = false;
  #lastFlushMs = -Infinity;
  /** The active segment at the last check. */
  #activeBaseOffset: number;
  /** When the last flush began that shortens a recovery, or one was first due, wall-clock ms. */
  #lastShortenedMs = -Infinity;
  /** Bytes that were appended since a recovery can begin behind the earlier ones. */
  #bytesToRecover: number;

  /** @param log of the partition @param by the partition's row, what executes its flushes, and what is called when they begin and end */
  constructor(log: Log, by: { slot: number; flusher: Flusher; events: FlushEvents }) {
    this.#log = log;
    this.#slot = by.slot;
    this.#flusher = by.flusher;
    this.#events = by.events;
    this.#activeBaseOffset = log.activeBaseOffset;
    this.#bytesToRecover = log.recoveryPoint < log.logEndOffset ? log.logFilesBytes : 0; // the most that it can be
  }

  /** Whether a flush is under way. */
  get isUnderWay(): boolean {
    return this.#isUnderWay;
  }

  /** Begins a flush by itself when `flush.ms` has passed since the last flush. @param nowMs monotonic time */
  beginIfDue(nowMs: number, flushMs: number): void {
    if (nowMs - this.#lastFlushMs < flushMs) return;
    this.#lastFlushMs = nowMs;
    this.begin();
  }

  /**
   * Begins a flush by itself after an append, when the log has rolled, or so much was appended that recovery would take long.
   * @param bytes of the batch @param intervalBytes the most bytes that a recovery should have to check @param wallMs time of the append
   */
  beginAfterAppend(bytes: number, intervalBytes: number, wallMs: number): void {
    this.#bytesToRecover += bytes;
    const base = this.#log.activeBaseOffset;
    const shortensRecovery = this.#bytesToRecover >= intervalBytes && this.#mayShorten(wallMs);
    if (base === this.#activeBaseOffset && !shortensRecovery) return;
    this.#activeBaseOffset = base;
    this.begin(shortensRecovery);
  }

  /** Whether the last such flush began, or the first one was due, long enough ago; a clock that went back does not delay the next one. */
  #mayShorten(wallMs: number): boolean {
    if (this.#lastShortenedMs === -Infinity) this.#lastShortenedMs = wallMs;
    const waitedMs = wallMs - this.#lastShortenedMs;
    if (waitedMs >= 0 && waitedMs < SHORTENED_MS_MIN) return false;
    this.#lastShortenedMs = wallMs;
    return true;
  }

  /**
   * Begins a flush of the records appended so far, by itself. Does nothing while one is under way.
   * @param shortensRecovery whether a recovery can then begin behind them
   */
  begin(shortensRecovery = false): void {
    if (this.#isUnderWay || this.#log.offlineReason !== null || !this.#flusher.mayFlush(this.#slot)) return;
    if (shortensRecovery) this.#bytesToRecover = 0;
    const request = this.#request(shortensRecovery);
    if (request !== null) this.#flusher.onFlush(request, (outcome) => this.end(request, outcome));
  }

  /** Begins a flush with a group; `end()` ends it. @returns null when there is nothing to do now; what is needed later is asked for again */
  beginInGroup(): FlushRequest | null {
    if (this.#isUnderWay || this.#log.offlineReason !== null) return null;
    const request = this.#request(false);
    this.#isInGroup = request !== null;
    return request;
  }

  /**
   * Waits for the flush with a group that is under way, which takes a moment. Under load the next one would follow at once.
   * @param then called after it, or during the call; also while a flush by itself is under way, which may take seconds
   */
  whenIdle(then: () => void): void {
    if (this.#isInGroup) this.#whenEnded.push(then);
    else then();
  }

  /** Ends a flush. @param outcome of all its files */
  end(request: FlushRequest, outcome: FlushOutcome): void {
    this.#isUnderWay = false;
    this.#isInGroup = false;
    const wasOnline = this.#log.offlineReason === null;
    this.#log.endFlush(request, outcome);
    if (wasOnline) {
      if (outcome === "postponed") this.#flusher.onTrouble(this.#slot, POSTPONED);
      this.#events.onEnd(outcome);
    }
    for (const then of this.#whenEnded.splice(0)) then();
    if (this.#log.offlineReason !== null) return;
    if (outcome === "flushed" && this.#log.finalBelow < this.#log.activeBaseOffset) this.begin();
  }

  /** @returns null when everything is durable, or when a file cannot be opened now; the next roll tries again */
  #request(shortensRecovery: boolean): FlushRequest | null {
    try {
      const request = this.#log.beginFlush({ shortensRecovery });
      if (request === null) return null;
      this.#isUnderWay = true;
      this.#events.onBegin();
      return request;
    } catch (error) {
      this.#flusher.onTrouble(this.#slot, `Cannot begin a flush: ${storageFailure(error)}`);
      this.#events.onEnd("postponed");
      return null;
    }
  }
}
