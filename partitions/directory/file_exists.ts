/**
 * Whether there is something at a path. Main isolate.
 */

/** @returns whether the path has a file, a directory or a link @throws the runtime's errors when that cannot be known */
export async function fileExists(path: string): Promise<boolean> {
  try {
    await Deno.lstat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
