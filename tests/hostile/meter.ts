/**
 * Measures how much of a turn's time the machine may have taken, and not the broker. Turn times are wall-clock times: while other tests
 * use the processors, a turn that works for 10 ms can take 30. The kernel counts how long each thread was ready to run and did not run,
 * and how much time a hypervisor took from this machine (meter_worker.ts). Test code.
 */

/** What the meter saw. */
export interface Samples {
  readonly atMs: number[];
  /** For each thread, at each of these times: how long it had waited for a processor since its start. */
  readonly waitedMs: number[][];
  /** Processor time that the hypervisor gave to others during the measurement. */
  stolenMs: number;
}

/** Measures from `start()` to `stop()`; disposal ends it. */
export class Meter implements Disposable {
  readonly #worker = new Worker(new URL("./meter_worker.ts", import.meta.url), { type: "module" });

  /** @param pid process whose threads are looked at */
  async start(pid: number): Promise<void> {
    await this.#ask({ pid });
  }

  async stop(): Promise<Samples> {
    return await this.#ask(null) as Samples;
  }

  [Symbol.dispose](): void {
    this.#worker.terminate();
  }

  #ask(question: { pid: number } | null): Promise<unknown> {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#worker.onmessage = ({ data }) => resolve(data);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      reject(new Error(event.message));
    };
    this.#worker.postMessage(question);
    return promise;
  }
}

/**
 * The time that the machine may have taken of a turn of this length: the longest wait of any thread for a processor in any stretch of
 * that length, plus what the hypervisor took.
 */
export function takenByMachine({ atMs, waitedMs, stolenMs }: Samples, stretchMs: number): number {
  let longestMs = 0;
  for (const waited of waitedMs) {
    for (let [start, end] = [0, 0]; start < atMs.length; start++) {
      // The turn may have begun just before the next sample.
      const untilMs = (atMs[start + 1] ?? atMs[start]!) + stretchMs;
      while (end < atMs.length - 1 && atMs[end]! < untilMs) end++;
      longestMs = Math.max(longestMs, waited[end]! - waited[start]!);
    }
  }
  return Math.min(longestMs + stolenMs, stretchMs);
}

/** The sum of the times that threads waited for a processor, in ms. */
export function waitedInAll({ waitedMs }: Samples): number {
  return waitedMs.reduce((sum, waited) => sum + (waited.at(-1) ?? 0) - (waited[0] ?? 0), 0);
}
