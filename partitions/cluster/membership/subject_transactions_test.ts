import { strict as assert } from "node:assert";
import { ManualClock } from "../../../storage/base/clock.ts";
import {
  ABSENT,
  MetadataRefusedError,
  MetadataStoreError,
  type StoredEntry,
  type Transaction as StoreTransaction,
  type TransactionResult,
} from "../../metadata/store/store.ts";
import type { Transaction } from "../cluster_image.ts";
import { partitionStoreKey } from "../cluster_rows.ts";
import type { LiveImage } from "../live_image.ts";
import { createRow } from "../partition_row.ts";
import { joinTransactions } from "./store_transactions.ts";
import { SubjectTransactions } from "./subject_transactions.ts";

const row = createRow([1], 1, { isActive: () => true });
const keyOf = (partition: string) => partitionStoreKey(partition);

/** Any partition's row. */
const rows = {
  get: () => ({ row: { ...row, directories: ["disk"] }, version: 1 }),
} as unknown as LiveImage["partitions"];

/** A change of a partition's row. */
function change(partition: string, version: number, ...more: Transaction["comparisons"]): Transaction {
  return {
    subject: partition,
    comparisons: [{ kind: "row", partition, version }, ...more],
    writes: [{ kind: "row", partition, row }],
  };
}

/** Several turns of promises. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}

/** A store whose answers the test gives, the image of it, and what the transactions asked for. */
class Scene {
  readonly sent: StoreTransaction[] = [];
  readonly answers: PromiseWithResolvers<TransactionResult>[] = [];
  readonly asked: PromiseWithResolvers<TransactionResult>[] = [];
  readonly again: (readonly string[])[] = [];
  readonly failures: Error[] = [];
  readonly timers: (() => void)[] = [];
  readonly versions = new Map<string, number>();
  revision = 10;
  readonly transactions: SubjectTransactions;

  constructor(transactionKeysMax = 4) {
    const after = (_ms: number, callback: () => void) => {
      this.timers.push(callback);
      return () => {};
    };
    // deno-lint-ignore no-this-alias -- the getter of the image needs the scene
    const scene = this;
    this.transactions = new SubjectTransactions({
      store: {
        limits: { transactionKeysMax, transactionBytesMax: 100_000 },
        transact: (transaction) => {
          this.sent.push(transaction);
          const answer = Promise.withResolvers<TransactionResult>();
          this.answers.push(answer);
          return answer.promise;
        },
        resolve: () => {
          const answer = Promise.withResolvers<TransactionResult>();
          this.asked.push(answer);
          return answer.promise;
        },
      },
      image: {
        partitions: rows,
        get revision() {
          return scene.revision;
        },
        entry: (key): StoredEntry | null => {
          const version = this.versions.get(key) ?? ABSENT;
          return version === ABSENT ? null : { key, value: "{}", version };
        },
      },
      time: { clock: new ManualClock(), after },
      again: (subjects) => this.again.push(subjects),
      failed: (error) => this.failures.push(error),
    });
  }

  /** The image has rows of these versions. */
  has(versions: Record<string, number>): void {
    for (const [partition, version] of Object.entries(versions)) this.versions.set(keyOf(partition), version);
  }

  /** Keys that the sent transactions write. */
  get written(): string[][] {
    return this.sent.map(({ set = [] }) => set.map(({ key }) => key.slice(keyOf("").length)));
  }
}

Deno.test("SubjectTransactions joins rows up to the store's limit, keeps the order, and has six transactions in flight", async () => {
  const scene = new Scene();
  const partitions = Array.from({ length: 30 }, (_, index) => `p${index}`);
  for (const partition of partitions) scene.has({ [partition]: 5 });
  scene.transactions.propose(partitions.map((partition) => change(partition, 5)));
  assert.deepEqual(scene.written.map(({ length }) => length), Array(6).fill(4));
  assert.deepEqual(scene.written[0], ["p0", "p1", "p2", "p3"]);
  scene.answers[0]?.resolve({ outcome: "committed", version: 11 });
  await settle();
  assert.deepEqual(scene.written[6], ["p24", "p25", "p26", "p27"]);
  const urgent: Transaction = {
    subject: "broker 2",
    comparisons: [],
    writes: [{ kind: "state", broker: 2, state: "fenced" }],
  };
  scene.transactions.propose([], [urgent]);
  scene.answers[1]?.resolve({ outcome: "committed", version: 12 });
  await settle();
  assert.deepEqual(scene.sent[7]?.set?.map(({ key }) => key), ["brokers/2/state"], "what is urgent, and alone");
});

Deno.test("SubjectTransactions sends nothing about a subject until the last outcome is known and the image has it", async () => {
  const scene = new Scene();
  scene.has({ a: 5 });
  scene.transactions.propose([change("a", 5)]);
  scene.transactions.propose([change("a", 5)]);
  assert.equal(scene.sent.length, 1);
  scene.answers[0]?.resolve({ outcome: "committed", version: 11 });
  await settle();
  scene.transactions.propose([change("a", 5)]);
  assert.equal(scene.sent.length, 1, "the image does not have it yet");
  scene.has({ a: 11 });
  scene.revision = 11;
  scene.transactions.propose([change("a", 5)]);
  assert.equal(scene.sent.length, 1, "decided from an older image");
  scene.transactions.propose([change("a", 11)]);
  assert.equal(scene.sent.length, 2);
});

Deno.test("SubjectTransactions decides anew what was refused for others, and waits with a conflict for the image", async () => {
  const scene = new Scene();
  scene.has({ a: 5, b: 5, c: 5 });
  const all = () => [change("a", 5), change("b", 5), change("c", 5)];
  scene.transactions.propose(all());
  scene.answers[0]?.resolve({ outcome: "refused", conflicts: [keyOf("b")] });
  await settle();
  assert.deepEqual(scene.again, [["a", "c"]]);
  scene.transactions.propose(all());
  assert.deepEqual(scene.written[1], ["a", "c"], "b has another version, which the image does not show yet");
  scene.has({ b: 9 });
  scene.transactions.propose([change("b", 9)]);
  assert.deepEqual(scene.written[2], ["b"]);
});

Deno.test("SubjectTransactions asks for an unknown outcome until it is known, also when the store does not answer that", async () => {
  const scene = new Scene();
  scene.has({ a: 5 });
  scene.transactions.propose([change("a", 5)]);
  scene.answers[0]?.resolve({ outcome: "unknown", id: "1" });
  await settle();
  scene.asked[0]?.resolve({ outcome: "unknown", id: "1" });
  await settle();
  scene.asked[1]?.reject(new MetadataRefusedError("away"));
  await settle();
  assert.equal(scene.asked.length, 2, "after a pause");
  scene.timers.pop()?.();
  await settle();
  scene.transactions.propose([change("a", 5)]);
  assert.equal(scene.sent.length, 1);
  scene.asked[2]?.resolve({ outcome: "refused", conflicts: [] });
  await settle();
  assert.deepEqual([scene.again, scene.failures], [[["a"]], []], "it was not carried out, and may be now");
  assert.equal(scene.sent.length, 2, "what was proposed meanwhile is sent");
});

Deno.test("SubjectTransactions decides anew what the store did not take, after a pause; a store that has failed is reported", async () => {
  const scene = new Scene();
  scene.has({ a: 5 });
  scene.transactions.propose([change("a", 5)]);
  scene.answers[0]?.reject(new MetadataRefusedError("full"));
  await settle();
  assert.deepEqual(scene.again, []);
  scene.timers.pop()?.();
  await settle();
  assert.deepEqual(scene.again, [["a"]]);
  scene.transactions.propose([change("a", 5)]);
  scene.answers[1]?.reject(new MetadataStoreError("gone"));
  await settle();
  assert.match(String(scene.failures), /gone/);
  scene.transactions.close();
  scene.transactions.propose([change("a", 5)]);
  assert.equal(scene.sent.length, 2, "a closed one sends nothing");
});

Deno.test("joinTransactions() compares each key once, divides nothing, and joins no decisions of different images", () => {
  const limits = { transactionKeysMax: 5, transactionBytesMax: 100_000 };
  const parts = { image: { partitions: rows, entry: () => null } };
  const controller = { kind: "controller", version: 3 } as const;
  const led = (version: number) => ({ kind: "state", broker: 1, version }) as const;
  const keysOf = (transactions: Transaction[]) =>
    joinTransactions(transactions, parts, limits).stored.compare?.map(({ key }) => key.replace(keyOf(""), ""));
  const many = ["a", "b", "c", "d"].map((partition) => change(partition, 5, controller, led(7)));
  assert.deepEqual(keysOf(many), ["a", "controller", "brokers/1/state", "b", "c"]);
  const later = change("b", 5, controller, led(8));
  assert.deepEqual(keysOf([many[0] as Transaction, later]), ["a", "controller", "brokers/1/state"]);
  const large = change("a", 5, ...[1, 2, 3, 4, 5].map((broker) => ({ kind: "state", broker, version: 1 }) as const));
  assert.equal(joinTransactions([large], parts, limits).stored.compare?.length, 6, "the store refuses it, as a whole");
  const small = { ...limits, transactionBytesMax: 700 };
  assert.equal(joinTransactions(many, parts, small).parts.length, 1);
  assert.deepEqual(joinTransactions([], parts, limits).parts, []);
});
