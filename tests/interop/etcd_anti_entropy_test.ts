/**
 * A follower of a real etcd whose watch loses changes, as that of some versions does: they are found, and listeners get them in order; while
 * nothing is lost, nothing is found, however much changes.
 */
import assert from "node:assert/strict";
import type { EtcdStore } from "../../partitions/metadata/etcd/etcd_store.ts";
import { AntiEntropy } from "../../partitions/metadata/store/anti_entropy.ts";
import { commit, setting } from "../../partitions/metadata/store/store_contract_testing.ts";
import { StoreFollower } from "../../partitions/metadata/store/store_follower.ts";
import type { MetadataStore, StoredEntry } from "../../partitions/metadata/store/store.ts";
import { WatchedImage } from "../../partitions/metadata/store/watched_image_testing.ts";
import { withDirectory } from "../temporary_directory.ts";
import { Etcd } from "./etcd/members.ts";
import { OpenedStores } from "./etcd/opened_stores.ts";
import { StoreHistory } from "./etcd/store_history.ts";
import { Random, withSeed } from "./random.ts";
import { interopTest } from "./toolchain.ts";

/** A store whose watch loses the changes for which the test says so. */
function lossy(store: EtcdStore, isLost: () => boolean): Pick<MetadataStore, "snapshot" | "watch"> {
  return {
    snapshot: (prefix) => store.snapshot(prefix),
    watch: (prefix, watcher, from) =>
      store.watch(prefix, {
        changed: (changes, version) => isLost() ? undefined : watcher.changed(changes, version),
        reset: (snapshot) => watcher.reset(snapshot),
      }, from),
  };
}

const sorted = (rows: Iterable<StoredEntry>) => [...rows].sort((a, b) => a.key < b.key ? -1 : 1);

interopTest({
  name: "changes that a watch of etcd has lost are found and reach listeners in order; without a loss nothing is found",
  needs: ["etcd"],
  fn: () =>
    withDirectory((directory) =>
      withSeed(async (seed) => {
        await using etcd = await Etcd.start({ directory });
        await using stores = new OpenedStores();
        const endpoints = etcd.urls;
        const store = await stores.open("follower", { endpoints, limits: { pageKeysMax: 50 } });
        const random = new Random(seed);
        let oneIn = 0; // how many changes are lost; 0: none
        let hasLost = false;
        using follower = await StoreFollower.open(lossy(store, () => oneIn > 0 && random.oneIn(oneIn)));
        const image = new WatchedImage();
        using _listener = follower.follow((changes, version) => {
          for (const change of changes) if ("version" in change) assert.ok(change.version <= version);
          if (!hasLost) image.changed(changes, version);
        });
        const reports: string[] = [];
        using entropy = new AntiEntropy({ store, follower, report: (sentence) => reports.push(sentence) });
        const history = new StoreHistory();
        const writers: Promise<void>[] = [];
        for (const [index, name] of ["a", "b"].entries()) {
          writers.push(history.write(await stores.open(name, { endpoints }), name, new Random(seed + index)));
        }
        while (history.committed.length < 300) await entropy.check();
        assert.deepEqual([entropy.counts.lost, entropy.counts.unanswered, reports], [0, 0, []]);
        assert.ok(entropy.counts.checks > 3, `${entropy.counts.checks} comparisons`);

        hasLost = true;
        oneIn = 3;
        while (history.committed.length < 600) await entropy.check();
        assert.ok(entropy.counts.lost > 0 && reports.length > 0);
        history.stop();
        await Promise.all(writers);
        oneIn = 1;
        await commit(store, setting({ last: "1" }));
        oneIn = 0;
        const last = await commit(store, setting({ tick: "1" }));
        await entropy.check();
        assert.ok(follower.version >= last);
        assert.deepEqual(sorted(follower.rows.values()), await store.range(""));
      })
    ),
});
