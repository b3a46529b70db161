/**
 * Brings files into the page cache without waiting: the calls run on the runtime's thread pool. For the main isolate, on behalf of
 * shards, which would stall everything they own until the disk answers. Source: man 2 sendfile.
 */
import { linuxFileSystem } from "./file_system.ts";
import { isSupported } from "./libc.ts";
import { nativeMemory } from "./memory.ts";
import { threadedLibc } from "./threaded_libc.ts";

/** Open from the start on, so that a lack of descriptors cannot come between. */
const nullDevice = isSupported ? linuxFileSystem.open("/dev/null", { write: true }) : -1;

/**
 * Brings a range of a file into the page cache. The pages are sent to /dev/null, which looks at none of them: reading would copy each
 * into a buffer that nobody wants.
 * @returns when it is there, or the disk failed; the sender then waits or fails
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
