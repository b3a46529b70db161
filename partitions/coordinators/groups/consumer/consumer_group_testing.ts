/** Groups that many tests of consumer groups begin with. For tests. */
import assert from "node:assert/strict";
import { TestConsumerGroup } from "./consumer_testing.ts";

/** A group with one topic of so many partitions. */
export function groupWith(partitionsCount: number): TestConsumerGroup {
  const test = new TestConsumerGroup();
  test.setTopics({ orders: partitionsCount });
  return test;
}

/** Two members that have what is theirs. @returns their epoch */
export function settledPair(test: TestConsumerGroup): number {
  test.join("a", ["orders"]);
  test.join("b", ["orders"]);
  test.heartbeat("a", 2);
  const kept = test.consumers.describe().members.find(({ memberId }) => memberId === "a")!.targetAssignment;
  const owned = [...kept.topicPartitions].flatMap(({ topicName, partitions }) =>
    Array.from(partitions, (partition) => `${topicName}-${partition}`)
  );
  test.heartbeat("a", 2, { owned });
  test.heartbeat("b", 3);
  assert.equal(test.consumers.state, "Stable");
  return 3;
}
