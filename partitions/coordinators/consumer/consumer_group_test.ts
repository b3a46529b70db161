import assert from "node:assert/strict";
import { errorCode } from "../../../net/protocol/error_codes.ts";
import { TestConsumerGroup } from "./consumer_testing.ts";

Deno.test("ConsumerGroup.heartbeat() gives the first member everything in epoch 2, as Kafka", () => {
  const test = new TestConsumerGroup();
  test.setTopics({ orders: 3 });
  const answer = test.join("a", ["orders"]);
  assert.equal(answer.errorCode, errorCode.NONE);
  assert.equal(answer.memberId, "a");
  assert.equal(answer.memberEpoch, 2);
  assert.equal(answer.heartbeatIntervalMs, 5000);
  assert.deepEqual(test.assigned(answer), ["orders-0", "orders-1", "orders-2"]);
  assert.equal(test.consumers.state, "Stable");
});

Deno.test("ConsumerGroup.heartbeat() hands a partition on only after its owner no longer names it", () => {
  const test = new TestConsumerGroup();
  test.setTopics({ orders: 2 });
  test.join("a", ["orders"]);
  const b = test.join("b", ["orders"]);
  assert.equal(b.memberEpoch, 3);
  assert.deepEqual(test.assigned(b), []);
  const told = test.heartbeat("a", 2, { owned: ["orders-0", "orders-1"] });
  assert.equal(told.memberEpoch, 2);
  assert.deepEqual(test.assigned(told), ["orders-0"]);
  assert.equal(test.assigned(test.heartbeat("b", 3)), null, "not yet");
  assert.equal(test.assigned(test.heartbeat("a", 2)), null, "who does not say still owns");
  const released = test.heartbeat("a", 2, { owned: ["orders-0"] });
  assert.equal(released.memberEpoch, 3);
  assert.equal(test.assigned(released), null);
  assert.deepEqual(test.assigned(test.heartbeat("b", 3)), ["orders-1"]);
  assert.equal(test.consumers.state, "Stable");
});
