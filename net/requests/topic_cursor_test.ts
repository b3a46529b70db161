import { strict as assert } from "node:assert";
import { TopicCursor } from "./topic_cursor.ts";

Deno.test("TopicCursor.advance() names every partition of every topic once, in order, and skips topics without any", () => {
  const cases: number[][][] = [[], [[]], [[], []], [[1]], [[], [1, 2], [], [], [3], []], [[1, 2, 3], [4]]];
  for (const topics of cases) {
    const cursor = new TopicCursor(topics, (topic) => topic);
    const seen: [topic: number[], partition: number, isFirst: boolean][] = [];
    for (let more = !cursor.isAtEnd; more; more = cursor.advance()) {
      seen.push([cursor.topic, cursor.partition, cursor.isAtTopic]);
    }
    assert.deepEqual(
      seen,
      topics.flatMap((topic) => topic.map((partition, index) => [topic, partition, index === 0])),
    );
    assert.ok(cursor.isAtEnd);
  }
});
