/**
 * The two brokers that are compared, as processes: Apache Kafka and this one, each with its defaults but for what both are told
 * alike. Main isolate of the benchmark.
 */
import { type ApacheKafka, launchApacheKafka } from "../peer/apache_kafka.ts";
import { type Pause, readPauses } from "./gc_trace.ts";
import { freePort, processCpuSeconds, processMemory, RunningProcess } from "../peer/processes.ts";
import { waitForBroker } from "../peer/wire_client.ts";

/** Which broker. */
export type Side = "kafka" | "barnabas";

/** Both sides, in the order of the tables. */
export const SIDES: readonly Side[] = ["kafka", "barnabas"];

/** A running broker. */
export interface Target extends AsyncDisposable {
  readonly side: Side;
  readonly port: number;
  readonly pid: number;
  readonly process: RunningProcess;
  /** `performance.now()` just before its process was started. */
  readonly launchedAtMs: number;
  /** Where its engine writes a line for each of its collections, at once; null: it writes none. */
  readonly gcTraceFile: string | null;
}

/** How to start a broker. */
export interface LaunchOptions {
  /** Below the benchmark's scratch directory. */
  readonly directory: string;
  readonly gcTrace: boolean;
}

/** Told to both: topics of a finished run must not occupy the disk for a minute. */
const SHARED_PROPERTIES = { "log.segment.delete.delay.ms": "1000" };

const mainProgram = new URL("../../main.ts", import.meta.url).pathname;

/** Starts a broker on a new directory without waiting for it. */
export async function launch(side: Side, { directory, gcTrace }: LaunchOptions): Promise<Target> {
  await Deno.mkdir(directory, { recursive: true });
  const gcTraceFile = gcTrace ? `${directory}/gc.txt` : null;
  return side === "kafka" ? await launchKafka(directory, gcTraceFile) : launchBarnabas(directory, gcTraceFile);
}

/** Starts a broker and waits until it answers. */
export async function start(side: Side, options: LaunchOptions): Promise<Target> {
  const target = await launch(side, options);
  try {
    await waitForBroker(target.port);
  } catch (error) {
    await target[Symbol.asyncDispose]();
    throw error;
  }
  return target;
}

async function launchKafka(directory: string, gcTraceFile: string | null): Promise<Target> {
  const kafka: ApacheKafka = await launchApacheKafka({
    directory,
    properties: SHARED_PROPERTIES,
    gcTraceFile: gcTraceFile ?? undefined,
  });
  // Formatting its directory is a step of its own, before the start.
  const { port, process, launchedAtMs } = kafka;
  return targetOf({ side: "kafka", port, process, launchedAtMs, gcTraceFile });
}

function launchBarnabas(directory: string, gcTraceFile: string | null): Target {
  const port = freePort();
  const launchedAtMs = performance.now();
  const [command, ...flags] = gcTraceFile === null ? [Deno.execPath(), "run", "-A"] : tracedDeno();
  const process = new RunningProcess(command, [
    ...[...flags, mainProgram, "--port", String(port), "--data", `${directory}/data`],
    ...Object.entries(SHARED_PROPERTIES).flatMap(([name, value]) => ["--override", `${name}=${value}`]),
  ], { outputFile: `${directory}/output.txt`, standardOutputFile: gcTraceFile ?? undefined });
  return targetOf({ side: "barnabas", port, process, launchedAtMs, gcTraceFile });
}

/** V8 writes its trace to C's standard output, which keeps it back until 4 KiB are there unless told to go line by line. */
function tracedDeno(): [string, ...string[]] {
  return ["stdbuf", "-oL", Deno.execPath(), "run", "-A", "--v8-flags=--trace-gc"];
}

function targetOf(target: Omit<Target, "pid" | typeof Symbol.asyncDispose>): Target {
  const { process } = target;
  return { ...target, pid: process.pid, [Symbol.asyncDispose]: () => process.stop() };
}

/** CPU seconds and memory of a target while something runs. */
export async function withUsage<T>(
  target: Target,
  body: () => Promise<T>,
): Promise<{ value: T; cpuSeconds: number; residentBytes: number }> {
  const before = processCpuSeconds(target.pid);
  const value = await body();
  const { residentBytes } = processMemory(target.pid);
  return { value, cpuSeconds: processCpuSeconds(target.pid) - before, residentBytes };
}

/** How often the length of a trace is noted: how exactly the lines of a stretch of time are known. */
const TRACE_GLANCE_MS = 50;

/** Moments of the wall clock, in milliseconds since 1970. */
export interface Stretch {
  readonly from: number;
  readonly to: number;
}

/**
 * The garbage collections of a target while something runs.
 * @param body says at its end which part of the time counts
 * @returns the pauses within that part and its length; null when the target writes no trace
 */
export async function withPauses<T extends { readonly countedMs: Stretch }>(
  { gcTraceFile }: Target,
  body: () => Promise<T>,
): Promise<{ value: T; collected: { pauses: Pause[]; seconds: number } | null }> {
  if (gcTraceFile === null) return { value: await body(), collected: null };
  // The lines of V8 tell the age of their isolate, which is no time that others know: their place in the file tells when.
  const glances: { atMs: number; bytes: number }[] = [];
  const glance = () => void glances.push({ atMs: Date.now(), bytes: Deno.statSync(gcTraceFile).size });
  const timer = setInterval(glance, TRACE_GLANCE_MS);
  let value: T;
  try {
    value = await body();
  } finally {
    clearInterval(timer);
  }
  glance();
  const { from, to } = value.countedMs;
  const [first, last] = [from, to].map((time) => glances.find(({ atMs }) => atMs >= time) ?? glances.at(-1)!);
  const bytes = (await Deno.readFile(gcTraceFile)).subarray(first!.bytes, last!.bytes);
  const pauses = readPauses(new TextDecoder().decode(bytes));
  return { value, collected: { pauses, seconds: (last!.atMs - first!.atMs) / 1000 } };
}
