/**
 * Apache Kafka's tools see who leads, who is in sync and what is in danger, and have leaders elected, through any broker of a cluster.
 */
import assert from "node:assert/strict";
import { kafkaTool } from "../../../bench/peer/apache_kafka.ts";
import { temporaryDirectory } from "../broker.ts";
import { interopTest } from "../toolchain.ts";
import { type ClusterNode, ClusterRig } from "./cluster_rig.ts";
import { ReplicatedTopic } from "./replicated_topic.ts";

/** Partitions that TopicCommand lists. */
async function described(node: ClusterNode, ...words: string[]): Promise<string[]> {
  const { stdout, stderr, code } = await kafkaTool("TopicCommand", [
    ...["--bootstrap-server", node.bootstrapServers, "--describe"],
    ...words,
  ]);
  assert.equal(code, 0, stderr);
  return [...stdout.matchAll(/Topic: (\S+)\s+Partition: (\d+)/g)].map(([, topic, partition]) =>
    `${topic}-${partition}`
  );
}

interopTest({
  name: "cluster: Kafka's tools tell which partitions are in danger, and elect leaders",
  needs: ["etcd", "kafka"],
  slow: true,
  async fn(context) {
    using directory = temporaryDirectory();
    const overrides = { "auto.leader.rebalance.enable": "false" };
    await using rig = await ClusterRig.start({ directory: directory.path, overrides });
    const [one, two, three] = [rig.node(1), rig.node(2), rig.node(3)];
    const [safe, strict] = [
      await ReplicatedTopic.create(rig, "safe", { "min.insync.replicas": "1" }),
      await ReplicatedTopic.create(rig, "strict", { "min.insync.replicas": "2" }),
    ];
    const elect = async (node: ClusterNode, ...words: string[]) => {
      const args = ["--bootstrap-server", node.bootstrapServers, ...words];
      const { stdout, stderr } = await kafkaTool("LeaderElectionCommand", args);
      return stdout + stderr;
    };
    await safe.whole();
    await context.step("one broker is away", async () => {
      await three.kill();
      for (const topic of [safe, strict]) {
        await topic.until("broker 3 is in no ISR", ({ leaderId, isrNodes }) => leaderId > 0 && !isrNodes.includes(3));
      }
      const all = ["safe-0", "safe-1", "safe-2", "strict-0", "strict-1", "strict-2"];
      const [behind, atMinimum, below] = await Promise.all([
        described(one, "--under-replicated-partitions"),
        described(two, "--at-min-isr-partitions"),
        described(two, "--under-min-isr-partitions"),
      ]);
      assert.deepEqual([behind, atMinimum, below], [all, all.slice(3), []]);
      const said = await elect(two, "--election-type", "preferred", "--topic", "safe", "--partition", "2");
      assert.match(said, /PreferredLeaderNotAvailable|preferred leader was not available/i);
    });
    await context.step("two are away", async () => {
      await two.kill();
      for (const topic of [safe, strict]) {
        await topic.until("broker 1 alone is in sync", ({ isrNodes }) => `${isrNodes}` === "1", [one]);
      }
      const [below, away] = await Promise.all([
        described(one, "--under-min-isr-partitions"),
        described(one, "--unavailable-partitions"),
      ]);
      assert.deepEqual([below, away], [["strict-0", "strict-1", "strict-2"], []]);
    });
    await context.step("all are back: the preferred leaders are elected", async () => {
      await Promise.all([two.start(), three.start()]);
      for (const topic of [safe, strict]) await topic.until("all are in sync", ({ isrNodes }) => isrNodes.length === 3);
      const leaders = (await strict.partitionsAt(one)).map(({ leaderId }) => leaderId);
      assert.deepEqual(leaders, [1, 1, 1], "nobody has given them back");
      const [said, behind] = await Promise.all([
        elect(three, "--election-type", "preferred", "--all-topic-partitions"),
        described(one, "--under-replicated-partitions"),
      ]);
      assert.match(said, /Successfully completed leader election \(PREFERRED\)/);
      assert.deepEqual(behind, []);
      for (const topic of [safe, strict]) await topic.whole();
      const again = await elect(one, "--election-type", "unclean", "--topic", "safe", "--partition", "0");
      assert.match(again, /Valid replica already elected for partitions/);
    });
  },
});
