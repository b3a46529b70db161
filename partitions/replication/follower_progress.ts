/**
 * What a leader knows of one follower, from its fetches. Pure; the shard that owns the partition.
 *
 * A follower is caught up if it has everything, or had within `replica.lag.time.max.ms` everything that the leader had. One that keeps pace
 * with a constant load is so, though it never reaches the end: its fetch asks for what the leader had at its previous fetch. Partitions without
 * news are not in a follower's fetches: it counts as caught up there until the leader appends (Kafka notes each of its fetches).
 *
 * One that has left the ISR is caught up when its fetches show it again. Otherwise a broker that is heard again after a cut of the network
 * would hold back the high watermark until its fetch arrives, too: seconds later, where TCP has backed off (as in Kafka).
 * Source: Kafka's Replica.updateFetchStateOrThrow, KIP-903.
 */
import { type Offset, toOffset } from "../../storage/base/units.ts";

/** Not known. */
const UNKNOWN = toOffset(-1);

/** One follower. */
export class FollowerProgress {
  /** Everything below it is in the follower's log; -1 while it has not fetched from this leader. */
  logEndOffset = UNKNOWN;
  logStartOffset = UNKNOWN;
  /** Broker epoch of the process that fetched, -1 for none. */
  brokerEpoch = -1;
  /** Whether it fetched in this leader epoch: before that it does not enter the ISR. */
  hasFetched = false;
  #caughtUpMs: number;
  #fetchMs = 0;
  #leaderEndAtFetch = UNKNOWN;

  /** @param caughtUpMs when it was caught up: now for a member of the ISR, -Infinity for another */
  constructor(caughtUpMs: number) {
    this.#caughtUpMs = caughtUpMs;
  }

  /** The same leader begins another epoch. @param isInSync whether the follower is in the ISR */
  beginEpoch(isInSync: boolean, nowMs: number): void {
    this.hasFetched = false;
    this.#caughtUpMs = isInSync ? nowMs : -Infinity;
    this.#fetchMs = -Infinity;
    this.#leaderEndAtFetch = UNKNOWN;
  }

  /** It fetches from an offset on. @param leaderEnd the leader's log end @returns whether its log end is another one now */
  fetched(offset: Offset, leaderEnd: Offset, nowMs: number): boolean {
    if (offset >= leaderEnd) this.#caughtUpMs = nowMs;
    else if (this.#leaderEndAtFetch >= 0 && offset >= this.#leaderEndAtFetch) this.#caughtUpMs = this.#fetchMs;
    this.#leaderEndAtFetch = leaderEnd;
    this.#fetchMs = nowMs;
    this.hasFetched = true;
    const isNew = this.logEndOffset !== offset;
    this.logEndOffset = offset;
    return isNew;
  }

  /** The leader's log has grown. One that had all of it was caught up until then, however long ago it fetched (KIP-227). @param lastEnd before */
  leaderAppended(lastEnd: Offset, nowMs: number): void {
    if (this.logEndOffset === lastEnd) this.#caughtUpMs = nowMs;
  }

  /** It is not in the ISR any more. */
  leftIsr(): void {
    this.#caughtUpMs = -Infinity;
  }

  /** Whether it is caught up. @param lagMaxMs replica.lag.time.max.ms */
  isCaughtUp(leaderEnd: Offset, nowMs: number, lagMaxMs: number): boolean {
    return this.logEndOffset === leaderEnd || nowMs - this.#caughtUpMs <= lagMaxMs;
  }
}
