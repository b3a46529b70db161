import { strict as assert } from "node:assert";
import { toOffset } from "../base/units.ts";
import { chooseCleaning, type CleanableLog, type CleaningRules } from "./cleaning_choice.ts";

const NOW = 1_000_000;
const rules: CleaningRules = { minCleanableDirtyRatio: 0.5, minCompactionLagMs: 0, maxCompactionLagMs: Infinity };

/** A log of segments of 100 offsets each: [bytes, largest timestamp, timestamp of the first batch]; the last one is active. */
function logOf(
  segments: [bytes: number, largest?: number | null, first?: number][],
  changes: Partial<CleanableLog> = {},
) {
  const listed = segments.map(([logFileBytes, knownRetentionTimestamp = 0, firstBatchTimestamp = -1], i) => {
    return { baseOffset: toOffset(i * 100), logFileBytes, knownRetentionTimestamp, firstBatchTimestamp };
  });
  const end = toOffset(segments.length * 100);
  return { segments: listed, logStartOffset: toOffset(0), logEndOffset: end, lastStableOffset: end, ...changes };
}

function choose(log: CleanableLog, checkpointed: number | null = null, changes: Partial<CleaningRules> = {}) {
  const offset = checkpointed === null ? null : toOffset(checkpointed);
  return chooseCleaning(log, { checkpointed: offset, rules: { ...rules, ...changes }, nowMs: NOW });
}

Deno.test("chooseCleaning() compares the dirty bytes of closed segments with min.cleanable.dirty.ratio", () => {
  const log = logOf([[100], [300], [500], [1000]]);
  assert.deepEqual(choose(log), { firstDirtyOffset: 0, firstUncleanableOffset: 300, dirtyRatio: 1 });
  assert.deepEqual(choose(log, 100), { firstDirtyOffset: 100, firstUncleanableOffset: 300, dirtyRatio: 8 / 9 });
  assert.equal(choose(log, 200)?.dirtyRatio, 5 / 9);
  assert.equal(choose(log, 200, { minCleanableDirtyRatio: 5 / 9 }), null, "the share has to be larger");
  assert.equal(choose(log, 300), null, "the active segment is never cleaned");
  assert.equal(choose(log, 300, { minCleanableDirtyRatio: 0 }), null);
  assert.equal(choose(logOf([[0], [1000]]), null, { minCleanableDirtyRatio: 0 }), null, "nothing to clean");
  assert.equal(choose(logOf([[1000]]), null, { minCleanableDirtyRatio: 0 }), null);
});

Deno.test("chooseCleaning() counts a segment that is clean up to its middle on both sides", () => {
  assert.equal(choose(logOf([[100], [300], [1]]), 150, { minCleanableDirtyRatio: 0.4 })?.dirtyRatio, 300 / 700);
});

Deno.test("chooseCleaning() begins at the log start when the checkpoint lies outside the log", () => {
  const log = logOf([[100], [300], [1]]);
  assert.equal(choose(log, 301)?.firstDirtyOffset, 0);
  const deleted = { ...log, segments: log.segments.slice(1), logStartOffset: toOffset(150) };
  assert.equal(choose(deleted, 20)?.firstDirtyOffset, 100, "the segment that holds the log start is its first one");
});

Deno.test("chooseCleaning() stops at the last stable offset", () => {
  const log = logOf([[100], [300], [500], [1]], { lastStableOffset: toOffset(150) });
  assert.deepEqual(choose(log), { firstDirtyOffset: 0, firstUncleanableOffset: 150, dirtyRatio: 1 });
  assert.equal(choose(log, 150, { minCleanableDirtyRatio: 0 }), null);
  assert.equal(choose(log, 200, { minCleanableDirtyRatio: 0 }), null);
});

Deno.test("chooseCleaning() leaves everything from the first young segment on (min.compaction.lag.ms)", () => {
  const log = logOf([[100, NOW - 10], [100, NOW - 5], [100, NOW - 20], [1]]);
  const limit = (minCompactionLagMs: number, from: number | null = null) =>
    choose(log, from, { minCompactionLagMs, minCleanableDirtyRatio: 0.1 })?.firstUncleanableOffset;
  assert.equal(limit(0), 300);
  assert.equal(limit(5), 300);
  assert.equal(limit(6), 100, "the old one after it is not cleaned either");
  assert.equal(limit(11), undefined);
  assert.equal(limit(6, 200), 300, "what is clean was old enough once");
  assert.equal(choose(logOf([[100], [100, null], [1]]), null, { minCompactionLagMs: 6 })?.firstUncleanableOffset, 100);
  const future = logOf([[100, NOW + 10], [1]]);
  assert.equal(choose(future, null, { minCompactionLagMs: 1 }), null);
});

Deno.test("chooseCleaning() cleans however little is dirty when a record has waited for max.compaction.lag.ms", () => {
  const log = logOf([[1000], [10, 0, NOW - 101], [1, 0, NOW - 1000]]);
  assert.equal(choose(log, 100), null);
  assert.equal(choose(log, 100, { maxCompactionLagMs: 101 }), null);
  assert.equal(choose(log, 100, { maxCompactionLagMs: 100 })?.dirtyRatio, 10 / 1010);
  assert.equal(choose(log, 200, { maxCompactionLagMs: 100 }), null, "only the active segment is late");
  assert.equal(choose(logOf([[1000], [10, 0, -1], [1]]), 100, { maxCompactionLagMs: 100 }), null, "no timestamp");
});
