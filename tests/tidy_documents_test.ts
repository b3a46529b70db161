/**
 * Tests about documents: they agree with the source, tables agree with the code that uses them, and no file names something of one
 * machine. Each rule has to catch a violation that is planted for it.
 */
import assert from "node:assert/strict";
import { apis } from "../net/handlers/mod.ts";
import { brokerDefinitions } from "../partitions/config/broker/broker_definitions.ts";
import { helpText } from "../partitions/config/command_line/help_text.ts";
import { topicDefinitions } from "../partitions/config/topics/topic_definitions.ts";
import { VERSION } from "../partitions/config/version.ts";
import { questions } from "../partitions/questions/questions.ts";
import { kind } from "../partitions/shared/messages.ts";
import {
  COUNTER,
  FLUSH_WORKER,
  ISOLATE,
  RATE,
  RING,
  type SharedWord,
  sharedWords,
  TRAFFIC,
  WATERMARK,
} from "../partitions/shared/words.ts";
import { type Proven, provenByRun } from "./interop/matrix/matrix.ts";
import { handlerList } from "./tidy/handler_list.ts";
import { questionList } from "./tidy/question_list.ts";
import { readmeWithTables, tableNames, tablesIn } from "./tidy/readme_tables.ts";
import { sourceFile } from "./tidy/source_text.ts";
import { brokenHops, TRACE_FILES_MAX, tracesIn } from "./tidy/traces.ts";
import { exists, isProduct, readText, sources, textPaths } from "./tidy/repository.ts";

const denoJson = JSON.parse(readText("deno.json")) as {
  version: string;
  imports: Record<string, string>;
  tasks: Record<string, string>;
};
const documents = textPaths.filter((path) => /^[A-Z]+\.md$|^\.ci\//.test(path));

Deno.test("README.md has every table as the source has it (if not: deno task generate)", () => {
  const readme = readText("README.md");
  assert.deepEqual(tablesIn(readme).sort(), [...tableNames].sort());
  const planted = readme.replace("| Fetch | 4 to", "| Fetch | 3 to");
  assert.notEqual(planted, readme);
  assert.notEqual(readmeWithTables(planted), planted, "a wrong version is caught");
  assert.equal(readmeWithTables(readme), readme);
});

/** Tests that the interop matrix names and that do not exist. */
function brokenProofs(proven: Proven): string[] {
  return Object.entries(proven).flatMap(([file, tests]) => {
    const text = exists(file) ? readText(file) : "";
    return Object.keys(tests).filter((name) => !text.includes(JSON.stringify(name))).map((name) => `${file}: ${name}`);
  });
}

Deno.test("every cell of README.md's matrix of clients comes from a test that exists (if not: deno task generate:matrix)", () => {
  assert.deepEqual(brokenProofs({ "tests/gone_test.ts": { "a test": {} } }), ["tests/gone_test.ts: a test"]);
  assert.deepEqual(brokenProofs({ "tests/tidy_test.ts": { "no such test": {} } }), [
    "tests/tidy_test.ts: no such test",
  ]);
  assert.deepEqual(brokenProofs(provenByRun()), []);
});

/** Tasks, files, flags and links that a document names and that do not exist. */
function brokenReferences(text: string): string[] {
  const found: string[] = [];
  for (const [, task = ""] of text.matchAll(/\bdeno(?:@[\d.]+)? task ([\w:-]+)/g)) {
    if (!(task in denoJson.tasks)) found.push(`task ${task}`);
  }
  for (const [, file = ""] of text.matchAll(/\bdeno(?:@[\d.]+)? run (?:-[\w-]+ )*([\w/.]+\.ts)/g)) {
    if (!exists(file)) found.push(`file ${file}`);
  }
  for (const [, flags = ""] of text.matchAll(/\bmain\.ts ((?:--?\w+ [^\s#]+ ?|--\w+ ?)+)/g)) {
    for (const [flag] of flags.matchAll(/--\w+/g)) {
      if (!new RegExp(`${flag}\\b`).test(helpText())) found.push(`flag ${flag}`);
    }
  }
  for (const [, link = ""] of text.matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)) {
    if (!exists(link)) found.push(`link ${link}`);
  }
  return found;
}

Deno.test("documents name only tasks, files, flags and links that exist", () => {
  assert.deepEqual(brokenReferences("deno task nothing; npx -y deno@2.9.6 task none"), ["task nothing", "task none"]);
  assert.deepEqual(brokenReferences("deno run -A gone.ts"), ["file gone.ts"]);
  assert.deepEqual(brokenReferences("deno run -A main.ts --port 1 --prot 2\n"), ["flag --prot"]);
  assert.deepEqual(brokenReferences("[a](GONE.md) [b](README.md#x) [c](https://a.b)"), ["link GONE.md"]);
  assert(documents.includes("README.md") && documents.includes("ARCHITECTURE.md"));
  for (const path of documents) assert.deepEqual(brokenReferences(readText(path)), [], path);
});

Deno.test("ARCHITECTURE.md names only files that exist", () => {
  const named = (text: string) =>
    [...text.matchAll(/`((?:net|partitions|storage|tests|bench)\/[\w/.]+?|\w+\.ts)\/?`/g)].map(([, name]) => name!);
  const isThere = (path: string) =>
    exists(path) || exists(`${path}.ts`) ||
    sources.some((source) => source.path.startsWith(`${path}/`) || source.path.endsWith(`/${path}`));
  const gone = (text: string) => named(text).filter((path) => !isThere(path));
  assert.deepEqual(gone("`net/gone.ts`, `net/reactor/shard`, `storage/`, `net/handlers/00_produce`"), ["net/gone.ts"]);
  assert.deepEqual(gone("`00_produce.ts`, `gone.ts`"), ["gone.ts"]);
  assert.deepEqual(gone(readText("ARCHITECTURE.md").replaceAll("NN_name", "00_produce")), []);
});

Deno.test("every trace of ARCHITECTURE.md can be followed: each file exists and names the next", () => {
  const planted = new Map([
    ["net/a.ts", 'import { b } from "./b.ts";\nthis.#c.ask(message.kind.call);'],
    ["net/b.ts", "answer(): void {}"],
    ["net/c.ts", "ask(): void {}"],
    ["net/d.ts", "case message.kind.call:"],
    ["net/e.ts", 'import { b } from "./b.ts";\nconst x = { ask: b };'],
  ].map(([path = "", text = ""]) => [path, sourceFile(path, text)]));
  const brokenIn = (...lines: string[]) =>
    tracesIn(["```traces", "T", ...lines, "```"].join("\n")).flatMap((trace) => brokenHops(trace, planted));
  assert.deepEqual(brokenIn("  net/a", "  import net/b"), []);
  assert.deepEqual(brokenIn("  net/a", "  ask() net/c"), []);
  assert.deepEqual(brokenIn("  net/a", "  ask() net/b"), [], "a third file connects both");
  assert.deepEqual(brokenIn("  net/a", "  call net/d"), []);
  assert.deepEqual(brokenIn("  net/a", "  import  net/b  words for the reader"), []);
  assert.equal(brokenIn("  net/a", "  import  net/b words").length, 1);
  const several = (...lines: string[]) =>
    tracesIn(["```traces", "T, U", ...lines, "```"].join("\n")).flatMap((trace) => brokenHops(trace, planted));
  assert.deepEqual(several("  net/{a,e}", "  {ask(),import}  net/{c,b}"), []);
  assert.equal(several("  net/{a,e}", "  import  net/{b,c}").length, 1);
  assert.equal(several("  net/{a,e}", "  import  net/{b}").length, 1);
  assert.equal(brokenIn("  net/a", "  import net/c").length, 1);
  assert.equal(brokenIn("  net/a", "  ask() net/d").length, 1);
  assert.equal(brokenIn("  net/b", "  ask() net/c").length, 1);
  assert.equal(brokenIn("  net/a", "  call net/c").length, 1);
  assert.equal(brokenIn("  net/a", "  import net/gone").length, 1);
  assert.equal(brokenIn("  net/a", ...Array(TRACE_FILES_MAX).fill("  import net/b")).length, TRACE_FILES_MAX);
  const files = new Map(sources.filter(isProduct).map((file) => [file.path, file]));
  const traces = tracesIn(readText("ARCHITECTURE.md"));
  for (const name of ["Produce", "Fetch", "OffsetCommit", "JoinGroup", "ListOffsets", "DescribeLogDirs"]) {
    assert(traces.some((trace) => trace.name === name), name);
  }
  assert.deepEqual(traces.flatMap((trace) => brokenHops(trace, files)), []);
});

Deno.test("the version is the same in deno.json and the program, and every package is imported by a pinned name", () => {
  assert.equal(VERSION, denoJson.version);
  const pinned = /^npm:(@[\w-]+\/)?[\w.-]+@\d+\.\d+\.\d+(\/[\w./-]+)?$/;
  assert(!pinned.test("npm:snappy@^7.4.3") && !pinned.test("npm:snappy") && !pinned.test("jsr:@std/assert@1.0.0"));
  // In the files, not in an import map: a program that embeds a clone has its own map.
  const imported = sources.flatMap(({ text }) =>
    [...text.matchAll(/^(?:import|export|\}).* from "([^"]+)";$/gm)].map((match) => match[1] as string)
  );
  const packages = imported.filter((name) => !name.startsWith(".") && !name.startsWith("node:"));
  assert(packages.length > 0);
  for (const name of packages) assert.match(name, pinned);
});

Deno.test("the same Deno is named everywhere", () => {
  const named = (texts: string[]) => new Set(texts.flatMap((text) => text.match(/\bdeno@\d+\.\d+\.\d+/g) ?? []));
  assert.equal(named(["deno@2.9.6 x", "deno@2.9.7"]).size, 2);
  assert.equal(named(documents.map(readText)).size, 1);
});

Deno.test("net/handlers/mod.ts lists the API of every file of its folder (if not: deno task generate)", () => {
  const planted = ["02_list_offsets.ts", "112_new_one.ts"];
  assert.match(
    handlerList(planted),
    /import \{ newOneApi \} from "\.\/112_new_one\.ts";[^]+\n {2}listOffsetsApi,\n {2}newOneApi,/,
  );
  assert.equal(readText("net/handlers/mod.ts"), handlerList());
});

Deno.test("every API has one handler file and one message file, and there are no others", () => {
  const keys = apis.map(({ key }) => key);
  for (const folder of ["net/handlers", "net/protocol/messages"]) {
    const files = sources.filter(({ path }) => path.startsWith(`${folder}/`) && !path.endsWith("_test.ts"));
    const numbers = files.flatMap(({ path }) => /\/(\d+)_\w+\.ts$/.exec(path)?.[1] ?? []).map(Number);
    assert.deepEqual(numbers.sort(byNumber), keys, folder);
  }
});

Deno.test("each kind of ring record has its own number", () => {
  const twice = (numbers: readonly number[]) => numbers.filter((number, index) => numbers.indexOf(number) !== index);
  assert.deepEqual(twice([1, 2, 1]), [1]);
  assert.deepEqual(twice(Object.values(kind)), []);
});

Deno.test("partitions/questions/questions.ts lists the question of every file of its folder (if not: deno task generate)", () => {
  assert.match(
    questionList(["list_offsets.ts", "new_one.ts"]),
    /import \{ newOne \} from "\.\/new_one\.ts";[^]+\n {2}listOffsets,\n {2}newOne,/,
  );
  assert.equal(readText("partitions/questions/questions.ts"), questionList());
  assert.equal(new Set(questions).size, questions.length);
  assert.equal(new Set(questions.map(({ name }) => name)).size, questions.length);
});

function byNumber(a: number, b: number): number {
  return a - b;
}

/** Errors in a table of shared words: two rows for one word, two writers in one line of 64 bytes, or no reader. */
function sharedWordFindings(words: readonly SharedWord[]): string[] {
  const found: string[] = [];
  for (const [i, word] of words.entries()) {
    for (const other of words.slice(0, i)) {
      if (other.table !== word.table) continue;
      if (other.index === word.index || other.name === word.name) {
        found.push(`${word.table}.${word.name} is there twice`);
      } else if (other.writer !== word.writer && lineOf(other) === lineOf(word)) {
        found.push(`${word.table}.${word.name} lies in the 64 bytes of ${other.name}, which another side writes`);
      }
    }
    if (word.readers.length === 0) found.push(`${word.table}.${word.name} has no reader`);
  }
  return found;
}

/** Number of the cache line; each table and row begins at the start of a line. */
function lineOf({ index }: SharedWord): number {
  return Math.floor(index * Int32Array.BYTES_PER_ELEMENT / 64);
}

Deno.test("every shared word has exactly one row with one writer, and two writers share no line of 64 bytes", () => {
  const [head, tail] = sharedWords.filter(({ table }) => table === "ring");
  assert(head !== undefined && tail !== undefined);
  assert.match(sharedWordFindings([head, { ...head, writer: "main" }]).join(), /twice/);
  assert.match(sharedWordFindings([head, { ...tail, index: head.index + 1 }]).join(), /in the 64 bytes of/);
  assert.match(sharedWordFindings([{ ...head, readers: [] }]).join(), /no reader/);
  assert.deepEqual(sharedWordFindings(sharedWords), []);
  for (
    const [table, indexes] of [
      ["watermarks", WATERMARK],
      ["ring", RING],
      ["isolate", ISOLATE],
      ["flush worker", FLUSH_WORKER],
      ["counters", COUNTER],
      ["traffic", TRAFFIC],
      ["rates", RATE],
    ] as const
  ) {
    const rows = sharedWords.filter((word) => word.table === table).map(({ name, index }) => [name, index]);
    assert.deepEqual(Object.fromEntries(rows), { ...indexes }, table);
  }
});

/** Fields of an interface whose comment begins with the name of a setting. */
function fieldsOfSettings(text: string): [setting: string, field: string][] {
  const field = /\/\*\* (?:Whether )?`([a-z][a-z0-9.]+)`(?:(?!\*\/)[^])*\*\/\s+readonly (\w+)/g;
  return [...text.matchAll(field)].map(([, setting = "", name = ""]) => [setting, name]);
}

Deno.test("a setting is marked as without effect exactly when no code reads its field", () => {
  assert.deepEqual(fieldsOfSettings("/** `a.b`, 1 */\n  readonly aB: number;\n/** x */ readonly c: 1;"), [[
    "a.b",
    "aB",
  ]]);
  const users = sources.filter(isProduct).filter(({ path }) => !/^partitions\/config\/|log_config\.ts$/.test(path));
  const isRead = (field: string) => users.some(({ code }) => new RegExp(`\\b${field}\\b`).test(code));
  assert(isRead("segmentBytes") && !isRead("fieldThatNobodyReads"));
  const settings = [
    ...fieldsOfSettings(readText("partitions/config/broker/broker_config.ts")),
    ...fieldsOfSettings(readText("storage/log/log_config.ts")),
  ];
  assert(settings.length > 25);
  for (const [setting, field] of settings) {
    const definition = topicDefinitions.get(setting) ?? brokerDefinitions.get(setting);
    assert(definition !== undefined, `${field}: there is no setting ${setting}`);
    assert.equal(definition.effect, isRead(field) ? "now" : "later", `${setting} (${field})`);
  }
});

/** Names of one machine or network: home and work directories, hosts of package registries. */
const MACHINE = /(?<![\w.])\/(?:root|home|work|Users)\/\w[\w.-]*|\bregistry\.[a-z][\w.-]*\.[a-z]{2,}|\bartifactory\b/;

Deno.test("no file names a machine's directories or a package registry; the lock names no host", () => {
  const planted = ["cd /ro" + "ot/x", "/wo" + "rk/main", '"https://regis' + 'try.npmjs.org/x"', "/ho" + "me/user/x"];
  for (const text of planted) assert.match(text, MACHINE);
  for (const text of ["net/work/x.ts", "./root/a", "the registry. The", "/tmp/kafka-logs"]) {
    assert.doesNotMatch(text, MACHINE);
  }
  assert(textPaths.includes("deno.lock"));
  for (const path of textPaths) assert.equal(MACHINE.exec(readText(path))?.[0] ?? null, null, path);
  assert.doesNotMatch(readText("deno.lock"), /https?:/);
});
