/**
 * Follows a store that several brokers change: keeps all its rows, as its watch tells them, and passes each change on in the order of the
 * store. Runs on the main isolate of a broker in a cluster.
 *
 * Always: when listeners are called, `rows` and `version` already say what the change says. A reset of the watch reaches them as the
 * differences between what was known and the snapshot, so what they have built is changed, never emptied.
 */
import type { MetadataStore, Snapshot, StoreChange, StoredEntry, StoreWatcher } from "./store.ts";

/** Gets the changes of one transaction, or of a reset. It must not throw (StoreWatcher). */
export type ChangeListener = (changes: readonly StoreChange[], version: number) => void;

/** Follows one store. */
export class StoreFollower implements StoreWatcher, Disposable {
  readonly #rows: Map<string, StoredEntry>;
  readonly #listeners = new Set<ChangeListener>();
  readonly #waits = new Set<{ readonly version: number; readonly resolve: () => void }>();
  #version: number;
  #watch: Disposable | null = null;

  private constructor({ version, entries }: Snapshot) {
    this.#rows = new Map(entries.map((entry) => [entry.key, entry]));
    this.#version = version;
  }

  /** Reads the store and follows it from there. @throws MetadataStoreError when it does not answer */
  static async open(store: Pick<MetadataStore, "snapshot" | "watch">): Promise<StoreFollower> {
    const snapshot = await store.snapshot("");
    const follower = new StoreFollower(snapshot);
    follower.#watch = store.watch("", follower, snapshot.version);
    return follower;
  }

  /** All rows, by key. */
  get rows(): ReadonlyMap<string, StoredEntry> {
    return this.#rows;
  }

  /** Version of the last change that arrived. */
  get version(): number {
    return this.#version;
  }

  /** Calls a listener with every later change. @returns ends that when disposed */
  follow(listener: ChangeListener): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  /** Settles when the change of a committed transaction has arrived, and all listeners were called. Never, once the follower is disposed. */
  reached(version: number): Promise<void> {
    if (this.#version >= version) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waits.add({ version, resolve });
    return promise;
  }

  changed(changes: readonly StoreChange[], version: number): void {
    for (const change of changes) {
      if ("deleted" in change) this.#rows.delete(change.key);
      else this.#rows.set(change.key, change);
    }
    this.#pass(changes, version);
  }

  reset({ entries, version }: Snapshot): void {
    const changes: StoreChange[] = [];
    const kept = new Set<string>();
    for (const entry of entries) {
      kept.add(entry.key);
      if (this.#rows.get(entry.key)?.version !== entry.version) changes.push(entry);
    }
    for (const key of this.#rows.keys()) if (!kept.has(key)) changes.push({ key, deleted: true });
    this.changed(changes, version);
  }

  /** Ends the watch. */
  [Symbol.dispose](): void {
    this.#watch?.[Symbol.dispose]();
    this.#watch = null;
    this.#listeners.clear();
  }

  #pass(changes: readonly StoreChange[], version: number): void {
    this.#version = version;
    for (const listener of this.#listeners) listener(changes, version);
    for (const wait of this.#waits) {
      if (wait.version > version) continue;
      this.#waits.delete(wait);
      wait.resolve();
    }
  }
}
