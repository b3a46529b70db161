import assert from "node:assert/strict";
import { answeredFailure, connectionFailure } from "./gateway_failure.ts";

Deno.test("answeredFailure() tells what was not carried out from what may have been", () => {
  const cases: [number, unknown, string][] = [
    [400, { error: "x", message: "etcdserver: duplicate key given in txn request", code: 3 }, "refused"],
    [404, { error: "x", message: "etcdserver: requested lease not found", code: 5 }, "refused"],
    [400, { error: "x", message: "etcdserver: mvcc: required revision has been compacted", code: 11 }, "refused"],
    [503, { error: "x", message: "etcdserver: no leader", code: 14 }, "unsent"],
    [503, { error: "x", message: "etcdserver: request timed out", code: 14 }, "unknown"],
    [503, { error: "x", message: "etcdserver: server stopped", code: 14 }, "unknown"],
    [500, { error: "x", message: "y", code: 2 }, "unknown"],
    [200, { error: { grpc_code: 14, http_code: 503, message: "etcdserver: no leader" } }, "unsent"],
    [200, { error: { code: 16, message: "etcdserver: invalid auth token" } }, "refused"],
    [502, "bad gateway", "unknown"],
    [
      400,
      "CommonName of client sending a request against gateway will be ignored and not used as expected\n",
      "refused",
    ],
    [400, null, "unknown"],
    [400, { message: 7, code: 3 }, "unknown"],
  ];
  for (const [status, body, kind] of cases) {
    const text = typeof body === "string" ? body : JSON.stringify(body);
    assert.equal(answeredFailure(status, text).kind, kind, text);
  }
});

Deno.test("a failure says whether etcd is out of space, has compacted, lost a lease, or wants a login", () => {
  const failure = (code: number, message: string) => answeredFailure(400, JSON.stringify({ code, message }));
  assert.ok(failure(8, "etcdserver: mvcc: database space exceeded").isOutOfSpace);
  assert.ok(!failure(8, "etcdserver: too many requests").isOutOfSpace);
  assert.ok(failure(11, "etcdserver: mvcc: required revision has been compacted").isCompacted);
  assert.ok(failure(5, "etcdserver: requested lease not found").isLeaseGone);
  assert.ok(failure(16, "etcdserver: invalid auth token").needsLogin);
  assert.ok(failure(3, "etcdserver: user name is empty").needsLogin);
  assert.ok(!failure(3, "etcdserver: authentication failed, invalid user ID or password").needsLogin);
});

Deno.test("connectionFailure() takes only a connection that was not made for a request that was not sent", async () => {
  const failed = async (serve: (connection: Deno.TcpConn) => void) => {
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    listener.accept().then(serve, () => {}); // it is closed before
    const error = await fetch(`http://127.0.0.1:${listener.addr.port}/`, { method: "POST", body: "x" }).catch((error) =>
      error
    );
    return connectionFailure(error, false);
  };
  const closed = await failed(async (connection) => {
    await connection.read(new Uint8Array(1000));
    connection.close();
  });
  assert.equal(closed.kind, "unknown");
  assert.match(closed.message, /^the connection fails \(.*connection closed before message completed\)$/);
  const { port } = (() => {
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    return listener.addr;
  })();
  const refused = await fetch(`http://127.0.0.1:${port}/`).catch((error) => error);
  assert.equal(connectionFailure(refused, false).kind, "unsent");
  assert.match(connectionFailure(refused, false).message, /^the connection fails \(.*Connection refused/);
  assert.equal(connectionFailure(refused, true).kind, "unknown", "the time may be up at any moment");
  assert.equal(connectionFailure(new TypeError("other words"), false).kind, "unknown");
});

Deno.test("a failure without etcd's own error has the text that was answered", () => {
  assert.equal(answeredFailure(400, " no such thing\n").message, "it answers HTTP 400 (no such thing)");
  assert.equal(answeredFailure(502, "").message, "it answers HTTP 502");
});
