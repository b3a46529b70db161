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

type FollowedStore = Pick<MetadataStore, "snapshot" | "watch">;

/** Follows one store. */
export class StoreFollower implements StoreWatcher, Disposable {
  readonly #rows: Map<string, StoredEntry>;
  readonly #listeners = new Set<ChangeListener>();
  readonly #waits = new Set<{ readonly version: number; readonly resolve: () => void }>();
  readonly #store: FollowedStore;
  #version: number;
  #watch: Disposable | null = null;
  #isDisposed = false;

  private constructor(store: FollowedStore, { version, entries }: Snapshot) {
    this.#store = store;
    this.#rows = new Map(entries.map((entry) => [entry.key, entry]));
    this.#version = version;
  }

  /** Reads the store and follows it from there. @throws MetadataStoreError when it does not answer */
  static async open(store: FollowedStore): Promise<StoreFollower> {
    const follower = new StoreFollower(store, await store.snapshot(""));
    follower.#begin();
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

  /**
   * Reads the store anew, for a caller who knows that the watch has lost changes. They reach listeners as by a reset. Meanwhile nothing
   * arrives.
   * @throws MetadataStoreError when the store does not answer; the follower then goes on as before
   */
  async reread(): Promise<void> {
    this.#watch?.[Symbol.dispose]();
    try {
      const snapshot = await this.#store.snapshot("");
      if (!this.#isDisposed) this.reset(snapshot);
    } finally {
      if (!this.#isDisposed) this.#begin();
    }
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
    this.#isDisposed = true;
    this.#watch?.[Symbol.dispose]();
    this.#watch = null;
    this.#listeners.clear();
  }

  #begin(): void {
    this.#watch = this.#store.watch("", this, this.#version);
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
