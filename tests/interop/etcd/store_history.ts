/**
 * What several writers did to a store, and whether a watcher was told exactly that: no change is lost, doubled or invented. Main isolate of
 * a test.
 *
 * Each change of a writer is unique: a counter that all writers increase by comparison, and keys that a writer sets without one. The latter
 * would show a request that was carried out twice.
 */
import assert from "node:assert/strict";
import {
  MetadataRefusedError,
  type MetadataStore,
  type StoreChange,
  type StoredEntry,
  type Transaction,
} from "../../../partitions/metadata/store/store.ts";
import { decided } from "../../../partitions/metadata/store/store_contract_testing.ts";
import type { WatchedChange, WatchedImage } from "../../../partitions/metadata/store/watched_image_testing.ts";
import { Random } from "../random.ts";

const COUNTER = "counter";

/** What became of the writers' transactions. */
export class StoreHistory {
  /** Committed transactions. */
  readonly committed: { version: number; transaction: Transaction }[] = [];
  /** Transactions that were not carried out, and those of them that etcd refused or did not answer. */
  refused = 0;
  unanswered = 0;
  /** Transactions whose outcome was unknown first. */
  unknown = 0;
  readonly #waiting = new Set<{ count: number; reached: () => void }>();
  #isStopped = false;

  /** Version of the last committed transaction. */
  get lastVersion(): number {
    return this.committed.reduce((last, { version }) => Math.max(last, version), 0);
  }

  /** Settles when so many more transactions are committed. */
  more(count: number): Promise<void> {
    const wanted = this.committed.length + count;
    return new Promise((reached) => this.#waiting.add({ count: wanted, reached }));
  }

  /** Ends the writers after their current transactions. */
  stop(): void {
    this.#isStopped = true;
  }

  /** Writes until `stop()`. @param writer its name */
  async write(store: MetadataStore, writer: string, random: Random): Promise<void> {
    for (let number = 0; !this.#isStopped; number++) {
      try {
        await this.#carryOut(store, await this.#next(store, { writer, number, random }));
      } catch (error) {
        if (!(error instanceof MetadataRefusedError)) throw error;
        this.unanswered++;
      }
    }
  }

  async #next(
    store: MetadataStore,
    { writer, number, random }: { writer: string; number: number; random: Random },
  ): Promise<Transaction> {
    const own = { key: `log/${writer}/${number}`, value: `${writer} ${number}` };
    if (number > 10 && random.oneIn(4)) return { set: [own], delete: [`log/${writer}/${random.below(number)}`] };
    if (random.oneIn(2)) return { set: [own] };
    const read = await store.get(COUNTER);
    const value = String(Number(read?.value ?? 0) + 1);
    return { compare: [{ key: COUNTER, version: read?.version ?? 0 }], set: [{ key: COUNTER, value }, own] };
  }

  async #carryOut(store: MetadataStore, transaction: Transaction): Promise<void> {
    const transact = async (transaction: Transaction) => {
      const result = await store.transact(transaction);
      if (result.outcome === "unknown") this.unknown++;
      return result;
    };
    const result = await decided({ transact, resolve: (id) => store.resolve(id) }, transaction);
    if (result.outcome !== "committed") return void this.refused++;
    this.committed.push({ version: result.version, transaction });
    for (const waiting of this.#waiting) {
      if (this.committed.length < waiting.count) continue;
      this.#waiting.delete(waiting);
      waiting.reached();
    }
  }
}

/** What a watcher has to be told of the committed transactions, and the entries that they leave. */
export function expectedOf(
  history: Pick<StoreHistory, "committed">,
): { calls: WatchedChange[]; entries: StoredEntry[] } {
  const entries = new Map<string, StoredEntry>();
  const calls = history.committed.toSorted((a, b) => a.version - b.version).map(({ version, transaction }) => {
    const changes: StoreChange[] = [];
    for (const key of transaction.delete ?? []) if (entries.delete(key)) changes.push({ key, deleted: true });
    for (const { key, value } of transaction.set ?? []) {
      entries.set(key, { key, value, version });
      changes.push({ key, value, version });
    }
    return { version, changes };
  });
  return { calls, entries: [...entries.values()].sort((a, b) => a.key < b.key ? -1 : 1) };
}

/** Compares what a watcher was told, and what a store holds, with what was committed. @throws AssertionError when they differ */
export function assertHistory(
  history: Pick<StoreHistory, "committed">,
  image: WatchedImage,
  stored: readonly StoredEntry[],
): void {
  const { calls, entries } = expectedOf(history);
  assert.equal(new Set(calls.map(({ version }) => version)).size, calls.length, "each transaction has a version");
  const counted = history.committed.filter(({ transaction }) => transaction.compare !== undefined).length;
  assert.deepEqual(stored, entries, "the store holds what was committed");
  assert.equal(entries.find(({ key }) => key === COUNTER)?.value ?? "0", String(counted), "each increment counts once");
  assert.deepEqual(image.entries, entries, "the watcher knows what was committed");
  const inOrder = (changes: readonly StoreChange[]) => changes.toSorted((a, b) => a.key < b.key ? -1 : 1);
  const sorted = (of: readonly WatchedChange[]) =>
    of.map(({ version, changes }) => ({ version, changes: inOrder(changes) }));
  // What lies between the last call and a snapshot was not told one by one.
  const untold = (version: number) =>
    image.snapshots.some((snapshot) => {
      const before = image.calls.findLast((call) => call.version <= snapshot.version)?.version ?? 0;
      return version > before && version <= snapshot.version;
    });
  assert.deepEqual(
    sorted(image.calls),
    sorted(calls.filter(({ version }) => !untold(version))),
    "each change is told once",
  );
}
