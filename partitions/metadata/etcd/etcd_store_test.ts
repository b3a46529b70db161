import assert from "node:assert/strict";
import { EtcdStore } from "./etcd_store.ts";

Deno.test("EtcdStore.open() says where it has looked for etcd, and what to do", async () => {
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    () => new Response("no page", { status: 404 }),
  );
  const endpoint = `http://127.0.0.1:${server.addr.port}`;
  const limits = { attemptMs: 5000, requestMs: 1 };
  await assert.rejects(
    EtcdStore.open({ endpoints: [endpoint], prefix: "/test/", owner: "a", limits }),
    {
      message: "Cannot use etcd: it answers HTTP 404 (no page). " +
        `Start etcd at ${endpoint}, or name its addresses with --etcd`,
    },
  );
});
