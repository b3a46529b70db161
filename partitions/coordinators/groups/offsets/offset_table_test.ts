import { strict as assert } from "node:assert";
import { createRandom } from "../../../../storage/base/random.ts";
import { GroupMemory } from "../group_memory.ts";
import { type CommittedOffset, OffsetTable } from "./offset_table.ts";

function committed(offset: number, changes: Partial<CommittedOffset> = {}): CommittedOffset {
  const rest = { leaderEpoch: -1, metadata: "", commitTimestamp: 1e12, expireTimestamp: -1, topicId: "id" };
  return { offset, ...rest, ...changes };
}

/** All fields of a row. */
function row(table: OffsetTable, at: number): CommittedOffset {
  return {
    offset: table.offset(at),
    leaderEpoch: table.leaderEpoch(at),
    metadata: table.metadata(at),
    commitTimestamp: table.commitTimestamp(at),
    expireTimestamp: table.expireTimestamp(at),
    topicId: table.topicId(at),
  };
}

Deno.test("set() keeps every field, and a later offset replaces all fields", () => {
  const table = new OffsetTable(new GroupMemory());
  const first = committed(2 ** 53 - 1, { leaderEpoch: 7, metadata: "m", expireTimestamp: 3e12, topicId: "x" });
  table.set("g", "t", 2 ** 31 - 1, first);
  const at = table.find("g", "t", 2 ** 31 - 1);
  assert.deepEqual(row(table, at), first);
  assert.deepEqual([table.group(at), table.topic(at), table.partition(at)], ["g", "t", 2 ** 31 - 1]);
  table.set("g", "t", 2 ** 31 - 1, committed(0));
  assert.deepEqual(row(table, table.find("g", "t", 2 ** 31 - 1)), committed(0));
  assert.equal(table.count, 1);
});

Deno.test("find() tells groups, topics and partitions apart", () => {
  const table = new OffsetTable(new GroupMemory());
  table.set("g", "t", 0, committed(1));
  for (const [group, topic, partition] of [["h", "t", 0], ["g", "u", 0], ["g", "t", 1]] as const) {
    assert.equal(table.find(group, topic, partition), -1);
  }
  assert.equal(table.hasTopic("t"), true);
  table.remove("g", "t", 0);
  assert.deepEqual([table.hasTopic("t"), table.has("g"), table.count, table.nextRow(-1)], [false, false, 0, -1]);
});

Deno.test("a table that grows, shrinks and grows again has the same content as a map of maps", () => {
  for (let seed = 1; seed <= 20; seed++) {
    const random = createRandom(seed);
    const pick = (count: number) => Math.floor(random() * count);
    const table = new OffsetTable(new GroupMemory());
    const model = new Map<string, CommittedOffset>();
    for (let step = 0; step < 2000; step++) {
      const [group, topic, partition] = [`g${pick(12)}`, `t${pick(5)}`, pick(6)];
      const key = `${group} ${topic} ${partition}`;
      if (random() < 0.6) {
        const value = committed(step, { metadata: random() < 0.2 ? `m${step}` : "", topicId: `id${pick(3)}` });
        table.set(group, topic, partition, value);
        model.set(key, value);
      } else {
        table.remove(group, topic, partition);
        model.delete(key);
      }
    }
    assert.equal(table.count, model.size);
    const found = new Map<string, CommittedOffset>();
    for (const group of table.groupIds()) {
      for (let at = table.firstOf(group); at >= 0; at = table.next(at)) {
        assert.equal(table.group(at), group);
        found.set(`${group} ${table.topic(at)} ${table.partition(at)}`, row(table, at));
      }
    }
    assert.deepEqual(found.size, model.size, `seed ${seed}`);
    for (const [key, value] of model) assert.deepEqual(found.get(key), value, `seed ${seed}: ${key}`);
    let rows = 0;
    for (let at = table.nextRow(-1); at >= 0; at = table.nextRow(at)) rows++;
    assert.equal(rows, model.size, `seed ${seed}`);
  }
});
