/**
 * A store in memory that can be made to fail, to answer late, and to lose its answers. Tests only.
 */
import {
  ABSENT,
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

interface Watch {
  readonly prefix: string;
  readonly watcher: StoreWatcher;
  /** Version of the last change it was told. */
  version: number;
  isTelling: boolean;
}

/** A store in memory. */
export class MemoryStore implements MetadataStore {
  limits: StoreLimits = { transactionKeysMax: Infinity, transactionBytesMax: Infinity };
  readonly entries = new Map<string, StoredEntry>();
  /** Transactions committed so far. */
  readonly committed: Transaction[] = [];
  /** Makes every transaction fail with this sentence while it is set, as if the store were damaged. */
  failure: string | null = null;
  /** Makes transactions fail with this sentence while it is set, as if the disk were full. @returns null for one that is not refused */
  refusal: (transaction: Transaction) => string | null = () => null;
  /** Waits before a transaction is carried out, before it is answered, and before a watcher is told of a change. */
  delay: () => Promise<void> = () => Promise.resolve();
  /** Whether the answer to a transaction is lost, before or after it was carried out. */
  loses: (transaction: Transaction) => "nothing" | "request" | "answer" = () => "nothing";
  /** Called when a transaction has changed something. */
  changed: (version: number) => void = () => {};
  /** Whether watchers are told of changes. */
  #isTelling = true;
  readonly #history: { readonly version: number; readonly changes: readonly StoreChange[] }[] = [];
  readonly #watches = new Set<Watch>();
  readonly #lost = new Map<string, TransactionResult>();
  #version = 0;

  get(key: string): Promise<StoredEntry | null> {
    return Promise.resolve(this.entries.get(key) ?? null);
  }

  range(prefix: string): Promise<StoredEntry[]> {
    const found = [...this.entries.values()].filter(({ key }) => key.startsWith(prefix));
    return Promise.resolve(found.sort((a, b) => a.key < b.key ? -1 : 1));
  }

  async snapshot(prefix: string): Promise<Snapshot> {
    const version = this.#version;
    return { version, entries: await this.range(prefix) };
  }

  async transact(transaction: Transaction): Promise<TransactionResult> {
    if (this.failure !== null) throw new MetadataStoreError(this.failure);
    const refusal = this.refusal(transaction);
    if (refusal !== null) throw new MetadataRefusedError(refusal);
    await this.delay();
    const loss = this.loses(transaction);
    const result: TransactionResult = loss === "request"
      ? { outcome: "refused", conflicts: [] }
      : this.#apply(transaction);
    await this.delay();
    if (loss === "nothing") return result;
    const id = String(this.#lost.size + 1);
    this.#lost.set(id, result);
    return { outcome: "unknown", id };
  }

  resolve(id: string): Promise<TransactionResult> {
    const result = this.#lost.get(id);
    if (result === undefined) throw new Error("no outcome is unknown");
    return Promise.resolve(result);
  }

  watch(prefix: string, watcher: StoreWatcher, from = this.#version): Disposable {
    const watch = { prefix, watcher, version: from, isTelling: false };
    this.#watches.add(watch);
    void this.#tell(watch);
    return { [Symbol.dispose]: () => void this.#watches.delete(watch) };
  }

  /** Tells watchers nothing from now on, or what they have missed. */
  set isWatched(isWatched: boolean) {
    this.#isTelling = isWatched;
    for (const watch of this.#watches) void this.#tell(watch);
  }

  grantLease(): Promise<Lease> {
    throw new Error("the controller takes no lease");
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  /** Version of the last transaction that changed something. */
  get changedVersion(): number {
    return this.#history.at(-1)?.version ?? 0;
  }

  /** Keys in order. */
  keys(): string[] {
    return [...this.entries.keys()].sort();
  }

  /** The rows with a prefix, parsed, by what follows the prefix. */
  rows(prefix: string): Record<string, unknown> {
    const keys = this.keys().filter((key) => key.startsWith(prefix));
    return Object.fromEntries(keys.map((key) => [
      key.slice(prefix.length),
      JSON.parse(this.entries.get(key)?.value ?? "null"),
    ]));
  }

  #apply(transaction: Transaction): TransactionResult {
    const keysCount = (transaction.set?.length ?? 0) + (transaction.delete?.length ?? 0);
    if (Math.max(keysCount, transaction.compare?.length ?? 0) > this.limits.transactionKeysMax) {
      throw new MetadataRefusedError("The transaction is too large");
    }
    const conflicts = (transaction.compare ?? [])
      .filter(({ key, version }) => (this.entries.get(key)?.version ?? ABSENT) !== version)
      .map(({ key }) => key);
    if (conflicts.length > 0) return { outcome: "refused", conflicts };
    const version = ++this.#version;
    const changes: StoreChange[] = [];
    for (const key of transaction.delete ?? []) if (this.entries.delete(key)) changes.push({ key, deleted: true });
    for (const { key, value } of transaction.set ?? []) {
      this.entries.set(key, { key, value, version });
      changes.push({ key, value, version });
    }
    this.committed.push(transaction);
    if (changes.length > 0) {
      this.#history.push({ version, changes });
      this.changed(version);
    }
    for (const watch of this.#watches) void this.#tell(watch);
    return { outcome: "committed", version };
  }

  async #tell(watch: Watch): Promise<void> {
    if (watch.isTelling) return;
    watch.isTelling = true;
    for (;;) {
      const next = this.#history.find(({ version }) => version > watch.version);
      if (next === undefined || !this.#isTelling) break;
      await this.delay();
      if (!this.#watches.has(watch)) return;
      watch.version = next.version;
      const changes = next.changes.filter(({ key }) => key.startsWith(watch.prefix));
      if (changes.length > 0) watch.watcher.changed(changes, next.version);
    }
    watch.isTelling = false;
  }
}
