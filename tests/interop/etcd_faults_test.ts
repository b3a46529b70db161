/**
 * The metadata store on an etcd of three members, whose leader is killed, stopped and isolated while three writers change keys and a watcher
 * looks on: no change is lost, doubled or invented, and a lease that is renewed lives.
 */
import assert from "node:assert/strict";
import type { Lease, Snapshot } from "../../partitions/metadata/store/store.ts";
import { commit } from "../../partitions/metadata/store/store_contract_testing.ts";
import { WatchedImage } from "../../partitions/metadata/store/watched_image_testing.ts";
import { waitFor } from "../../bench/peer/processes.ts";
import { withDirectory } from "../temporary_directory.ts";
import { Etcd, type EtcdMember } from "./etcd/members.ts";
import { OpenedStores } from "./etcd/opened_stores.ts";
import { assertHistory, StoreHistory } from "./etcd/store_history.ts";
import { Random, withSeed } from "./random.ts";
import { interopTest } from "./toolchain.ts";

/** Transactions that are committed during each fault, and after it. */
const MORE = 30;

interface Scene {
  readonly etcd: Etcd;
  readonly history: StoreHistory;
}

/** Renews a lease again and again. */
class Renewals {
  #isStopped = false;
  readonly #done: Promise<boolean>;

  constructor(lease: Lease) {
    this.#done = this.#renew(lease);
  }

  /** @returns whether the lease was alive all the time */
  stop(): Promise<boolean> {
    this.#isStopped = true;
    return this.#done;
  }

  async #renew(lease: Lease): Promise<boolean> {
    while (!this.#isStopped) {
      if (!await lease.keepAlive()) return false;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    return true;
  }
}

/** Waits until another member leads, and transactions are committed. */
async function untilReplaced({ etcd, history }: Scene, leader: EtcdMember): Promise<void> {
  await waitFor("another member leads", async () => (await etcd.leader()).name === leader.name ? undefined : true);
  await history.more(MORE);
}

/** What befalls the leader; returns when it is over. */
const faults: Readonly<Record<string, (scene: Scene, leader: EtcdMember) => Promise<void>>> = {
  killed: async (scene, leader) => {
    await scene.etcd.kill(leader);
    await untilReplaced(scene, leader);
    scene.etcd.restart(leader);
  },
  stopped: async (scene, leader) => {
    leader.process.signal("SIGSTOP");
    await untilReplaced(scene, leader);
    leader.process.signal("SIGCONT");
  },
  isolated: async (scene, leader) => {
    scene.etcd.isolate(leader);
    await untilReplaced(scene, leader);
    scene.etcd.heal();
  },
  "killed after a compaction": async (scene, leader) => {
    await scene.etcd.compact();
    await scene.etcd.kill(leader);
    await untilReplaced(scene, leader);
    scene.etcd.restart(leader);
  },
};

interopTest({
  name: "no change is lost, doubled or invented while etcd's leader fails",
  needs: ["etcd"],
  slow: true,
  fn: (context) =>
    withDirectory((directory) =>
      withSeed(async (seed) => {
        await using etcd = await Etcd.start({ directory, members: 3 });
        await using stores = new OpenedStores();
        const history = new StoreHistory();
        const image = new WatchedImage();
        const watching = await stores.open("watcher", { endpoints: etcd.urls });
        using _watch = watching.watch("", image);
        const writers: Promise<void>[] = [];
        for (const [index, name] of ["a", "b", "c"].entries()) {
          // Each prefers another member.
          const endpoints = [...etcd.urls.slice(index), ...etcd.urls.slice(0, index)];
          writers.push(history.write(await stores.open(name, { endpoints }), name, new Random(seed + index)));
        }
        const holder = await stores.open("holder", { endpoints: etcd.urls, prefix: "/leases/" });
        // Longer than a leader is stopped: etcd before 3.4.31 lets it revoke leases when it goes on (etcd-io/etcd issue 15247).
        const lease = await holder.grantLease(30_000);
        await commit(holder, { set: [{ key: "held", value: "1", lease: lease.id }] });
        const gone = Promise.withResolvers<void>();
        // Nothing changes below this prefix, so the compaction overtakes its watch.
        const onReset = ({ entries }: Snapshot) => assert.deepEqual(entries.map(({ key }) => key), ["held"]);
        const { version } = await holder.snapshot("");
        using _held = holder.watch("", { changed: () => gone.resolve(), reset: onReset }, version);
        const renewals = new Renewals(lease);
        await history.more(MORE);
        for (const [name, befall] of Object.entries(faults)) {
          await context.step(`the leader is ${name}`, async () => {
            await befall({ etcd, history }, await etcd.leader());
            await history.more(MORE);
            await image.reaches(history.lastVersion);
          });
        }
        history.stop();
        await Promise.all(writers);
        await image.reaches(history.lastVersion);
        assertHistory(history, image, await watching.range(""));
        assert.ok(await renewals.stop(), "the lease was alive");
        assert.equal((await holder.get("held"))?.value, "1");
        await lease.revoke();
        await gone.promise;
        assert.equal(await holder.get("held"), null);
        assert.deepEqual(stores.failures, new Map());
      })
    ),
});
