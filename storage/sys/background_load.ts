/**
 * Brings files into the page cache without blocking the caller: the calls run on the runtime's thread pool. The main isolate does
 * it for the shards. A shard that read the disk itself would stall all its partitions until the disk answers. Source: man 2
 * sendfile.
 */
import { linuxFileSystem } from "./file_system.ts";
import { isSupported } from "./libc.ts";
import { nativeMemory } from "./memory.ts";
import { threadedLibc } from "./threaded_libc.ts";

/** Opened at the start, so that a later lack of descriptors cannot prevent a load. */
const nullDevice = isSupported ? linuxFileSystem.open("/dev/null", { write: true }) : -1;

/**
 * Brings a range of a file into the page cache. The pages are sent to /dev/null, which copies nothing; a read would copy each page
 * into a buffer.
 * @returns a promise that settles when the range is there or the disk failed; the sender then waits or fails
 */
export async function loadPages(file: { fd: number; position: number; length: number }): Promise<void> {
  if (threadedLibc === null) return;
  const end = file.position + file.length;
  const offset = nativeMemory(new ArrayBuffer(128));
  offset.view.setBigInt64(0, BigInt(file.position), true);
  for (let at = file.position; at < end; at = Number(offset.view.getBigInt64(0, true))) {
    const count = await threadedLibc.sendfile(nullDevice, file.fd, BigInt(offset.address), BigInt(end - at));
    if (count <= 0) return;
  }
}
