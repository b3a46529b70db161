/**
 * The machine that a comparison ran on: its description, warm memory, its latency floor. Main isolate of the benchmark.
 *
 * Memory is warmed because on a virtual machine the first access to a page costs up to ten times a later one, so the program that runs
 * first would pay for the other. Source: measured; see bench/README.md.
 */
import { KAFKA_VERSION, loadGenerator } from "../peer/install.ts";
import { run, runOrThrow } from "../peer/processes.ts";
import { THIS_TREE } from "./targets.ts";

const GIBIBYTE = 1 << 30;

/** The head of a report: names and values. */
export type Description = readonly (readonly [name: string, value: string])[];

/** Describes the machine, this tree and the versions of the software that it runs on. */
export async function describeMachine(scratch: string): Promise<Description> {
  const model = /^model name\s*:\s*(.*)$/m.exec(await Deno.readTextFile("/proc/cpuinfo"))?.[1] ?? Deno.build.arch;
  return [
    ["date", new Date().toISOString().slice(0, 16).replace("T", " ") + " UTC"],
    ["commit", await describeCheckout(THIS_TREE)],
    ["processor", `${navigator.hardwareConcurrency} cores, ${model}`],
    ["memory", `${(memoryInfo("MemTotal") / GIBIBYTE).toFixed(0)} GiB`],
    ["kernel", `${Deno.build.os} ${Deno.osRelease()} ${Deno.build.arch}`],
    ["file system", (await run("stat", ["-f", "-c", "%T", scratch])).stdout.trim()],
    ["Deno", `${Deno.version.deno}, V8 ${Deno.version.v8}`],
  ];
}

/** Describes Apache Kafka and its JVM. */
export async function describeKafka(): Promise<Description> {
  const java = (await run("java", ["-version"])).stderr.split("\n")[0] ?? "";
  return [["Apache Kafka", `${KAFKA_VERSION}, ${java.replaceAll('"', "")}, heap 1 GiB`]];
}

/** The commit of a checkout; "unknown" when git does not know it. */
export async function describeCheckout(directory: string): Promise<string> {
  const hash = await run("git", ["-C", directory, "rev-parse", "--short", "HEAD"]);
  if (hash.code !== 0) return "unknown";
  const changes = await run("git", ["-C", directory, "status", "--porcelain", "--untracked-files=no"]);
  return hash.stdout.trim() + (changes.stdout === "" ? "" : " with local changes");
}

/** A line of /proc/meminfo, in bytes. */
function memoryInfo(name: string): number {
  const line = new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(Deno.readTextFileSync("/proc/meminfo"));
  return Number(line?.[1] ?? 0) * 1024;
}

/** Least rate at which a fresh 1 GiB file must be written for a comparison to mean anything, in bytes per second. */
const WARM_RATE = 2.5e9;

/**
 * Warms memory by writing and removing files, until a new 1 GiB file is written fast.
 * @param scratch where the brokers' directories will be
 * @param say reports progress
 * @returns the rate of the last file in bytes per second; below `WARM_RATE` the figures cannot be trusted
 */
export async function warmMemory(scratch: string, say: (line: string) => void): Promise<number> {
  const gibibytes = Math.max(2, Math.min(12, Math.floor(memoryInfo("MemAvailable") / 2 / GIBIBYTE)));
  say(`touching ${gibibytes} GiB of memory`);
  writeFiles(scratch, gibibytes);
  let rate = 0;
  for (let attempt = 0; attempt < 5 && rate < WARM_RATE; attempt++) {
    await waitForWriteBack();
    rate = writeFiles(scratch, 1);
    say(`a fresh 1 GiB file takes ${(rate / 1e9).toFixed(1)} GB/s`);
  }
  if (rate < WARM_RATE) say(`warning: below ${WARM_RATE / 1e9} GB/s; the first runs may look slower than they are`);
  return rate;
}

/** Writes files of 1 GiB side by side and removes them. @returns bytes per second */
function writeFiles(scratch: string, count: number): number {
  const block = new Uint8Array(1 << 20).fill(1);
  const paths = Array.from({ length: count }, (_, i) => `${scratch}/warm-${i}`);
  const start = performance.now();
  for (const path of paths) {
    using file = Deno.openSync(path, { write: true, create: true, truncate: true });
    for (let at = 0; at < GIBIBYTE;) at += file.writeSync(block);
  }
  const seconds = (performance.now() - start) / 1000;
  for (const path of paths) Deno.removeSync(path);
  return count * GIBIBYTE / seconds;
}

/** Waits (at most 20 s) until little is left to write to the disk, so that a run does not pay for the one before it. */
export async function waitForWriteBack(): Promise<void> {
  for (let waited = 0; waited < 20_000; waited += 200) {
    if (memoryInfo("Dirty") + memoryInfo("Writeback") < 200e6) return;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/** p50 of 100 bytes to another process and back over loopback, in milliseconds: the lower bound for every broker. */
export async function latencyFloorMs(): Promise<number> {
  const printed = JSON.parse(await runOrThrow(loadGenerator("wire_load"), ["floor", "-c", "20000"]));
  return printed.ackMs.p50;
}
