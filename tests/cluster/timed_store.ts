/**
 * A metadata store in memory that several simulated processes share: each has a way to it, on which requests, answers and changes take
 * time, and which can be cut. Test code.
 */
import {
  ABSENT,
  type Lease,
  MetadataRefusedError,
  type MetadataStore,
  type Snapshot,
  type StoreChange,
  type StoredEntry,
  type StoreLimits,
  type StoreWatcher,
  type Transaction,
  type TransactionResult,
} from "../../partitions/metadata/store/store.ts";
import type { SimulatedTime, Subject } from "./simulated_time.ts";

const WAY_MS = 2;
/** How long a process waits for an answer. */
const ANSWER_MS_MAX = 500;

/** The store. */
export class TimedStore {
  readonly rows = new Map<string, StoredEntry>();
  readonly #watches = new Set<(changes: readonly StoreChange[], version: number) => void>();
  readonly #leases = new Map<number, { endsMs: number; readonly ttlMs: number; readonly keys: Set<string> }>();
  readonly #time: SimulatedTime;
  version = 0;
  /** Transactions that were committed. */
  committed = 0;
  #nextLease = 1;

  /** @param time in which leases end */
  constructor(time: SimulatedTime) {
    this.#time = time;
  }

  /** Leases that have not ended. */
  get leasesCount(): number {
    return this.#leases.size;
  }

  /** All rows now. */
  snapshot(): Snapshot {
    const entries = [...this.rows.values()].sort((a, b) => a.key < b.key ? -1 : 1);
    return { version: this.version, entries };
  }

  transact({ compare = [], set = [], delete: deleted = [] }: Transaction): TransactionResult {
    const conflicts = compare.filter(({ key, version }) => (this.rows.get(key)?.version ?? ABSENT) !== version);
    const lost = set.filter(({ lease }) => lease !== undefined && !this.#leases.has(lease));
    if (conflicts.length + lost.length > 0) {
      return { outcome: "refused", conflicts: [...conflicts, ...lost].map(({ key }) => key) };
    }
    this.committed++;
    const version = ++this.version;
    const changes: StoreChange[] = [];
    for (const key of deleted) {
      if (this.rows.delete(key)) changes.push({ key, deleted: true });
    }
    for (const { key, value, lease } of set) {
      const entry = { key, value, version };
      this.rows.set(key, entry);
      changes.push(entry);
      for (const { keys } of this.#leases.values()) keys.delete(key);
      if (lease !== undefined) this.#leases.get(lease)?.keys.add(key);
    }
    if (changes.length > 0) { for (const watch of this.#watches) watch(changes, version); }
    return { outcome: "committed", version };
  }

  watch(changed: (changes: readonly StoreChange[], version: number) => void): Disposable {
    this.#watches.add(changed);
    return { [Symbol.dispose]: () => void this.#watches.delete(changed) };
  }

  grant(ttlMs: number): number {
    const id = this.#nextLease++;
    this.#leases.set(id, { endsMs: this.#time.monotonicMs() + ttlMs, ttlMs, keys: new Set() });
    this.#endLater(id);
    return id;
  }

  keepAlive(id: number): boolean {
    const lease = this.#leases.get(id);
    if (lease !== undefined) lease.endsMs = this.#time.monotonicMs() + lease.ttlMs;
    return lease !== undefined;
  }

  revoke(id: number): void {
    const lease = this.#leases.get(id);
    this.#leases.delete(id);
    if (lease !== undefined && lease.keys.size > 0) this.transact({ delete: [...lease.keys] });
  }

  #endLater(id: number): void {
    const lease = this.#leases.get(id);
    if (lease === undefined) return;
    this.#time.after(lease.endsMs - this.#time.monotonicMs(), null, () => {
      if (lease.endsMs <= this.#time.monotonicMs()) this.revoke(id);
      else this.#endLater(id);
    });
  }
}

/** One process's way to the store. */
export class StoreWay implements MetadataStore {
  readonly limits: StoreLimits = { transactionKeysMax: 126, transactionBytesMax: 1_000_000 };
  /** Whether the store is out of reach: requests have no answer, and of transactions nobody knows the outcome. */
  isCut = false;
  readonly #store: TimedStore;
  readonly #time: SimulatedTime;
  readonly #process: Subject;
  readonly #random: () => number;
  readonly #outcomes = new Map<string, TransactionResult>();
  readonly #watchMsMax: number;
  #held: (() => void)[] = [];
  #transactions = 0;
  #lastChangeMs = 0;

  /** @param watchMsMax how much later than an answer a change may arrive */
  constructor(store: TimedStore, { time, process, random, watchMsMax }: {
    time: SimulatedTime;
    process: Subject;
    random: () => number;
    watchMsMax: number;
  }) {
    this.#watchMsMax = watchMsMax;
    this.#store = store;
    this.#time = time;
    this.#process = process;
    this.#random = random;
  }

  /** The store is in reach again: what the watch has missed arrives. */
  mend(): void {
    this.isCut = false;
    const held = this.#held;
    this.#held = [];
    for (const deliver of held) deliver();
  }

  get(key: string): Promise<StoredEntry | null> {
    return this.#ask(() => this.#store.rows.get(key) ?? null);
  }

  async range(prefix: string): Promise<StoredEntry[]> {
    return [...(await this.snapshot(prefix)).entries];
  }

  snapshot(prefix: string): Promise<Snapshot> {
    return this.#ask(() => {
      const { version, entries } = this.#store.snapshot();
      return { version, entries: entries.filter(({ key }) => key.startsWith(prefix)) };
    });
  }

  async transact(transaction: Transaction): Promise<TransactionResult> {
    const id = `${this.#transactions++}`;
    if (this.isCut && this.#random() < 0.3) return await this.#ask(() => this.#store.transact(transaction));
    // Its outcome is known at the store: a transaction without an answer arrived or was lost on the way.
    const arrives = () => this.#outcomes.set(id, this.#store.transact(transaction));
    try {
      await this.#ask(arrives, () => this.#random() < 0.5 && arrives());
      return this.#outcomes.get(id) as TransactionResult;
    } catch {
      return { outcome: "unknown", id };
    }
  }

  resolve(id: string): Promise<TransactionResult> {
    return this.#ask(() => this.#outcomes.get(id) ?? { outcome: "refused", conflicts: [] });
  }

  watch(_prefix: string, watcher: StoreWatcher, from = this.#store.version): Disposable {
    const snapshot = this.#store.snapshot();
    if (snapshot.version > from) this.#later(WAY_MS, () => watcher.reset(snapshot));
    return this.#store.watch((changes, version) => {
      const deliver = () => this.#later(this.#changeMs(), () => watcher.changed(changes, version));
      if (this.isCut) this.#held.push(deliver);
      else deliver();
    });
  }

  async grantLease(ttlMs: number): Promise<Lease> {
    const id = await this.#ask(() => this.#store.grant(ttlMs));
    return {
      id,
      ttlMs,
      keepAlive: () => this.#ask(() => this.#store.keepAlive(id)),
      revoke: () => this.#ask(() => this.#store.revoke(id)),
    };
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  /** How long the next change takes, which comes after the last one. */
  #changeMs(): number {
    const nowMs = this.#time.monotonicMs();
    const atMs = nowMs + WAY_MS + this.#random() * this.#watchMsMax;
    this.#lastChangeMs = Math.max(this.#lastChangeMs, atMs);
    return this.#lastChangeMs - nowMs;
  }

  #later(ms: number, run: () => void): void {
    this.#time.after(ms, this.#process, run);
  }

  /** @param lost what happens at the store to a request without an answer */
  #ask<T>(execute: () => T, lost: () => void = () => {}): Promise<T> {
    return new Promise((resolve, reject) => {
      if (!this.isCut) {
        this.#time.after(WAY_MS, null, () => {
          const answer = execute();
          this.#later(WAY_MS, () => resolve(answer));
        });
        return;
      }
      this.#time.after(WAY_MS, null, lost);
      this.#later(ANSWER_MS_MAX, () => reject(new MetadataRefusedError("The metadata store does not answer")));
    });
  }
}
