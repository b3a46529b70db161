/**
 * The metadata store on a real etcd: the cases that every store must pass, directly and behind a proxy that loses, delays and repeats
 * requests and answers; then what is etcd's own: quota, compaction, backups, users, other clusters.
 */
import assert from "node:assert/strict";
import { EtcdStore } from "../../partitions/metadata/etcd/etcd_store.ts";
import { MetadataRefusedError } from "../../partitions/metadata/store/store.ts";
import { commit, contractCases, setting } from "../../partitions/metadata/store/store_contract_testing.ts";
import { WatchedImage } from "../../partitions/metadata/store/watched_image_testing.ts";
import { waitFor } from "../../bench/peer/processes.ts";
import { withDirectory } from "../temporary_directory.ts";
import { type Fault, FaultProxy, type ProxiedRequest } from "./etcd/fault_proxy.ts";
import { call, copyDirectory, Etcd } from "./etcd/members.ts";
import { OpenedStores, testLimits } from "./etcd/opened_stores.ts";
import { assertHistory, StoreHistory } from "./etcd/store_history.ts";
import { Random, withSeed } from "./random.ts";
import { interopTest } from "./toolchain.ts";

/** What a faulty network does, and how often it does nothing. */
const requestFaults: readonly Fault[] = [
  ...Array<Fault>(20).fill("none"),
  "lose-request",
  "lose-answer",
  "late-answer",
  "late-request",
  "repeat",
  "late-repeat",
];

/** A watch that is silent for so short a time begins anew. */
const watchLimits = { watchStartMs: 300, watchSilenceMs: 500 };

function faultsOf(random: Random): (request: ProxiedRequest) => Fault {
  return ({ path }) => {
    if (path !== "/v3/watch") return random.pick(requestFaults);
    return random.pick<Fault>(["none", "cut", "stall", "silent", "lose-request"]);
  };
}

/** Runs every case on its own prefix. */
async function runContract(
  context: Deno.TestContext,
  endpoints: readonly string[],
  attemptMs = testLimits.attemptMs,
): Promise<void> {
  for (const [index, { name, run }] of contractCases.entries()) {
    await context.step(name, () => {
      const limits = { ...testLimits, ...watchLimits, attemptMs, pageKeysMax: 7 };
      const open = () => EtcdStore.open({ endpoints, prefix: `/contract/${index}/`, owner: "test", limits });
      return run({ open, leaseMsMin: 1000 });
    });
  }
}

interopTest({
  name: "EtcdStore does what every metadata store must do",
  needs: ["etcd"],
  fn: (context) =>
    withDirectory(async (directory) => {
      await using etcd = await Etcd.start({ directory });
      await runContract(context, etcd.urls);
    }),
});

interopTest({
  name: "EtcdStore does it too when requests and answers are lost, late and repeated",
  needs: ["etcd"],
  fn: (context) =>
    withDirectory((directory) =>
      withSeed(async (seed) => {
        await using etcd = await Etcd.start({ directory });
        const target = etcd.members[0]!.clientPort;
        const random = new Random(seed);
        await using proxy = new FaultProxy({ target, plan: faultsOf(random), lateMs: 300, cutBytes: 2000 });
        await runContract(context, [proxy.url], 200);
        for (const fault of new Set(requestFaults)) {
          assert.ok((proxy.counts.get(fault) ?? 0) > 0, `${fault} has happened`);
        }
      })
    ),
});

interopTest({
  name: "writers behind faulty proxies and a watcher agree on each change: none is lost, doubled or invented",
  needs: ["etcd"],
  slow: true,
  fn: () =>
    withDirectory((directory) =>
      withSeed(async (seed) => {
        await using etcd = await Etcd.start({ directory, members: 3 });
        const plan = faultsOf(new Random(seed));
        await using proxies = new AsyncDisposableStack();
        const endpoints = etcd.members.map(({ clientPort }) =>
          proxies.use(new FaultProxy({ target: clientPort, plan, lateMs: 300, cutBytes: 3000 })).url
        );
        await using stores = new OpenedStores();
        const history = new StoreHistory();
        const watching = await stores.open("watcher", { endpoints, limits: { ...testLimits, ...watchLimits } });
        const image = new WatchedImage();
        using _watch = watching.watch("", image);
        const writers: Promise<void>[] = [];
        for (const [index, name] of ["a", "b", "c"].entries()) {
          // So short a time for a request makes outcomes unknown.
          const limits = { attemptMs: 250, requestMs: 300 };
          const store = await waitFor(`${name} opens`, () => stores.open(name, { endpoints, limits }));
          writers.push(history.write(store, name, new Random(seed + index)));
        }
        await history.more(400);
        history.stop();
        await Promise.all(writers);
        await image.reaches(history.lastVersion);
        assertHistory(history, image, await watching.range(""));
        assert.ok(history.unknown > 0, "outcomes were unknown");
        assert.deepEqual(stores.failures, new Map());
      })
    ),
});

interopTest({
  name: "a watcher that missed what etcd has compacted gets a snapshot, and then every change",
  needs: ["etcd"],
  slow: true,
  fn: () =>
    withDirectory(async (directory) => {
      await using etcd = await Etcd.start({ directory, members: 3 });
      let isCut = false;
      const plan = ({ path }: ProxiedRequest) => isCut && path === "/v3/watch" ? "lose-request" : "none";
      await using proxy = new FaultProxy({ target: etcd.members[0]!.clientPort, plan });
      await using stores = new OpenedStores();
      const writer = await stores.open("writer", { endpoints: etcd.urls });
      const watcher = await stores.open("watcher", { endpoints: [proxy.url] });
      const image = new WatchedImage();
      using _watch = watcher.watch("", image);
      await image.reaches(await commit(writer, setting({ a: "1", b: "1" })));
      isCut = true;
      proxy.cutAll();
      await commit(writer, setting({ a: "2", c: "2" }));
      const missed = await commit(writer, { delete: ["b"] });
      await etcd.compact();
      isCut = false;
      await image.reaches(missed);
      const last = await commit(writer, setting({ d: "4" }));
      await image.reaches(last);
      assert.deepEqual(image.entries, await writer.range(""));
      assert.deepEqual([image.snapshots.length, image.calls.at(-1)?.version], [1, last]);
      assert.equal(watcher.watchCounts.resets, 1);
    }),
});

interopTest({
  name:
    "a watch of all keys goes on after each compaction without a snapshot while one key is written now and then; canary: none is",
  needs: ["etcd"],
  fn: () =>
    withDirectory(async (directory) => {
      await using etcd = await Etcd.start({ directory });
      await using proxy = new FaultProxy({ target: etcd.members[0]!.clientPort, plan: () => "none" });
      await using stores = new OpenedStores();
      const writer = await stores.open("writer", { endpoints: etcd.urls });
      const foreign = await stores.open("foreign", { endpoints: etcd.urls, prefix: "/other/" });
      const watcher = await stores.open("watcher", { endpoints: [proxy.url] });
      const image = new WatchedImage();
      using _watch = watcher.watch("", image);
      const othersWrite = async () => {
        for (let number = 0; number < 20; number++) await commit(foreign, setting({ a: `${number}` }));
      };
      for (let round = 1; round <= 3; round++) {
        await othersWrite();
        await image.reaches(await commit(writer, setting({ tick: `${round}` })));
        await etcd.compact();
        proxy.cutAll();
        await image.reaches(await commit(writer, setting({ a: `${round}` })));
        assert.deepEqual([watcher.watchCounts.resets, image.snapshots.length], [0, 0]);
        assert.ok(watcher.watchCounts.streams > round);
      }
      await othersWrite();
      await etcd.compact();
      proxy.cutAll();
      const last = await commit(writer, setting({ a: "4" }));
      await image.reaches(last);
      assert.deepEqual([watcher.watchCounts.resets, image.entries], [1, await writer.range("")]);
    }),
});

interopTest({
  name:
    "above its quota etcd refuses changes with a sentence, one by one, and what was committed is known; later it takes them again",
  needs: ["etcd"],
  slow: true,
  fn: () =>
    withDirectory(async (directory) => {
      await using etcd = await Etcd.start({ directory, members: 3, quotaBytes: 2 * 1024 * 1024 });
      await using stores = new OpenedStores();
      const store = await stores.open("a", { endpoints: etcd.urls });
      const image = new WatchedImage();
      using _watch = store.watch("", image);
      const versions = new Map<string, number>();
      let refused = 0;
      for (let number = 0; refused < 3; number++) {
        try {
          versions.set(`k/${number}`, await commit(store, setting({ [`k/${number}`]: "x".repeat(100_000) })));
        } catch (error) {
          assert.ok(error instanceof MetadataRefusedError);
          assert.match(error.message, /Cannot write metadata to etcd: .*space exceeded; compact and defragment etcd/);
          refused++;
        }
      }
      assert.ok(versions.size > 5, `${versions.size} were committed`);
      await image.reaches(Math.max(...versions.values()));
      const stored = await store.range("k/");
      assert.deepEqual(
        new Map(stored.map(({ key, version }) => [key, version])),
        versions,
        "nothing else was carried out",
      );
      assert.deepEqual(image.entries, stored);

      const url = etcd.urls[0]!;
      for (const { key } of stored) await call(url, "/v3/kv/deleterange", { key: btoa(`/test/${key}`) });
      await etcd.compact();
      for (const member of etcd.urls) await call(member, "/v3/maintenance/defragment", {});
      const { alarms } = await call<{ alarms: object[] }>(url, "/v3/maintenance/alarm", { action: "GET" });
      for (const alarm of alarms) await call(url, "/v3/maintenance/alarm", { ...alarm, action: "DEACTIVATE" });
      await image.reaches(await commit(store, setting({ after: "1" })));
      assert.deepEqual((await store.range("")).map(({ key }) => key), ["after"]);
      assert.deepEqual(image.entries, await store.range(""));
    }),
});

interopTest({
  name: "a store ends with a sentence when its etcd is restored from a backup, and does not open on it",
  needs: ["etcd"],
  fn: () =>
    withDirectory(async (directory) => {
      await using etcd = await Etcd.start({ directory });
      await using stores = new OpenedStores();
      const [member] = etcd.members;
      const store = await stores.open("a", { endpoints: etcd.urls, limits: { ...testLimits, requestMs: 2000 } });
      await commit(store, setting({ a: "1" }));
      await etcd.kill(member!);
      await copyDirectory(`${directory}/m0`, `${directory}/backup`);
      etcd.restart(member!);
      await etcd.leader();
      for (let number = 0; number < 5; number++) await commit(store, setting({ a: `${number}` }));
      const { memory } = store;
      await etcd.kill(etcd.members[0]!);
      await Deno.remove(`${directory}/m0`, { recursive: true });
      await Deno.rename(`${directory}/backup`, `${directory}/m0`);
      etcd.restart(member!);
      await etcd.leader();
      await assert.rejects(
        stores.open("b", { endpoints: etcd.urls, memory }),
        /restored from a backup, or begun anew: its revision is/,
      );
      await assert.rejects(store.get("a"), MetadataRefusedError, "a read proves nothing");
      await assert.rejects(commit(store, setting({ a: "x" })), /restored from a backup/);
      await assert.rejects(store.get("a"), /restored from a backup/);
      assert.match(String(stores.failures.get("a")), /restored from a backup/);
      const fresh = await stores.open("b", { endpoints: etcd.urls });
      assert.equal((await fresh.get("a"))?.value, "1");
    }),
});

interopTest({
  name: "a store refuses another cluster; another process with its name does not harm it before it claims the name",
  needs: ["etcd"],
  fn: () =>
    withDirectory(async (directory) => {
      await Deno.mkdir(`${directory}/other`);
      await using etcd = await Etcd.start({ directory });
      await using other = await Etcd.start({ directory: `${directory}/other` });
      await using stores = new OpenedStores();
      const first = await stores.open("a", { endpoints: etcd.urls });
      await commit(first, setting({ a: "1" }));
      const { memory } = first;
      await assert.rejects(
        stores.open("b", { endpoints: other.urls, memory: { ...memory, revision: 0 } }),
        new RegExp(
          `${other.urls[0]} is another cluster .*than the one with this broker's metadata .id ${memory.clusterId}`,
        ),
      );
      const refused = await stores.open("a", { endpoints: etcd.urls });
      await commit(refused, setting({ a: "1" }));
      await refused.close();
      await commit(first, setting({ a: "1" }));
      const second = await stores.open("a", { endpoints: etcd.urls });
      await commit(second, setting({ a: "1" }));
      await commit(first, setting({ a: "1" }));
      await second.claim();
      await assert.rejects(
        commit(first, setting({ a: "2" })),
        /Another process uses the metadata in etcd below \/test\/ as "a"/,
      );
      assert.deepEqual([...stores.failures.keys()], ["a"]);
      assert.equal((await second.get("a"))?.value, "1");
      await commit(second, setting({ a: "3" }));
    }),
});

interopTest({
  name: "a store logs in, again after its token has ended, and says that a password is wrong",
  needs: ["etcd"],
  fn: () =>
    withDirectory(async (directory) => {
      await using etcd = await Etcd.start({ directory });
      const [member] = etcd.members;
      const { url } = member!;
      await call(url, "/v3/auth/user/add", { name: "root", password: "secret" });
      await call(url, "/v3/auth/role/add", { name: "root" });
      await call(url, "/v3/auth/user/grant", { user: "root", role: "root" });
      await call(url, "/v3/auth/enable", {});
      await using stores = new OpenedStores();
      const endpoints = etcd.urls;
      await assert.rejects(stores.open("a", { endpoints }), /Cannot use etcd: .*user name is empty/);
      const wrong = stores.open("a", { endpoints, user: { name: "root", password: "guess" } });
      await assert.rejects(wrong, /Cannot use etcd: .*authentication failed/);
      const store = await stores.open("a", { endpoints, user: { name: "root", password: "secret" } });
      const image = new WatchedImage();
      using _watch = store.watch("", image);
      await image.reaches(await commit(store, setting({ a: "1" })));
      // Simple tokens do not outlive the process that gave them.
      await etcd.kill(member!);
      etcd.restart(member!);
      await image.reaches(await commit(store, setting({ a: "2" })));
      assert.equal((await store.get("a"))?.value, "2");
    }),
});
