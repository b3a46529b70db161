/**
 * Memberships of several brokers over a real etcd of three members, in real time; then with etcd out of reach, and with ten thousand partitions.
 */
import assert from "node:assert/strict";
import { liveCases, runCase } from "../cluster/live_cases.ts";
import { type LiveMember, LiveMembers } from "../cluster/live_members.ts";
import { withDirectory } from "../temporary_directory.ts";
import { Etcd } from "./etcd/members.ts";
import { OpenedStores } from "./etcd/opened_stores.ts";
import { interopTest } from "./toolchain.ts";

/** Three active memberships over an etcd. */
interface Scene {
  readonly etcd: Etcd;
  readonly members: LiveMembers;
  readonly started: readonly LiveMember[];
}

function withMembers(etcdMembers: number, body: (scene: Scene) => Promise<void>): Promise<void> {
  return withDirectory(async (directory) => {
    await using etcd = await Etcd.start({ directory, members: etcdMembers });
    await using stores = new OpenedStores();
    await using members = await LiveMembers.create((owner) => stores.open(owner, { endpoints: etcd.urls }));
    const started = await Promise.all([1, 2, 3].map((id) => members.start(id)));
    await members.untilActive(...started);
    await body({ etcd, members, started });
  });
}

interopTest({
  name: "memberships do over etcd what they do over SQLite",
  needs: ["etcd"],
  fn: (context) =>
    withDirectory(async (directory) => {
      await using etcd = await Etcd.start({ directory, members: 3 });
      await using stores = new OpenedStores();
      for (const [index, live] of liveCases.entries()) {
        let opened = 0;
        const open = (owner: string) =>
          stores.open(`${owner}.${opened++}`, { endpoints: etcd.urls, prefix: `/case/${index}/` });
        await context.step(live.name, () => runCase(live, open));
      }
      assert.deepEqual(stores.failures, new Map());
    }),
});

interopTest({
  name: "an etcd that is paused for five seconds costs no leadership, and the brokers go on when it does",
  needs: ["etcd"],
  fn: () =>
    withMembers(1, async ({ etcd, members, started }) => {
      await members.createPartitions([1, 2, 3]);
      const { process } = etcd.members[0]!;
      process.signal("SIGSTOP");
      const stoppedMs = performance.now();
      await members.until("five seconds have passed", () => performance.now() - stoppedMs >= 5000);
      process.signal("SIGCONT");
      await members.until("there is a controller", () => members.controller()?.membership.isController === true);
      await members.untilActive(...started);
      assert.deepEqual([0, 1, 2].map((partition) => members.rowOf(partition).leaderEpoch), [0, 0, 0]);
      assert.deepEqual(started.map(({ failures }) => failures), [[], [], []]);
      const victim = started.find((member) => member !== members.controller()) as LiveMember;
      members.kill(victim);
      await members.until("its partition is leaderless", () => members.rowOf(victim.id - 1).leader === -1);
    }),
});

interopTest({
  name:
    "when the leader of etcd is killed together with the controller, another broker is the controller, and the others keep their leaders",
  needs: ["etcd"],
  fn: () =>
    withMembers(3, async ({ etcd, members, started }) => {
      await members.createPartitions([1, 2, 3]);
      const victim = members.controller() as LiveMember;
      members.kill(victim);
      await etcd.kill(await etcd.leader());
      const others = started.filter((member) => member !== victim);
      await members.until("another one is the controller", () =>
        others.some(({ membership }) => membership.isController));
      await members.until("its partition is leaderless", () =>
        members.rowOf(victim.id - 1).leader === -1);
      assert.deepEqual(others.map(({ id }) => members.rowOf(id - 1).leaderEpoch), [0, 0]);
      assert.deepEqual(others.map(({ membership, failures }) => [membership.state, failures]), [
        ["active", []],
        ["active", []],
      ]);
    }),
});

interopTest({
  name: "a broker that leads 3,333 of 10,000 partitions is killed: all of them are leaderless within two seconds",
  needs: ["etcd"],
  slow: true,
  fn: () =>
    withMembers(3, async ({ members, started }) => {
      await members.createPartitions(Array.from({ length: 10_000 }, (_, partition) => 1 + partition % 3));
      const victim = started.find((member) => member !== members.controller()) as LiveMember;
      const led = Array.from({ length: 3333 }, (_, index) => victim.id - 1 + 3 * index);
      members.kill(victim);
      const killedMs = performance.now();
      await members.until(
        "they are leaderless",
        () => led.every((partition) => members.rowOf(partition).leader === -1),
      );
      const tookMs = performance.now() - killedMs;
      assert.ok(tookMs < 2000, `${tookMs} ms`);
    }),
});
