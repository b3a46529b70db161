/**
 * The metadata store of one machine: SQLite in its own worker, so that no commit blocks the main isolate. Requests are posted and
 * answered in order. Runs on the main isolate.
 *
 * A request that the disk refuses is rejected alone. When the worker ends, a flush fails, or the file is damaged or gone, all waiting and
 * later requests are rejected with the same sentence. The store never continues after such a failure.
 */
import type { StoreCallName, StoreCalls, StoreReply, StoreRequest } from "./sqlite_store_messages.ts";
import {
  type Lease,
  MetadataRefusedError,
  type MetadataStore,
  MetadataStoreError,
  type Snapshot,
  type StoreChange,
  type StoredEntry,
  type StoreLimits,
  type StoreWatcher,
  type Transaction,
  type TransactionResult,
} from "./store.ts";

interface Waiting {
  readonly resolve: (result: never) => void;
  readonly reject: (error: Error) => void;
}

interface Watch {
  readonly prefix: string;
  readonly watcher: StoreWatcher;
  /** False until the store has said whether there were changes since the version from which the watch begins. */
  isReady: boolean;
}

/** The store. The constructor starts the worker, which loads while the caller prepares the directory. */
export class SqliteStore implements MetadataStore {
  readonly limits: StoreLimits = { transactionKeysMax: Infinity, transactionBytesMax: Infinity };
  readonly #worker: Worker;
  readonly #failed: (error: MetadataStoreError) => void;
  readonly #waiting = new Map<number, Waiting>();
  readonly #watches = new Set<Watch>();
  #nextId = 1;
  #failure: MetadataStoreError | null = null;
  #closing: Promise<void> | null = null;

  /** @param failed called once, when the store has failed for good */
  constructor(failed: (error: MetadataStoreError) => void = () => {}) {
    this.#failed = failed;
    const url = new URL("./sqlite_store_worker.ts", import.meta.url);
    this.#worker = new Worker(url, { type: "module", name: "metadata-store" });
    this.#worker.onmessage = ({ data }: MessageEvent<StoreReply>) => this.#receive(data);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.#fail(new MetadataStoreError(`The metadata store's worker failed: ${event.message}`));
    };
  }

  /** Opens the file, and creates it when it does not exist; called first. @throws MetadataStoreError when the file is not usable */
  async open(path: string): Promise<void> {
    await this.#call("open", { path });
  }

  get(key: string): Promise<StoredEntry | null> {
    return this.#call("get", { key });
  }

  range(prefix: string): Promise<StoredEntry[]> {
    return this.#call("range", { prefix });
  }

  snapshot(prefix: string): Promise<Snapshot> {
    return this.#call("snapshot", { prefix });
  }

  transact(transaction: Transaction): Promise<TransactionResult> {
    return this.#call("transact", transaction);
  }

  /** Not needed: the file is this process's own, and its answers are not lost. */
  resolve(id: string): Promise<TransactionResult> {
    return Promise.reject(new MetadataRefusedError(`The metadata store knows no transaction ${id} of unknown outcome`));
  }

  watch(prefix: string, watcher: StoreWatcher, from?: number): Disposable {
    const watch = { prefix, watcher, isReady: from === undefined };
    this.#watches.add(watch);
    if (from !== undefined) void this.#resume(watch, from);
    return { [Symbol.dispose]: () => void this.#watches.delete(watch) };
  }

  async grantLease(ttlMs: number): Promise<Lease> {
    const id = await this.#call("grantLease", { ttlMs });
    return {
      id,
      ttlMs,
      keepAlive: () => this.#call("keepAlive", { lease: id }),
      revoke: async () => void await this.#call("revokeLease", { lease: id }),
    };
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    if (this.#failure !== null) return;
    const closed = this.#call("close", null);
    // Later requests are refused; the worker ends itself after its answer.
    this.#failure = new MetadataStoreError("The metadata store is closed");
    await closed;
    this.#worker.terminate();
  }

  #call<N extends StoreCallName>(name: N, args: StoreCalls[N]["args"]): Promise<StoreCalls[N]["result"]> {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      const request: StoreRequest = { id: this.#nextId++, name, args };
      this.#waiting.set(request.id, { resolve, reject });
      this.#worker.postMessage(request);
    });
  }

  #receive(reply: StoreReply): void {
    if (reply.type === "changes") return this.#notifyWatchers(reply.changes, reply.version);
    const waiting = this.#waiting.get(reply.id);
    this.#waiting.delete(reply.id);
    if (reply.type === "result") return waiting?.resolve(reply.result as never);
    if (!reply.fatal) return waiting?.reject(new MetadataRefusedError(reply.message));
    const error = new MetadataStoreError(reply.message);
    waiting?.reject(error);
    this.#fail(error);
  }

  /** Begins a watch from a version. The file has no history: after other changes the watcher gets a snapshot. */
  async #resume(watch: Watch, from: number): Promise<void> {
    let snapshot: Snapshot;
    try {
      snapshot = await this.#call("snapshot", { prefix: watch.prefix });
    } catch (error) {
      // Without this snapshot the watcher would miss changes.
      if (this.#failure === null) this.#fail(new MetadataStoreError(`A watch of metadata cannot begin: ${error}`));
      return;
    }
    if (!this.#watches.has(watch)) return;
    // Changes are posted in order with answers: those until the snapshot have passed, and the next ones are later.
    watch.isReady = true;
    if (snapshot.version !== from) watch.watcher.reset(snapshot);
  }

  #notifyWatchers(changes: readonly StoreChange[], version: number): void {
    for (const { prefix, watcher, isReady } of [...this.#watches]) {
      if (!isReady) continue;
      const seen = changes.filter(({ key }) => key.startsWith(prefix));
      if (seen.length > 0) watcher.changed(seen, version);
    }
  }

  #fail(error: MetadataStoreError): void {
    if (this.#failure !== null && this.#waiting.size === 0) return;
    this.#failure ??= error;
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
    this.#worker.terminate();
    this.#failed(error);
  }
}
