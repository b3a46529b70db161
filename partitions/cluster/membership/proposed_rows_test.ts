import { strict as assert } from "node:assert";
import { ManualClock } from "../../../storage/base/clock.ts";
import {
  MetadataRefusedError,
  MetadataStoreError,
  type StoredEntry,
  type Transaction as StoreTransaction,
  type TransactionResult,
} from "../../metadata/store/store.ts";
import { type ClusterPartitionRow, partitionStoreKey, stateKey } from "../cluster_rows.ts";
import type { ImageChange } from "../live_image.ts";
import { createRow } from "../partition_row.ts";
import type { RowProposal } from "../row_proposals.ts";
import { ProposedRows } from "./proposed_rows.ts";

const TOPIC = "MTIzNDU2Nzg5MDEyMzQ1Ng";

/** Several turns of promises. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}

/** A store whose answers the test gives, and the image of it. */
class Scene {
  readonly sent: StoreTransaction[] = [];
  readonly answers: PromiseWithResolvers<TransactionResult>[] = [];
  readonly failures: Error[] = [];
  readonly image = {
    revision: 10,
    partitions: new Map<string, { row: ClusterPartitionRow; version: number }>(),
    entries: new Map<string, StoredEntry>(),
    changed: () => {},
    entry(key: string): StoredEntry | null {
      return this.entries.get(key) ?? null;
    },
    follow(listener: (change: ImageChange) => void): Disposable {
      this.changed = () => listener({ partitions: [], brokers: false, controller: false, settings: [] });
      return { [Symbol.dispose]: () => {} };
    },
  };
  readonly rows: ProposedRows;

  constructor() {
    const row = { ...createRow([1, 2], 1, { isActive: () => true }), partitionEpoch: 4, directories: ["a", "b"] };
    for (const partition of [0, 1]) {
      this.image.partitions.set(`${TOPIC}/${partition}`, { row, version: 20 + partition });
    }
    for (const broker of [1, 2]) {
      this.image.entries.set(stateKey(broker), { key: stateKey(broker), value: "", version: 30 + broker });
    }
    this.rows = new ProposedRows({
      store: {
        limits: { transactionKeysMax: 4, transactionBytesMax: 100_000 },
        transact: (transaction) => {
          this.sent.push(transaction);
          const answer = Promise.withResolvers<TransactionResult>();
          this.answers.push(answer);
          return answer.promise;
        },
        resolve: () => Promise.resolve({ outcome: "refused", conflicts: [] }),
      },
      image: this.image,
      time: { clock: new ManualClock(), after: () => () => {} },
      failed: (error) => void this.failures.push(error),
    });
  }

  /** The leader wants the second replica out. */
  shrink(partition: number, changes: Partial<RowProposal> = {}): RowProposal {
    const { row: { directories: _, ...row } } = this.image.partitions.get(`${TOPIC}/0`) as { row: ClusterPartitionRow };
    const comparisons = [{ kind: "state", broker: 1, version: 31 }] as const;
    return {
      topicId: TOPIC,
      partition,
      partitionEpoch: 4,
      row: { ...row, isr: [1], partitionEpoch: 5 },
      comparisons,
      ...changes,
    };
  }
}

const keyOf = (partition: number) => partitionStoreKey(`${TOPIC}/${partition}`);

Deno.test("ProposedRows.change() joins proposals, keeps the directories, and says committed once the image has the rows", async () => {
  const scene = new Scene();
  let outcomes: unknown = null;
  void scene.rows.change([scene.shrink(0), scene.shrink(1)]).then((ended) => outcomes = ended);
  const [sent] = scene.sent;
  assert.deepEqual(sent?.compare, [
    { key: keyOf(0), version: 20 },
    { key: stateKey(1), version: 31 },
    { key: keyOf(1), version: 21 },
  ]);
  const written = sent?.set?.map(({ value }) => JSON.parse(value)) ?? [];
  assert.deepEqual(written.map(({ isr, directories }) => [isr, directories]), [[[1], ["a", "b"]], [[1], ["a", "b"]]]);
  scene.answers[0]?.resolve({ outcome: "committed", version: 11 });
  await settle();
  assert.equal(outcomes, null);
  scene.image.revision = 11;
  scene.image.changed();
  await settle();
  assert.deepEqual(outcomes, ["committed", "committed"]);
});

Deno.test("ProposedRows.change() tells a row that differs from a broker that differs, and executes again what was only joined", async () => {
  const scene = new Scene();
  const ended = scene.rows.change([
    scene.shrink(0),
    scene.shrink(1, { comparisons: [{ kind: "state", broker: 2, version: 32 }] }),
  ]);
  scene.answers[0]?.resolve({ outcome: "refused", conflicts: [stateKey(2)] });
  await settle();
  assert.deepEqual(scene.sent[1]?.compare, [{ key: keyOf(0), version: 20 }, { key: stateKey(1), version: 31 }]);
  scene.answers[1]?.resolve({ outcome: "refused", conflicts: [keyOf(0)] });
  assert.deepEqual(await ended, ["conflict", "refused"]);
});

Deno.test("ProposedRows.change() sends nothing that the image contradicts", async () => {
  const scene = new Scene();
  const outcomes = await scene.rows.change([
    scene.shrink(0, { partitionEpoch: 3 }),
    scene.shrink(7),
    scene.shrink(1, { comparisons: [{ kind: "state", broker: 1, version: 30 }] }),
  ]);
  assert.deepEqual([outcomes, scene.sent.length], [["conflict", "conflict", "refused"], 0]);
});

Deno.test("ProposedRows.change() answers unknown when the store took nothing, has failed, or is left", async () => {
  const scene = new Scene();
  const refused = scene.rows.change([scene.shrink(0)]);
  scene.answers[0]?.reject(new MetadataRefusedError("busy"));
  assert.deepEqual([await refused, scene.failures.length], [["unknown"], 0]);
  const failed = scene.rows.change([scene.shrink(0)]);
  scene.answers[1]?.reject(new MetadataStoreError("gone"));
  assert.deepEqual([await failed, scene.failures.length], [["unknown"], 1]);
  const left = scene.rows.change([scene.shrink(0)]);
  scene.answers[2]?.resolve({ outcome: "unknown", id: "1" });
  scene.rows.close();
  assert.deepEqual(await left, ["unknown"]);
});
