import assert from "node:assert/strict";
import { MetadataStoreError } from "../store/store.ts";
import { type EtcdAccess, EtcdClient, type GatewayRequest } from "./etcd_client.ts";
import { type EtcdLimits, etcdLimits } from "./etcd_limits.ts";
import { type EtcdMemory, EtcdPosition } from "./etcd_position.ts";
import { EtcdReads } from "./etcd_reads.ts";
import { GatewayFailure } from "./gateway_failure.ts";
import { encodeText, type RangeRequest } from "./gateway_messages.ts";

/** A member in place of etcd: answers with a status and a JSON value. */
type Answer = (path: string, body: string, token: string) => { status?: number; json: unknown };

const VERSION = { json: { etcdserver: "3.4.23" } };
const header = (revision: number, cluster = "1") => ({ cluster_id: cluster, revision: String(revision) });
const READ: GatewayRequest = { path: "/v3/kv/range", body: {}, proof: "read", attemptMs: 200 };
const testLimits = { ...etcdLimits, attemptMs: 200, requestMs: 1000 };

/** Runs a test with members and a client of theirs. */
async function withMembers(
  answers: readonly Answer[],
  test: (client: EtcdClient, urls: readonly string[], position: EtcdPosition) => Promise<void>,
  { memory = null, limits = testLimits, user }: {
    memory?: EtcdMemory | null;
    limits?: EtcdLimits;
    user?: EtcdAccess["user"];
  } = {},
): Promise<void> {
  const servers = answers.map((answer) =>
    Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
      const token = request.headers.get("authorization") ?? "";
      const { status = 200, json } = answer(new URL(request.url).pathname, await request.text(), token);
      return new Response(typeof json === "string" ? json : JSON.stringify(json), { status });
    })
  );
  const urls = servers.map(({ addr }) => `http://127.0.0.1:${(addr as Deno.NetAddr).port}`);
  const position = new EtcdPosition(memory);
  {
    using client = new EtcdClient({ endpoints: urls, user }, { position, limits });
    await test(client, urls, position);
  }
  await Promise.all(servers.map((server) => server.shutdown()));
}

/** A member that answers every request with this. */
const always = (json: unknown, status = 200): Answer => (path) => path === "/version" ? VERSION : { status, json };

Deno.test("EtcdClient refuses an etcd that is too old or broken, and endpoints that are none, with a sentence", async () => {
  for (const [version, sentence] of [["3.3.25", /needs 3.4 or later/], ["3.5.1", /upgrade it to 3.5.3/]] as const) {
    await withMembers([() => ({ json: { etcdserver: version } })], async (client, [url]) => {
      const error = await client.ask(READ).catch((error) => error);
      assert.ok(error instanceof MetadataStoreError);
      assert.match(error.message, sentence);
      assert.ok(error.message.startsWith(`Cannot use the etcd at ${url}: it is etcd ${version}`), error.message);
    });
  }
  const open = (...endpoints: string[]) => () =>
    new EtcdClient({ endpoints }, { position: new EtcdPosition(null), limits: testLimits });
  assert.throws(open(), /No endpoint of etcd is named/);
  for (const endpoint of ["127.0.0.1:2379", "ftp://a", "http://a/b", ""]) {
    assert.throws(open(endpoint), /is no endpoint of etcd/);
  }
});

Deno.test("ask() goes on to another member after one that does not answer, has no leader, or answers nonsense", async () => {
  const noLeader = always({ error: "x", message: "etcdserver: no leader", code: 14 }, 503);
  const nonsense = [always("<html>"), always("{}"), always({ header: { cluster_id: "1" } }, 502), always("{nonsense")];
  for (const bad of [noLeader, ...nonsense]) {
    await withMembers([bad, always({ header: header(7) })], async (client, _urls, position) => {
      assert.deepEqual(await client.ask(READ), { header: header(7) });
      assert.equal(position.revision, 7);
    });
  }
});

Deno.test("ask() ends with the last failure when no member answers in time", async () => {
  await withMembers([always({ message: "etcdserver: request timed out", code: 14 }, 503)], async (client) => {
    const error = await client.ask(READ).catch((error) => error);
    assert.ok(error instanceof GatewayFailure);
    assert.deepEqual([error.kind, error.message], ["unknown", "etcdserver: request timed out"]);
  });
  using client = new EtcdClient({ endpoints: ["http://127.0.0.1:1"] }, {
    position: new EtcdPosition(null),
    limits: testLimits,
  });
  const error = await client.ask(READ).catch((error) => error);
  assert.ok(error instanceof GatewayFailure);
  assert.equal(error.kind, "unsent");
});

Deno.test("ask() does not repeat what etcd has refused", async () => {
  let asked = 0;
  const refusing: Answer = (path) => {
    if (path === "/version") return VERSION;
    asked++;
    return { status: 400, json: { message: "etcdserver: duplicate key given in txn request", code: 3 } };
  };
  await withMembers([refusing], async (client) => {
    await assert.rejects(client.ask(READ), /duplicate key/);
    assert.equal(asked, 1);
  });
});

Deno.test("an answer of another cluster, or of an etcd whose revision went back, ends it; an older read is asked for elsewhere", async () => {
  const memory = { clusterId: "1", revision: 100 };
  await withMembers([always({ header: header(200, "2") })], async (client, [url]) => {
    await assert.rejects(client.ask(READ), new RegExp(`The etcd at ${url} is another cluster .id 2.`));
  }, { memory });
  await withMembers([always({ header: header(99) })], async (client) => {
    await assert.rejects(client.ask({ ...READ, proof: "ordered" }), /its revision is 99, and this broker has seen 100/);
    await assert.rejects(client.ask(READ), /answers with revision 99, after 100 was seen/);
  }, { memory });
  await withMembers(
    [always({ header: header(99) }), always({ header: header(100) })],
    async (client, _urls, position) => {
      assert.deepEqual(await client.ask(READ), { header: header(100) });
      assert.deepEqual(position.memory, memory);
    },
    { memory },
  );
});

Deno.test("requests side by side log in once, and once more when their token has ended", async () => {
  const user = { name: "a", password: "b" };
  let logins = 0;
  let valid = "";
  const member: Answer = (path, body, token) => {
    if (path === "/version") return VERSION;
    if (path === "/v3/auth/authenticate") {
      assert.deepEqual(JSON.parse(body), user);
      return { json: { header: header(1), token: valid = `token ${++logins}` } };
    }
    const refusal = { message: "etcdserver: invalid auth token", code: 16 };
    return token === valid ? { json: { header: header(1) } } : { status: 401, json: refusal };
  };
  await withMembers([member], async (client) => {
    const askMany = () => Promise.all(Array.from({ length: 10 }, () => client.ask(READ)));
    await askMany();
    await askMany();
    assert.equal(logins, 1);
    valid = "";
    await askMany();
    assert.equal(logins, 2);
  }, { user });
});

Deno.test("snapshot() asks for smaller pages when an answer is too large, and for one revision", async () => {
  const keys = Array.from({ length: 40 }, (_, index) => `k/${String(index).padStart(2, "0")}`);
  const asked: RangeRequest[] = [];
  const store: Answer = (path, body) => {
    if (path === "/version") return VERSION;
    const request = JSON.parse(body) as RangeRequest;
    asked.push(request);
    const found = keys.filter((key) => `/p/${key}` >= atob(request.key));
    const kvs = found.slice(0, request.limit).map((key) => ({
      key: encodeText(`/p/${key}`),
      value: encodeText("x".repeat(1000)),
      mod_revision: "3",
    }));
    return { json: { header: header(9 + asked.length), kvs, more: found.length > kvs.length } };
  };
  const limits = { ...testLimits, answerBytesMax: 10_000, pageKeysMax: 32 };
  await withMembers([store], async (client) => {
    const { version, entries } = await new EtcdReads({ client, prefix: "/p/", limits }).snapshot("k/");
    assert.deepEqual([entries.map(({ key }) => key), version], [keys, 13], "the version of the first answer that fits");
    assert.deepEqual(asked.map(({ limit }) => limit), [32, 16, 8, ...Array(10).fill(4)]);
    assert.deepEqual(asked.map(({ revision }) => revision), [...Array(4).fill(undefined), ...Array(9).fill("13")]);
  }, { limits });
});
