/**
 * Takes the log directories of this broker off the rows of deleted topics, once what they had of them was removed durably. Main isolate.
 *
 *   topics/<name> deleted, deleted/<id> names every log directory of it ──► each broker: logs closed, directories removed, flushed
 *   ──► its log directories leave the row ──► the last one deletes the row, and rows of partitions that are left
 *
 * Always: a log directory leaves the row after it was flushed. One that is offline stays in the row: it comes back with what it has.
 *
 * Several brokers change one row: a conflict is tried again with the row that was in the way. What is not done when the broker stops, or the
 * store does not answer, the next start does.
 */
import { deletedKey } from "../records.ts";
import type { StoreLimits, Transaction } from "../store/store.ts";
import type { SharedCommits } from "./shared_commits.ts";
import type { VersionedRow } from "./shared_image.ts";
import type { SharedDeletedRow } from "./shared_rows.ts";
import { rowDeletions } from "./shared_transactions.ts";

/** How often a row is changed anew, because other brokers have changed it. */
const TRIES_MAX = 20;

/** What the removal uses. */
export interface SharedDeletionsParts {
  readonly commits: SharedCommits;
  readonly limits: StoreLimits;
  /** The rows of deleted topics, by topic id. */
  readonly deleted: ReadonlyMap<string, VersionedRow<SharedDeletedRow>>;
  /** `directory.id` of each log directory of this broker that is online. */
  readonly ownIds: () => readonly string[];
  readonly report: (text: string) => void;
}

/** The rows of topics of which this broker has removed everything. */
export class SharedDeletions {
  readonly #parts: SharedDeletionsParts;
  readonly #pending = new Map<string, number>();
  #running: Promise<void> = Promise.resolve();
  #isRunning = false;

  /** @param parts the rows, and what changes them */
  constructor(parts: SharedDeletionsParts) {
    this.#parts = parts;
  }

  /** What this broker's log directories had of a topic was removed durably. */
  removed(topicId: string): void {
    this.#pending.set(topicId, 0);
    if (this.#isRunning) return;
    this.#isRunning = true;
    this.#running = this.#run();
  }

  /** Settles when nothing is left to do, or cannot be done now. */
  async settled(): Promise<void> {
    while (this.#isRunning) await this.#running;
  }

  async #run(): Promise<void> {
    try {
      while (this.#pending.size > 0) if (!await this.#takeOffSome()) this.#pending.clear();
    } catch (error) {
      this.#pending.clear();
      this.#parts.report(`The next start forgets deleted topics, because the metadata store failed: ${error}`);
    } finally {
      this.#isRunning = false;
    }
  }

  /** @returns false when the store does not answer */
  async #takeOffSome(): Promise<boolean> {
    const { commits, limits } = this.#parts;
    const ids = [...this.#pending.keys()].slice(0, limits.transactionKeysMax);
    const left = new Map(ids.flatMap((id) => this.#leftOf(id)));
    for (const id of ids) if (!left.has(id)) this.#pending.delete(id);
    if (left.size === 0) return true;
    for (const [id, { row: { directories, partitions = 0 } }] of left) {
      if (directories.length > 0) continue;
      for (const rows of rowDeletions(id, partitions, limits)) {
        if ((await commits.commit(rows)).outcome !== "committed") return false;
      }
    }
    const transaction = transactionOf(left);
    const result = await commits.commit(transaction);
    if (result.outcome === "refused") return false;
    if (result.outcome === "committed") {
      for (const id of left.keys()) this.#pending.delete(id);
      return true;
    }
    for (const id of left.keys()) {
      const tries = (this.#pending.get(id) ?? 0) + 1;
      if (tries < TRIES_MAX) this.#pending.set(id, tries);
      else this.#pending.delete(id);
    }
    return await commits.caughtUp(transaction, result.keys);
  }

  /** What the row of a topic says without this broker's log directories; nothing when it does not name them. */
  #leftOf(id: string): [string, VersionedRow<SharedDeletedRow>][] {
    const known = this.#parts.deleted.get(id);
    if (known === undefined) return [];
    const { row, version } = known;
    const own = this.#parts.ownIds();
    const directories = row.directories.filter((directory) => !own.includes(directory));
    const isDone = directories.length === row.directories.length && directories.length > 0;
    return isDone ? [] : [[id, { row: { ...row, directories }, version }]];
  }
}

function transactionOf(left: ReadonlyMap<string, VersionedRow<SharedDeletedRow>>): Transaction {
  const rows = [...left];
  return {
    compare: rows.map(([id, { version }]) => ({ key: deletedKey(id), version })),
    set: rows.filter(([, { row }]) => row.directories.length > 0)
      .map(([id, { row }]) => ({ key: deletedKey(id), value: JSON.stringify(row) })),
    delete: rows.filter(([, { row }]) => row.directories.length === 0).map(([id]) => deletedKey(id)),
  };
}
