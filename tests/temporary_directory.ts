/**
 * A directory for one test, on the real file system. Test code.
 */

/** Calls with the real path of a temporary directory, and removes it with its contents afterwards. */
export async function withDirectory(use: (path: string) => Promise<void>): Promise<void> {
  const path = await Deno.realPath(await Deno.makeTempDir({ prefix: "barnabas-test-" }));
  try {
    await use(path);
  } finally {
    await Deno.remove(path, { recursive: true });
  }
}
