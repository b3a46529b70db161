import assert from "node:assert/strict";
import { servicesOf } from "./services_testing.ts";

Deno.test("servicesOf() gives what it was given, and throws by the name of what it was not", () => {
  const { nodeId, partitions, ...rest } = servicesOf({ nodeId: 7, partitions: { inFlight: 3 }, random: () => 0.5 });
  assert.deepEqual([nodeId, partitions.inFlight, rest.random()], [7, 3, 0.5]);
  assert.throws(() => partitions.append, /gives no partitions\.append/);
  assert.throws(() => servicesOf({}).image, /gives no services\.image/);
});
