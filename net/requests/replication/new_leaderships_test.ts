import assert from "node:assert/strict";
import { MetadataImage, type PartitionImage } from "../../../partitions/metadata/image.ts";
import { topicOn } from "../../../partitions/owned/partition_testing.ts";
import { beginsLeadership, NewLeaderships } from "./new_leaderships.ts";

const replication = { minIsr: 1, recovering: false, adding: [], removing: [] };

function topicWith(changes: Partial<PartitionImage>) {
  const topic = topicOn([0, 1]);
  const [first, ...others] = topic.partitions as [PartitionImage, PartitionImage];
  return { ...topic, partitions: [{ ...first, replication, ...changes }, ...others] };
}

Deno.test("beginsLeadership() finds a new leader epoch of a partition that others follow, and nothing else", () => {
  const image = new MetadataImage();
  image.apply({ changed: [topicWith({ leader: 2, leaderEpoch: 4 })], deletedIds: [] });
  const begins = (changes: Partial<PartitionImage>) => beginsLeadership([topicWith(changes)], image, 1);
  assert.equal(begins({ leader: 1, leaderEpoch: 5 }), true);
  assert.equal(begins({ leader: 2, leaderEpoch: 5 }), false);
  assert.equal(begins({ leader: 1, leaderEpoch: 5, replication: undefined }), false, "nobody follows");
  image.apply({ changed: [topicWith({ leader: 1, leaderEpoch: 5 })], deletedIds: [] });
  assert.equal(begins({ leader: 1, leaderEpoch: 5, isr: [1] }), false);
  assert.equal(beginsLeadership([{ ...topicWith({ leader: 1 }), id: "bmV3IG9uZSBvZiB0b3BpYw" }], image, 1), true);
});

Deno.test("NewLeaderships wakes what waits when a leadership begins, and shortens waits for a second", () => {
  const leaderships = new NewLeaderships();
  let woken = 0;
  const fetch = { onExpired: () => void woken++ };
  leaderships.add(fetch);
  assert.equal(leaderships.waitMsOf(500, 0), 500);
  leaderships.begin(1000);
  assert.equal(woken, 1);
  assert.deepEqual([500, 3].map((ms) => leaderships.waitMsOf(ms, 1999)), [10, 3]);
  assert.equal(leaderships.waitMsOf(500, 2000), 500);
  leaderships.delete(fetch);
  leaderships.begin(3000);
  assert.equal(woken, 1);
});
