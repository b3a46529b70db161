import { strict as assert } from "node:assert";
import { noTraffic } from "../../../partitions/control.ts";
import { ELSEWHERE } from "../../../partitions/metadata/image.ts";
import { topicImage } from "../../handlers/handler_testing.ts";
import { TOPICS_MAX, TopicTraffic } from "./topic_traffic.ts";

/** Counts that the test sets by slot, and the traffic that is read from them. */
function newScene() {
  const bytesIn = new Map<number, number>();
  const traffic = new TopicTraffic({ trafficOf: (slot) => ({ ...noTraffic(), bytesIn: bytesIn.get(slot) ?? 0 }) });
  return { bytesIn, traffic };
}

/** A topic whose partitions have these slots. */
function topic(slots: readonly number[], id = "id", name = "t") {
  const image = topicImage(name, id, slots.length);
  return { ...image, partitions: image.partitions.map((place, index) => ({ ...place, slot: slots[index] as number })) };
}

/** Bytes that the topics' series have. */
function series(traffic: TopicTraffic, ...topics: ReturnType<typeof topic>[]): Record<string, number> {
  return Object.fromEntries(traffic.read(topics).topics.map(({ topic, counts }) => [topic, counts.bytesIn]));
}

Deno.test("TopicTraffic does not fall when partitions of a topic leave, come back and leave again", () => {
  const { bytesIn, traffic } = newScene();
  for (const [slot, bytes] of [100, 30, 7].entries()) bytesIn.set(slot, bytes);
  assert.deepEqual(series(traffic, topic([0, 1, 2])), { t: 137 });
  bytesIn.set(0, 150);
  assert.deepEqual(series(traffic, topic([0, ELSEWHERE, 2])), { t: 187 }, "partition 1 has left");
  bytesIn.set(1, 5);
  assert.deepEqual(series(traffic, topic([0, ELSEWHERE, 2])), { t: 187 }, "its row is another topic's");
  bytesIn.set(3, 4);
  assert.deepEqual(series(traffic, topic([0, 3, 2])), { t: 191 }, "it came back, and counts anew");
  bytesIn.set(4, 1);
  assert.deepEqual(series(traffic, topic([0, 4, 2])), { t: 192 }, "it left and came back between two scrapes");
  bytesIn.set(4, 2);
  assert.deepEqual(series(traffic, topic([0, ELSEWHERE, 4])), { t: 194 }, "another one of the topic has its row");
  assert.deepEqual(series(traffic, topic([0, ELSEWHERE])), { t: 194 }, "partitions were undone");
  assert.deepEqual(series(traffic, topic([0, ELSEWHERE])), { t: 194 });
});

Deno.test("TopicTraffic begins anew with a topic whose last partition had left, or that was deleted and created again", () => {
  const { bytesIn, traffic } = newScene();
  bytesIn.set(0, 100);
  assert.deepEqual(series(traffic, topic([0])), { t: 100 });
  assert.deepEqual(series(traffic, topic([ELSEWHERE])), {});
  bytesIn.set(1, 3);
  assert.deepEqual(series(traffic, topic([1])), { t: 3 });
  bytesIn.set(2, 5);
  assert.deepEqual(series(traffic, topic([2], "other id")), { t: 5 });
  assert.deepEqual(series(traffic), {});
});

Deno.test("TopicTraffic keeps a topic's counts when another topic gets the row of a partition that has left", () => {
  const { bytesIn, traffic } = newScene();
  bytesIn.set(0, 100);
  bytesIn.set(1, 10);
  assert.deepEqual(series(traffic, topic([0, 1])), { t: 110 });
  bytesIn.set(1, 2);
  assert.deepEqual(series(traffic, topic([0, ELSEWHERE]), topic([1], "b id", "b")), { t: 110, b: 2 });
});

Deno.test("TopicTraffic has so many topics, counts the others, and remembers none that has no series", () => {
  const { bytesIn, traffic } = newScene();
  const topics = Array.from({ length: TOPICS_MAX + 3 }, (_, index) => topic([index], `id ${index}`, `t${index}`));
  bytesIn.set(TOPICS_MAX, 9);
  const read = traffic.read([topic([ELSEWHERE], "elsewhere", "elsewhere"), ...topics]);
  assert.deepEqual([read.topics.length, read.leftOutCount], [TOPICS_MAX, 3]);
  const fewer = traffic.read(topics.slice(1));
  assert.deepEqual([fewer.topics.at(-1)?.topic, fewer.topics.at(-1)?.counts.bytesIn], [`t${TOPICS_MAX}`, 9]);
});
