/** Groups with which many tests of consumer groups begin. For tests. */
import assert from "node:assert/strict";
import { TestConsumerGroup } from "./consumer_testing.ts";

/** Makes a group with one topic of some partitions. */
export function groupWith(partitionsCount: number): TestConsumerGroup {
  const test = new TestConsumerGroup();
  test.setTopics({ orders: partitionsCount });
  return test;
}

/** Joins two members, a and b, until both have their targets. @returns their epoch */
export function reconciledPair(test: TestConsumerGroup): number {
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
