/** A broker that has run alone becomes the first of a cluster; a crash at any point of that begins again. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { withDirectory } from "../../../tests/temporary_directory.ts";
import type { ClusterImage } from "../../cluster/cluster_image.ts";
import type { ClusterPartitionRow } from "../../cluster/cluster_rows.ts";
import { establishCluster } from "../../cluster/membership/cluster_identity.ts";
import { repairs } from "../../cluster/repairs.ts";
import { DIRECTORY_ID, ListedDirectories, MemoryStore, startController } from "../controller_testing.ts";
import type { Transaction, TransactionResult } from "../store/store.ts";
import { SqliteStore } from "../store/sqlite_store.ts";
import { quotaKey } from "../settings/quota_rows.ts";
import { type ImportParts, importSingleNode, setStoreAside } from "./single_node_import.ts";
import { Plane } from "./shared_testing.ts";

const CLUSTER_ID = "Y2x1c3Rlci1vZi10ZXN0cw";
const SECRET = "secret of tests";
const DELETED_ID = "YWFhYWFhYWFhYWFhYWFhYQ";

/** The store of a broker that has run alone, with topics, configs, groups, quotas, users, producer ids, and a topic that is being deleted. */
async function ownStore(): Promise<MemoryStore> {
  const store = new MemoryStore();
  const { controller } = await startController(store);
  const topics = ["a", "b", "c"].map((name, index) => ({
    ...{ name, numPartitions: 3 + index, replicationFactor: 1, assignments: [] },
    configs: [{ name: "retention.ms", value: "5000" }],
  }));
  await controller.call("createTopics", { request: { topics, timeoutMs: 1000, validateOnly: false }, apiVersion: 7 });
  await controller.call("allocateProducerIds", {});
  const deleted = { name: "gone", directories: ["AAAAAAAAAAAAAAAAAAAAAA", "b3RoZXItZGlyZWN0b3J5Lg"] };
  await store.transact({
    set: [
      { key: "users/u", value: JSON.stringify({ scram: {} }) },
      {
        key: quotaKey({ user: "u" }),
        value: JSON.stringify({ entity: { user: "u" }, values: { producer_byte_rate: 1 } }),
      },
      { key: "broker-configs/default", value: JSON.stringify({ configs: { "log.retention.ms": "5" } }) },
      { key: "broker-configs/1", value: JSON.stringify({ later: "a row that this version cannot read" }) },
      { key: "groups/g", value: JSON.stringify({ configs: { "consumer.session.timeout.ms": "50000" } }) },
      { key: `deleted/${DELETED_ID}`, value: JSON.stringify(deleted) },
    ],
  });
  return store;
}

function partsOf(store: MemoryStore, source: MemoryStore): ImportParts {
  return { store, source, nodeId: 1, clusterId: CLUSTER_ID, secret: SECRET, directories: new ListedDirectories() };
}

function sharedStore(keysMax = 6): MemoryStore {
  const store = new MemoryStore();
  store.limits = { transactionKeysMax: keysMax, transactionBytesMax: 100_000 };
  return store;
}

/** What the store has, by key. */
function contents(store: MemoryStore): Record<string, unknown> {
  return store.rows("");
}

Deno.test("an import has every row, in few keys a transaction, and the cluster's row in the last one", async () => {
  const [source, store] = [await ownStore(), sharedStore()];
  await importSingleNode(partsOf(store, source));
  const rows = contents(store);
  const own = contents(source);
  for (
    const key of Object.keys(own).filter((key) => /^(topics|groups|broker-configs|quotas|users|producer)/.test(key))
  ) {
    assert.deepEqual(rows[key], own[key], key);
  }
  const partitions = Object.keys(own).filter((key) => key.startsWith("partitions/"));
  assert.equal(partitions.length, 12);
  for (const key of partitions) {
    assert.deepEqual(rows[key], {
      ...{
        replicas: [1],
        isr: [1],
        leader: 1,
        leaderEpoch: 1,
        partitionEpoch: 1,
        directories: [DIRECTORY_ID],
        minIsr: 1,
      },
      ...{ elr: [], lastKnownElr: [], recovering: false, adding: [], removing: [] },
    });
  }
  assert.deepEqual(rows[`deleted/${DELETED_ID}`], {
    name: "gone",
    directories: [DIRECTORY_ID, "b3RoZXItZGlyZWN0b3J5Lg"],
  });
  assert.deepEqual(rows.cluster, { clusterId: CLUSTER_ID, secret: SECRET, format: 1 });
  assert.deepEqual(rows.import, { nodeId: 1, directoryId: DIRECTORY_ID, isDone: true });
  assert.deepEqual(rows["brokers/1/state"], { state: "fenced" });
  const keys = store.committed.map(({ set = [] }) => set.map(({ key }) => key));
  assert.ok(keys.slice(0, -1).every((some) => !some.includes("cluster")) && keys.at(-1)?.includes("cluster"));
  assert.deepEqual(await establishCluster(store, { clusterId: CLUSTER_ID, secret: null }), rows.cluster);
});

/** A process that ends at a transaction. */
class Crash extends Error {}

/** Has the process end at the nth transaction from now, before or after it is carried out. */
function crashing(store: MemoryStore, at: number, isAfter: boolean): MemoryStore {
  let left = at;
  const transact = async (transaction: Transaction): Promise<TransactionResult> => {
    const isLast = left-- === 0;
    if (isLast && !isAfter) throw new Crash();
    const result = await store.transact(transaction);
    if (isLast) throw new Crash();
    return result;
  };
  return Object.assign(Object.create(store) as MemoryStore, { transact });
}

Deno.test("an import that crashes at any transaction, once or twice, begins again and ends the same", async () => {
  const source = await ownStore();
  const whole = sharedStore();
  await importSingleNode(partsOf(whole, source));
  const expected = contents(whole);
  const steps = whole.committed.length;
  assert.ok(steps >= 5, String(steps));
  for (let first = 0; first < steps; first++) {
    for (const isAfter of [false, true]) {
      for (const second of [null, 0, 1, 2, steps - 1]) {
        const store = sharedStore();
        await assert.rejects(importSingleNode(partsOf(crashing(store, first, isAfter), source)), Crash);
        const isBegun = contents(store).cluster !== undefined;
        assert.equal(isBegun, first === steps - 1 && isAfter, "the cluster exists when all is there");
        if (!isBegun && first > 0) {
          const joining = establishCluster(store, { clusterId: null, secret: null });
          await assert.rejects(joining, /Broker 1 is bringing its topics/);
        }
        if (second !== null) {
          await importSingleNode(partsOf(crashing(store, second, !isAfter), source)).catch((error) => {
            assert.ok(error instanceof Crash, String(error));
          });
        }
        await importSingleNode(partsOf(store, source));
        assert.deepEqual(contents(store), expected, `crashes at ${first} and ${second}`);
        const count = store.committed.length;
        await importSingleNode(partsOf(store, source));
        assert.equal(store.committed.length, count, "a second one changes nothing");
      }
    }
  }
});

Deno.test("an import whose answers are lost makes each change once", async () => {
  const [source, store, whole] = [await ownStore(), sharedStore(), sharedStore()];
  await importSingleNode(partsOf(whole, source));
  store.loses = () => "answer";
  await importSingleNode(partsOf(store, source));
  assert.deepEqual(contents(store), contents(whole));
  const refusing = sharedStore();
  refusing.loses = () => "request";
  await assert.rejects(importSingleNode(partsOf(refusing, source)), /did not answer in time/);
});

Deno.test("an import is refused where there is another cluster, other keys, or another broker's import", async () => {
  const source = await ownStore();
  const cluster = sharedStore();
  await establishCluster(cluster, { clusterId: null, secret: null });
  await assert.rejects(importSingleNode(partsOf(cluster, source)), /two clusters are never merged/);
  const same = sharedStore();
  await establishCluster(same, { clusterId: null, newClusterId: CLUSTER_ID, secret: null });
  await assert.rejects(
    importSingleNode(partsOf(same, source)),
    /two clusters are never merged/,
    "it has none of the topics",
  );
  await importSingleNode(partsOf(same, new MemoryStore()));
  const used = sharedStore();
  await used.transact({ set: [{ key: "topics/x", value: "{}" }] });
  await assert.rejects(importSingleNode(partsOf(used, source)), /keys that are no cluster's, like topics\/x/);
  const other = sharedStore();
  const isDone = false;
  await other.transact({ set: [{ key: "import", value: JSON.stringify({ nodeId: 7, directoryId: "x", isDone }) }] });
  await assert.rejects(importSingleNode(partsOf(other, source)), /Broker 7 is bringing its topics/);
  const taken = sharedStore();
  taken.refusal = () => {
    if (taken.committed.length === 2) taken.entries.set("cluster", { key: "cluster", value: "{}", version: 99 });
    return null;
  };
  await assert.rejects(importSingleNode(partsOf(taken, source)), /changed by somebody else: cluster/);
});

Deno.test("a broker that imported its topics leads them again once it is registered, in a new leader epoch", async () => {
  const [source, store] = [await ownStore(), sharedStore(1000)];
  await importSingleNode(partsOf(store, source));
  const plane = await Plane.start(store, 1, { directories: new ListedDirectories() });
  const leaders = [...plane.shard.topics()].flatMap(({ partitions }) => partitions.map(({ leader }) => leader));
  assert.deepEqual(new Set(leaders), new Set([-1]), "the last process led them");
  const row = (store.rows("partitions/") as Record<string, ClusterPartitionRow>)[
    `${plane.shard.topic("a")?.id}/0`
  ] as ClusterPartitionRow;
  const repaired = (
    from: ClusterPartitionRow,
    state: "active" | "fenced",
    isStarting: boolean,
  ): ClusterPartitionRow => {
    const broker = { state, stateVersion: 1, brokerEpoch: 1, incarnation: "i", directoryId: DIRECTORY_ID };
    const image: ClusterImage = {
      ...{ revision: 1, controllerEpoch: 1, configuredMinIsrOf: () => 1, isUncleanElectionEnabled: () => false },
      brokers: new Map([[1, broker]]),
      partitions: new Map([["p", { row: from, version: 1 }]]),
      ...{ directoryOf: () => null, directoriesOf: () => null },
    };
    const [repair] = repairs(image, new Map(isStarting ? [[1, { kind: "tail-lost", directories: [] }]] : []));
    return { ...from, ...repair?.row };
  };
  const fenced = repaired(row, "fenced", true);
  assert.deepEqual([fenced.leader, fenced.isr], [-1, []]);
  const active = repaired(fenced, "active", false);
  assert.deepEqual([active.leader, active.isr], [1, [1]]);
  assert.ok(active.leaderEpoch > row.leaderEpoch);
  plane[Symbol.dispose]();
});

Deno.test("the file of the own store is renamed, and no earlier one is overwritten", () =>
  withDirectory(async (directory) => {
    const path = join(directory, "barnabas-metadata.sqlite");
    for (const name of ["barnabas-metadata.sqlite.imported", "barnabas-metadata.sqlite.imported.2"]) {
      const store = new SqliteStore();
      await store.open(path);
      await store.transact({ set: [{ key: "topics/t", value: "{}" }] });
      await store.close();
      await setStoreAside(path);
      assert.ok([...Deno.readDirSync(directory)].some((entry) => entry.name === name), name);
    }
    const names = [...Deno.readDirSync(directory)].map(({ name }) => name).sort();
    assert.deepEqual(names, ["barnabas-metadata.sqlite.imported", "barnabas-metadata.sqlite.imported.2"]);
  }));
