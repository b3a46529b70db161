/**
 * Replaces a small file atomically on the main isolate, which must not wait for a disk. The steps are those of atomic_file.ts.
 */
import { directoryOf } from "./atomic_file.ts";

/**
 * Replaces a file durably.
 * @param path of the file, absolute @param text its new content
 * @returns settles once file and directory are durable @throws the runtime's errors when the disk refuses
 */
export async function replaceFileAsync(path: string, text: string): Promise<void> {
  const temporary = `${path}.tmp`;
  {
    using file = await Deno.open(temporary, { write: true, create: true, truncate: true });
    const bytes = new TextEncoder().encode(text);
    for (let written = 0; written < bytes.length;) written += await file.write(bytes.subarray(written));
    await file.syncData();
  }
  await Deno.rename(temporary, path);
  await syncDirectoryAsync(directoryOf(path));
}

/** Makes creations, renames and removals in a directory durable. @throws the runtime's errors when the disk refuses */
export async function syncDirectoryAsync(path: string): Promise<void> {
  using directory = await Deno.open(path, { read: true });
  await directory.sync();
}
