import { strict as assert } from "node:assert";
import { endpointOf, knockByConnecting } from "./endpoints.ts";

const inTime = new AbortController().signal;

Deno.test("knockByConnecting() tells a process that is gone from one that listens, and from what nobody can tell", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const endpoint = { host: "127.0.0.1", port: listener.addr.port };
  assert.equal(await knockByConnecting(endpoint, inTime), "accepted", "it listens, though it accepts nothing");
  (await listener.accept()).close();
  listener.close();
  assert.equal(await knockByConnecting(endpoint, inTime), "refused", "nobody listens");
  assert.equal(await knockByConnecting({ host: "name.invalid", port: 1 }, inTime), "unknown", "no address");
  assert.equal(await knockByConnecting(endpoint, AbortSignal.abort()), "unknown", "ended before it began");
});

Deno.test("endpointOf() takes the listener for brokers, or the first one", () => {
  const listeners = [{ name: "PLAINTEXT", host: "a", port: 1 }, { name: "INTERNAL", host: "b", port: 2 }];
  assert.deepEqual(endpointOf({ listeners }, "INTERNAL"), { host: "b", port: 2 });
  assert.deepEqual(endpointOf({ listeners }, "REPLICATION"), { host: "a", port: 1 });
});
