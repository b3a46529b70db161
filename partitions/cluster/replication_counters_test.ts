import { strict as assert } from "node:assert";
import type { Transaction, TransactionResult } from "../metadata/store/store.ts";
import type { ClusterPartitionRow } from "./cluster_rows.ts";
import type { ImageChange, LiveImage } from "./live_image.ts";
import { createRow, NO_LEADER } from "./partition_row.ts";
import { ReplicationCounters } from "./replication_counters.ts";

const first = createRow([1, 2, 3], 2, { isActive: () => true });

/** An image whose rows are set by hand. */
class RowsOnly implements Pick<LiveImage, "partitions" | "revision" | "follow"> {
  readonly partitions = new Map<string, { row: ClusterPartitionRow; version: number }>();
  revision = 1;
  #listener: ((change: ImageChange) => void) | null = null;

  follow(listener: (change: ImageChange) => void): Disposable {
    this.#listener = listener;
    return { [Symbol.dispose]: () => void (this.#listener = null) };
  }

  set(partition: string, row: Partial<ClusterPartitionRow> | null): void {
    this.revision++;
    const last = this.partitions.get(partition)?.row ?? { ...first, directories: ["a", "b", "c"] };
    if (row === null) this.partitions.delete(partition);
    else this.partitions.set(partition, { row: { ...last, ...row }, version: this.revision });
    this.#listener?.({ partitions: [partition], brokers: false, controller: false, settings: [] });
  }
}

Deno.test("ReplicationCounters count elections of the cluster, and changes of in-sync sets and partitions led here", () => {
  const image = new RowsOnly();
  image.set("t/0", {});
  using counters = new ReplicationCounters(image, 1);
  image.set("t/1", { leader: 2 });
  const counts = () => {
    const { cleanElections, uncleanElections, isrShrinks, isrExpands } = counters;
    return [cleanElections, uncleanElections, isrShrinks, isrExpands];
  };
  assert.deepEqual(counts(), [0, 0, 0, 0], "a new partition");
  assert.deepEqual(counters.replication(), { led: 1, underReplicated: 0, underMinIsr: 0, offline: 0 });
  image.set("t/0", { isr: [1, 2] });
  image.set("t/1", { isr: [2] });
  assert.deepEqual(counts(), [0, 0, 1, 0], "what others lead counts there");
  assert.deepEqual(counters.replication(), { led: 1, underReplicated: 1, underMinIsr: 0, offline: 0 });
  image.set("t/0", { isr: [1] });
  assert.deepEqual(counters.replication(), { led: 1, underReplicated: 1, underMinIsr: 1, offline: 0 });
  image.set("t/0", { isr: [1, 3] });
  assert.deepEqual(counts(), [0, 0, 2, 1]);
  image.set("t/1", { isr: [], leader: NO_LEADER, leaderEpoch: 1 });
  assert.deepEqual(counters.replication(), { led: 1, underReplicated: 1, underMinIsr: 0, offline: 1 });
  image.set("t/1", { isr: [1], leader: 1, leaderEpoch: 2, recovering: true });
  assert.deepEqual(counts(), [0, 1, 2, 2]);
  image.set("t/1", { recovering: false });
  image.set("t/0", { leader: 3, leaderEpoch: 1 });
  assert.deepEqual(counts(), [1, 1, 2, 2]);
  image.set("t/0", null);
  assert.deepEqual(counters.replication(), { led: 1, underReplicated: 1, underMinIsr: 1, offline: 0 });
});

Deno.test("ReplicationCounters count how transactions end, and how far the image is behind them", async () => {
  const image = new RowsOnly();
  using counters = new ReplicationCounters(image, 1);
  const results: TransactionResult[] = [
    { outcome: "committed", version: 5 },
    { outcome: "refused", conflicts: ["k"] },
    { outcome: "unknown", id: "x" },
    { outcome: "committed", version: 4 },
  ];
  const next = () => Promise.resolve(results.shift() as TransactionResult);
  const lease = { id: 1, ttlMs: 1, keepAlive: () => Promise.resolve(true), revoke: () => Promise.resolve() };
  const store = counters.counted({
    limits: { transactionKeysMax: 7, transactionBytesMax: 8 },
    transact: (_transaction: Transaction) => next(),
    resolve: (_id: string) => next(),
    grantLease: () => Promise.resolve(lease),
  });
  assert.equal(store.limits.transactionKeysMax, 7);
  assert.equal(await store.grantLease(1), lease);
  assert.deepEqual(await store.transact({}), { outcome: "committed", version: 5 });
  assert.equal(counters.imageLag, 4);
  for (let left = 2; left > 0; left--) await store.transact({});
  await store.resolve("x");
  assert.deepEqual(counters.transactions, { committed: 2, refused: 1, unknown: 1 });
  image.revision = 9;
  assert.equal(counters.imageLag, 0);
});
