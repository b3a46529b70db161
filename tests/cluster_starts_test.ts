/** Starts and ends of a broker of a cluster that must not wait for others: over a store in this process. */
import assert from "node:assert/strict";
import { StartupError, type TopicOptions } from "../mod.ts";
import { startMember } from "../net/broker/start.ts";
import { fetchRequest } from "../net/protocol/messages/01_fetch.ts";
import { brokerConfigFrom } from "../partitions/config/broker/broker_properties.ts";
import { SqliteStore } from "../partitions/control.ts";
import { KafkaClient } from "./kafka_client.ts";
import { withDirectory } from "./temporary_directory.ts";

/** How long a start or an end may take on a slow machine; what they must not wait for takes one minute, or five. */
const SOON_MS = 30_000;

/** Starts a broker. */
function start(
  directory: string,
  store: SqliteStore,
  { nodeId, secret, signal, topics }: {
    nodeId: number;
    secret?: string;
    signal?: AbortSignal;
    topics?: readonly TopicOptions[];
  },
) {
  const overrides: Record<string, string> = { "node.id": String(nodeId) };
  if (secret !== undefined) overrides["barnabas.inter.broker.secret"] = secret;
  return startMember({ port: 0, shards: 1, dataDir: `${directory}/${nodeId}`, overrides, signal, topics }, store);
}

async function withStore(run: (directory: string, store: SqliteStore) => Promise<void>): Promise<void> {
  await withDirectory(async (directory) => {
    await using closing = new AsyncDisposableStack();
    const store = closing.adopt(new SqliteStore(), (store) => store.close());
    await store.open(`${directory}/cluster.sqlite`);
    await run(directory, store);
  });
}

Deno.test("a broker with another secret is refused soon, with a sentence; one whose start is ended has left nothing behind", () =>
  withStore(async (directory, store) => {
    await using _first = await start(directory, store, { nodeId: 1 });
    const beginMs = performance.now();
    await assert.rejects(
      start(directory, store, { nodeId: 2, secret: "another secret of a cluster" }),
      (error) => error instanceof StartupError && /not registered: .* has another secret/.test(error.message),
    );
    await assert.rejects(start(directory, store, { nodeId: 2, signal: AbortSignal.abort() }), StartupError);
    assert.ok(performance.now() - beginMs < SOON_MS);
    await using _second = await start(directory, store, { nodeId: 2 });
  }));

Deno.test("a broker of a cluster whose shard throws ends at once, though nobody can take over what it leads", () =>
  withStore(async (directory, store) => {
    const built = brokerConfigFrom(new Map([["node.id", "1"]]), { port: 0, dataDir: `${directory}/1`, shards: 1 });
    assert.ok("config" in built);
    const config = { ...built.config, fetchMaxBytes: 1n as unknown as number };
    await using broker = await startMember({ config }, store);
    using client = await KafkaClient.connect(broker);
    const beginMs = performance.now();
    await client.send(fetchRequest, 12, { maxWaitMs: 0, minBytes: 0, sessionEpoch: -1, topics: [] });
    await assert.rejects(broker.closed, /Shard \d failed/);
    assert.ok(performance.now() - beginMs < SOON_MS);
  }));

Deno.test("a broker whose directories have a cluster begins no other one in the wrong place, and its logs stay what they are", () =>
  withStore(async (directory, store) => {
    const wrong = new SqliteStore();
    await wrong.open(`${directory}/wrong.sqlite`);
    await using _closing = { [Symbol.asyncDispose]: () => wrong.close() };
    const topics = [{ name: "t", partitions: 3 }];
    const first = await start(directory, store, { nodeId: 1, topics });
    await first.close();
    const found = [...Deno.readDirSync(`${directory}/1`)].map(({ name }) => name).sort();
    await assert.rejects(
      start(directory, wrong, { nodeId: 1 }),
      (error) => error instanceof StartupError && /has no cluster at this place; name the etcd and/.test(error.message),
    );
    assert.deepEqual(await wrong.range(""), []);
    await using _again = await start(directory, store, { nodeId: 1 });
    const logs = (names: readonly string[]) => names.filter((name) => name.startsWith("t-"));
    assert.deepEqual(logs([...Deno.readDirSync(`${directory}/1`)].map(({ name }) => name).sort()), logs(found));
    assert.equal(logs(found).length, 3);
  }));

Deno.test("a broker with a new log directory before one of a cluster begins no other one in the wrong place", () =>
  withStore(async (directory, store) => {
    const wrong = new SqliteStore();
    await wrong.open(`${directory}/wrong.sqlite`);
    await using _closing = { [Symbol.asyncDispose]: () => wrong.close() };
    const startWith = (names: readonly string[], store: SqliteStore) => {
      const overrides = { "node.id": "1", "log.dirs": names.map((name) => `${directory}/${name}`).join(",") };
      return startMember({ port: 0, shards: 1, overrides }, store);
    };
    const first = await startWith(["old"], store);
    await first.close();
    await assert.rejects(startWith(["new", "old"], wrong), /has no cluster at this place; name the etcd and/);
    assert.deepEqual(await wrong.range(""), []);
    await using _again = await startWith(["new", "old"], store);
    const clusterOf = (name: string) =>
      /^cluster.id=(.+)$/m.exec(Deno.readTextFileSync(`${directory}/${name}/meta.properties`))?.[1];
    assert.equal(clusterOf("new"), clusterOf("old"));
  }));
