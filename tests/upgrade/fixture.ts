/**
 * A data directory in one file: `tests/upgrade/<version>-<ending>.json.gz`, whose `files` are in base64. Test code.
 */
import { gunzipSync, gzipSync } from "node:zlib";
import { dirname, join } from "node:path";
import type { Contents } from "./contents.ts";

/** A directory that a version of the broker left. */
export interface Fixture {
  /** Contents of its files in base64, by path. */
  readonly files: Readonly<Record<string, string>>;
  /** What clients of that version read. */
  readonly contents: Contents;
}

const here = new URL("./", import.meta.url).pathname;

/** Names of all fixtures. */
export function fixtureNames(): string[] {
  const names = [...Deno.readDirSync(here)].map(({ name }) => name).filter((name) => name.endsWith(".json.gz"));
  return names.map((name) => name.slice(0, -".json.gz".length)).toSorted();
}

/** Unpacks a fixture into an empty directory. @returns what it holds */
export function unpack(name: string, directory: string): Contents {
  const fixture: Fixture = JSON.parse(
    new TextDecoder().decode(gunzipSync(Deno.readFileSync(join(here, `${name}.json.gz`)))),
  );
  for (const [path, content] of Object.entries(fixture.files)) {
    const file = join(directory, path);
    Deno.mkdirSync(dirname(file), { recursive: true });
    Deno.writeFileSync(file, Uint8Array.fromBase64(content));
  }
  return fixture.contents;
}

/** Packs a directory. @returns bytes of the file */
export function pack(name: string, directory: string, contents: Contents): number {
  const files: Record<string, string> = {};
  for (const path of filesIn(directory)) files[path] = Deno.readFileSync(join(directory, path)).toBase64();
  const bytes = gzipSync(JSON.stringify({ files, contents }), { level: 9 });
  Deno.writeFileSync(join(here, `${name}.json.gz`), bytes);
  return bytes.length;
}

function filesIn(directory: string, under = ""): string[] {
  return [...Deno.readDirSync(join(directory, under))].toSorted((a, b) => a.name < b.name ? -1 : 1).flatMap((entry) => {
    const path = join(under, entry.name);
    return entry.isDirectory ? filesIn(directory, path) : entry.name === ".lock" ? [] : [path];
  });
}
