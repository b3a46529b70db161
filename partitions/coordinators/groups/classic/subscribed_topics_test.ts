import assert from "node:assert/strict";
import { bytes } from "./classic_testing.ts";
import { SubscribedTopics } from "./subscribed_topics.ts";

/** A ConsumerProtocolSubscription, written by hand: version, topics, and whatever follows. */
function subscription(version: number, topics: string[], rest: number[] = []): Uint8Array {
  const out = [version >> 8, version & 0xff, 0, 0, 0, topics.length];
  for (const topic of topics) out.push(0, topic.length, ...bytes(topic));
  return Uint8Array.from([...out, ...rest]);
}

Deno.test("SubscribedTopics joins the topics of all members, whatever their versions add", () => {
  const one = subscription(0, ["a", "b"], [255, 255, 255, 255]);
  const two = subscription(3, ["b", "ccc"], [0, 0, 0, 1, 7, 9, 9, 9]);
  assert.deepEqual([...new SubscribedTopics([one, one, two]).topics!].sort(), ["a", "b", "ccc"]);
  assert.deepEqual([...new SubscribedTopics([]).topics!], []);
  assert.deepEqual([...new SubscribedTopics([subscription(1, [])]).topics!], []);
});

Deno.test("SubscribedTopics does not know when one member's metadata is not a subscription", () => {
  const good = subscription(0, ["topic"]);
  for (let length = 0; length < good.length; length++) {
    assert.equal(new SubscribedTopics([good, good.slice(0, length)]).topics, undefined, `${length} bytes`);
  }
  assert.equal(new SubscribedTopics([subscription(0xffff, ["a"])]).topics, undefined, "negative version");
  const hostile = Uint8Array.from([0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 1, 97]);
  assert.equal(new SubscribedTopics([hostile]).topics, undefined, "a count of two thousand million");
});
