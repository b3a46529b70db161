import assert from "node:assert/strict";
import { ELSEWHERE } from "../../partitions/metadata/image.ts";
import { topicImage } from "../handlers/handler_testing.ts";
import { placedOnlyIn } from "./changed_places.ts";

/** A topic whose partitions have these slots. */
function topic(...slots: number[]) {
  const image = topicImage("t", "id", slots.length);
  return { ...image, partitions: image.partitions.map((place, index) => ({ ...place, slot: slots[index] as number })) };
}

/** Partitions and slots that are only in one of two versions. */
function onlyIn(one: ReturnType<typeof topic> | undefined, other: ReturnType<typeof topic> | undefined): number[][] {
  return placedOnlyIn(one, other).flatMap(({ partitions }) =>
    partitions.map(({ partition, slot }) => [partition, slot])
  );
}

Deno.test("placedOnlyIn() gives partitions that begin and end here: by replica, by slot, by number", () => {
  const [before, after] = [topic(10, ELSEWHERE, 12, 13), topic(10, 21, ELSEWHERE)];
  assert.deepEqual(onlyIn(before, after), [[2, 12], [3, 13]]);
  assert.deepEqual(onlyIn(after, before), [[1, 21]]);
  assert.deepEqual(onlyIn(topic(7), topic(8)), [[0, 7]], "it left, and came back to another slot");
  assert.deepEqual(onlyIn(topic(1, ELSEWHERE), undefined), [[0, 1]], "a new topic");
  assert.deepEqual(onlyIn(undefined, topic(1)), []);
  const moved = { ...topic(3), partitions: topic(3).partitions.map((place) => ({ ...place, shard: 1 })) };
  assert.deepEqual(onlyIn(topic(3), moved), [], "another shard owns it");
});
