import { strict as assert } from "node:assert";
import { toOffset } from "../../storage/base/units.ts";
import { MetadataImage } from "../metadata/image.ts";
import { notClosedCleanly, partitionOffsets, speaksOfOthers } from "./partition_offsets.ts";
import { elsewhere, topicOn } from "../owned/partition_testing.ts";
import { emptyWatermarks, partitionState, WatermarkTable } from "../shared/watermarks.ts";

Deno.test("partitionOffsets() reads the named watermark of every partition from its row", () => {
  const table = new WatermarkTable(WatermarkTable.allocate());
  const image = new MetadataImage();
  const other = topicOn([0], { name: "u", id: "YWFhYWFhYWFhYWFhYWFhYQ", slots: [40_000] });
  image.apply({ changed: [topicOn([0, 1], { slots: [9, 2] }), other], deletedIds: [] });
  const far = 2 ** 40;
  for (const [slot, base] of [[9, 100], [2, 200], [40_000, far], [3, 999]] as const) {
    table.write(slot, {
      ...emptyWatermarks(),
      logStartOffset: toOffset(base),
      recoveryPoint: toOffset(base + 1),
      highWatermark: toOffset(base + 2),
      logEndOffset: toOffset(base + 3),
    });
  }
  const lines = (name: Parameters<typeof partitionOffsets>[2]["name"]) =>
    partitionOffsets(image, table, { directory: 0, name }).map(({ topic, partition, offset }) =>
      `${topic} ${partition} ${offset}`
    );
  assert.deepEqual(lines("logStartOffset"), ["t 0 100", "t 1 200", `u 0 ${far}`]);
  assert.deepEqual(lines("recoveryPoint"), ["t 0 101", "t 1 201", `u 0 ${far + 1}`]);
  assert.deepEqual(lines("highWatermark"), ["t 0 102", "t 1 202", `u 0 ${far + 2}`]);
});

Deno.test("partitionOffsets() has 0 for a partition whose log was never opened", () => {
  const table = new WatermarkTable(WatermarkTable.allocate());
  const image = new MetadataImage();
  image.apply({ changed: [topicOn([0])], deletedIds: [] });
  assert.deepEqual(partitionOffsets(image, table, { directory: 0, name: "recoveryPoint" }), [{
    topic: "t",
    partition: 0,
    offset: 0,
  }]);
});

Deno.test("partitionOffsets() leaves log starts of 0 out", () => {
  const table = new WatermarkTable(WatermarkTable.allocate());
  const image = new MetadataImage();
  image.apply({ changed: [topicOn([0, 1])], deletedIds: [] });
  const [logStartOffset, end] = [toOffset(7), toOffset(9)];
  table.write(1, { ...emptyWatermarks(), logStartOffset, highWatermark: end, logEndOffset: end });
  assert.deepEqual(partitionOffsets(image, table, { directory: 0, name: "logStartOffset" }), [{
    topic: "t",
    partition: 1,
    offset: 7,
  }]);
});

Deno.test("notClosedCleanly() names every partition that is not closedCleanly: never opened, offline, handed over, closed by a crash", () => {
  const table = new WatermarkTable(WatermarkTable.allocate());
  const image = new MetadataImage();
  const states = ["closedCleanly", "closed", "open", "offline", "handedOver", "closedCleanly"] as const;
  image.apply({ changed: [topicOn([0, 0, 0, 0, 0, 0, 0])], deletedIds: [] });
  for (const [slot, state] of states.entries()) {
    table.write(slot, { ...emptyWatermarks(), state: partitionState[state] });
  }
  assert.deepEqual(notClosedCleanly(image, table, 0), ["t-1", "t-2", "t-3", "t-4", "t-6"]);
});

Deno.test("partitionOffsets() and notClosedCleanly() tell log directories apart", () => {
  const table = new WatermarkTable(WatermarkTable.allocate());
  const image = new MetadataImage();
  const topic = topicOn([0, 0, 0]);
  const places = [0, 1, -1];
  const partitions = topic.partitions.map((place, index) => ({ ...place, directory: places[index] as number }));
  image.apply({ changed: [{ ...topic, partitions }], deletedIds: [] });
  for (const directory of [0, 1]) {
    const offsets = partitionOffsets(image, table, { directory, name: "recoveryPoint" });
    assert.deepEqual(offsets, [{ topic: "t", partition: directory, offset: 0 }]);
    assert.deepEqual(notClosedCleanly(image, table, directory), [`t-${directory}`]);
  }
});

Deno.test("speaksOfOthers() finds a line of a topic or partition that does not exist", () => {
  const image = new MetadataImage();
  image.apply({ changed: [topicOn([0, 0])], deletedIds: [] });
  assert.equal(speaksOfOthers(new Set(["t 0", "t 1"]), image), false);
  assert.equal(speaksOfOthers(new Set(["t 0", "t 2"]), image), true);
  assert.equal(speaksOfOthers(new Set(["u 0"]), image), true);
});

Deno.test("partitions elsewhere have no lines in checkpoints, and lines of theirs are those of others", () => {
  const image = new MetadataImage();
  const table = new WatermarkTable(WatermarkTable.allocate());
  image.apply({ changed: [elsewhere(topicOn([0, 0, 0]), [1])], deletedIds: [] });
  const lines = partitionOffsets(image, table, { directory: 0, name: "recoveryPoint" });
  assert.deepEqual(lines.map(({ partition }) => partition), [0, 2]);
  assert.deepEqual(notClosedCleanly(image, table, 0), ["t-0", "t-2"]);
  assert.equal(speaksOfOthers(new Set(["t 0", "t 2"]), image), false);
  assert.equal(speaksOfOthers(new Set(["t 0", "t 1"]), image), true);
});
