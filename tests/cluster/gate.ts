/**
 * What stands around one broker of a test that shares its process with others: while it is closed, the broker is as if it were paused: no timer,
 * no answer and no change reaches it, and they arrive when it opens. After `kill()` nothing does any more. In real time. Test code.
 */
import type { Lease, MetadataStore, StoreWatcher } from "../../partitions/metadata/store/store.ts";
import { type MembershipTime, systemTime } from "../../partitions/cluster/membership/membership_time.ts";

/** A gate. */
export class Gate {
  isDead = false;
  #isClosed = false;
  #held: (() => void)[] = [];
  readonly #timers = new Set<() => void>();

  /** Time as the broker has it. */
  readonly time: MembershipTime = {
    clock: systemTime.clock,
    after: (ms, callback) => {
      const cancel = systemTime.after(ms, () => {
        this.#timers.delete(cancel);
        this.pass(callback);
      });
      this.#timers.add(cancel);
      return () => {
        this.#timers.delete(cancel);
        cancel();
      };
    },
  };

  /** Holds back what comes. */
  close(): void {
    this.#isClosed = true;
  }

  /** Lets through what was held back, and what comes. */
  open(): void {
    this.#isClosed = false;
    const held = this.#held;
    this.#held = [];
    for (const run of held) this.pass(run);
  }

  /** Nothing reaches the broker any more. */
  kill(): void {
    this.isDead = true;
    this.#held = [];
    for (const cancel of this.#timers) cancel();
  }

  /** Lets something happen to the broker. */
  pass(run: () => void): void {
    if (this.isDead) return;
    if (this.#isClosed) this.#held.push(run);
    else run();
  }

  /** An answer for the broker. */
  through<T>(answer: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      answer.then((value) => this.pass(() => resolve(value)), (error) => this.pass(() => reject(error)));
    });
  }
}

/** A store as the broker behind a gate has it. */
export function gatedStore(store: MetadataStore, gate: Gate): MetadataStore {
  const through = <T>(ask: () => Promise<T>): Promise<T> =>
    gate.isDead ? new Promise<T>(() => {}) : gate.through(ask());
  const gatedLease = ({ id, ttlMs, ...lease }: Lease): Lease => ({
    id,
    ttlMs,
    keepAlive: () => through(() => lease.keepAlive()),
    revoke: () => through(() => lease.revoke()),
  });
  const gatedWatcher = (watcher: StoreWatcher): StoreWatcher => ({
    changed: (changes, version) => gate.pass(() => watcher.changed(changes, version)),
    reset: (snapshot) => gate.pass(() => watcher.reset(snapshot)),
  });
  return {
    limits: store.limits,
    get: (key) => through(() => store.get(key)),
    range: (prefix) => through(() => store.range(prefix)),
    snapshot: (prefix) => through(() => store.snapshot(prefix)),
    transact: (transaction) => through(() => store.transact(transaction)),
    resolve: (id) => through(() => store.resolve(id)),
    watch: (prefix, watcher, from) => store.watch(prefix, gatedWatcher(watcher), from),
    grantLease: async (ttlMs) => gatedLease(await through(() => store.grantLease(ttlMs))),
    close: () => store.close(),
  };
}
