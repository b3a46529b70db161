/**
 * TypeScript as text, for rules about the source: code without comments and contents of strings, imports, exports and the extent of
 * functions. Lines and columns stay those of the file. It is no parser; each function's comment says what it recognizes. Test code.
 */

/** One file of the repository. */
export interface SourceFile {
  /** Path from the root of the repository, with slashes. */
  readonly path: string;
  readonly text: string;
  /** The text with comments, string contents and regular expressions blanked out; same length, same lines. */
  readonly code: string;
}

/** One import or re-export. */
export interface Import {
  /** As written. */
  readonly specifier: string;
  /** Path from the root for a relative specifier, else the specifier. */
  readonly target: string;
  /** True when it imports types only, so that nothing is loaded at run time. */
  readonly isTypeOnly: boolean;
  /** True for a `new URL()`: another isolate loads it. */
  readonly isWorker: boolean;
  /** True for an `import()`: it is loaded when it is needed. */
  readonly isLate: boolean;
  readonly line: number;
}

/** A function's body, or an arrow function's. */
export interface FunctionExtent {
  /** The text before its brace, for messages. */
  readonly head: string;
  readonly line: number;
  readonly lines: number;
}

/** A file with this text. */
export function sourceFile(path: string, text: string): SourceFile {
  return { path, text, code: blankOut(text) };
}

/** Line of a place in a text, from 1. */
export function lineAt(text: string, at: number): number {
  return text.slice(0, at).split("\n").length;
}

/** Imports and re-exports, `import()` and the module of a `new Worker(new URL(...))`. */
export function importsOf({ path, text, code }: SourceFile): Import[] {
  const found: Import[] = [];
  const statement = /\b(?:import|export)\b([^;"'`()]*?)\bfrom\s*(["'])/g;
  const dynamic = /(?:\bimport\s*\(|\bnew URL\s*\(|(?<=^|[;{}]\s*)\bimport)\s*(["'])/gm;
  for (const match of [...code.matchAll(statement), ...code.matchAll(dynamic)]) {
    const start = match.index + match[0].length;
    const specifier = text.slice(start, code.indexOf(match.at(-1) as string, start));
    if (match[0].startsWith("new URL") && !specifier.endsWith(".ts")) continue;
    found.push({
      specifier,
      target: resolve(path, specifier),
      isTypeOnly: isTypeOnly(match[1] ?? ""),
      isWorker: match[0].startsWith("new URL"),
      isLate: /^import\s*\(/.test(match[0]),
      line: lineAt(text, match.index),
    });
  }
  return found;
}

/** Functions with a body in braces. The text before a brace tells a function from an object or a class. */
export function functionsOf({ code }: SourceFile): FunctionExtent[] {
  const open: number[] = [];
  const found: FunctionExtent[] = [];
  for (let at = 0; at < code.length; at++) {
    if (code[at] === "{") open.push(at);
    if (code[at] !== "}") continue;
    const start = open.pop();
    if (start === undefined) continue;
    const head = code.slice(Math.max(0, start - 400), start).trimEnd();
    if (!opensFunction(head)) continue;
    const line = lineAt(code, start);
    found.push({ head: head.slice(-60).trim(), line, lines: lineAt(code, at) - line + 1 });
  }
  return found;
}

/** Exported declarations that have no JSDoc comment directly above them. Further overloads of a function need none. */
export function undocumentedExports({ text, code }: SourceFile): { name: string; line: number }[] {
  const declaration =
    /^export (?:declare )?(?:abstract )?(?:async )?(?:function\*?|class|interface|type|const|let) +([\w$]+|\{)/gm;
  const documented = new Set<string>();
  const found: { name: string; line: number }[] = [];
  for (const match of code.matchAll(declaration)) {
    const name = match[1] as string;
    if (name === "{" || documented.has(name)) continue; // `export type { A } from` declares nothing
    const above = text.slice(0, match.index);
    const isDocumented = above.endsWith("*/\n") && above.startsWith("/**", above.lastIndexOf("/*"));
    if (isDocumented) documented.add(name);
    else found.push({ name, line: lineAt(text, match.index) });
  }
  return found;
}

function isTypeOnly(clause: string): boolean {
  const trimmed = clause.trim();
  if (trimmed.startsWith("type ")) return true;
  const names = /^\{([^]*)\}$/.exec(trimmed)?.[1]?.split(",").map((name) => name.trim()).filter((name) => name !== "");
  return names !== undefined && names.length > 0 && names.every((name) => name.startsWith("type "));
}

function resolve(from: string, specifier: string): string {
  return specifier.startsWith(".") ? new URL(specifier, `file:///${from}`).pathname.slice(1) : specifier;
}

/** Whether the brace after this text begins a function's body: after "=>", or after a parameter list and a return type. */
function opensFunction(head: string): boolean {
  if (head.endsWith("=>")) return true;
  const statement = head.slice(Math.max(head.lastIndexOf(";"), head.lastIndexOf("}\n"), head.lastIndexOf("*/")) + 1);
  if (/\b(class|interface|enum|namespace)\b[^()]*$/.test(statement)) return false;
  if (/(^|[^\w.#])(if|for|while|switch|catch|with)\s*\([^]*\)\s*$/.test(statement.split("\n").at(-1) ?? "")) {
    return false;
  }
  return /\)\s*(:\s*(?:[^=;{}()]|=>|\{[^{}]*\}|\([^()]*\))*)?$/.test(head);
}

/** Where a "/" begins a regular expression rather than a division. */
const BEFORE_REGEX = /(?:^|[([{,;:=!&|?+\-*%~^<>]|\b(?:return|typeof|case|in|of|do|else|yield|await|void|delete))\s*$/;

function blankOut(text: string): string {
  const out: string[] = [];
  const templates: number[] = []; // depth of braces inside each ${} that is open
  let at = 0;
  const blank = (end: number) => {
    for (; at < end; at++) out.push(text[at] === "\n" ? "\n" : " ");
  };
  const keep = (count: number) => {
    for (let i = 0; i < count && at < text.length; i++) out.push(text[at++] as string);
  };
  const template = () => {
    for (let end = at; end <= text.length; end++) {
      if (text[end] === "\\") end++;
      else if (text.startsWith("${", end)) {
        blank(end);
        keep(2);
        templates.push(0);
        return;
      } else if (text[end] === "`" || end === text.length) {
        blank(end);
        keep(1);
        return;
      }
    }
  };
  while (at < text.length) {
    const char = text[at] as string;
    if (text.startsWith("//", at)) blank(endOf(text, "\n", at));
    else if (text.startsWith("/*", at)) blank(endOf(text, "*/", at + 2) + 2);
    else if (char === '"' || char === "'") {
      keep(1);
      blank(endOfString(text, char, at));
      keep(1);
    } else if (char === "`") {
      keep(1);
      template();
    } else if (char === "/" && BEFORE_REGEX.test(out.slice(-40).join(""))) blank(endOfRegex(text, at));
    else if (templates.length > 0 && char === "{") keep(1), templates[templates.length - 1]!++;
    else if (templates.length > 0 && char === "}") {
      keep(1);
      if (templates.at(-1) === 0) templates.pop(), template();
      else templates[templates.length - 1]!--;
    } else keep(1);
  }
  return out.join("").slice(0, text.length);
}

function endOf(text: string, mark: string, from: number): number {
  const end = text.indexOf(mark, from);
  return end < 0 ? text.length : end;
}

function endOfString(text: string, quote: string, from: number): number {
  let end = from;
  while (end < text.length && text[end] !== quote && text[end] !== "\n") end += text[end] === "\\" ? 2 : 1;
  return end;
}

function endOfRegex(text: string, from: number): number {
  let inClass = false;
  for (let end = from + 1; end < text.length && text[end] !== "\n"; end++) {
    if (text[end] === "\\") end++;
    else if (text[end] === "[") inClass = true;
    else if (text[end] === "]") inClass = false;
    else if (text[end] === "/" && !inClass) return end + 1;
  }
  return from + 1;
}
