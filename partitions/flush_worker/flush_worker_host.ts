/**
 * The flush worker of one log directory, as the main isolate sees it. It is started by the first group of flushes that acknowledgements
 * wait for, so that a fresh broker, and one whose topics do not flush, has none. It ends by itself when it was idle for long. Runs on
 * the main isolate.
 */
import { RingConsumer } from "../shared/ring.ts";
import { signalEvent } from "../../storage/sys/epoll.ts";
import { FlushWorkerWords, type SharedState } from "../shared/shared_state.ts";
import { FLUSH_WORKER } from "../shared/words.ts";

/** A worker that had nothing to do for this long ends. Starting one takes 50 ms, during which groups are flushed without it. */
const IDLE_MS = 60_000;

/** The only message to the worker. */
export interface FlushWorkerStart {
  readonly state: SharedState;
  /** Index of the log directory. */
  readonly directory: number;
  readonly idleMs: number;
}

/** The worker. */
export class FlushWorkerHost implements Disposable {
  readonly #state: SharedState;
  readonly #directory: number;
  readonly #onFailure: (error: Error) => void;
  readonly #idleMs: number;
  readonly #words: FlushWorkerWords;
  #worker: Worker | null = null;
  #isStopping = false;
  #onEnded: (() => void) | null = null;

  /**
   * @param onFailure the worker failed: nobody answers the flushes that it had
   * @param options directory: index of the log directory; idleMs: idle time until it ends
   */
  constructor(
    state: SharedState,
    onFailure: (error: Error) => void,
    { directory, idleMs = IDLE_MS }: { directory: number; idleMs?: number },
  ) {
    this.#state = state;
    this.#directory = directory;
    this.#onFailure = onFailure;
    this.#idleMs = idleMs;
    this.#words = new FlushWorkerWords(state, directory);
  }

  /** Whether there is a worker. */
  get isRunning(): boolean {
    return this.#worker !== null;
  }

  /** Starts the worker, unless it runs. */
  start(): void {
    if (this.#worker !== null || this.#isStopping) return;
    const url = new URL("./flush_worker.ts", import.meta.url);
    const worker = new Worker(url, { type: "module", name: "flush" });
    this.#worker = worker;
    worker.onmessage = () => this.#onEnd(worker);
    worker.onerror = (event) => {
      event.preventDefault();
      this.#worker = null;
      this.#onFailure(new Error(`The flush worker failed: ${event.message}`));
      this.#onEnded?.();
    };
    const start: FlushWorkerStart = { state: this.#state, directory: this.#directory, idleMs: this.#idleMs };
    worker.postMessage(start);
  }

  /**
   * Lets the worker end what it has and then end itself; none is started from now on.
   * @returns settles when there is none; never while the disk does not end a flush
   */
  async stop(): Promise<void> {
    this.#isStopping = true;
    if (this.#worker === null) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#onEnded = resolve;
    this.#words.set(FLUSH_WORKER.stopping, 1);
    signalEvent(this.#state.flushEventFds[this.#directory] as number);
    await promise;
  }

  /** Ends the worker, also one that waits for a disk. */
  [Symbol.dispose](): void {
    this.#isStopping = true;
    this.#worker?.terminate();
    this.#worker = null;
  }

  #onEnd(worker: Worker): void {
    worker.terminate();
    this.#worker = null;
    this.#onEnded?.();
    // What a shard sent when the worker had ended already, as long as the shard has not noticed.
    if (this.#state.flushRings[this.#directory]?.some((ring) => new RingConsumer(ring).peek() !== null)) this.start();
  }
}
