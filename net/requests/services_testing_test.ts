import assert from "node:assert/strict";
import { servicesOf } from "./services_testing.ts";

Deno.test("servicesOf() returns what it was given, and throws with the name of anything else", () => {
  const { nodeId, partitions, ...rest } = servicesOf({ nodeId: 7, partitions: { inFlight: 3 }, random: () => 0.5 });
  assert.deepEqual([nodeId, partitions.inFlight, rest.random()], [7, 3, 0.5]);
  assert.throws(() => partitions.append, /gives no partitions\.append/);
  assert.throws(() => servicesOf({}).image, /gives no services\.image/);
});
