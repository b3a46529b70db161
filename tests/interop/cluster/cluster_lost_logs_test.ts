/**
 * Brokers that come back without their logs: an emptied directory, one of two log directories, a partition's directory. They are not elected,
 * and not in sync, before they have fetched everything again.
 */
import assert from "node:assert/strict";
import { temporaryDirectory } from "../broker.ts";
import type { ClusterPartitionRow } from "../../../partitions/cluster/cluster_rows.ts";
import { call } from "../etcd/members.ts";
import { interopTest } from "../toolchain.ts";
import { type ClusterNode, ClusterRig } from "./cluster_rig.ts";
import { ReplicatedTopic } from "./replicated_topic.ts";

const REBALANCED_SOON = { "leader.imbalance.check.interval.seconds": "1" };

/** Removes what lies in a directory, or only what has a name like this. */
function remove(directory: string, names: RegExp): void {
  for (const { name } of Deno.readDirSync(directory)) {
    if (names.test(name)) Deno.removeSync(`${directory}/${name}`, { recursive: true });
  }
}

/** The row of partition 0 of a topic, as etcd has it. */
async function rowOf(rig: ClusterRig, topic: ReplicatedTopic): Promise<ClusterPartitionRow> {
  const [url] = rig.etcd.urls;
  assert.ok(url);
  const key = btoa(`/barnabas/partitions/${await topic.idAt(rig.node(2))}/0`);
  const { kvs: [found] } = await call<{ kvs: { value: string }[] }>(url, "/v3/kv/range", { key });
  assert.ok(found);
  return JSON.parse(atob(found.value));
}

interopTest({
  name: "cluster: a broker that has lost its logs leads, and is in sync, only after it has fetched them again",
  needs: ["etcd"],
  slow: true,
  async fn(context) {
    using directory = temporaryDirectory();
    await using rig = await ClusterRig.start({ directory: directory.path, overrides: REBALANCED_SOON });
    const [one, two] = [rig.node(1), rig.node(2)] as const;
    const topic = await ReplicatedTopic.create(rig, "t", { "min.insync.replicas": "2" });
    await topic.whole();
    for (let nth = 0; nth < 10; nth++) await topic.write(two);
    const back = async (node: ClusterNode) => {
      await node.start();
      await topic.whole();
      await topic.write(node);
      await topic.allRead(node);
    };

    await context.step("its directory was emptied, after a kill", async () => {
      const before = await rowOf(rig, topic);
      await one.kill();
      remove(one.dataDir, /./);
      await back(one);
      const { replicas, directories } = await rowOf(rig, topic);
      const at = replicas.indexOf(1);
      assert.notEqual(directories[at], before.directories[at], "the row names the new directory");
    });

    await context.step("its directory was emptied, after a clean stop", async () => {
      assert.equal(await one.stop(), 0);
      remove(one.dataDir, /./);
      await back(one);
    });

    await context.step("the directory of a partition is gone", async () => {
      await one.kill();
      remove(one.dataDir, /^t-0$/);
      await back(one);
    });

    await context.step(
      "the last one in sync has lost its logs: there is no leader, and no empty partition",
      async () => {
        await rig.node(3).kill();
        await topic.until("broker 3 is in no ISR", ({ isrNodes }) => !isrNodes.includes(3));
        await two.kill();
        await topic.until("only broker 1 is in sync", ({ isrNodes }) => `${isrNodes}` === "1", [one]);
        await one.kill();
        const kept = `${directory.path}/kept`;
        Deno.renameSync(one.dataDir, kept);
        Deno.mkdirSync(one.dataDir);
        await one.start();
        await topic.until("there is no leader", ({ leaderId }) => leaderId === -1, [one]);
        await one.stop();
        Deno.removeSync(one.dataDir, { recursive: true });
        Deno.renameSync(kept, one.dataDir);
        await Promise.all(rig.nodes.map((node) => node.start()));
        await topic.whole();
        await topic.write(one);
        await topic.allRead(one);
      },
    );

    await Promise.all(rig.nodes.map((node) => node.stop()));
    topic.assertSameLogs();
  },
});
