/**
 * The files of this repository, for tests about the source. Test code.
 */
import { type SourceFile, sourceFile } from "./source_text.ts";

const ROOT = new URL("../../", import.meta.url);
const SKIPPED = new Set(["node_modules", "golden", "coverage"]);

/** Every TypeScript file, by path. */
export const sources: readonly SourceFile[] = filesUnder("")
  .filter((path) => path.endsWith(".ts"))
  .map((path) => sourceFile(path, readText(path)));

/** Paths of every text file: sources, documents, configuration, scripts. Hidden folders are left out, except `.ci`. */
export const textPaths: readonly string[] = filesUnder("").filter((path) =>
  /(\.(ts|md|json|jsonl|lock|txt|xml|c|properties|toml|sh|py|mjs|js|java|go)|^\.ci\/[^/]+|^LICENSE|\.gitignore)$/.test(
    path,
  )
);

/** The text of a file. @param path from the root of the repository */
export function readText(path: string): string {
  return Deno.readTextFileSync(new URL(path, ROOT));
}

/** Whether a file or folder exists. @param path from the root of the repository */
export function exists(path: string): boolean {
  try {
    Deno.statSync(new URL(path, ROOT));
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Whether a file is part of the product: code that runs when the broker runs. */
export function isProduct({ path }: { path: string }): boolean {
  return /^(main\.ts|mod\.ts|net\/|partitions\/|storage\/)/.test(path) && !isTest({ path });
}

/** Whether a file is a test, or code that only tests import. */
export function isTest({ path }: { path: string }): boolean {
  return /(_test|_testing)\.ts$/.test(path) || path.startsWith("tests/");
}

function filesUnder(folder: string): string[] {
  return [...Deno.readDirSync(new URL(folder, ROOT))].sort((a, b) => a.name < b.name ? -1 : 1).flatMap((entry) => {
    const path = folder + entry.name;
    if (entry.isDirectory) {
      const isHidden = entry.name.startsWith(".") && entry.name !== ".ci";
      return isHidden || SKIPPED.has(entry.name) ? [] : filesUnder(`${path}/`);
    }
    return entry.isFile ? [path] : [];
  });
}
