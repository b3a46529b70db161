import { strict as assert } from "node:assert";
import { toOffset } from "../base/units.ts";
import { decideRetention, type RetainedLog, type RetentionDecision, type RetentionRules } from "./retention.ts";

const NOW = 1_000_000;
const OFF: RetentionRules = { retentionMs: -1, retentionBytes: -1 };

/**
 * A log of segments with 10 offsets each, the last one active. A segment is its bytes and its age in ms: "100/50"; "100/?" where the
 * timestamp has to be read.
 */
function logOf(segments: string, changes: Partial<RetainedLog> = {}): RetainedLog {
  const parsed = segments.split(" ").map((text, index) => {
    const [bytes = "", age = ""] = text.split("/");
    return {
      baseOffset: toOffset(index * 10),
      logFileBytes: Number(bytes),
      knownRetentionTimestamp: age === "?" ? null : NOW - Number(age),
    };
  });
  const empty = parsed.at(-1)?.logFileBytes === 0;
  const logEndOffset = toOffset(parsed.length * 10 - (empty ? 10 : 0));
  return { segments: parsed, first: 0, highWatermark: logEndOffset, logEndOffset, ...changes };
}

/** "2 by size, 1 by time, 300 bytes, end 30", and whether a roll is due, what is unknown and what lies in the future. */
function summary(decision: RetentionDecision): string {
  const { bySize, byTime, bytes, endOffset, isRollDue, unknownAt, futureAt } = decision;
  const parts = [`size ${bySize}`, `time ${byTime}`, `${bytes} bytes`, `end ${endOffset}`];
  if (isRollDue) parts.push("roll");
  if (unknownAt >= 0) parts.push(`unknown ${unknownAt}`);
  if (futureAt >= 0) parts.push(`future ${futureAt}`);
  return parts.join(", ");
}

const NOTHING = "size 0, time 0, 0 bytes, end null";

const cases: [name: string, log: RetainedLog, rules: Partial<RetentionRules>, expected: string][] = [
  ["no rules", logOf("100/900 100/800 100/700"), {}, NOTHING],
  ["nothing is old enough", logOf("100/90 100/80"), { retentionMs: 100 }, NOTHING],
  ["an age equal to retention.ms stays", logOf("100/100 100/80"), { retentionMs: 100 }, NOTHING],
  [
    "the oldest goes",
    logOf("100/101 100/100 100/1"),
    { retentionMs: 100 },
    "size 0, time 1, 100 bytes, end 10",
  ],
  [
    "a young segment keeps the older ones behind it",
    logOf("100/900 100/10 100/900 100/1"),
    { retentionMs: 100 },
    "size 0, time 1, 100 bytes, end 10",
  ],
  [
    "everything is old: the log rolls",
    logOf("100/900 100/800"),
    { retentionMs: 100 },
    "size 0, time 2, 200 bytes, end 20, roll",
  ],
  ["one old segment alone rolls", logOf("100/900"), { retentionMs: 100 }, "size 0, time 1, 100 bytes, end 10, roll"],
  [
    "an empty active segment stays",
    logOf("100/900 0/900"),
    { retentionMs: 100 },
    "size 0, time 1, 100 bytes, end 10",
  ],
  ["an empty log stays", logOf("0/900"), { retentionMs: 0, retentionBytes: 0 }, NOTHING],
  [
    "retention.ms=0 removes what is older than now",
    logOf("100/2 100/1 100/0"),
    { retentionMs: 0 },
    "size 0, time 2, 200 bytes, end 20",
  ],
  [
    "retention.bytes=0 removes everything",
    logOf("100/2 100/1"),
    { retentionBytes: 0 },
    "size 2, time 0, 200 bytes, end 20, roll",
  ],
  [
    "size keeps at least retention.bytes",
    logOf("100/9 100/8 100/7 50/6"),
    { retentionBytes: 200 },
    "size 1, time 0, 100 bytes, end 10",
  ],
  [
    "size removes a segment when exactly retention.bytes are left",
    logOf("100/9 100/8 100/7 50/6"),
    { retentionBytes: 250 },
    "size 1, time 0, 100 bytes, end 10",
  ],
  ["size below the limit", logOf("100/9 100/8"), { retentionBytes: 201 }, NOTHING],
  ["size at the limit", logOf("100/9 100/8"), { retentionBytes: 200 }, NOTHING],
  ["a large first segment blocks by size", logOf("900/9 10/8 10/7"), { retentionBytes: 30 }, NOTHING],
  [
    "size needs no timestamps",
    logOf("100/? 100/? 100/?"),
    { retentionBytes: 100 },
    "size 2, time 0, 200 bytes, end 20",
  ],
  [
    "time continues after size",
    logOf("100/900 100/800 100/700 100/1"),
    { retentionBytes: 250, retentionMs: 750 },
    "size 1, time 1, 200 bytes, end 20",
  ],
  [
    "the high watermark inside a segment keeps it, by time",
    logOf("100/900 100/900 100/900", { highWatermark: toOffset(19) }),
    { retentionMs: 100 },
    "size 0, time 1, 100 bytes, end 10",
  ],
  [
    "the high watermark inside a segment keeps it, by size",
    logOf("100/900 100/900 100/900", { highWatermark: toOffset(19) }),
    { retentionBytes: 0 },
    "size 1, time 0, 100 bytes, end 10",
  ],
  [
    "the high watermark below the log end keeps the active segment",
    logOf("100/900 100/900", { highWatermark: toOffset(19) }),
    { retentionMs: 100 },
    "size 0, time 1, 100 bytes, end 10",
  ],
  [
    "a timestamp in the future keeps its segment and later ones",
    logOf("100/900 100/-5 100/900 100/1"),
    { retentionMs: 100 },
    "size 0, time 1, 100 bytes, end 10, future 1",
  ],
  [
    "size removes a segment with a timestamp in the future",
    logOf("100/-5 100/9 100/8"),
    { retentionMs: 100, retentionBytes: 100 },
    "size 2, time 0, 200 bytes, end 20",
  ],
  [
    "an unknown timestamp ends the decision so far",
    logOf("100/900 100/? 100/900 100/1"),
    { retentionMs: 100 },
    "size 0, time 1, 100 bytes, end 10, unknown 1",
  ],
  ["without a rule no timestamp is asked for", logOf("100/? 100/? 100/1"), {}, NOTHING],
  [
    "segments below the log start do not count",
    logOf("100/900 100/900 100/900 100/1", { first: 2 }),
    { retentionMs: 100, retentionBytes: 200 },
    "size 0, time 1, 100 bytes, end 30",
  ],
];

for (const [name, log, rules, expected] of cases) {
  Deno.test(`decideRetention(): ${name}`, () => {
    assert.equal(summary(decideRetention(log, { ...OFF, ...rules }, NOW)), expected);
  });
}

Deno.test("decideRetention() removes nothing when the clock went back, and marks it as a future timestamp", () => {
  const log = logOf("100/900 100/800 100/700");
  const rules = { retentionMs: 100, retentionBytes: -1 };
  assert.equal(summary(decideRetention(log, rules, NOW - 5000)), `${NOTHING}, future 0`);
  assert.equal(summary(decideRetention(log, rules, NOW + 1e12)), "size 0, time 3, 300 bytes, end 30, roll");
});

Deno.test("decideRetention() ends at the most segments asked for, by size and by time, and says that there may be more", () => {
  const log = logOf("100/900 100/900 100/900 100/900");
  const decide = (rules: Partial<RetentionRules>, removedMax: number) => {
    const decision = decideRetention(log, { ...OFF, ...rules }, NOW, removedMax);
    return [summary(decision), decision.isCut];
  };
  assert.deepEqual(decide({ retentionMs: 100 }, 2), ["size 0, time 2, 200 bytes, end 20", true]);
  assert.deepEqual(decide({ retentionMs: 100, retentionBytes: 100 }, 2), ["size 2, time 0, 200 bytes, end 20", true]);
  assert.deepEqual(decide({ retentionMs: 100, retentionBytes: 300 }, 2), ["size 1, time 1, 200 bytes, end 20", true]);
  assert.deepEqual(decide({ retentionMs: 100 }, 9), ["size 0, time 4, 400 bytes, end 40, roll", false]);
});
