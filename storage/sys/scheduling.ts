/**
 * Makes a thread run soon after it wakes, even when others keep the cores busy. Runs on shards, at their start. And the contrary: makes a
 * thread that serves nobody's requests wait while others want the cores.
 *
 * A shard works for microseconds and sleeps. With the default slice (3 ms) the kernel lets a computing thread finish its own slice
 * first and looks again at the next tick, 4 ms later. Where broker and clients shared two cores, this was the 99th percentile. A
 * thread with shorter slices interrupts the others when it wakes and is itself interrupted as early: its share of time stays the
 * same.
 *
 * Source: man 2 sched_setattr; Documentation/scheduler/sched-eevdf.rst: since Linux 6.12 `sched_runtime` is an ordinary thread's
 * slice, 0.1 to 100 ms, without any privilege; before, it is ignored.
 */
import { libc, word64 } from "./libc.ts";
import { type NativeMemory, nativeMemory } from "./memory.ts";

/**
 *   struct sched_attr   0 u32 size · 4 u32 policy (0: ordinary) · 8 u64 flags · 16 i32 nice · 20 u32 priority · 24 u64 runtime in ns · …
 */
const ATTRIBUTES_BYTES = 48;
const NICE_AT = 16;
const RUNTIME_AT = 24;
const SLICE_NS = 100_000;
/** Beside an ordinary thread, a tenth of a core. Source: man 7 sched, and the kernel's sched_prio_to_weight. */
const YIELDING_NICE = 10;

/** Numbers of system calls that the C library has no function for. */
const numberOf = Deno.build.arch === "x86_64"
  ? { sched_setattr: 314, sched_getattr: 315 }
  : { sched_setattr: 274, sched_getattr: 275 };

/** Asks for short slices for the calling thread. @returns whether the kernel granted them; only tail latencies depend on it */
export function askForShortSlices(): boolean {
  const attributes = readAttributes();
  if (attributes === null) return false;
  attributes.view.setBigUint64(RUNTIME_AT, BigInt(SLICE_NS), true);
  return libc.syscall(word64(numberOf.sched_setattr), 0, word64(attributes.address), 0, 0) === 0;
}

/** Leaves the cores to other threads while they want them. @returns whether the kernel does so */
export function yieldToOthers(): boolean {
  const attributes = readAttributes();
  if (attributes === null) return false;
  attributes.view.setInt32(NICE_AT, Math.max(YIELDING_NICE, attributes.view.getInt32(NICE_AT, true)), true);
  return libc.syscall(word64(numberOf.sched_setattr), 0, word64(attributes.address), 0, 0) === 0;
}

/** The calling thread's nice value, -20 to 19; null where the kernel does not tell. */
export function niceness(): number | null {
  return readAttributes()?.view.getInt32(NICE_AT, true) ?? null;
}

/** The calling thread's slice in nanoseconds; 0 before Linux 6.12, -1 where the kernel does not tell. */
export function sliceNs(): number {
  const attributes = readAttributes();
  return attributes === null ? -1 : Number(attributes.view.getBigUint64(RUNTIME_AT, true));
}

/** The calling thread's attributes with their size, in the form that both calls need; null where the kernel does not tell. */
function readAttributes(): NativeMemory | null {
  const attributes = nativeMemory(new ArrayBuffer(128));
  const failed = libc.syscall(word64(numberOf.sched_getattr), 0, word64(attributes.address), ATTRIBUTES_BYTES, 0) < 0;
  return failed ? null : attributes;
}
