/**
 * Samples every few milliseconds how long the threads of the broker have waited for a processor since their start. It runs in its own
 * worker, so that the test does not delay it, and posts the samples since the last question. Test code.
 *
 * Source: Documentation/scheduler/sched-stats.rst of Linux: /proc/PID/task/TID/schedstat holds nanoseconds on a processor, nanoseconds
 * of waiting for one while ready to run, and timeslices. proc(5): the eighth number of /proc/stat is stolen time, in hundredths of a second.
 */
import type { Samples } from "./meter.ts";

const PERIOD_MS = 4;
/** Name of the threads of workers, including the shards. */
const WORKER_NAME = /^worker-/;

let threads: string[] = [];
let samples: Samples = { atMs: [], waitedMs: [], stolenMs: 0 };
let stolenBeforeMs = 0;

self.onmessage = ({ data }: MessageEvent<{ pid: number } | null>) => {
  if (data === null) {
    sample();
    samples.stolenMs = stolenEver() - stolenBeforeMs;
    self.postMessage(samples);
    return;
  }
  const folder = `/proc/${data.pid}/task`;
  threads = [...Deno.readDirSync(folder)].map(({ name }) => `${folder}/${name}`)
    .filter((path) => WORKER_NAME.test(nameOf(path)));
  samples = { atMs: [], waitedMs: threads.map(() => []), stolenMs: 0 };
  stolenBeforeMs = stolenEver();
  sample();
  self.postMessage(threads.length);
};

setInterval(sample, PERIOD_MS);

function sample(): void {
  for (const [index, thread] of threads.entries()) {
    const waitedMs = waitedOf(thread);
    if (waitedMs === null) {
      threads = [];
      break;
    }
    samples.waitedMs[index]!.push(waitedMs);
  }
  if (threads.length > 0) samples.atMs.push(performance.now());
}

function stolenEver(): number {
  return Number(Deno.readTextFileSync("/proc/stat").split(/\s+/, 9)[8]) * 10;
}

/** Threads that help out come and go. @returns "" when the thread has ended */
function nameOf(thread: string): string {
  return readUnlessEnded(`${thread}/comm`) ?? "";
}

/** @returns null when the thread has ended */
function waitedOf(thread: string): number | null {
  const schedstat = readUnlessEnded(`${thread}/schedstat`);
  return schedstat === null ? null : Number(schedstat.split(" ")[1]) / 1e6;
}

function readUnlessEnded(path: string): string | null {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    // ESRCH while the process ends, ENOENT once it has.
    const hasEnded = error instanceof Deno.errors.NotFound ||
      error instanceof Error && /os error 3\b/.test(error.message);
    if (hasEnded) return null;
    throw error;
  }
}
