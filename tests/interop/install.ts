/**
 * Installs what the interop tests and `.ci/run` need beyond Deno: packages of the system, Apache Kafka, the client libraries
 * of every language at pinned versions, the corpus. Idempotent: nothing is installed twice. Main isolate:
 *
 *    deno run -A tests/interop/install.ts
 *
 * Needs java, mvn, npm, go and python3 on PATH. As root it installs packages of the system by apt-get, otherwise it names them. It writes
 * only to the cache directory (see bench/peer/install.ts) and to the system's packages.
 */
import { buildLoadGenerators, installKafka, kafkaJars, onPath, requireCommands } from "../../bench/peer/install.ts";
import { run, runOrThrow } from "../../bench/peer/processes.ts";
import { locations } from "./toolchain.ts";

/** Packages of Debian and its relatives. */
const SYSTEM_PACKAGES = [
  "kcat",
  "bzip2",
  "unicode-data",
  "librdkafka-dev",
  "pkg-config",
  "strace",
  "etcd-server",
  "openssl",
  "iproute2",
  "libfaketime",
  "prometheus",
];

const CORPUS_SOURCE = "/usr/share/unicode";

const steps: readonly (readonly [name: string, step: () => Promise<void>])[] = [
  ["packages of the system", installSystemPackages],
  ["Apache Kafka", installKafka],
  ["Node clients", installNodeClients],
  ["Python clients", installPythonClients],
  ["Go clients", buildGoClients],
  ["Java clients", compileJavaClients],
  ["consoles", installConsoles],
  ["corpus", makeCorpus],
  ["load generators of the benchmark", buildLoadGenerators],
];

async function installSystemPackages(): Promise<void> {
  const missing: string[] = [];
  for (const name of SYSTEM_PACKAGES) {
    const found = onPath("dpkg-query") ? await run("dpkg-query", ["-W", "-f=${Status}", name]) : null;
    if (!found?.stdout.includes("install ok installed")) missing.push(name);
  }
  if (missing.length === 0) return;
  if (Deno.uid() !== 0 || !onPath("apt-get")) {
    throw new Error(
      `Cannot install packages of the system without root and apt-get; please install: ${missing.join(" ")}`,
    );
  }
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  await runOrThrow("apt-get", ["update", "-q"], { env });
  await runOrThrow("apt-get", ["install", "-y", "-q", "--no-install-recommends", ...missing], {
    env,
    timeoutMs: 900_000,
  });
}

async function installNodeClients(): Promise<void> {
  requireCommands("the Node clients", { node: "Node.js", npm: "npm" });
  await Deno.mkdir(locations.node, { recursive: true });
  for (const name of ["package.json", "package-lock.json"]) {
    await Deno.copyFile(`${locations.clients}/node/${name}`, `${locations.node}/${name}`);
  }
  await whenChanged(`${locations.node}/package-lock.json`, `${locations.node}/installed`, async () => {
    await runOrThrow("npm", ["ci", "--no-audit", "--no-fund"], { cwd: locations.node, timeoutMs: 900_000 });
  });
}

async function installPythonClients(): Promise<void> {
  requireCommands("the Python clients", { python3: "Python 3" });
  const requirements = `${locations.clients}/python/requirements.txt`;
  const environment = locations.python.replace("/bin/python", "");
  await Deno.mkdir(environment, { recursive: true });
  await whenChanged(requirements, `${environment}/installed`, async () => {
    await runOrThrow("python3", ["-m", "venv", environment]);
    await runOrThrow(locations.python, ["-m", "pip", "install", "-q", "-r", requirements], { timeoutMs: 900_000 });
  });
}

async function buildGoClients(): Promise<void> {
  requireCommands("the Go clients", { go: "Go" });
  await runOrThrow("go", ["build", "-o", locations.go, "."], { cwd: `${locations.clients}/go`, timeoutMs: 900_000 });
}

/** Compiles the Java clients against the jars of Kafka. */
async function compileJavaClients(): Promise<void> {
  requireCommands("the Java clients", { javac: "a Java compiler, 17 or later" });
  await compileJava({ sources: `${locations.clients}/java`, jars: kafkaJars(), classes: locations.java });
}

/** The Java client that kafka-ui and AKHQ ship, and what they do with it. */
async function installConsoles(): Promise<void> {
  requireCommands("the consoles", { mvn: "Maven", javac: "a Java compiler, 17 or later" });
  const directory = new URL("administration", import.meta.url).pathname;
  await whenChanged(`${directory}/pom.xml`, `${locations.oldKafkaClient}.installed`, async () => {
    await runOrThrow("mvn", [
      ...["-q", "-B", "-f", `${directory}/pom.xml`, "dependency:copy-dependencies"],
      ...[`-DoutputDirectory=${locations.oldKafkaClient}`, "-DincludeScope=runtime"],
    ], { timeoutMs: 1_200_000 });
  });
  await compileJava({ sources: `${directory}/java`, jars: locations.oldKafkaClient, classes: locations.consoles });
}

/** Compiles a directory, again when a source has changed. */
async function compileJava(paths: { sources: string; jars: string; classes: string }): Promise<void> {
  const sources = [...Deno.readDirSync(paths.sources)].map(({ name }) => `${paths.sources}/${name}`).sort();
  const texts = await Promise.all(sources.map((source) => Deno.readTextFile(source)));
  const key = `${paths.classes}.sources`;
  await Deno.writeTextFile(key, texts.join(""));
  await whenChanged(key, `${paths.classes}.installed`, async () => {
    await Deno.mkdir(paths.classes, { recursive: true });
    await runOrThrow("javac", ["-cp", `${paths.jars}/*`, "-d", paths.classes, ...sources]);
  });
}

/** Every line of the Unicode character database except its largest tables of numbers: text of all scripts. */
async function makeCorpus(): Promise<void> {
  const parts: string[] = [];
  for await (const { name } of Deno.readDir(CORPUS_SOURCE)) {
    if (/\.txt(\.bz2)?$/.test(name) && !/^Bidi|IRGSources|DictionaryIndices/.test(name)) parts.push(name);
  }
  const partial = `${locations.corpus}.partial`;
  using file = await Deno.open(partial, { write: true, create: true, truncate: true });
  for (const name of parts.sort()) {
    const path = `${CORPUS_SOURCE}/${name}`;
    const text = name.endsWith(".bz2") ? await runOrThrow("bzcat", [path]) : await Deno.readTextFile(path);
    // An empty line would be an empty message, which kcat does not send.
    const lines = text.split("\n").filter((line) => line !== "").map((line) => `${line}\n`).join("");
    const bytes = new TextEncoder().encode(lines);
    for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
  }
  await Deno.rename(partial, locations.corpus);
}

/** Runs `step`, unless it has finished before with the same contents of `file`. */
async function whenChanged(file: string, mark: string, step: () => Promise<void>): Promise<void> {
  const contents = await Deno.readTextFile(file);
  try {
    if (await Deno.readTextFile(mark) === contents) return;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  await step();
  await Deno.writeTextFile(mark, contents);
}

if (import.meta.main) {
  const write = (text: string) => Deno.stdout.writeSync(new TextEncoder().encode(text));
  for (const [name, step] of steps) {
    write(`${name} ... `);
    const start = performance.now();
    await step();
    write(`ready (${((performance.now() - start) / 1000).toFixed(1)} s)\n`);
  }
}
