/**
 * Lists the files in a binary made by `deno compile`. Behind the runtime, the binary has the listing of its virtual file system as
 * JSON ({"Dir":{"n":name,"e":[entries]}} and {"File":{"n":name}}). Build tool.
 *
 * Source: output of Deno 2.9.6 (deno's `lib/standalone`, virtual_fs). If a later Deno writes it differently, nothing is found, and the
 * caller reports that.
 */

type Entry =
  | { readonly Dir: { readonly n: string; readonly e: readonly Entry[] } }
  | { readonly File: { readonly n: string } }
  | { readonly Symlink: { readonly n: string } };

const LISTING_STARTS = ['[{"Dir":{"n":', '[{"File":{"n":'];

/**
 * Paths of the files in a compiled binary, with slashes.
 * @param bytes the binary
 * @returns the longest listing in it; empty if there is none
 */
export function embeddedFiles(bytes: Uint8Array): string[] {
  let longest: string[] = [];
  for (const start of LISTING_STARTS) {
    const mark = new TextEncoder().encode(start);
    for (let at = indexOf(bytes, mark, 0); at >= 0; at = indexOf(bytes, mark, at + 1)) {
      const end = endOfArray(bytes, at);
      const files = end < 0 ? [] : parseListing(new TextDecoder().decode(bytes.subarray(at, end)));
      if (files.length > longest.length) longest = files;
      if (end > at) at = end;
    }
  }
  return longest;
}

function parseListing(text: string): string[] {
  try {
    return flatten(JSON.parse(text) as Entry[], "");
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) return []; // the mark was part of some other text
    throw error;
  }
}

function flatten(entries: readonly Entry[], folder: string): string[] {
  return entries.flatMap((entry) => {
    if ("Dir" in entry) return flatten(entry.Dir.e, `${folder}${entry.Dir.n}/`);
    return "File" in entry ? [folder + entry.File.n] : [];
  });
}

function indexOf(bytes: Uint8Array, mark: Uint8Array, from: number): number {
  for (let at = bytes.indexOf(mark[0] as number, from); at >= 0; at = bytes.indexOf(mark[0] as number, at + 1)) {
    if (mark.every((byte, i) => bytes[at + i] === byte)) return at;
  }
  return -1;
}

/** @returns the position after the bracket that closes the array at `start`; -1 when it is not JSON */
function endOfArray(bytes: Uint8Array, start: number): number {
  const [QUOTE, BACKSLASH, OPEN, CLOSE] = [0x22, 0x5c, 0x5b, 0x5d];
  let depth = 0;
  let inString = false;
  for (let at = start; at < bytes.length; at++) {
    const byte = bytes[at];
    if (byte === 0) return -1;
    if (inString && byte === BACKSLASH) at++;
    else if (byte === QUOTE) inString = !inString;
    else if (!inString && byte === OPEN) depth++;
    else if (!inString && byte === CLOSE && --depth === 0) return at + 1;
  }
  return -1;
}
