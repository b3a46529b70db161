/**
 * Judges memory and turn times of an attack, by comparing figures from before it with figures from after. Pure. Test code.
 */
import { TURN_TIME_BOUNDS_MS, type TurnTimes } from "../../mod.ts";
import type { Ledger } from "./attacker.ts";
import { type Samples, takenByMachine, waitedInAll } from "./meter.ts";
import type { Victim } from "./victim_process.ts";

/** Memory that a broker may use beyond its idle size and the requests that it has not answered. */
export const EXTRA_BYTES_MAX = 256 * 1024 * 1024;
/** The longest turn of a shard. */
const TURN_MS_MAX = 50;
/** A turn that takes longer than this is long. */
const LONG_TURN_MS = 10;
/** How many turns may be long: a share of all, and some more, because an attack can have fewer than a hundred turns. */
const LONG_TURNS_SHARE_MAX = 0.01;
const LONG_TURNS_MAX = 10;
/** The resolution of the meter: shorter waits for a processor may make a turn too long without being seen. */
const METER_BLUR_MS = 5;

/**
 * Checks that memory stays below the sum of idle size, a fixed amount and unanswered requests.
 * @param of extraBytesMax: the fixed amount @returns figures
 */
export function judgeMemory(
  victim: Victim,
  { idleBytes, beforeBytes, extraBytesMax, ledger, complain }: {
    idleBytes: number;
    beforeBytes: number;
    extraBytesMax: number;
    ledger: Ledger;
    complain: (text: string) => void;
  },
): string {
  const { peakBytes } = victim;
  const grownBytes = peakBytes - idleBytes;
  const already = `${megabytes(beforeBytes - idleBytes)} of them before`;
  const text = `RSS +${megabytes(grownBytes)} MB (${already}) with ${megabytes(ledger.peakBytes)} MB unanswered`;
  if (grownBytes > extraBytesMax + ledger.peakBytes) complain(`${text}, idle ${megabytes(idleBytes)} MB`);
  return text;
}

/** Checks that no turn is too long and few are long, without the time that the machine took. @returns figures */
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
      // The longest turn ever is known exactly, if it was in this attack; of others only the bucket is known.
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
