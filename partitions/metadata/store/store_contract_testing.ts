/**
 * What every metadata store must do, as cases that are run for SQLite and for etcd, there also with lost, late and repeated answers between
 * the store and etcd. Tests only.
 */
import assert from "node:assert/strict";
import { ABSENT, type MetadataStore, type Transaction, type TransactionResult } from "./store.ts";
import { WatchedImage } from "./watched_image_testing.ts";

/** A kind of store. */
export interface StoreUnderTest {
  /** Opens the store, with what it had when the last one of this test was closed. */
  readonly open: () => Promise<MetadataStore>;
  /** The shortest lease that it grants, in milliseconds. */
  readonly leaseMsMin: number;
}

/** A case. */
export interface ContractCase {
  readonly name: string;
  readonly run: (kind: StoreUnderTest) => Promise<void>;
}

/** Opens a store, uses it and closes it. */
export async function withOpen<T>({ open }: StoreUnderTest, use: (store: MetadataStore) => Promise<T>): Promise<T> {
  const store = await open();
  try {
    return await use(store);
  } finally {
    await store.close();
  }
}

/** Carries out a transaction, and finds out its outcome. */
export async function decided(
  store: Pick<MetadataStore, "transact" | "resolve">,
  transaction: Transaction,
): Promise<TransactionResult> {
  let result = await store.transact(transaction);
  while (result.outcome === "unknown") result = await store.resolve(result.id);
  return result;
}

/** Carries out a transaction that has to be committed; one that was not carried out in time is sent anew. @returns its version */
export async function commit(store: MetadataStore, transaction: Transaction): Promise<number> {
  for (;;) {
    const result = await decided(store, transaction);
    if (result.outcome === "committed") return result.version;
    assert.ok(result.outcome === "refused" && result.conflicts.length === 0, JSON.stringify(result));
  }
}

/** Sets keys to values. */
export function setting(values: Readonly<Record<string, string>>): Transaction {
  return { set: Object.entries(values).map(([key, value]) => ({ key, value })) };
}

async function keysOf(store: MetadataStore, prefix: string): Promise<string[]> {
  return (await store.range(prefix)).map(({ key }) => key);
}

/** The cases. */
export const contractCases: readonly ContractCase[] = [
  {
    name: "keeps what a transaction set when it is closed and opened again",
    run: async (kind) => {
      const version = await withOpen(kind, (store) => commit(store, setting({ "a/1": "one", b: "ü\u{1f40c}\n" })));
      await withOpen(kind, async (store) => {
        assert.deepEqual(await store.get("a/1"), { key: "a/1", value: "one", version });
        assert.equal((await store.get("b"))?.value, "ü\u{1f40c}\n");
        assert.equal(await store.get("c"), null);
        assert.ok(await commit(store, setting({ c: "" })) > version);
        assert.equal((await store.get("c"))?.value, "");
      });
    },
  },
  {
    name: "range() returns the keys of a prefix in order and no others",
    run: (kind) =>
      withOpen(kind, async (store) => {
        const keys = ["t/b", "t/a", "t", "t0", "t/", "s/z", "t/~", "t/a/b", " !\"#$%&'()*+,-.:;<=>?@[\\]^_`{|}~"];
        await commit(store, { set: keys.map((key) => ({ key, value: key })) });
        assert.deepEqual(await keysOf(store, "t/"), ["t/", "t/a", "t/a/b", "t/b", "t/~"]);
        assert.deepEqual(await keysOf(store, ""), [...keys].sort());
        assert.deepEqual(await keysOf(store, "x"), []);
      }),
  },
  {
    name: "snapshot() is of one moment, however many keys there are, and has the version of that moment",
    run: (kind) =>
      withOpen(kind, async (store) => {
        const keys = Array.from({ length: 100 }, (_, index) => `k/${index}`);
        const write = (value: string) => commit(store, { set: keys.map((key) => ({ key, value })) });
        let written = await write("0");
        const writing = (async () => {
          for (let round = 1; round <= 20; round++) written = await write(String(round));
        })();
        for (let round = 0; round < 10; round++) {
          const { version, entries } = await store.snapshot("k/");
          assert.deepEqual(entries.map(({ key }) => key), [...keys].sort());
          assert.equal(new Set(entries.map((entry) => entry.value)).size, 1, "values of one transaction");
          assert.ok(entries.every((entry) => entry.version === entries[0]?.version && entry.version <= version));
        }
        await writing;
        const { version, entries } = await store.snapshot("k/");
        assert.deepEqual([new Set(entries.map((entry) => entry.version)), version >= written], [
          new Set([written]),
          true,
        ]);
      }),
  },
  {
    name: "transact() changes nothing when one comparison fails, and names the keys that differ",
    run: (kind) =>
      withOpen(kind, async (store) => {
        const version = await commit(store, { compare: [{ key: "a", version: ABSENT }], ...setting({ a: "1" }) });
        const second = await decided(store, {
          compare: [{ key: "a", version: ABSENT }, { key: "b", version }, { key: "c", version: ABSENT }],
          set: [{ key: "c", value: "3" }],
          delete: ["a"],
        });
        assert.deepEqual(second, { outcome: "refused", conflicts: ["a", "b"] });
        assert.deepEqual(await keysOf(store, ""), ["a"]);
      }),
  },
  {
    name: "transact() takes a key that it deletes and sets, one that does not exist, and no change at all",
    run: (kind) =>
      withOpen(kind, async (store) => {
        const first = await commit(store, setting({ a: "1", b: "1" }));
        const second = await commit(store, { delete: ["a", "a", "none"], set: [{ key: "a", value: "2" }] });
        const third = await commit(store, {});
        assert.ok(first < second && second < third, "every transaction has a version of its own");
        assert.deepEqual(await store.range(""), [
          { key: "a", value: "2", version: second },
          { key: "b", value: "1", version: first },
        ]);
      }),
  },
  {
    name: "transact() never gives a key the same version twice, not even after it was deleted",
    run: async (kind) => {
      const read = await withOpen(kind, async (store) => {
        await commit(store, setting({ a: "1" }));
        const version = (await store.get("a"))?.version ?? ABSENT;
        await commit(store, { delete: ["a"] });
        return version;
      });
      await withOpen(kind, async (store) => {
        await commit(store, setting({ a: "1" }));
        const stale = await decided(store, { compare: [{ key: "a", version: read }], ...setting({ a: "2" }) });
        assert.deepEqual(stale, { outcome: "refused", conflicts: ["a"] });
      });
    },
  },
  {
    name: "transact() commits exactly one of many concurrent compare-and-set transactions",
    run: (kind) =>
      withOpen(kind, async (store) => {
        await commit(store, setting({ counter: "0" }));
        let wins = 0;
        const increment = async () => {
          for (let round = 0; round < 20; round++) {
            const read = await store.get("counter");
            assert.ok(read !== null);
            const result = await decided(store, {
              compare: [{ key: "counter", version: read.version }],
              ...setting({ counter: String(Number(read.value) + 1) }),
            });
            if (result.outcome === "committed") wins++;
          }
        };
        await Promise.all([increment(), increment(), increment(), increment()]);
        assert.equal((await store.get("counter"))?.value, String(wins));
        assert.ok(wins >= 20 && wins < 80, `${wins} of 80 won`);
      }),
  },
  {
    name: "watch() reports each transaction that changed keys of the prefix, in order, until it ends",
    run: (kind) =>
      withOpen(kind, async (store) => {
        const image = new WatchedImage();
        const watch = store.watch("t/", image);
        const first = await commit(store, setting({ "t/a": "1", u: "2" }));
        await commit(store, setting({ u: "3" }));
        await decided(store, { compare: [{ key: "u", version: ABSENT }], delete: ["t/a"] });
        const last = await commit(store, { delete: ["t/a", "t/none"] });
        await image.reaches(last);
        watch[Symbol.dispose]();
        await commit(store, setting({ "t/b": "4" }));
        assert.deepEqual(image.calls, [
          { version: first, changes: [{ key: "t/a", value: "1", version: first }] },
          { version: last, changes: [{ key: "t/a", deleted: true }] },
        ]);
      }),
  },
  {
    name: "watch() from a snapshot's version leaves no gap, though there are changes before and while it begins",
    run: (kind) =>
      withOpen(kind, async (store) => {
        await commit(store, setting({ a: "0", b: "0" }));
        const snapshot = await store.snapshot("");
        for (let round = 0; round < 5; round++) {
          await commit(store, setting({ [`before/${round}`]: "", a: `${round}` }));
        }
        await commit(store, { delete: ["b", "before/3"] });
        const image = new WatchedImage(snapshot);
        using _watch = store.watch("", image, snapshot.version);
        const current = new WatchedImage();
        using _other = store.watch("during/", current, (await store.snapshot("during/")).version);
        let last = 0;
        for (let round = 0; round < 20; round++) last = await commit(store, setting({ [`during/${round}`]: "" }));
        await Promise.all([image.reaches(last), current.reaches(last)]);
        assert.deepEqual(image.entries, await store.range(""));
        assert.deepEqual([current.entries, current.calls.length], [await store.range("during/"), 20]);
      }),
  },
  {
    name: "grantLease() keeps keys until the lease is revoked or expires",
    run: (kind) =>
      withOpen(kind, async (store) => {
        const lease = await store.grantLease(60_000);
        assert.equal(lease.ttlMs, 60_000);
        await commit(store, { set: [{ key: "b/1", value: "x", lease: lease.id }, { key: "kept", value: "y" }] });
        assert.equal(await lease.keepAlive(), true);
        await lease.revoke();
        assert.equal(await store.get("b/1"), null);
        assert.equal(await lease.keepAlive(), false);
        const late = await decided(store, { set: [{ key: "b/1", value: "x", lease: lease.id }] });
        assert.deepEqual(late, { outcome: "refused", conflicts: ["b/1"] });

        const image = new WatchedImage();
        const deleted = Promise.withResolvers<void>();
        using _watch = store.watch("b/", {
          changed: (changes, version) => {
            image.changed(changes, version);
            if (changes.some((change) => "deleted" in change)) deleted.resolve();
          },
          reset: (snapshot) => image.reset(snapshot),
        });
        // On a busy machine a lease may expire before it is used.
        for (let isKept = false; !isKept;) {
          const short = await store.grantLease(kind.leaseMsMin);
          assert.ok(short.ttlMs >= kind.leaseMsMin);
          const result = await decided(store, { set: [{ key: "b/2", value: "x", lease: short.id }] });
          isKept = result.outcome === "committed";
        }
        await deleted.promise;
        assert.equal(await store.get("b/2"), null);
        assert.deepEqual(await keysOf(store, ""), ["kept"]);
      }),
  },
  {
    name: "a key that is set without its lease stays when the lease ends",
    run: (kind) =>
      withOpen(kind, async (store) => {
        const lease = await store.grantLease(60_000);
        await commit(store, {
          set: [{ key: "a", value: "1", lease: lease.id }, { key: "b", value: "1", lease: lease.id }],
        });
        await commit(store, setting({ a: "2" }));
        await lease.revoke();
        assert.deepEqual(await keysOf(store, ""), ["a"]);
      }),
  },
  {
    name: "resolve() refuses an id that is not of a transaction of unknown outcome",
    run: (kind) =>
      withOpen(kind, async (store) => {
        await commit(store, setting({ a: "1" }));
        await assert.rejects(store.resolve("1"), /knows no transaction 1 of unknown outcome/);
        assert.equal((await store.get("a"))?.value, "1", "the store goes on");
      }),
  },
  {
    name: "a transaction larger than the limits is refused and changes nothing, one within them is committed",
    run: (kind) =>
      withOpen(kind, async (store) => {
        const { transactionKeysMax, transactionBytesMax } = store.limits;
        const count = Math.min(transactionKeysMax, 1000);
        const keys = Array.from({ length: count }, (_, index) => `k/${index}`);
        await commit(store, {
          compare: keys.map((key) => ({ key, version: ABSENT })),
          set: keys.map((key) => ({ key, value: key })),
        });
        assert.equal((await store.range("k/")).length, count);
        const bytes = Math.min(transactionBytesMax, 4_000_000) - 10;
        await commit(store, setting({ large: "x".repeat(bytes) }));
        assert.equal((await store.get("large"))?.value.length, bytes);
        if (transactionKeysMax === Infinity) return;
        const tooMany = store.transact({ set: [...keys, "k/new"].map((key) => ({ key, value: "new" })) });
        await assert.rejects(tooMany, /are the most/);
        await assert.rejects(store.transact(setting({ large: "x".repeat(transactionBytesMax + 1) })), /are the most/);
        await assert.rejects(store.transact(setting({ large: "\u{1f40c}".repeat(500_000) })), /too large/);
        assert.deepEqual([(await store.range("k/")).length, (await store.get("large"))?.value.length], [count, bytes]);
      }),
  },
  {
    name: "close() finishes earlier requests and refuses later ones",
    run: async (kind) => {
      const store = await kind.open();
      const written = commit(store, setting({ a: "1" }));
      const closed = store.close();
      await assert.rejects(store.get("a"), /closed/);
      await written;
      await closed;
      await store.close();
      await withOpen(kind, async (store) => assert.equal((await store.get("a"))?.value, "1"));
    },
  },
];
