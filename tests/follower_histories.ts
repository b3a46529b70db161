/** The histories that a follower's log may have after a start, and which of them it has (follower_lives.ts). Test code. */
import { strict as assert } from "node:assert";
import { type History, isPartOf, type LeaderBatch, namesOf } from "./leader_batches.ts";

/** A history that may be found, and the batches of it that were promised before it was cut off: none is missing below its end. */
export interface Candidate {
  readonly batches: History;
  readonly promised: History;
}

/** What a log is before and after a truncation: anything in between may be found. */
export interface TruncatedHistory {
  readonly from: Candidate;
  readonly to: History;
  /** Where the log begins anew, if nothing of it is left. */
  readonly startsAt?: number;
}

/** The histories that may be found if nothing was lost. @param by end: where the log ends */
export function latestHistories(
  now: Candidate,
  by: { truncating: TruncatedHistory; unanswered: History; end: number },
): Candidate[] {
  const { truncating: { from, to, startsAt = -1 }, unanswered, end } = by;
  const lately: Candidate[] = startsAt === end ? [{ batches: [], promised: [] }] : [];
  for (let count = from.batches.length; count >= to.length; count--) {
    lately.push({ batches: from.batches.slice(0, count), promised: from.promised });
  }
  for (let count = 1; count <= unanswered.length; count++) {
    lately.push({ ...now, batches: [...now.batches, ...unanswered.slice(0, count)] });
  }
  return lately;
}

/**
 * Finds the history.
 * @param found batches of the log
 * @param log isServed: whether a batch may not be missing; isWhole: whether none of a history may, because only a process died; its end;
 * lostFrom: from where on the start says that batches may be missing
 */
export function historyOf(
  found: readonly { baseOffset: number; lastOffset: number; bytes: Uint8Array }[],
  candidates: readonly Candidate[],
  log: { isServed: (one: LeaderBatch) => boolean; isWhole: boolean; logEndOffset: number; lostFrom: number | null },
): History {
  const bases = new Set(found.map(({ baseOffset }) => baseOffset));
  const last = found.at(-1)?.lastOffset ?? -1;
  const isThere = (one: LeaderBatch) => !log.isServed(one) || bases.has(one.baseOffset);
  const isWhole = (one: History) => one.every((batch) => batch.lastOffset < log.logEndOffset && isThere(batch));
  const history = candidates.find(({ batches, promised }) => {
    if (!isPartOf(found, batches) || (log.isWhole && !isWhole(batches))) return false;
    return promised.every((one) => one.lastOffset > last || isThere(one));
  })?.batches;
  const names = () => candidates.map(({ batches }) => `[${namesOf(batches)}]`).join(" ");
  assert.ok(history !== undefined, `[${namesOf(found)}] is of none of the histories ${history ?? names()}`);
  // Others are fetched again: they are missing at the end, or behind an offset that is told.
  const untold = history.filter((one) => !isThere(one) && one.lastOffset < (log.lostFrom ?? log.logEndOffset));
  assert.deepEqual(namesOf(untold), namesOf([]), `missing in [${namesOf(found)}], and a start does not say so`);
  return history;
}
