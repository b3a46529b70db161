/**
 * Checks the traces of ARCHITECTURE.md: the files that a request passes, each of which names the next one. Test code.
 *
 * A hop is one of three: an import; a ring record that both files name; or a call of a method. The method is in the next file, or in a
 * third file that imports the next one (a callback, a service that is passed in).
 */
import { importsOf, type SourceFile } from "./source_text.ts";

/** One line of a trace: how the file is named ("import", "name()", a ring record), the file, and words for the reader. */
const HOP = /^\s+(?:(\S+)\s+)?((?:net|partitions|storage)\/\S+)(?:\s{2,}\S.*)?$/;

/** One file of a trace. */
export interface Hop {
  /** How the file before names this one: "import", "name()" or the name of a ring record; "" for the first file. */
  readonly by: string;
  /** Path without ".ts". */
  readonly file: string;
}

/** The hops of one request. */
export interface Trace {
  readonly name: string;
  readonly hops: readonly Hop[];
}

/** Most files of a trace: a newcomer keeps that many in mind. */
export const TRACE_FILES_MAX = 7;

/**
 * The traces of a document: the lines of its block of kind "traces". A headline may name several requests with commas between them. Then
 * each line is theirs, and {a,b} in it has a part for each.
 */
export function tracesIn(document: string): Trace[] {
  const block = /```traces\n([^]*?)```/.exec(document)?.[1] ?? "";
  return block.split(/\n\n+/).flatMap((text) => {
    const [head = "", ...lines] = text.trimEnd().split("\n");
    return head.split(", ").map((name, index) => ({ name, hops: lines.map((line) => hopIn(line, index)) }));
  });
}

/** @returns a file that does not exist for a line that cannot be read */
function hopIn(line: string, index: number): Hop {
  const [, by = "", file = line.trim()] = HOP.exec(line) ?? [];
  const part = (text: string) => text.replace(/\{([^}]*)\}/, (_, parts: string) => `${parts.split(",")[index]}`);
  return { by: part(by), file: part(file) };
}

/** Errors in a trace, as sentences. @param files of the product by path */
export function brokenHops({ name, hops }: Trace, files: ReadonlyMap<string, SourceFile>): string[] {
  const broken: string[] = [];
  if (hops.length > TRACE_FILES_MAX) broken.push(`${name} passes ${hops.length} files`);
  for (const [index, { by, file }] of hops.entries()) {
    const next = files.get(`${file}.ts`);
    if (next === undefined) {
      broken.push(`${name}: ${file} does not exist`);
      continue;
    }
    const before = files.get(`${hops[index - 1]?.file}.ts`);
    if (before !== undefined && !isNamed(by, before, next, files)) {
      broken.push(`${name}: ${before.path} does not name ${file} by ${by}`);
    }
  }
  return broken;
}

function isNamed(by: string, before: SourceFile, next: SourceFile, files: ReadonlyMap<string, SourceFile>): boolean {
  if (by === "import") return imports(before, next, files);
  if (!by.endsWith("()")) return [before, next].every(({ code }) => new RegExp(`\\bkind\\.${by}\\b`).test(code));
  const method = by.slice(0, -2);
  const calls = new RegExp(`\\b${method}\\(`);
  const has = new RegExp(`\\b${method}(\\(|<|:)`);
  const connects = (file: SourceFile) => has.test(file.code) && imports(file, next, files);
  return calls.test(before.code) && (has.test(next.code) || files.values().some(connects));
}

/** Whether a file imports another, by its path or through a door that exports it. */
function imports(file: SourceFile, other: SourceFile, files: ReadonlyMap<string, SourceFile>): boolean {
  const isOther = ({ target }: { target: string }) => target === other.path;
  return importsOf(file).some((imported) => {
    if (isOther(imported)) return true;
    const door = imported.target.endsWith("/mod.ts") ? files.get(imported.target) : undefined;
    return door !== undefined && importsOf(door).some(isOther);
  });
}
