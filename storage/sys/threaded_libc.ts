/**
 * Functions of the C library that wait for a disk or take milliseconds, called on the runtime's thread pool: each returns a promise. The
 * main isolate, which must not block, calls them for the shards, which would stall all their partitions. Null where the broker cannot
 * run.
 */
import { isSupported, symbols } from "./libc.ts";

/** The functions. */
export const threadedLibc = isSupported
  ? Deno.dlopen("libc.so.6", {
    fdatasync: { ...symbols.fdatasync, nonblocking: true },
    fsync: { ...symbols.fsync, nonblocking: true },
    malloc_trim: { ...symbols.malloc_trim, nonblocking: true },
    sendfile: { ...symbols.sendfile, nonblocking: true },
  }).symbols
  : null;
