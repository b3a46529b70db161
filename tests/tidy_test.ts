/**
 * Tests about the source: layers, banned calls, sizes, documentation of exports. Each rule has to catch a violation that is planted
 * for it. An exception that nothing needs any more is an error, too.
 */
import assert from "node:assert/strict";
import { importCircles } from "./tidy/circles.ts";
import { type Finding, layeringFindings, runtimeClosure, unusedDoorExceptions } from "./tidy/layering.ts";
import { matches, patternFindings, patternRules, unusedExceptions } from "./tidy/pattern_rules.ts";
import { isProduct, isTest, sources } from "./tidy/repository.ts";
import { functionsOf, type SourceFile, sourceFile, undocumentedExports } from "./tidy/source_text.ts";

const FILE_LINES_MAX = 400;
const FUNCTION_LINES_MAX = 70;
/** Most source files of a folder, without test code: its listing fits on a screen. */
const FOLDER_FILES_MAX = 20;

const product = sources.filter(isProduct);
const byPath = new Map(sources.map((file) => [file.path, file]));

/** Deterministic cores: functions of state, event and time. No file that they load at run time does I/O. */
const CORES = [
  "net/accept/connection_limits.ts",
  "net/requests/cluster_view.ts",
  "net/requests/fetch/fetch_sessions.ts",
  "net/reactor/idle_connections.ts",
  "net/requests/producer_ids.ts",
  "net/protocol/scram/scram.ts",
  "partitions/config/command_line/command_line.ts",
  "partitions/coordinators/groups/classic/classic_group.ts",
  "partitions/requests/deadlines.ts",
  "partitions/metadata/image.ts",
  "partitions/metadata/shared/shared_image.ts",
  "partitions/metadata/shared/shared_transactions.ts",
  "partitions/metadata/topic_creation.ts",
  "partitions/metadata/topic_deletion.ts",
  "partitions/metadata/topic_table.ts",
  "partitions/placement/directory_choice.ts",
  "partitions/placement/manual_assignment.ts",
  "partitions/placement/placement.ts",
  "partitions/placement/rebalancing.ts",
  "partitions/placement/replica_placement.ts",
  "partitions/cluster/broker_life.ts",
  "partitions/cluster/controller_state.ts",
  "partitions/cluster/partition_row.ts",
  "partitions/cluster/repairs.ts",
  "partitions/quotas/mutation_quotas.ts",
  "partitions/quotas/quota_lookup.ts",
  "partitions/quotas/rates.ts",
  "partitions/replication/follower_state.ts",
  "partitions/replication/leader_state.ts",
  "partitions/replication/replica_role.ts",
  "partitions/replication/replica_state.ts",
  "partitions/requests/purgatory.ts",
  "storage/cleaner/retention.ts",
  "storage/cleaner/compaction_rules.ts",
  "storage/cleaner/segment_grouping.ts",
  "storage/log/epochs/leader_epoch_table.ts",
  "storage/log/producers/producer_state.ts",
];

function assertNone(findings: readonly Finding[]): void {
  assert.equal(findings.map(({ path, line, message }) => `${path}:${line}: ${message}`).join("\n"), "");
}

for (const rule of patternRules) {
  Deno.test(`tidy: ${rule.name}`, () => {
    for (const planted of rule.planted) {
      assert(matches(rule, sourceFile("p.ts", planted)).length > 0, `misses ${planted}`);
    }
    for (const harmless of rule.harmless) assertNone(matches(rule, sourceFile("p.ts", harmless)));
    const somewhere = sources.find(({ path }) => rule.applies(path) && !rule.exceptions.has(path))?.path ?? "nowhere";
    assert(patternFindings(rule, sourceFile(somewhere, rule.planted[0] as string)).length > 0, "applies to some file");
    assertNone(sources.flatMap((file) => patternFindings(rule, file)));
    assert.deepEqual(unusedExceptions(rule, sources), [], "exceptions that nothing needs any more");
  });
}

Deno.test("tidy: imports run one way and through each folder's door", () => {
  const planted: [string, string, RegExp | null][] = [
    ["storage/log/log.ts", 'import { x } from "../../partitions/mod.ts";', /one way/],
    ["storage/log/log.ts", 'import type { X } from "../../net/requests/handler.ts";', /one way/],
    ["partitions/owned/partition.ts", 'import { x } from "../../net/mod.ts";', /one way/],
    [
      "partitions/owned/partition.ts",
      'import { Log } from "../../storage/log/log.ts";',
      /behind the door storage\/mod\.ts/,
    ],
    ["partitions/owned/partition.ts", 'const x = await import("../../storage/log/log.ts");', /behind the door/],
    ["partitions/owned/partition.ts", 'export { Log } from "../../storage/log/log.ts";', /behind the door/],
    [
      "partitions/owned/partition.ts",
      'import {\n  Log,\n  type LogConfig,\n} from "../../storage/log/log.ts";',
      /behind the door/,
    ],
    ["net/reactor/shard.ts", 'import "../../storage/log/log.ts";', /behind the door/],
    ["net/reactor/shard.ts", 'new Worker(new URL("../../main.ts", import.meta.url))', /one way/],
    ["net/reactor/shard.ts", 'import { x } from "../mod.ts";', /the door for others/],
    ["net/reactor/shard.ts", 'import { x } from "../../tests/kafka_client.ts";', /may not import tests/],
    ["net/reactor/shard.ts", 'import { x } from "./router";', /no \.ts extension/],
    ["storage/base/units.ts", 'import { x } from "../log/log.ts";', /pure/],
    ["storage/base/units.ts", 'import { x } from "node:fs";', /pure/],
    ["net/protocol/reader.ts", 'import { x } from "../requests/router.ts";', /pure/],
    ["partitions/owned/partition.ts", 'import type { Log } from "../../storage/log/log.ts";', null],
    ["partitions/owned/partition.ts", 'import { type Log } from "../../storage/log/log.ts";', null],
    ["partitions/owned/partition.ts", 'import { Log } from "../../storage/mod.ts";', null],
    ["storage/log/log.ts", 'import { Reader } from "../../net/protocol/reader.ts";', null],
    ["mod.ts", 'import { toOffset } from "./storage/base/units.ts";', null],
    ["storage/log/log.ts", '// import { x } from "../../net/mod.ts";', null],
  ];
  for (const [path, text, expected] of planted) {
    const found = layeringFindings([sourceFile(path, text)]).map(({ message }) => message).join("\n");
    if (expected === null) assert.equal(found, "", text);
    else assert.match(found, expected, text);
  }
  assertNone(layeringFindings(product));
  assert.deepEqual(unusedDoorExceptions(product), [], "exceptions that nothing needs any more");
});

Deno.test("tidy: the main isolate loads no log, no coordinator and none of their libraries", () => {
  const isForShards = (path: string) =>
    /^storage\/log\/log\.ts|^storage\/records\/crc32c\.ts|^partitions\/coordinators\//.test(path);
  const loaded = runtimeClosure("main.ts", byPath, { isSameIsolate: true });
  assert(loaded.has("partitions/metadata/controller.ts"));
  assert.deepEqual([...loaded].filter(isForShards), ["partitions/coordinators/key_partition.ts"]);
  assert([...runtimeClosure("main.ts", byPath)].some(isForShards), "the shards' workers load them");
});

Deno.test("tidy: a shard loads the group coordinator when it gets groups, not at its start", () => {
  const worker = "net/shards/shard_worker.ts";
  const ofGroups = (loaded: ReadonlySet<string>) =>
    [...loaded].filter((path) => path.startsWith("partitions/coordinators/")).sort();
  assert(ofGroups(runtimeClosure(worker, byPath, { isSameIsolate: true })).length > 50);
  assert.deepEqual(ofGroups(runtimeClosure(worker, byPath, { isSameIsolate: true, isAtStart: true })), [
    "partitions/coordinators/groups/coordinator_on_demand.ts",
    "partitions/coordinators/groups/group_apis.ts",
    "partitions/coordinators/groups/group_refusals.ts",
    "partitions/coordinators/key_partition.ts",
    "partitions/coordinators/runtime/coordinator_service.ts",
    "partitions/coordinators/runtime/remote_coordinators.ts",
    "partitions/coordinators/runtime/shard_coordinators.ts",
  ]);
  const { unstable } = JSON.parse(Deno.readTextFileSync(new URL("../deno.json", import.meta.url)));
  assert(unstable.includes("lazy-dynamic-imports"), "else Deno reads them at the start");
});

Deno.test("tidy: the main isolate loads what follows an etcd for a broker with etcd, not at its start", () => {
  const ofEtcd = (loaded: ReadonlySet<string>) =>
    [...loaded].filter((path) =>
      /^partitions\/metadata\/(?:etcd\/|store\/(?:anti_entropy|store_follower)\.ts)/.test(path)
    );
  assert(ofEtcd(runtimeClosure("main.ts", byPath, { isSameIsolate: true })).length > 10);
  assert.deepEqual(ofEtcd(runtimeClosure("main.ts", byPath, { isSameIsolate: true, isAtStart: true })), []);
});

Deno.test("tidy: a shard loads what follows other brokers in a broker that is one of several, not at its start", () => {
  const following = (loaded: ReadonlySet<string>) =>
    [...loaded].filter((path) =>
      /\/(?:fetching\/shard_fetching|fetcher\/fetchers|reactor\/outgoing_connections?|dialing|outgoing_dials)\.ts$/
        .test(path)
    );
  for (const [isolate, count] of [["net/shards/shard_worker.ts", 4], ["main.ts", 2]] as const) {
    assert.equal(following(runtimeClosure(isolate, byPath, { isSameIsolate: true })).length, count, isolate);
    assert.deepEqual(following(runtimeClosure(isolate, byPath, { isSameIsolate: true, isAtStart: true })), [], isolate);
  }
});

Deno.test("tidy: no files import each other in a circle, types, tests and benchmarks included", () => {
  const circlesOf = (texts: Record<string, string>) =>
    importCircles(Object.entries(texts).map(([path, text]) => sourceFile(path, text)));
  const [typeOfA, typeOfB] = ['import type { A } from "./a.ts";', 'import { type B } from "./b.ts";'];
  assert.deepEqual(circlesOf({ "x/a.ts": typeOfB, "x/b.ts": typeOfA }), [["x/a.ts", "x/b.ts"]]);
  assert.deepEqual(circlesOf({ "x/a.ts": typeOfA }), [["x/a.ts"]]);
  const long = { "x/a.ts": typeOfB, "x/b.ts": 'export { c } from "./c.ts";', "x/c.ts": `${typeOfA}${typeOfB}` };
  assert.deepEqual(circlesOf({ ...long, "x/d.ts": typeOfA }), [["x/a.ts", "x/b.ts", "x/c.ts"]]);
  const started = 'new Worker(new URL("./b.ts", import.meta.url));';
  assert.deepEqual(circlesOf({ "x/a.ts": started, "x/b.ts": typeOfA, "x/c.ts": `${typeOfA}${typeOfB}` }), []);
  assert.deepEqual(importCircles(sources), []);
});

Deno.test(`tidy: no folder but handlers/ and messages/ holds more than ${FOLDER_FILES_MAX} source files`, () => {
  const overfull = (files: readonly { path: string }[]) => {
    const counts = new Map<string, number>();
    for (const file of files) {
      const folder = file.path.slice(0, Math.max(0, file.path.lastIndexOf("/")));
      if (!isTest(file)) counts.set(folder, (counts.get(folder) ?? 0) + 1);
    }
    return [...counts].filter(([folder, count]) => count > FOLDER_FILES_MAX && !/\/(handlers|messages)$/.test(folder))
      .map(([folder, count]) => `${folder} (${count})`);
  };
  const planted = (folder: string) =>
    Array.from({ length: FOLDER_FILES_MAX + 1 }, (_, index) => ({ path: `${folder}/${index}.ts` }));
  assert.deepEqual(overfull([...planted("net/x"), { path: "net/x/y/z.ts" }]), [`net/x (${FOLDER_FILES_MAX + 1})`]);
  assert.deepEqual(overfull([...planted("net/handlers"), ...planted("net/x").slice(1)]), []);
  assert.deepEqual(overfull([...planted("net/x").slice(1), { path: "net/x/z_test.ts" }]), []);
  assert.deepEqual(overfull(sources), []);
});

Deno.test("tidy: deterministic cores reach no I/O", () => {
  const ioOf = (start: string, files: ReadonlyMap<string, SourceFile>) =>
    [...runtimeClosure(start, files)].flatMap((path) => {
      const { code } = files.get(path) as SourceFile;
      const outside = path.startsWith("storage/sys/") ||
        /\bDeno\s*\.|\bfetch\s*\(|\bDate\s*\.\s*now|\bnew Date\(\)/.test(code);
      return outside && path !== "storage/base/clock.ts" ? [path] : [];
    });
  const planted = new Map([
    ["storage/a.ts", sourceFile("storage/a.ts", 'import { b } from "./b.ts";')],
    ["storage/b.ts", sourceFile("storage/b.ts", "Deno.open(x);")],
  ]);
  assert.deepEqual(ioOf("storage/a.ts", planted), ["storage/b.ts"]);
  for (const core of CORES) {
    assert(byPath.has(core), `${core} exists`);
    assert.deepEqual(ioOf(core, byPath), [], core);
  }
});

Deno.test(`tidy: no file has more than ${FILE_LINES_MAX} lines`, () => {
  const tooLong = (files: readonly SourceFile[]) =>
    files.filter(({ text }) => text.trimEnd().split("\n").length > FILE_LINES_MAX).map(({ path }) => path);
  assert.deepEqual(tooLong([sourceFile("long.ts", "x;\n".repeat(FILE_LINES_MAX + 1))]), ["long.ts"]);
  assert.deepEqual(tooLong([sourceFile("fits.ts", "x;\n".repeat(FILE_LINES_MAX))]), []);
  assert.deepEqual(tooLong(sources), []);
});

Deno.test(`tidy: no function has more than ${FUNCTION_LINES_MAX} lines`, () => {
  const body = "  x();\n".repeat(FUNCTION_LINES_MAX);
  for (
    const head of [
      "function f(a: number): void",
      "export async function f<T>(\n  a: { b: T },\n): Promise<Map<string, T>>",
      "const f = (a: number) =>",
      "call(1, async () =>",
      "class A {\n  #f(a: number): { b: number } | null",
      "class A {\n  constructor()",
      "class A {\n  static get f(): string",
      'Deno.test("x", () =>',
      "function f(g: () => void): x is string",
    ]
  ) {
    const found = functionsOf(sourceFile("p.ts", `${head} {\n${body}}\n`));
    assert.equal(found.filter(({ lines }) => lines > FUNCTION_LINES_MAX).length, 1, head);
  }
  for (const head of ["class A", "const table =", "interface A extends B", "return", "call("]) {
    assert.deepEqual(functionsOf(sourceFile("p.ts", `${head} {\n${body}}\n`)), [], head);
  }
  assertNone(
    sources.flatMap((file) =>
      functionsOf(file).filter(({ lines }) => lines > FUNCTION_LINES_MAX).map(({ head, line, lines }) => ({
        path: file.path,
        line,
        message: `${lines} lines: ${head}`,
      }))
    ),
  );
});

Deno.test("tidy: every export has a JSDoc comment, every product file a header", () => {
  const undocumented = (text: string) => undocumentedExports(sourceFile("p.ts", text)).map(({ name }) => name);
  assert.deepEqual(undocumented("/** Header. */\n\nexport function f() {}\n"), ["f"]);
  assert.deepEqual(undocumented("// Not JSDoc.\nexport const a = 1;\n/* Nor this. */\nexport type B = 1;\n"), [
    "a",
    "B",
  ]);
  assert.deepEqual(undocumented("/** A. */\nexport function f(a: 1): 1;\nexport function f(a: 2): 2;\n"), []);
  assert.deepEqual(undocumented('export { a } from "./a.ts";\nexport type { B } from "./b.ts";\n'), []);
  assertNone(
    sources.flatMap((file) =>
      undocumentedExports(file).map(({ name, line }) => ({ path: file.path, line, message: `${name} has no JSDoc` }))
    ),
  );
  const header = /^(\/\/ deno-lint-ignore-file .*\n)?\/\*\*[^]*?\*\//;
  assert.deepEqual(product.filter(({ text }) => !header.test(text)).map(({ path }) => path), []);
});

Deno.test("sourceFile() blanks comments, strings, templates and regular expressions, and keeps the rest in place", () => {
  const text = [
    'const a = "x // y"; // z',
    "const b = `p ${f({ q: `r ${s}` })} t`;",
    "const c = /[/\"]\\/'/g, d = a / b / c;",
    "/* k\n l */ const e = 'm';",
  ].join("\n");
  const expected = [
    'const a = "      ";     ',
    "const b = `  ${f({ q: `  ${s}` })}  `;",
    "const c =          g, d = a / b / c;",
    "    \n      const e = ' ';",
  ].join("\n");
  assert.equal(sourceFile("p.ts", text).code, expected);
});
