/**
 * Removes rows of partitions whose topic was never created: their broker ended in the middle of a creation that takes several transactions.
 * The elected controller does it; main isolate.
 *
 *   rows without a topic for ORPHANED_MS ──► row 0 is written anew: the creation cannot be completed any more ──► it has arrived here
 *   ──► the topic is still not there ──► the rows are deleted
 *
 * Always: a topic that exists keeps its rows. The last transaction of a creation compares row 0 (shared_transactions.ts): it came before that
 * row was written anew, and then it is known here when that row has arrived; or it fails.
 */
import type { Timers } from "../../directory/checkpoint_writer.ts";
import { partitionRowKey } from "../records.ts";
import { MetadataStoreError, type StoreLimits } from "../store/store.ts";
import type { ChangedRow } from "../topic_table.ts";
import type { SharedCommits } from "./shared_commits.ts";
import type { SharedImage } from "./shared_image.ts";
import { chunks } from "./shared_transactions.ts";

/** How often rows without a topic are looked for, in milliseconds. */
export const SWEEP_INTERVAL_MS = 60_000;
/** How long rows are without a topic before they are removed, in milliseconds. */
export const ORPHANED_MS = 600_000;

/** What the removal uses. */
export interface OrphanedRowsParts {
  readonly image: SharedImage;
  readonly commits: SharedCommits;
  readonly limits: StoreLimits;
  /** Whether this broker is the elected controller. */
  readonly isController: () => boolean;
  readonly timers: Timers;
  /** Monotonic time in ms. */
  readonly nowMs: () => number;
  /** Reports a sentence to the operator. */
  readonly report: (text: string) => void;
}

/** Looks for such rows from its construction on. */
export class OrphanedRows implements Disposable {
  readonly #parts: OrphanedRowsParts;
  readonly #end: () => void;
  /** When rows were found to have no topic, by topic id. */
  readonly #since = new Map<string, number>();
  #isSweeping = false;

  /** @param parts the rows, and what changes them */
  constructor(parts: OrphanedRowsParts) {
    this.#parts = parts;
    this.#end = parts.timers.every(SWEEP_INTERVAL_MS, () => void this.sweep());
  }

  /** Ends the search. */
  [Symbol.dispose](): void {
    this.#end();
  }

  /** Looks for such rows, and removes them if it is time. What others change meanwhile, and what the store does not do, is left to the next time. */
  async sweep(): Promise<void> {
    const { image, isController, nowMs, report } = this.#parts;
    const found = image.rowsWithoutTopic();
    for (const id of this.#since.keys()) if (!found.has(id)) this.#since.delete(id);
    for (const id of found.keys()) if (!this.#since.has(id)) this.#since.set(id, nowMs());
    if (this.#isSweeping || !isController()) return;
    this.#isSweeping = true;
    try {
      for (const [id, rows] of found) {
        if (nowMs() - (this.#since.get(id) ?? 0) >= ORPHANED_MS) await this.#remove(id, rows);
      }
    } catch (error) {
      if (!(error instanceof MetadataStoreError)) throw error;
      report(`Rows of partitions without a topic stay: ${error.message}`);
    } finally {
      this.#isSweeping = false;
    }
  }

  async #remove(id: string, rows: ReadonlyMap<number, ChangedRow>): Promise<void> {
    const { image, commits, limits } = this.#parts;
    const first = rows.get(0);
    if (first !== undefined) {
      const key = partitionRowKey(id, 0);
      const set = [{ key, value: JSON.stringify(first.row) }];
      const claimed = await commits.commit({ compare: [{ key, version: first.version }], set });
      if (claimed.outcome !== "committed" || !await commits.applied(claimed.version)) return;
    }
    const left = [...image.rowsWithoutTopic().get(id)?.values() ?? []];
    for (const some of chunks(left, limits)) {
      const keys = some.map(({ partition, version }) => ({ key: partitionRowKey(id, partition), version }));
      const { outcome } = await commits.commit({ compare: keys, delete: keys.map(({ key }) => key) });
      if (outcome !== "committed") return;
    }
  }
}
