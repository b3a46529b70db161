import assert from "node:assert/strict";
import { encodeText } from "./gateway_messages.ts";
import { watchNews } from "./watch_events.ts";

const put = (key: string, revision: number, value = "v") => ({
  kv: { key: encodeText(`/p/${key}`), mod_revision: String(revision), value: encodeText(value) },
});
const removed = (key: string, revision: number) => ({ type: "DELETE", ...put(key, revision) });
const news = (line: unknown, after = 0) => watchNews(line, { prefix: "/p/", after });
const entry = (key: string, version: number) => ({ key, value: "v", version });

Deno.test("watchNews() groups the events of a line by transaction, and leaves out the store's own keys", () => {
  const events = [put("a", 5), put("~slots/x/0", 5), put("b", 5), removed("a", 6), put("~slots/x/0", 7), put("c", 9)];
  assert.deepEqual(news({ result: { events } }), {
    type: "changes",
    revisions: [
      { version: 5, changes: [entry("a", 5), entry("b", 5)] },
      { version: 6, changes: [{ key: "a", deleted: true }] },
      { version: 7, changes: [] },
      { version: 9, changes: [entry("c", 9)] },
    ],
  });
});

Deno.test("watchNews() passes over events that were reported, and those that go back", () => {
  const events = [put("a", 3), put("a", 4), put("b", 5), put("c", 4), put("d", 5), put("e", 6)];
  assert.deepEqual(news({ result: { events } }, 4), {
    type: "changes",
    revisions: [{ version: 5, changes: [entry("b", 5), entry("d", 5)] }, { version: 6, changes: [entry("e", 6)] }],
  });
});

Deno.test("watchNews() tells a watch that has begun, one that is compacted and one that has ended", () => {
  assert.deepEqual(news({ result: { created: true } }), { type: "changes", revisions: [] });
  assert.deepEqual(news({ result: { canceled: true, compact_revision: "7" } }), { type: "compacted" });
  assert.deepEqual(news({ error: { code: 11, message: "etcdserver: mvcc: required revision has been compacted" } }), {
    type: "compacted",
  });
  assert.deepEqual(news({ result: { canceled: true, cancel_reason: "x" } }), { type: "ended", reason: "x" });
  assert.deepEqual(news({ error: { grpc_code: 14, message: "etcdserver: no leader" } }), {
    type: "ended",
    reason: "etcdserver: no leader",
  });
  for (const line of [null, 7, {}, []]) assert.equal(news(line).type, "ended", JSON.stringify(line));
});

Deno.test("watchNews() refuses events of another shape with a sentence", () => {
  assert.throws(() => news({ result: { events: [{}] } }), /an event has no key/);
  assert.throws(() => news({ result: { events: [put("a", -1)] } }), /"-1" is no revision/);
  assert.throws(() => news({ result: { events: [put("a", 2 ** 60)] } }), /is no revision/);
  const kv = { key: encodeText("/p/a"), mod_revision: "1", value: new Uint8Array([0xff]).toBase64() };
  assert.throws(() => news({ result: { events: [{ kv }] } }), /is not text/);
});
