// deno-lint-ignore-file no-console -- a build tool prints
/**
 * Makes the single binary: `deno task compile [--output FILE] [--target TARGET]`.
 *
 * `deno compile` finds what main.ts imports. The modules of workers are named here, because it does not follow
 * `new Worker(new URL(...))`, and so are modules that are loaded when they are needed, because `import()` is lazy by deno.json. Native
 * addons come from the npm cache; those of other platforms are left out. Afterwards the listing in the binary is read: workers and addons
 * must be in it.
 *
 * `deno compile` downloads the runtime of the binary (denort) once. Without a network, DENORT_BIN may name a denort of the same version.
 * With any other ELF file (such as deno itself) the whole step runs and can be tested, but the result is no broker.
 */
import { embeddedFiles } from "./embedded_files.ts";

/** Modules that run as workers; a test compares them with the `new Worker` calls of the source. */
export const workerModules: readonly string[] = [
  "net/http/server/http_worker.ts",
  "net/shards/shard_worker.ts",
  "partitions/flush_worker/flush_worker.ts",
  "partitions/metadata/store/sqlite_store_worker.ts",
  "storage/cleaner_workers/cleaner_worker.ts",
  "storage/codec_workers/codec_worker.ts",
];

/** Modules that are loaded when they are needed; a test compares them with the `import()` calls of the source. */
export const lateModules: readonly string[] = [
  "partitions/administration/raise_command.ts",
  "partitions/authentication/salted_secret.ts",
  "partitions/config/command_line/settings_reload.ts",
  "partitions/coordinators/groups/group_coordinator.ts",
  "net/requests/authentication/broker_authentication.ts",
  "net/shards/fetching/shard_fetching.ts",
  "storage/inspection/commands.ts",
  "partitions/metadata/etcd/etcd_position_file.ts",
  "partitions/metadata/etcd/etcd_store.ts",
  "partitions/metadata/etcd/managed/managed_etcd.ts",
  "partitions/cluster/cluster_parts.ts",
  "net/broker/cluster_home.ts",
  "net/http/broker_http.ts",
  "partitions/metadata/etcd/etcd_settings.ts",
  "partitions/metadata/configs/packed_alterations.ts",
  "partitions/metadata/changes/id_patterns.ts",
  "partitions/metadata/settings/packed_settings.ts",
  "partitions/metadata/settings/scram_keys.ts",
  "partitions/metadata/store/anti_entropy.ts",
];

/** Native addons by the package that loads them: the names of their files up to the platform. */
const ADDONS: readonly string[] = ["crc32.linux-", "snappy.linux-", "lz4-napi.linux-"];

const root = new URL("../", import.meta.url).pathname;

/** A compiled binary. */
export interface CompiledBinary {
  readonly path: string;
  readonly bytes: number;
  /** The files that it contains. */
  readonly files: readonly string[];
}

/**
 * Compiles the binary and checks it.
 * @param options output file; target triple, this machine's where absent
 * @throws Error when `deno compile` fails, or the binary lacks something, which the message names
 */
export async function compile(options: { output: string; target?: string }): Promise<CompiledBinary> {
  const args = [
    ...["compile", "--quiet", "--allow-all", "--exclude-unused-npm", "--output", options.output],
    ...options.target === undefined ? [] : ["--target", options.target],
    ...[...workerModules, ...lateModules].flatMap((module) => ["--include", module]),
    "main.ts",
  ];
  const command = new Deno.Command(Deno.execPath(), { args, cwd: root, stdout: "inherit", stderr: "inherit" });
  const { code } = await command.output();
  if (code !== 0) {
    throw new Error(
      `deno compile ended with code ${code}. If the runtime could not be downloaded, set DENORT_BIN to a denort binary of Deno ` +
        Deno.version.deno,
    );
  }
  const bytes = await Deno.readFile(options.output);
  const files = embeddedFiles(bytes);
  const missing = missingFrom(files);
  if (missing.length > 0) throw new Error(`${options.output} lacks ${missing.join(", ")}`);
  return { path: options.output, bytes: bytes.length, files };
}

/** Files that a broker needs and the listing does not have. */
export function missingFrom(files: readonly string[]): string[] {
  const modules = ["main.ts", "mod.ts", ...workerModules, ...lateModules].filter((module) => !files.includes(module));
  const addons = ADDONS.filter((name) => !files.some((file) => file.includes(`/${name}`) && file.endsWith(".node")));
  return [...modules, ...addons.map((name) => `${name}*.node`)];
}

function readFlags(args: readonly string[]): { output: string; target?: string } {
  const flags = { output: `${root}barnabas`, target: undefined as string | undefined };
  for (let at = 0; at < args.length; at += 2) {
    const [flag, value] = [args[at], args[at + 1]];
    if (value === undefined || (flag !== "--output" && flag !== "--target")) {
      throw new Error("Usage: deno task compile [--output FILE] [--target TARGET]");
    }
    if (flag === "--output") flags.output = value.startsWith("/") ? value : `${Deno.cwd()}/${value}`;
    else flags.target = value;
  }
  return flags;
}

async function main(): Promise<number> {
  try {
    const { path, bytes, files } = await compile(readFlags(Deno.args));
    console.log(`${path}: ${(bytes / 1e6).toFixed(0)} MB, ${files.length} files inside`);
    if (Deno.env.has("DENORT_BIN")) console.log("Made from DENORT_BIN: it runs only if that is a denort.");
    return 0;
  } catch (error) {
    console.error(`compile: ${error instanceof Error ? error.message : String(error)}`);
    return 1;
  }
}

if (import.meta.main) Deno.exit(await main());
