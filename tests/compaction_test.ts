/**
 * Topics of a running broker are compacted: upserts with tombstones, restarts, settings that change meanwhile, the offsets of groups. A
 * consumer finds the same table before and after.
 */
import { strict as assert } from "node:assert";
import { type Broker, type BrokerOptions, startBroker } from "../mod.ts";
import { Compaction } from "../net/shards/compaction.ts";
import { errorCode } from "../net/protocol/error_codes.ts";
import { produceRequest, produceResponse } from "../net/protocol/messages/00_produce.ts";
import { deleteTopicsRequest, deleteTopicsResponse } from "../net/protocol/messages/20_delete_topics.ts";
import { deleteGroupsRequest, deleteGroupsResponse } from "../net/protocol/messages/42_delete_groups.ts";
import { GroupMember } from "./group_member.ts";
import { KafkaClient } from "./kafka_client.ts";
import { findInconsistencies } from "./log_fixture.ts";
import { buildBatch } from "./record_batch_builder.ts";
import { withDirectory } from "./temporary_directory.ts";
import { configure, create, LATEST, listOffset, produceTo } from "./topic_requests.ts";
import { compactedConfigs, readRecords, tableOf, upsert } from "./upserts.ts";

/** The broker compacts only when a test says so. */
const overrides = { "log.cleaner.backoff.ms": "1000000000" };
const OFFSETS_FILE = "cleaner-offset-checkpoint";

function compactionOf(broker: Broker): Compaction {
  assert.ok("compaction" in broker && broker.compaction instanceof Compaction);
  return broker.compaction;
}

async function serve<T>(
  dataDir: string,
  use: (client: KafkaClient, broker: Broker) => Promise<T>,
  options: BrokerOptions = {},
): Promise<T> {
  await using broker = await startBroker({
    port: 0,
    dataDir,
    shards: 2,
    ...options,
    overrides: { ...overrides, ...options.overrides },
  });
  using client = await KafkaClient.connect(broker);
  return await use(client, broker);
}

/** Writes every key several times; the keys of one in five end with a tombstone. */
async function writeUpserts(client: KafkaClient, topic: string, rounds = 12): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    const records = Array.from({ length: 20 }, (_, key) => {
      const isRemoved = key % 5 === 0 && round === rounds - 2;
      return { key: `key ${key}`, value: isRemoved ? null : `round ${round} `.repeat(4) };
    }).filter((_, key) => key % 5 !== 0 || round < rounds - 1);
    await upsert(client, topic, records);
  }
}

const namesIn = (directory: string) => [...Deno.readDirSync(directory)].map(({ name }) => name).sort();
const offsetsIn = (dataDir: string) => Deno.readTextFileSync(`${dataDir}/${OFFSETS_FILE}`);

Deno.test("a compacted topic keeps the last value of each key, over restarts and further compactions", () =>
  withDirectory(async (dataDir) => {
    const table = await serve(dataDir, async (client, broker) => {
      await create(client, "t", 1, compactedConfigs);
      await writeUpserts(client, "t");
      const before = await readRecords(client, "t");
      const end = before.at(-1)!.offset;
      await compactionOf(broker).look();
      const after = await readRecords(client, "t");
      assert.ok(after.length < before.length / 2, `${after.length} of ${before.length} records are left`);
      assert.deepEqual(tableOf(after), tableOf(before));
      const byOffset = new Map(before.map((record) => [record.offset, record]));
      for (const record of after) assert.deepEqual(record, byOffset.get(record.offset), "offsets stay");
      assert.equal(after.at(-1)!.offset, end);
      assert.match(offsetsIn(dataDir), /^0\n1\nt 0 \d+\n$/);
      await upsert(client, "t", [{ key: "key 1", value: "after the compaction" }]);
      return tableOf(await readRecords(client, "t"));
    });
    assert.deepEqual(findInconsistencies(`${dataDir}/t-0`, { isCleaned: true }), []);
    const offsets = offsetsIn(dataDir);
    await serve(dataDir, async (client, broker) => {
      assert.deepEqual(tableOf(await readRecords(client, "t")), table);
      await writeUpserts(client, "t", 6);
      const before = await readRecords(client, "t");
      await compactionOf(broker).look();
      assert.deepEqual(tableOf(await readRecords(client, "t")), tableOf(before));
      assert.notEqual(offsetsIn(dataDir), offsets);
    });
  }));

Deno.test("tombstones go after delete.retention.ms, and with them the keys", () =>
  withDirectory((dataDir) =>
    serve(dataDir, async (client, broker) => {
      await create(client, "t", 1, { ...compactedConfigs, "delete.retention.ms": "0" });
      await writeUpserts(client, "t");
      for (let round = 0; round < 2; round++) {
        await upsert(client, "t", Array.from({ length: 30 }, (_, i) => ({ key: `more ${i}`, value: "x".repeat(90) })));
        await compactionOf(broker).look();
      }
      const records = await readRecords(client, "t");
      assert.ok(!records.some(({ key, value }) => key === "key 0" || value === null));
      assert.ok(records.some(({ key }) => key === "key 1"));
    })
  ));

Deno.test("a damaged cleaner-offset-checkpoint is written anew, with a line in the log", () =>
  withDirectory(async (dataDir) => {
    await serve(dataDir, async (client, broker) => {
      await create(client, "t", 1, compactedConfigs);
      await writeUpserts(client, "t");
      await compactionOf(broker).look();
    });
    Deno.writeTextFileSync(`${dataDir}/${OFFSETS_FILE}`, "0\n3\nt 0");
    await serve(dataDir, async (client, broker) => {
      assert.equal(offsetsIn(dataDir), "0\n0\n");
      const before = tableOf(await readRecords(client, "t"));
      await compactionOf(broker).look();
      assert.match(offsetsIn(dataDir), /^0\n1\nt 0 \d+\n$/);
      assert.deepEqual(tableOf(await readRecords(client, "t")), before);
    });
  }));

Deno.test("a topic that is created again under the name of a compacted one begins uncompacted", () =>
  withDirectory((dataDir) =>
    serve(dataDir, async (client, broker) => {
      await create(client, "t", 1, compactedConfigs);
      await writeUpserts(client, "t");
      await compactionOf(broker).look();
      const value = { topics: [], topicNames: ["t"], timeoutMs: 5000 };
      await client.call(deleteTopicsRequest, deleteTopicsResponse, { apiVersion: 5, value });
      assert.equal(offsetsIn(dataDir), "0\n0\n");
      await create(client, "t", 1, compactedConfigs);
      await writeUpserts(client, "t");
      const before = await readRecords(client, "t");
      await compactionOf(broker).look();
      assert.ok((await readRecords(client, "t")).length < before.length / 2);
    })
  ));

Deno.test("a topic is switched between delete and compact while it is compacted", () =>
  withDirectory((dataDir) =>
    serve(dataDir, async (client, broker) => {
      await create(client, "t", 1, compactedConfigs);
      const looks: Promise<void>[] = [];
      for (let round = 0; round < 10; round++) {
        await writeUpserts(client, "t", 4);
        looks.push(compactionOf(broker).look());
        await configure(client, "t", { "cleanup.policy": round % 2 === 0 ? "delete" : "compact" });
      }
      await Promise.all(looks);
      const before = await readRecords(client, "t");
      await compactionOf(broker).look();
      const after = await readRecords(client, "t");
      assert.deepEqual(tableOf(after), tableOf(before));
      assert.ok(after.length < 100, `${after.length} records are left of 20 keys and an active segment`);
    })
  ));

Deno.test("records without a key are refused by a compacted topic, and removed from one that is compacted later", () =>
  withDirectory((dataDir) =>
    serve(dataDir, async (client, broker) => {
      await create(client, "t", 1, { ...compactedConfigs, "cleanup.policy": "delete" });
      for (let i = 0; i < 20; i++) {
        await upsert(client, "t", [{ key: null, value: "keyless".repeat(60) }, { key: `${i % 3}`, value: "x" }]);
      }
      await configure(client, "t", { "cleanup.policy": "compact" });
      const batch = buildBatch([{ key: null, value: "no" }], { baseTimestamp: Date.now() });
      const call = { apiVersion: 9, value: produceTo("t", 0, batch) };
      const { responses } = await client.call(produceRequest, produceResponse, call);
      assert.equal(responses[0]?.partitionResponses[0]?.errorCode, errorCode.INVALID_RECORD);
      await compactionOf(broker).look();
      const records = await readRecords(client, "t");
      assert.ok(records.filter(({ key }) => key === null).length < 10, "only those of the active segment");
    })
  ));

Deno.test("__consumer_offsets is compacted: a start reads the last offsets, and those of a deleted group do not come back", () =>
  withDirectory(async (dataDir) => {
    const options = {
      topics: [{ name: "t", partitions: 2 }],
      overrides: { "offsets.topic.num.partitions": "1" },
    };
    const partition = `${dataDir}/__consumer_offsets-0`;
    const bytes = () =>
      namesIn(partition).filter((name) => name.endsWith(".log"))
        .reduce((sum, name) => sum + Deno.statSync(`${partition}/${name}`).size, 0);
    await serve(dataDir, async (client, broker) => {
      using member = await GroupMember.connect(broker, "kept");
      const deleted = member.sibling("deleted");
      await member.find();
      await configure(client, "__consumer_offsets", { ...compactedConfigs, "delete.retention.ms": "0" });
      for (let offset = 0; offset < 300; offset++) {
        assert.deepEqual(await member.commit("t", { 0: offset, 1: 2 * offset }), [0, 0]);
        if (offset === 100) assert.deepEqual(await deleted.commit("t", { 0: 7 }), [0]);
        if (offset === 150) {
          const value = { groupsNames: ["deleted"] };
          const answer = await client.call(deleteGroupsRequest, deleteGroupsResponse, { apiVersion: 2, value });
          assert.equal(answer.results[0]?.errorCode, errorCode.NONE);
        }
      }
      const before = bytes();
      await compactionOf(broker).look();
      assert.ok(bytes() < before / 2, `${bytes()} of ${before} bytes`);
    }, options);
    await serve(dataDir, async (_, broker) => {
      using member = await GroupMember.connect(broker, "kept");
      await member.find();
      assert.deepEqual((await member.committed("t", [0, 1])).offsets, [299, 598]);
      assert.deepEqual((await member.sibling("deleted").committed("t", [0])).offsets, [-1]);
    }, options);
  }));

Deno.test("a partition whose closed segment is damaged goes offline, and others are compacted and served", () =>
  withDirectory((dataDir) =>
    serve(dataDir, async (client, broker) => {
      for (const name of ["t", "other"]) {
        await create(client, name, 1, compactedConfigs);
        await writeUpserts(client, name);
      }
      const path = `${dataDir}/t-0/00000000000000000000.log`;
      const file = await Deno.open(path, { write: true });
      await file.seek(200, Deno.SeekMode.Start);
      await file.write(new Uint8Array(300).fill(7));
      file.close();
      await compactionOf(broker).look();
      assert.match(offsetsIn(dataDir), /^0\n1\nother 0 \d+\n$/);
      assert.deepEqual(namesIn(`${dataDir}/t-0`).filter((name) => /cleaned|swap/.test(name)), []);
      assert.equal((await listOffset(client, ["t", 0], LATEST))[0], errorCode.KAFKA_STORAGE_ERROR);
      await upsert(client, "other", [{ key: "key 1", value: "served" }]);
      await compactionOf(broker).look();
      assert.match(offsetsIn(dataDir), /^0\n1\nother 0 \d+\n$/);
    })
  ));

Deno.test("log.cleaner.enable=false and log.cleaner.threads=0 compact nothing", () =>
  withDirectory(async (dataDir) => {
    for (const [name, value] of [["log.cleaner.enable", "false"], ["log.cleaner.threads", "0"]] as const) {
      const backoff = { "log.cleaner.backoff.ms": "1" };
      await serve(dataDir, async (client, broker) => {
        await create(client, `t-${value}`, 1, compactedConfigs);
        await writeUpserts(client, `t-${value}`);
        const before = await readRecords(client, `t-${value}`);
        await compactionOf(broker).look();
        assert.deepEqual(await readRecords(client, `t-${value}`), before);
      }, { overrides: { [name]: value, ...backoff } });
    }
  }));
