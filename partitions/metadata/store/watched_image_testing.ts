/**
 * A watcher that keeps what it was told, and checks that nothing is told twice or out of order. Tests only.
 */
import assert from "node:assert/strict";
import type { Snapshot, StoreChange, StoredEntry, StoreWatcher } from "./store.ts";

/** One call of `changed()`. */
export interface WatchedChange {
  readonly version: number;
  readonly changes: readonly StoreChange[];
}

interface Waiting {
  readonly version: number;
  readonly reached: () => void;
}

/** What a broker would know of the store by its watch. */
export class WatchedImage implements StoreWatcher {
  readonly calls: WatchedChange[] = [];
  /** Snapshots that it was given. */
  readonly snapshots: Snapshot[] = [];
  readonly #entries: Map<string, StoredEntry>;
  readonly #waiting = new Set<Waiting>();
  #version: number;

  /** @param snapshot where the watch begins */
  constructor(snapshot: Snapshot = { version: 0, entries: [] }) {
    this.#entries = new Map(snapshot.entries.map((entry) => [entry.key, entry]));
    this.#version = snapshot.version;
  }

  /** The entries by key, in order. */
  get entries(): StoredEntry[] {
    return [...this.#entries.values()].sort((a, b) => a.key < b.key ? -1 : 1);
  }

  changed(changes: readonly StoreChange[], version: number): void {
    assert.ok(version > this.#version, `version ${version} comes after ${this.#version}`);
    assert.ok(changes.length > 0, "a call has changes");
    this.calls.push({ version, changes });
    for (const change of changes) {
      if ("deleted" in change) {
        assert.ok(this.#entries.delete(change.key), `${change.key} is deleted, and existed`);
      } else {
        assert.equal(change.version, version, change.key);
        this.#entries.set(change.key, change);
      }
    }
    this.#reach(version);
  }

  reset(snapshot: Snapshot): void {
    assert.ok(snapshot.version >= this.#version, `the snapshot of ${snapshot.version} comes after ${this.#version}`);
    this.snapshots.push(snapshot);
    this.#entries.clear();
    for (const entry of snapshot.entries) this.#entries.set(entry.key, entry);
    this.#reach(snapshot.version);
  }

  /** Settles when the watch has come to a version that changed its keys. */
  reaches(version: number): Promise<void> {
    if (this.#version >= version) return Promise.resolve();
    return new Promise((reached) => this.#waiting.add({ version, reached }));
  }

  #reach(version: number): void {
    this.#version = version;
    for (const waiting of this.#waiting) {
      if (waiting.version > version) continue;
      this.#waiting.delete(waiting);
      waiting.reached();
    }
  }
}
