/**
 * Patterns that no source file may contain. Each has planted violations that it has to catch, and harmless texts that it has to pass.
 * Test code.
 */
import { type Finding, runtimeClosure } from "./layering.ts";
import { isProduct, isTest, sources } from "./repository.ts";
import { lineAt, type SourceFile } from "./source_text.ts";

/** One rule. */
export interface PatternRule {
  /** The rule as a sentence. */
  readonly name: string;
  /** Searched in the code (without comments and strings), or in the whole text. */
  readonly pattern: RegExp;
  readonly within: "code" | "text";
  readonly applies: (path: string) => boolean;
  /** Files that may break it: path -> reason. A test fails when one is not needed any more. */
  readonly exceptions: ReadonlyMap<string, string>;
  readonly planted: readonly string[];
  readonly harmless: readonly string[];
}

const loadedBy = (start: string) =>
  runtimeClosure(start, new Map(sources.map((file) => [file.path, file])), { isSameIsolate: true });
const loadedByShards = loadedBy("net/shards/shard_worker.ts");
const loadedByMain = loadedBy("main.ts");

/** Files of the HTTP listener's worker, which lives by its event loop. */
const HTTP_WORKER = /^net\/http\/server\//;
const SQLITE_WORKER = /^partitions\/metadata\/store\/sqlite_(store_worker|database)\.ts$/;
const everywhere = () => true;
const product = (path: string) => isProduct({ path });
/** Files that both isolates load follow the rules of both. Files that neither loads, such as files of types, follow those of shards. */
const onMainIsolate = (path: string) => loadedByMain.has(path);
const onShards = (path: string) =>
  product(path) && (loadedByShards.has(path) || !loadedByMain.has(path)) && !SQLITE_WORKER.test(path) &&
  !HTTP_WORKER.test(path) && !path.startsWith("storage/sys/");

/** The rules. */
export const patternRules: readonly PatternRule[] = [
  rule("only main.ts, tests and benchmarks write to the console", {
    pattern: /\bconsole\s*\.\s*\w+/,
    applies: (path) => product(path) && path !== "main.ts",
    planted: ["console.log(1)", "  console.error(`x ${y}`)"],
    harmless: ["// console.log(1)", 'const s = "console.log(1)"'],
  }),
  rule("only storage/sys names the foreign function interface", {
    pattern: /\bDeno\s*\.\s*(dlopen|Unsafe\w+)/,
    applies: (path) => product(path) && !path.startsWith("storage/sys/"),
    planted: ['Deno.dlopen("libc.so.6", {})', "new Deno.UnsafePointerView(p)"],
    harmless: ["/** Deno.dlopen is elsewhere. */", "Deno.listen({ port: 0 })"],
  }),
  rule("only partitions/shared names Atomics", {
    pattern: /\bAtomics\b/,
    applies: (path) => product(path) && !path.startsWith("partitions/shared/"),
    planted: ["Atomics.load(words, 0)", "const { load } = Atomics"],
    harmless: ["// Atomics.load", "const nuclear = 1"],
  }),
  rule("nothing waits by Atomics.wait", {
    pattern: /\bAtomics\s*\.\s*wait(Async)?\b/,
    applies: product,
    planted: ["Atomics.wait(words, 0, 0)", "Atomics.waitAsync(words, 0, 0)"],
    harmless: ["Atomics.store(words, 0, 0)"],
  }),
  rule("a shard neither awaits nor sets timers: the reactor holds its isolate, promises and timers do not run", {
    pattern: /\bawait\b|\basync\b|\.then\s*\(|\b(?:setTimeout|setInterval|queueMicrotask)\s*\(/,
    applies: onShards,
    exceptions: [
      ["net/shards/shard_worker.ts", "gives up its turn to receive what the main isolate has posted"],
      ["net/shards/fetching/cluster_code.ts", "loads code before the first turn"],
      [
        "partitions/flush_worker/flush_worker.ts",
        "runs in a worker of its own, which waits for flushes on other threads",
      ],
      ["partitions/flush_worker/flush_rounds.ts", "runs in that worker"],
      ["storage/cleaner_workers/cleaner_worker.ts", "is a worker's, which pauses between two pieces of a cleaning"],
    ],
    planted: ["await x", "const f = async () => 1", "x.then(() => 1)", "setTimeout(f, 1)", "setInterval(f, 1)"],
    harmless: ["let timer: ReturnType<typeof setTimeout>;", "// await nothing"],
  }),
  rule("the main isolate makes no call that can block", {
    pattern: /\b\w+Sync\s*\(|\bDeno\s*\.\s*\w+Sync\b/,
    applies: onMainIsolate,
    exceptions: [
      ["main.ts", "reads --config before anything runs; a log record has to be written before an exit"],
      ["net/accept/handoff.ts", "looks at /proc/self/fd, which is memory"],
      [
        "storage/sys/file_system.ts",
        "is the shards' file system, of which the main isolate opens descriptors and small files",
      ],
    ],
    planted: ['Deno.readFileSync("x")', "file.writeSync(bytes)", "read(Deno.readTextFileSync)"],
    harmless: ['await Deno.readFile("x")', "const isSynced = true"],
  }),
  rule("no default exports", {
    pattern: /\bexport\s+default\b|\bas\s+default\b/,
    applies: everywhere,
    planted: ["export default 1", "export { x as default }"],
    harmless: ["const defaultText = 1"],
  }),
  rule("no enums", {
    pattern: /\benum\s+\w+\s*\{/,
    applies: everywhere,
    planted: ["enum Color { Red }", "export const enum A {}"],
    harmless: ["const enumeration = {}"],
  }),
  rule("no list is spread into arguments: one that is longer than the stack ends the process", {
    pattern: /\bMath\s*\.\s*(?:max|min)\([^()]*\.\.\.|\.\s*(?:push|unshift)\(\s*\.\.\./,
    applies: product,
    exceptions: [
      ["net/protocol/encoder.ts", "lines of a program for one message"],
      ["net/protocol/decoder.ts", "lines of a program for one message"],
    ],
    planted: [
      "Math.max(...offsets)",
      "Math.min(0, ...offsets)",
      "paths.push(...others)",
      "all.unshift(\n  ...some,\n)",
    ],
    harmless: ["[...a, ...b]", "list.push({ ...row })", "Math.max(a, b)", "for (const x of y) z.push(x)"],
  }),
  rule("no any", {
    pattern: /(?:[:<,|&(=]|\bas|\bis|=>)\s*any\b(?!\s*[(:])/,
    applies: everywhere,
    planted: ["let x: any;", "x as any", "Promise<any>", "Map<string, any>", "type A = any"],
    harmless: ["// any", "const any1 = 2", "list.any(1)"],
  }),
  rule("no errors silenced for the compiler", {
    pattern: /@ts-(?:ignore|nocheck|expect-error)/,
    within: "text",
    applies: product,
    planted: ["// @ts-" + "ignore"],
    harmless: ["// ignore"],
  }),
  rule("private members are #private", {
    pattern: /\bprivate\s+(?!constructor\b)[\w#]/,
    applies: everywhere,
    planted: ["class A { private x = 1 }", "  private f() {}"],
    harmless: ["class A { #x = 1; private constructor() {} }"],
  }),
  rule("a constructor sets one field a line, without destructuring", {
    // Searches to the end of the constructor: a closing brace at its indentation, or an empty body.
    pattern: /\bconstructor\s*\((?:(?!\n {2}\}\n|\)\s*\{\s*\})[^])*?\[\s*this\s*\.[^\]=]*\]\s*=(?!=)/,
    applies: everywhere,
    planted: [
      "class A {\n  constructor(a, b) {\n    [this.#a, this.b] = [a, b];\n  }\n}",
      "class A {\n  private constructor({\n    a,\n  }: B) {\n    const c = a;\n    [\n      this.a] = [c];\n  }\n}",
    ],
    harmless: [
      "class A {\n  constructor() {}\n  f() {\n    [this.a, this.b] = [1, 2];\n  }\n}",
      "class A {\n  constructor(a) {\n    this.a = [a][0];\n  }\n  f() {\n    [this.a, this.b] = [1, 2];\n  }\n}",
    ],
  }),
  rule("no work left for later in the text", {
    pattern: new RegExp(`\\b(?:${["TO" + "DO", "FIX" + "ME", "X" + "XX", "HA" + "CK"].join("|")})\\b`),
    within: "text",
    applies: everywhere,
    planted: ["// TO" + "DO: more", "/* FIX" + "ME */"],
    harmless: ["// to do it well", "const todos = 1"],
  }),
  rule("no empty catch", {
    pattern: /\bcatch\s*(?:\([^)]*\)\s*)?\{\s*\}/,
    applies: everywhere,
    exceptions: [],
    planted: ["try { f(); } catch {}", "catch (error) { // nothing\n }"],
    harmless: ["catch (error) { throw error; }"],
  }),
  rule("no test sleeps for a fixed time", {
    pattern: /\bsetTimeout\s*\(\s*\w+\s*,\s*\d{3,}/,
    applies: (path) => isTest({ path }) && path.endsWith("_test.ts"),
    planted: ["await new Promise((resolve) => setTimeout(resolve, 500))"],
    harmless: ["await new Promise((resolve) => setTimeout(resolve, 0))"],
  }),
];

/** Where a file breaks a rule, without the exceptions. */
export function patternFindings(rule: PatternRule, file: SourceFile): Finding[] {
  if (!rule.applies(file.path) || rule.exceptions.has(file.path)) return [];
  return matches(rule, file);
}

/** Exceptions of a rule that nothing needs any more. */
export function unusedExceptions(rule: PatternRule, files: readonly SourceFile[]): string[] {
  const needs = (path: string) => files.some((file) => file.path === path && matches(rule, file).length > 0);
  return [...rule.exceptions.keys()].filter((path) => !rule.applies(path) || !needs(path));
}

/** Every match, whether the rule applies to the file or not. */
export function matches(rule: PatternRule, file: SourceFile): Finding[] {
  const searched = rule.within === "code" ? file.code : file.text;
  const all = searched.matchAll(new RegExp(rule.pattern, `${rule.pattern.flags}g`));
  return [...all].map((match) => ({
    path: file.path,
    line: lineAt(searched, match.index),
    message: `${rule.name}: ${match[0].trim()}`,
  }));
}

function rule(
  name: string,
  of: Pick<PatternRule, "pattern" | "applies" | "planted" | "harmless"> & {
    within?: "code" | "text";
    exceptions?: [string, string][];
  },
): PatternRule {
  return { name, ...of, within: of.within ?? "code", exceptions: new Map(of.exceptions ?? []) };
}
