/**
 * Finds what the watch of a store has lost: now and then the versions of all keys are compared with what a follower knows. Main isolate of a
 * broker with etcd: etcd 3.4 before 3.4.31 and 3.5 before 3.5.13 may lose events of a watch under load (etcd-io/etcd issue 17529), and
 * some later ones at a compaction (18089).
 *
 * ```
 *   versions at R ─► all are known
 *     └─► some differ ─► a change of R or later arrives ─► all are known: they were under way
 *                           │ or none until the next check    └─► some differ: the follower reads the store anew
 *                           └──────────────────────────────────────────────▲
 * ```
 *
 * Always: a lost change reaches listeners in the order of the store, with what came after it, because the whole store is read at one moment
 * and watched from there. To read single keys would be cheaper, but would tell listeners of them before older changes that are under way.
 */
import { firstNames } from "../../../storage/base/first_names.ts";
import { systemTimers, type Timers } from "../../directory/checkpoint_writer.ts";
import { type KeyVersions, MetadataStoreError, type VersionsReader } from "./store.ts";
import type { StoreFollower } from "./store_follower.ts";

/** How often the versions are compared, in milliseconds. */
export const ANTI_ENTROPY_INTERVAL_MS = 60_000;
/** By how much of it the intervals of brokers differ, so that they do not read all at once. */
const SPREAD = 0.1;

/** What is compared. */
export interface AntiEntropyParts {
  readonly store: VersionsReader;
  readonly follower: Pick<StoreFollower, "rows" | "follow" | "reached" | "reread">;
  /** Gets a sentence about lost changes. */
  readonly report: (sentence: string) => void;
  readonly timers?: Timers;
  /** 0 to 1: where in the spread this broker's interval lies. */
  readonly spread?: number;
}

/** What the comparisons have found. */
export interface AntiEntropyCounts {
  /** Comparisons that were answered. */
  checks: number;
  /** Keys whose changes were lost. */
  lost: number;
  /** Comparisons and readings that the store did not answer; the next ones may be. */
  unanswered: number;
}

/** Compares from its construction on. */
export class AntiEntropy implements Disposable {
  readonly counts: Readonly<AntiEntropyCounts>;
  readonly #parts: AntiEntropyParts;
  readonly #counts: AntiEntropyCounts = { checks: 0, lost: 0, unanswered: 0 };
  readonly #end: () => void;
  /** The comparison under way; the next one ends its wait. */
  #current: { readonly done: Promise<void>; readonly endWait: () => void } | null = null;
  #isDisposed = false;

  /** @param parts of the broker */
  constructor(parts: AntiEntropyParts) {
    const { timers = systemTimers, spread = Math.random() } = parts;
    this.#parts = parts;
    this.counts = this.#counts;
    const intervalMs = ANTI_ENTROPY_INTERVAL_MS * (1 - SPREAD + 2 * SPREAD * spread);
    this.#end = timers.every(intervalMs, () => void this.check());
  }

  /** Compares now; a comparison that waits for a change waits no longer. @returns when it is done */
  check(): Promise<void> {
    if (this.#current !== null) {
      this.#current.endWait();
      return this.#current.done;
    }
    const { promise: waitEnded, resolve: endWait } = Promise.withResolvers<void>();
    const done = this.#check(waitEnded).finally(() => this.#current = null);
    this.#current = { done, endWait };
    return done;
  }

  /** Ends the comparisons. */
  [Symbol.dispose](): void {
    this.#isDisposed = true;
    this.#end();
    this.#current?.endWait();
  }

  async #check(waitEnded: Promise<void>): Promise<void> {
    const { store, follower } = this.#parts;
    const told = new Map<string, number>();
    using _telling = follower.follow((changes, version) => {
      for (const { key } of changes) told.set(key, version);
    });
    try {
      const found = await store.versions("");
      this.#counts.checks++;
      if (this.#differing(found, told).length === 0) return;
      await Promise.race([follower.reached(found.version), waitEnded]);
      const lost = this.#differing(found, told);
      if (lost.length === 0 || this.#isDisposed) return;
      await follower.reread();
      this.#note(lost);
    } catch (error) {
      // A store that has failed for good says so itself.
      if (!(error instanceof MetadataStoreError)) throw error;
      this.#counts.unanswered++;
    }
  }

  /** Keys that had other versions than those that are known. @param told which keys have changed since then: nothing is known of them */
  #differing({ version, versions }: KeyVersions, told: ReadonlyMap<string, number>): string[] {
    const { rows } = this.#parts.follower;
    const keys: string[] = [];
    for (const [key, expected] of versions) if (rows.get(key)?.version !== expected) keys.push(key);
    for (const key of rows.keys()) if (!versions.has(key)) keys.push(key);
    return keys.filter((key) => (told.get(key) ?? 0) <= version);
  }

  #note(lost: readonly string[]): void {
    this.#counts.lost += lost.length;
    this.#parts.report(
      `The watch of etcd has not told of every change, so all metadata were read anew; it missed ${firstNames(lost)}`,
    );
  }
}
