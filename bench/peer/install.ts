/**
 * Installs what the comparison needs: the jars of Apache Kafka (by Maven) and the load generators (by the C compiler). Idempotent;
 * everything goes into one cache directory: $BARNABAS_CACHE, or barnabas/ in the user's cache. Main isolate;
 * `deno run -A bench/peer/install.ts` does the same by hand.
 *
 * Needs on PATH: java and mvn for Apache Kafka; gcc for the load generators, and librdkafka's headers (librdkafka-dev of
 * Debian) or else npm, make and g++, with which librdkafka is built from the sources in the npm package node-rdkafka.
 */
import { run, runOrThrow } from "./processes.ts";

/** The release of Apache Kafka in pom.xml. */
export const KAFKA_VERSION = "4.3.1";

/** The npm package whose sources of librdkafka are built where the system has none. */
const NODE_RDKAFKA = "node-rdkafka@3.6.1";

const here = new URL(".", import.meta.url).pathname;

/** Where downloads and binaries are kept. */
export function cacheDirectory(): string {
  const chosen = Deno.env.get("BARNABAS_CACHE");
  if (chosen) return chosen;
  return `${Deno.env.get("XDG_CACHE_HOME") ?? `${Deno.env.get("HOME")}/.cache`}/barnabas`;
}

/** Directory of Apache Kafka's jars. */
export function kafkaJars(): string {
  return `${cacheDirectory()}/kafka-${KAFKA_VERSION}`;
}

/** True when Apache Kafka can be run without installing anything. */
export function kafkaInstalled(): boolean {
  const jars = ["kafka_2.13", "kafka-streams", "connect-file"];
  return onPath("java") && jars.every((name) => exists(`${kafkaJars()}/${name}-${KAFKA_VERSION}.jar`));
}

/** A load generator of bench/peer. */
export type LoadGenerator =
  | "wire_load"
  | "tail_load"
  | "client_load"
  | "hostile_load"
  | "wave_load"
  | "probe_load"
  | "group_load";

/** Path of a load generator that `buildLoadGenerators` has built. */
export function loadGenerator(name: LoadGenerator): string {
  return `${cacheDirectory()}/bin/${name}`;
}

/** Copies Apache Kafka's jars into the cache. */
export async function installKafka(): Promise<void> {
  requireCommands("Apache Kafka", { java: "a Java runtime, 17 or later", mvn: "Maven" });
  if (kafkaInstalled()) return;
  // Into a temporary directory first: an interrupted copy must not count as installed.
  const partial = `${kafkaJars()}.partial`;
  await Deno.mkdir(partial, { recursive: true });
  await runOrThrow("mvn", [
    ...["-q", "-B", "-f", `${here}pom.xml`, "dependency:copy-dependencies"],
    ...[`-DoutputDirectory=${partial}`, "-DincludeScope=runtime"],
  ], { timeoutMs: 1_200_000 });
  if (exists(kafkaJars())) await Deno.remove(kafkaJars(), { recursive: true }); // by an earlier pom.xml
  await Deno.rename(partial, kafkaJars());
}

/** Compiles the load generators whose sources have changed. */
export async function buildLoadGenerators(): Promise<void> {
  requireCommands("the load generators", { gcc: "a C compiler" });
  await Deno.mkdir(`${cacheDirectory()}/bin`, { recursive: true });
  await compile("wire_load", []);
  await compile("tail_load", ["-lm"]);
  await compile("hostile_load", []);
  await compile("wave_load", []);
  await compile("probe_load", ["-lm"]);
  await compile("group_load", []);
  await compile("client_load", await librdkafkaFlags());
}

/** Compiles a load generator unless it was built from the same sources. Checkouts share the cache, so file times cannot tell. */
async function compile(name: LoadGenerator, flags: readonly string[]): Promise<void> {
  const output = loadGenerator(name);
  const files = [`${name}.c`, "measure.h", "wire.h", "group_wire.h"];
  const sources = (await Promise.all(files.map((file) => Deno.readTextFile(`${here}${file}`)))).join("");
  const builtFrom = `${output}.sources`;
  if (exists(output) && exists(builtFrom) && await Deno.readTextFile(builtFrom) === sources) return;
  await runOrThrow("gcc", ["-O2", "-std=gnu11", "-Wall", "-Wextra", "-o", output, `${here}${name}.c`, ...flags]);
  await Deno.writeTextFile(builtFrom, sources);
}

/** Compiler flags for librdkafka: the system's if pkg-config knows it, else the one that is built in the cache. */
async function librdkafkaFlags(): Promise<string[]> {
  if (onPath("pkg-config")) {
    const flags = await run("pkg-config", ["--cflags", "--libs", "rdkafka"]);
    if (flags.code === 0) return [...flags.stdout.trim().split(/\s+/), "-lpthread"];
  }
  const library = await buildLibrdkafka();
  return [`-I${library}/include`, `${library}/src/librdkafka.a`, "-lpthread", "-lz", "-ldl", "-lm", "-lrt"];
}

async function buildLibrdkafka(): Promise<string> {
  requireCommands("librdkafka", { npm: "npm", make: "make", "g++": "a C++ compiler" });
  const cache = cacheDirectory();
  const source = `${cache}/package/deps/librdkafka`;
  if (exists(`${source}/include`)) return source;
  const archive = (await runOrThrow("npm", ["pack", "--silent", NODE_RDKAFKA], { cwd: cache })).trim().split("\n").at(
    -1,
  )!;
  await runOrThrow("tar", ["xzf", archive], { cwd: cache });
  const off = ["--disable-gssapi", "--disable-curl", "--disable-ssl", "--disable-zstd"];
  await runOrThrow("./configure", off, { cwd: source });
  await runOrThrow("make", ["-j2", "libs"], { cwd: source, timeoutMs: 1_200_000 });
  // The headers are included as <librdkafka/rdkafka.h>. The link also marks that the build has finished.
  await Deno.mkdir(`${source}/include`);
  await Deno.symlink(`${source}/src`, `${source}/include/librdkafka`);
  return source;
}

/**
 * Checks that programs are installed.
 * @param purpose what cannot be done without them
 * @param commands each with the words for people
 * @throws Error that names every missing program
 */
export function requireCommands(purpose: string, commands: Record<string, string>): void {
  const missing = Object.entries(commands).filter(([command]) => !onPath(command));
  if (missing.length === 0) return;
  const words = missing.map(([command, what]) => `${what} (${command})`).join(" and ");
  throw new Error(`Cannot get ${purpose}: ${words} is not on PATH; install it and try again`);
}

/** True when a program of this name is on PATH. */
export function onPath(command: string): boolean {
  return (Deno.env.get("PATH") ?? "").split(":").some((directory) =>
    directory !== "" && exists(`${directory}/${command}`)
  );
}

/** Whether there is something at a path. */
export function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return false;
    throw error;
  }
}

if (import.meta.main) {
  await installKafka();
  await buildLoadGenerators();
}
