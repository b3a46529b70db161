/**
 * The two brokers that are compared, as processes: Apache Kafka and this one, each with its defaults but for what both are told
 * alike. Main isolate of the benchmark.
 */
import { type ApacheKafka, launchApacheKafka } from "../peer/apache_kafka.ts";
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
}

/** Told to both: topics of a finished run must not occupy the disk for a minute. */
const SHARED_PROPERTIES = { "log.segment.delete.delay.ms": "1000" };

const mainProgram = new URL("../../main.ts", import.meta.url).pathname;

/**
 * Starts a broker on a new directory without waiting for it.
 * @param directory below the benchmark's scratch directory
 */
export async function launch(side: Side, directory: string): Promise<Target> {
  await Deno.mkdir(directory, { recursive: true });
  return side === "kafka" ? await launchKafka(directory) : launchBarnabas(directory);
}

/** Starts a broker and waits until it answers. */
export async function start(side: Side, directory: string): Promise<Target> {
  const target = await launch(side, directory);
  try {
    await waitForBroker(target.port);
  } catch (error) {
    await target[Symbol.asyncDispose]();
    throw error;
  }
  return target;
}

async function launchKafka(directory: string): Promise<Target> {
  const kafka: ApacheKafka = await launchApacheKafka({ directory, properties: SHARED_PROPERTIES });
  // Formatting its directory is a step of its own, before the start.
  return targetOf("kafka", kafka.port, kafka.process, kafka.launchedAtMs);
}

function launchBarnabas(directory: string): Target {
  const port = freePort();
  const launchedAtMs = performance.now();
  const process = new RunningProcess(Deno.execPath(), [
    ...["run", "-A", mainProgram, "--port", String(port), "--data", `${directory}/data`],
    ...Object.entries(SHARED_PROPERTIES).flatMap(([name, value]) => ["--override", `${name}=${value}`]),
  ], { outputFile: `${directory}/output.txt` });
  return targetOf("barnabas", port, process, launchedAtMs);
}

function targetOf(side: Side, port: number, process: RunningProcess, launchedAtMs: number): Target {
  return { side, port, pid: process.pid, process, launchedAtMs, [Symbol.asyncDispose]: () => process.stop() };
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
