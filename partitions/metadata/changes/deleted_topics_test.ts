/** Topics that are deleted while a log directory is away: what it has of them does not come back with it. */
import assert from "node:assert/strict";
import { ListedDirectories, MemoryStore, startController } from "../controller_testing.ts";

const ID = "MTIzNDU2Nzg5MDEyMzQ1Ng";
const OTHER_ID = "YWFhYWFhYWFhYWFhYWFhYQ";
const [A, B] = ["ZGlyZWN0b3J5LUEtb2YtdA", "ZGlyZWN0b3J5LUItb2YtdA"];

Deno.test("load() removes what a topic left in a log directory that was not in log.dirs when the topic was deleted", async () => {
  const store = new MemoryStore();
  const creation = (name: string, numPartitions: number) => ({
    request: {
      topics: [{ name, numPartitions, replicationFactor: 1, assignments: [], configs: [] }],
      timeoutMs: 1000,
      validateOnly: false,
    },
    apiVersion: 7,
  });
  const { controller } = await startController(store, { directories: new ListedDirectories({}, [A, B]) });
  await controller.call("createTopics", creation("t", 2));
  const topicId = controller.image.topic("t")!.id;
  const both = { "t-0": { topicId }, "t-1@1": { topicId } };

  const away = await startController(store, { directories: new ListedDirectories({ "t-0": { topicId } }, [A]) });
  assert.deepEqual(away.controller.image.topic("t")?.partitions.map(({ directory }) => directory), [0, -1]);
  const deletion = { topics: [], topicNames: ["t"], timeoutMs: 1000 };
  await away.controller.call("deleteTopics", { request: deletion, apiVersion: 5 });
  const key = `deleted/${topicId}`;
  const placesIn = () => JSON.parse(store.entries.get(key)?.value ?? "{}").directories;
  assert.deepEqual(placesIn(), [A, B]);
  for (let starts = 0; starts < 2; starts++) {
    await startController(store, { directories: new ListedDirectories({}, [A]) });
    assert.deepEqual(
      placesIn(),
      [B],
      "the other one has nothing of it any more: what a backup brings there is adopted",
    );
  }
  const returned = new ListedDirectories(both, [A, B]);
  const { loaded } = await startController(store, { directories: returned });
  assert.deepEqual(returned.actions.filter((action) => action.startsWith("remove")), ["remove t-1@1"]);
  assert.deepEqual(loaded.delta.changed.map(({ name, partitions }) => [name, partitions.length]), [["t", 1]]);
  assert.match(loaded.warnings.join(), /^Removed 1 directory of topic t, which was deleted before,Adopted 1 directory/);
  assert.equal(store.entries.has(key), false);
});

Deno.test("load() tells a topic apart from a deleted one of its name, whose log directory returns", async () => {
  const store = new MemoryStore();
  const rows = {
    "topics/t": { id: OTHER_ID, configs: {} },
    [`partitions/${OTHER_ID}/0`]: { replicas: [1], isr: [1], leader: 1, leaderEpoch: 4, partitionEpoch: 0 },
    [`deleted/${ID}`]: { name: "t", directories: [B] },
  };
  await store.transact({ set: Object.entries(rows).map(([key, row]) => ({ key, value: JSON.stringify(row) })) });
  const directories = new ListedDirectories({ "t-0": { topicId: OTHER_ID }, "t-0@1": { topicId: ID } }, [A, B]);
  const { loaded } = await startController(store, { directories });
  const places = loaded.delta.changed.map(({ partitions }) => partitions.map(({ directory }) => directory));
  assert.deepEqual(places, [[0]]);
  assert.deepEqual(loaded.warnings, ["Removed 1 directory of topic t, which was deleted before"]);
  assert.deepEqual(directories.actions.filter((action) => action.startsWith("remove")), ["remove t-0@1"]);
});
