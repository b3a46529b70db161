/**
 * The kernel's CLOCK_MONOTONIC, by which processes of one machine compare moments; `performance.now()` has another zero. Any isolate.
 * Source: man 2 clock_gettime.
 */
import { libc, SystemError, word64 } from "./libc.ts";
import { allocateNative } from "./memory.ts";

const CLOCK_MONOTONIC = 1;

/** Microseconds since some moment that all processes share. @throws SystemError */
export function monotonicMicroseconds(): bigint {
  const timespec = allocateNative(16);
  if (libc.clock_gettime(CLOCK_MONOTONIC, word64(timespec.address)) !== 0) throw new SystemError("read the clock");
  const [seconds, nanoseconds] = [0, 8].map((at) => timespec.view.getBigInt64(at, true));
  return (seconds as bigint) * 1_000_000n + (nanoseconds as bigint) / 1000n;
}
