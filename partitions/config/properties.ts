/**
 * Java's .properties format, in which Kafka's server.properties is written. Pure; the main isolate runs it.
 *
 * ```
 * natural line   ends with \n, \r or \r\n; an odd number of backslashes before that joins it to the next, whose leading
 *                whitespace is dropped
 * comment        first non-white character is # or !; never joined
 * key            up to the first unescaped '=', ':' or white space (space, tab, form feed)
 * separator      white space, at most one '=' or ':', white space
 * escapes        \t \n \r \f \uXXXX; any other character after a backslash stands for itself
 * ```
 * Source: java.util.Properties.load. One difference: the text is UTF-8, where Java reads Latin-1.
 */

/** The properties in the order of the file, where the last of a repeated key counts; or why the file cannot be read. */
export type ParsedProperties =
  | { readonly properties: ReadonlyMap<string, string> }
  | { readonly refused: string };

const WHITE = " \t\f";
const ESCAPES: Readonly<Record<string, string>> = { t: "\t", n: "\n", r: "\r", f: "\f" };

/** Parses a properties file. @param text the whole file */
export function parseProperties(text: string): ParsedProperties {
  const properties = new Map<string, string>();
  const naturalLines = text.replace(/^\uFEFF/, "").split(/\r\n|\r|\n/);
  for (let at = 0; at < naturalLines.length; at++) {
    const lineNumber = at + 1;
    let line = (naturalLines[at] ?? "").replace(/^[ \t\f]+/, "");
    if (line === "" || line.startsWith("#") || line.startsWith("!")) continue;
    const pieces: string[] = [];
    while (isJoined(line)) {
      pieces.push(line.slice(0, -1));
      line = (naturalLines[++at] ?? "").replace(/^[ \t\f]+/, "");
    }
    const { key, value } = splitAtSeparator(pieces.join("") + line);
    const [name, content] = [unescape(key), unescape(value)];
    if (name === null || content === null) {
      return { refused: `line ${lineNumber}: \\u is not followed by four hex digits` };
    }
    properties.set(name, content);
  }
  return { properties };
}

function isJoined(line: string): boolean {
  let at = line.length;
  while (line[at - 1] === "\\") at--;
  return (line.length - at) % 2 === 1;
}

function splitAtSeparator(line: string): { key: string; value: string } {
  let at = 0;
  while (at < line.length && !`${WHITE}=:`.includes(line.charAt(at))) at += line[at] === "\\" ? 2 : 1;
  const rest = line.slice(at).replace(/^[ \t\f]*[=:]?[ \t\f]*/, "");
  return { key: line.slice(0, at), value: rest };
}

/** @returns null when an escape is malformed */
function unescape(text: string): string | null {
  if (/\\u(?![0-9a-fA-F]{4})/.test(text.replaceAll("\\\\", ""))) return null;
  return text.replace(/\\(u([0-9a-fA-F]{4})|[^]|$)/g, (_, escape: string, hex: string | undefined) => {
    if (hex !== undefined) return String.fromCharCode(Number.parseInt(hex, 16));
    return ESCAPES[escape] ?? escape;
  });
}
