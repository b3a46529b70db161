/**
 * The compared brokers as processes: Apache Kafka, this one, and that of another checkout. All have their defaults and the same few
 * settings of the benchmark. Main isolate of the benchmark.
 */
import { type ApacheKafka, launchApacheKafka } from "../peer/apache_kafka.ts";
import { type Pause, readPauses } from "./gc_trace.ts";
import { freePort, processCpuSeconds, RunningProcess } from "../peer/processes.ts";
import { waitForBroker } from "../peer/wire_client.ts";

/** A broker that takes part in a comparison. */
export interface Contender {
  /** Name of its directories. */
  readonly name: string;
  /** For people and tables. */
  readonly title: string;
  /** Starts it without waiting for it. A directory that was used before is served again. */
  launch(options: LaunchOptions): Promise<Target>;
}

/** A running broker. */
export interface Target extends AsyncDisposable {
  readonly contender: Contender;
  /** Holds its data and its output. */
  readonly directory: string;
  readonly port: number;
  readonly pid: number;
  readonly process: RunningProcess;
  /** `performance.now()` just before its process was started. */
  readonly launchedAtMs: number;
  /** File to which its engine writes a line at each collection; null: none. */
  readonly gcTraceFile: string | null;
}

/** How to start a broker. */
export interface LaunchOptions {
  /** Below the benchmark's scratch directory. */
  readonly directory: string;
  readonly gcTrace: boolean;
  /** Settings by Kafka's names, for brokers of one shape. */
  readonly properties?: Readonly<Record<string, string>>;
  /** File to which a Barnabas writes the times of its turns whenever it gets SIGUSR2 (timed_broker.ts). */
  readonly turnTimesFile?: string;
}

/** Settings of all brokers: topics of a finished run must not occupy the disk for a minute. */
const SHARED_PROPERTIES = { "log.segment.delete.delay.ms": "1000" };

/** Apache Kafka in the version of bench/peer/install.ts. */
export const apacheKafka: Contender = { name: "kafka", title: "Apache Kafka", launch: launchKafka };

/** Directory of the tree that this file belongs to. */
export const THIS_TREE = new URL("../..", import.meta.url).pathname;

const TIMED_BROKER = new URL("lifecycle/timed_broker.ts", import.meta.url).pathname;

/** The broker of this tree. */
export const thisTree: Contender = checkout("barnabas", "Barnabas", THIS_TREE);

/**
 * The broker of a checkout.
 * @param name of its directories
 * @param title for people and tables
 * @param directory holds its main.ts
 */
export function checkout(name: string, title: string, directory: string): Contender {
  const mainProgram = `${directory.replace(/\/+$/, "")}/main.ts`;
  const contender: Contender = {
    name,
    title,
    launch: (options) => launchBarnabas(contender, mainProgram, options),
  };
  return contender;
}

/** Starts a broker and waits until it answers. */
export async function start(contender: Contender, options: LaunchOptions): Promise<Target> {
  const target = await contender.launch(options);
  try {
    await waitForBroker(target.port, () => target.process.running);
  } catch (error) {
    await target[Symbol.asyncDispose]();
    throw new Error(`Cannot start ${contender.title}:\n${target.process.outputTail()}`, { cause: error });
  }
  return target;
}

async function launchKafka({ directory, gcTrace, properties }: LaunchOptions): Promise<Target> {
  const gcTraceFile = await prepare(directory, gcTrace);
  const kafka: ApacheKafka = await launchApacheKafka({
    directory,
    properties: { ...SHARED_PROPERTIES, ...properties },
    gcTraceFile: gcTraceFile ?? undefined,
  });
  // Formatting its directory is a step of its own, before the start.
  const { port, process, launchedAtMs } = kafka;
  return targetOf({ contender: apacheKafka, directory, port, process, launchedAtMs, gcTraceFile });
}

async function launchBarnabas(contender: Contender, mainProgram: string, options: LaunchOptions): Promise<Target> {
  const { directory } = options;
  const gcTraceFile = await prepare(directory, options.gcTrace);
  const port = freePort();
  const launchedAtMs = performance.now();
  const [command, ...flags] = gcTraceFile === null ? [Deno.execPath(), "run", "-A"] : tracedDeno();
  const dataDir = `${directory}/data`;
  const properties = { ...SHARED_PROPERTIES, ...options.properties };
  const { turnTimesFile } = options;
  const program = turnTimesFile === undefined
    ? [
      ...[mainProgram, "--port", String(port), "--data", dataDir],
      ...Object.entries(properties).flatMap(([name, value]) => ["--override", `${name}=${value}`]),
    ]
    : [TIMED_BROKER, JSON.stringify({ mainProgram, port, dataDir, properties, turnTimesFile })];
  const process = new RunningProcess(command, [...flags, ...program], {
    outputFile: `${directory}/output.txt`,
    standardOutputFile: gcTraceFile ?? undefined,
  });
  return targetOf({ contender, directory, port, process, launchedAtMs, gcTraceFile });
}

/** Makes a broker's directory. @returns the file for the trace of its engine */
async function prepare(directory: string, gcTrace: boolean): Promise<string | null> {
  await Deno.mkdir(directory, { recursive: true });
  return gcTrace ? `${directory}/gc.txt` : null;
}

/** V8 writes its trace to C's standard output, which collects 4 KiB unless it is set to write line by line. */
function tracedDeno(): [string, ...string[]] {
  return ["stdbuf", "-oL", Deno.execPath(), "run", "-A", "--v8-flags=--trace-gc"];
}

function targetOf(target: Omit<Target, "pid" | typeof Symbol.asyncDispose>): Target {
  const { process } = target;
  return { ...target, pid: process.pid, [Symbol.asyncDispose]: () => process[Symbol.asyncDispose]() };
}

/**
 * Reports that a broker has died, instead of the refused connection that followed.
 * @param error what a run has failed with
 * @throws Error always: `error` itself when all brokers still run
 */
export function explainFailure(error: unknown, targets: readonly Target[]): never {
  const ended = targets.find(({ process }) => !process.running);
  if (ended === undefined) throw error;
  const { contender, process } = ended;
  throw new Error(`Cannot continue: ${contender.title} has ended by itself:\n${process.outputTail()}`, {
    cause: error,
  });
}

/** CPU seconds of a target while something runs. A load generator that knows the process (-P) measures them finer. */
export async function withUsage<T>(target: Target, body: () => Promise<T>): Promise<{ value: T; cpuSeconds: number }> {
  const before = processCpuSeconds(target.pid);
  const value = await body();
  return { value, cpuSeconds: processCpuSeconds(target.pid) - before };
}

/** How often the length of a trace is noted, which is the resolution of the times of its lines. */
const TRACE_GLANCE_MS = 50;

/** Moments of the wall clock, in milliseconds since 1970. */
export interface Stretch {
  readonly from: number;
  readonly to: number;
}

/**
 * The garbage collections of a target while something runs.
 * @param body returns which part of the time counts
 * @returns the pauses within that part and its length; null when the target writes no trace
 */
export async function withPauses<T extends { readonly countedMs: Stretch }>(
  { gcTraceFile }: Target,
  body: () => Promise<T>,
): Promise<{ value: T; collected: { pauses: Pause[]; seconds: number } | null }> {
  if (gcTraceFile === null) return { value: await body(), collected: null };
  // Lines of V8 have the age of their isolate, which is no wall-clock time. Their position in the file says when they were written.
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
