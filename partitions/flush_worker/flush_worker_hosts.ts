/** The flush workers of a broker, one for each log directory (flush_worker_host.ts). Runs on the main isolate. */
import type { SharedState } from "../shared/shared_state.ts";
import { FlushWorkerHost } from "./flush_worker_host.ts";

/** The workers. */
export class FlushWorkerHosts implements Disposable {
  readonly #hosts: readonly FlushWorkerHost[];

  /** @param onFailure a worker failed: nobody answers the flushes that it had @param options idle time in ms until a worker ends */
  constructor(state: SharedState, onFailure: (error: Error) => void, options: { idleMs?: number } = {}) {
    this.#hosts = state.flushRings.map((_, directory) =>
      new FlushWorkerHost(state, onFailure, { ...options, directory })
    );
  }

  /** Whether there is a worker. */
  get areRunning(): boolean {
    return this.#hosts.some(({ isRunning }) => isRunning);
  }

  /** Starts the worker of a log directory, unless it runs. @param directory its index */
  start(directory: number): void {
    this.#hosts[directory]?.start();
  }

  /**
   * Lets the workers end what they have and then end themselves; none is started from now on.
   * @returns settles when there is none; never while a disk does not end a flush
   */
  async stop(): Promise<void> {
    await Promise.all(this.#hosts.map((host) => host.stop()));
  }

  /** Ends the workers, also those that wait for a disk. */
  [Symbol.dispose](): void {
    for (const host of this.#hosts) host[Symbol.dispose]();
  }
}
