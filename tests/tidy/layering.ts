/**
 * Which file may import which: main -> mod -> net -> partitions -> storage, through each folder's door. Test code.
 */
import { type Import, importsOf, type SourceFile } from "./source_text.ts";

/** One broken rule. */
export interface Finding {
  readonly path: string;
  readonly line: number;
  readonly message: string;
}

/** From the top down; a layer may not import one above it. */
const LAYERS = ["main.ts", "mod.ts", "net", "partitions", "storage"];

/** Pure folders: they import nothing but each other as listed, and anyone may import their files directly. */
const PURE: ReadonlyMap<string, readonly string[]> = new Map([
  ["storage/base", ["storage/base"]],
  ["net/protocol", ["net/protocol", "storage/base"]],
]);

/** A layer's doors: one for the shards, one for the main isolate, which loads no log. */
const DOORS = ["mod.ts", "control.ts"];

/** Folders whose files every layer above may import directly: plain data and parsing. Folder -> reason. */
const OPEN_FOLDERS: ReadonlyMap<string, string> = new Map([
  ["partitions/config", "settings are plain data that every layer above reads"],
  ["partitions/questions", "a handler imports the question that it asks: one file, one declaration"],
]);

/** Imports that may bypass a door: "importer -> imported", each with its reason. A test fails when one is not needed any more. */
export const doorExceptions: ReadonlyMap<string, string> = new Map([
  ["partitions/shared -> storage/sys", "shared memory is made of memory and eventfds, without loading the log"],
  ["partitions/flush_worker -> storage/sys", "the flush worker makes system calls, without loading the log"],
  ["net/handlers -> partitions/metadata/topic_names.ts", "a pure function; the door would load the metadata store"],
  [
    "net -> partitions/shared/messages.ts",
    "net/shards/connection_transfer runs on the main isolate and on shards, which have different doors",
  ],
  [
    "net/shards/shard_worker.ts -> partitions/coordinators/groups/group_coordinator.ts",
    "loaded when the shard gets its first groups; the door would load it with everything else",
  ],
  [
    "net/shards/shard_settings.ts -> partitions/authentication/salted_secret.ts",
    "loaded by a broker that is one of several; the door would load it with every start",
  ],
  [
    "net/requests/authentication/broker_authentication.ts -> partitions/authentication",
    "loaded by the shards of a broker that is one of several; the door would load it with every start",
  ],
  [
    "net/shards/fetching/shard_fetching.ts -> partitions/replication/fetcher/fetchers.ts",
    "loaded by the shards of a broker that is one of several; the door would load it with every start",
  ],
  [
    "net/http/broker_http.ts -> partitions/shared/turn_watch.ts",
    "loaded by a broker with an HTTP listener; the door would load it with every start",
  ],
  [
    "net/http/server/http_worker.ts -> storage/sys/scheduling.ts",
    "the worker of the HTTP listener needs one system call; the door would load a broker's code",
  ],
  [
    "main.ts -> storage/inspection/commands.ts",
    "the commands that start no broker are loaded for themselves alone; a door would load the logs' code with every start",
  ],
  [
    "main.ts -> partitions/administration/raise_command.ts",
    "likewise: it talks to brokers that run, and needs nothing of one",
  ],
  [
    "partitions/directory/checkpoint_files.ts -> storage/directory/offset_checkpoint.ts",
    "it runs on the main isolate and on shards, which have different doors",
  ],
]);

/** Checks every import of product files. */
export function layeringFindings(files: readonly SourceFile[]): Finding[] {
  const used = new Set<string>();
  const findings = files.flatMap((file) =>
    importsOf(file).flatMap((imported) => {
      const message = refuseImport(file.path, imported, used);
      return message === null ? [] : [{ path: file.path, line: imported.line, message }];
    })
  );
  return findings;
}

/** Exceptions that no import needs any more. */
export function unusedDoorExceptions(files: readonly SourceFile[]): string[] {
  const used = new Set<string>();
  for (const file of files) for (const imported of importsOf(file)) refuseImport(file.path, imported, used);
  return [...doorExceptions.keys()].filter((exception) => !used.has(exception));
}

/** Begins the commands that start no broker and look at files. They may block and load the logs' code, because no broker is in their process. */
const COMMANDS = "storage/inspection/commands.ts";

/**
 * The files that a file loads at run time, itself included. With `isSameIsolate` only those that its own isolate of a broker
 * loads, with `isAtStart` only those that are loaded before it runs.
 */
export function runtimeClosure(
  start: string,
  byPath: ReadonlyMap<string, SourceFile>,
  { isSameIsolate = false, isAtStart = false } = {},
): Set<string> {
  const reached = new Set<string>();
  const pending = [start];
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    const file = byPath.get(path);
    if (file === undefined || reached.has(path)) continue;
    reached.add(path);
    for (const { target, isTypeOnly, isWorker, isLate } of importsOf(file)) {
      const isElsewhere = isSameIsolate && (isWorker || target === COMMANDS);
      if (!isTypeOnly && !isElsewhere && !(isAtStart && isLate)) pending.push(target);
    }
  }
  return reached;
}

function refuseImport(from: string, { target, specifier, isTypeOnly }: Import, used: Set<string>): string | null {
  const pure = [...PURE].find(([folder]) => from.startsWith(`${folder}/`));
  const isRelative = specifier.startsWith(".");
  if (pure !== undefined && !(isRelative && pure[1].some((folder) => target.startsWith(`${folder}/`)))) {
    return `${pure[0]} is pure and may not import ${specifier}`;
  }
  if (!isRelative) return null;
  if (!specifier.endsWith(".ts")) return `${specifier} has no .ts extension`;
  if (/^(tests|bench)\//.test(target)) return `the product may not import ${target}`;
  if ([...PURE.keys()].some((folder) => target.startsWith(`${folder}/`))) return null;
  const [fromLayer, targetLayer] = [layerOf(from), layerOf(target)];
  if (targetLayer < 0) return `${target} is in no layer`;
  if (targetLayer < fromLayer) return `imports run one way: ${LAYERS[fromLayer]} may not import ${target}`;
  if (targetLayer === fromLayer) {
    return isDoor(target) ? `${target} is the door for others; inside the folder import the file` : null;
  }
  if (isTypeOnly || target === LAYERS[targetLayer] || isDoor(target)) return null;
  if ([...OPEN_FOLDERS.keys()].some((folder) => target.startsWith(`${folder}/`))) return null;
  for (const exception of doorExceptions.keys()) {
    const [source = "", destination = ""] = exception.split(" -> ");
    if ((from !== source && !from.startsWith(`${source}/`)) || !target.startsWith(destination)) continue;
    used.add(exception);
    return null;
  }
  return `${target} is behind the door ${LAYERS[targetLayer]}/mod.ts`;
}

function isDoor(path: string): boolean {
  return DOORS.some((door) => path === `${LAYERS[layerOf(path)]}/${door}`);
}

function layerOf(path: string): number {
  return LAYERS.findIndex((layer) => path === layer || path.startsWith(`${layer}/`));
}
