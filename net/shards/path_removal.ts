/** Removes files for shards, which do not wait for the disk. Runs on the main isolate, whose runtime does it on other threads. */

/**
 * Removes files, and directories with all their content; missing is fine.
 * @param warn gets a sentence for each that cannot be removed now, and is removed at the next start
 */
export async function removePaths(paths: readonly string[], warn: (text: string) => void): Promise<void> {
  for (const path of paths) {
    try {
      await Deno.remove(path, { recursive: true });
    } catch (error) {
      // The segment's topic may have been deleted meanwhile.
      if (!(error instanceof Deno.errors.NotFound)) warn(`Cannot remove ${path}: ${String(error)}`);
    }
  }
}
