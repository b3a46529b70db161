import { strict as assert } from "node:assert";
import { change, TestShards, topicOn } from "./partition_testing.ts";

const SHARDS = new Array<number>(100).fill(0);

Deno.test("topics of many partitions are created and deleted a few partitions a turn, in order", () => {
  using world = new TestShards(1);
  const { partitions } = world.at(0);
  const topic = topicOn(SHARDS);
  const done: string[] = [];
  const count = () => [...partitions.owned.all].length;
  partitions.owned.change({ changed: [topic], deleted: [] }, (failures) => done.push(`created ${failures}`));
  partitions.owned.change({ changed: [], deleted: [topic] }, (failures) => done.push(`deleted ${failures}`));
  const again = topicOn(SHARDS.slice(0, 1), { id: "YWFhYWFhYWFhYWFhYWFhYQ" });
  partitions.owned.change({ changed: [again], deleted: [] }, (failures) => done.push(`created again ${failures}`));
  let most = 0;
  let turns = 0;
  for (let before = 0; done.length < 3; turns++) {
    assert.equal(partitions.nextDeadlineMs, 0, "the shard does not sleep before all is done");
    partitions.maintain(0);
    most = Math.max(most, Math.abs(count() - before));
    before = count();
  }
  assert.deepEqual(done, ["created ", "deleted ", "created again "]);
  assert.deepEqual([count(), most, turns], [1, 8, Math.ceil(201 / 8)]);
});

Deno.test("topics are created one partition a turn while the turn has no time, and no further than the turn's most", () => {
  using world = new TestShards(1);
  const { partitions } = world.at(0);
  const count = () => [...partitions.owned.all].length;
  partitions.owned.change({ changed: [topicOn(SHARDS)], deleted: [] }, () => {});
  let asked = 0;
  for (const [time, expected] of [[0, 1], [0, 2], [3, 6], [100, 14]] as const) {
    let left = time;
    partitions.maintain(0, () => {
      asked++;
      return left-- > 0;
    });
    assert.equal(count(), expected);
  }
  assert.equal(asked, 1 + 1 + 4 + 7);
});

Deno.test("a partition is not handed over while changes of topics wait: one of them may remove it", () => {
  using world = new TestShards(1);
  const { partitions } = world.at(0);
  const topic = topicOn([0]);
  world.apply(topic);
  partitions.owned.change({ changed: [], deleted: [topic] }, () => {});
  partitions.owned.handOver(0);
  assert.deepEqual([...partitions.owned.all].length, 1);
  partitions.maintain(0);
  assert.deepEqual([...partitions.owned.all].length, 0);
  assert.equal(world.at(0).files.fileSystem.list("/logs").filter(({ name }) => name === "t-0").length, 0);
});

Deno.test("a clean stop completes pending changes; other stops leave them to the next start", () => {
  for (const clean of [true, false]) {
    using world = new TestShards(1);
    const shard = world.at(0);
    const topic = topicOn([0]);
    change(shard, { changed: [topic] });
    shard.partitions.owned.change({ changed: [], deleted: [topic] }, () => {});
    shard.partitions.owned.close({ clean });
    const isThere = shard.files.fileSystem.list("/logs").some(({ name }) => name === "t-0");
    assert.equal(isThere, !clean);
  }
});
