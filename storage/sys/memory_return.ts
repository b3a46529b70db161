/**
 * Gives memory that was freed back to the kernel. glibc keeps it in an arena for each thread: the compiler of the engine leaves 5 to
 * 10 MB in each of those of its own threads and of the shards. Any isolate; the call takes 2 to 10 ms on the runtime's thread pool.
 * Source: man 3 malloc_trim.
 */
import { threadedLibc } from "./threaded_libc.ts";

/** Gives freed memory back. */
export async function returnFreedMemory(): Promise<void> {
  await threadedLibc?.malloc_trim(0n);
}
