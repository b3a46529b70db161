/**
 * What is asked of memory and turn times after an attack: both compare figures from before it with figures from after. Pure. Test code.
 */
import { TURN_TIME_BOUNDS_MS, type TurnTimes } from "../../mod.ts";
import type { Ledger } from "./attacker.ts";
import { type Samples, takenByMachine, waitedInAll } from "./meter.ts";
import type { Victim } from "./victim_process.ts";

/** Memory that a broker may use beyond its idle size and the requests that it has not answered. */
const EXTRA_BYTES_MAX = 256 * 1024 * 1024;
/** The longest turn of a shard. */
const TURN_MS_MAX = 50;
/** Few turns take longer than this … */
const LONG_TURN_MS = 10;
/** … namely one of a hundred, and so many anyway: an attack can be shorter than a hundred turns. */
const LONG_TURNS_SHARE_MAX = 0.01;
const LONG_TURNS_MAX = 10;
/** Waiting for a processor that makes a turn longer than its bound without being seen as a stretch: what the meter cannot resolve. */
const METER_BLUR_MS = 5;

/** Memory stays below its idle size, a fixed amount and the requests that are not answered. @returns figures */
export function judgeMemory(
  victim: Victim,
  { idleBytes, beforeBytes, ledger, complain }: {
    idleBytes: number;
    beforeBytes: number;
    ledger: Ledger;
    complain: (text: string) => void;
  },
): string {
  const { peakBytes } = victim;
  const grownBytes = peakBytes - idleBytes;
  const already = `${megabytes(beforeBytes - idleBytes)} of them before`;
  const text = `RSS +${megabytes(grownBytes)} MB (${already}) with ${megabytes(ledger.peakBytes)} MB unanswered`;
  if (grownBytes > EXTRA_BYTES_MAX + ledger.peakBytes) complain(`${text}, idle ${megabytes(idleBytes)} MB`);
  return text;
}

/** No turn is too long and few are long, but for what the machine took. @returns figures */
export function judgeTurns(
  before: readonly TurnTimes[],
  after: readonly TurnTimes[],
  { samples, complain }: { samples: Samples; complain: (text: string) => void },
): string {
  const waited = Math.round(waitedInAll(samples));
  const machine = `the machine: ${waited} ms of waiting in all, stolen ${Math.round(samples.stolenMs)} ms`;
  let [turns, long, longestMs] = [0, 0, 0];
  for (const [shard, { counts, longestMs: everMs }] of after.entries()) {
    const [countsBefore, everBeforeMs] = [before[shard]?.counts ?? [], before[shard]?.longestMs ?? 0];
    const grown = counts.map((count, bucket) => count - (countsBefore[bucket] ?? 0));
    const floors = [0, ...TURN_TIME_BOUNDS_MS];
    turns += grown.reduce((sum, count) => sum + count, 0);
    long += grown.reduce((sum, count, bucket) => floors[bucket]! >= LONG_TURN_MS ? sum + count : sum, 0);
    for (const [bucket, count] of grown.entries()) {
      if (count === 0) continue;
      // The longest turn ever is known exactly when it happened just now; of others the bucket is.
      const isNew = everMs > everBeforeMs && everMs > floors[bucket]! &&
        everMs <= (TURN_TIME_BOUNDS_MS[bucket] ?? Infinity);
      const atLeastMs = isNew ? everMs : floors[bucket]!;
      longestMs = Math.max(longestMs, atLeastMs);
      if (atLeastMs < TURN_MS_MAX) continue;
      const taken = takenByMachine(samples, isNew ? everMs : TURN_TIME_BOUNDS_MS[bucket] ?? floors[bucket]! * 2);
      if (taken >= Math.max(METER_BLUR_MS, atLeastMs - TURN_MS_MAX)) continue;
      const text = `${count} turns of ${isNew ? "up to" : "more than"} ${atLeastMs} ms`;
      complain(`shard ${shard} had ${text}, of which the machine took ${Math.round(taken)} ms (${machine})`);
    }
  }
  const longMax = LONG_TURNS_MAX + LONG_TURNS_SHARE_MAX * turns + waited / METER_BLUR_MS;
  if (long > longMax) complain(`${long} of ${turns} turns took more than ${LONG_TURN_MS} ms (${machine})`);
  return `${turns} turns, ${long} over ${LONG_TURN_MS} ms, longest ≥ ${Math.round(longestMs)} ms; ${machine}`;
}

function megabytes(bytes: number): number {
  return Math.round(bytes / 1024 / 1024);
}
