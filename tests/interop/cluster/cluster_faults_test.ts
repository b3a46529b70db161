/**
 * Brokers of a cluster that are killed, paused, stopped and restarted, and starts that are refused. Replication factor 1: what a broker
 * leads has no leader while it is away, and is back, with everything acknowledged, when it is.
 */
import assert from "node:assert/strict";
import { freePort, waitFor } from "../../../bench/peer/processes.ts";
import { temporaryDirectory } from "../broker.ts";
import { groupClients } from "../group_clients.ts";
import { interopTest } from "../toolchain.ts";
import { ClusterGroup } from "./cluster_group.ts";
import { ClusterNode, ClusterRig, leadersOf, metadataOf, produceTo } from "./cluster_rig.ts";
import { createThrough, topicOnEach } from "./spread_topics.ts";

/** Kafka's code of a partition without a leader. */
const LEADER_NOT_AVAILABLE = 5;

/** Waits until every other broker that runs says that the topic's partition has no leader. */
async function leaderless(rig: ClusterRig, away: ClusterNode, topic: string): Promise<void> {
  for (const node of rig.nodes.filter((other) => other !== away && other.isRunning)) {
    await waitFor(`broker ${node.nodeId} says that ${topic} has no leader`, async () => {
      const [found] = (await metadataOf(node, [topic])).topics;
      const [partition] = found?.partitions ?? [];
      return partition?.errorCode === LEADER_NOT_AVAILABLE && partition.leaderId === -1 ? true : undefined;
    });
  }
}

interopTest({
  name: "cluster: brokers are killed, paused, stopped and restarted, and what they lead is back",
  needs: ["etcd", "go"],
  async fn(context) {
    using directory = temporaryDirectory();
    await using rig = await ClusterRig.start({ directory: directory.path });
    const topics = await topicOnEach(rig, "fault");
    const written = new Map<string, number>();
    const writeAll = async () => {
      for (const [leader, topic] of topics) {
        assert.equal(await produceTo(rig.node(leader), topic), written.get(topic) ?? 0, `${topic} has all records`);
        written.set(topic, (written.get(topic) ?? 0) + 1);
      }
    };
    await writeAll();
    const faults: [
      name: string,
      away: (node: ClusterNode) => Promise<unknown>,
      back: (node: ClusterNode) => unknown,
    ][] = [
      ["killed", (node) => node.kill(), (node) => node.start()],
      ["stopped", async (node) => assert.equal(await node.stop(), 0), (node) => node.start()],
      [
        "paused",
        (node) => Promise.resolve(node.process.signal("SIGSTOP")),
        (node) => node.process.signal("SIGCONT"),
      ],
    ];
    for (const [name, away, back] of faults) {
      // Each of them is the controller once, unless it has moved.
      for (const node of rig.nodes) {
        await context.step(`broker ${node.nodeId} is ${name}`, async () => {
          const topic = topics.get(node.nodeId) as string;
          await away(node);
          await leaderless(rig, node, topic);
          for (const [leader, other] of topics) {
            if (leader === node.nodeId) continue;
            assert.equal(await produceTo(rig.node(leader), other), written.get(other));
            written.set(other, (written.get(other) ?? 0) + 1);
          }
          await back(node);
          await rig.allListed();
          assert.deepEqual(await leadersOf(rig.nodes, topic), [node.nodeId]);
          await writeAll();
        });
      }
    }
    await context.step("a group goes on where its coordinator lives", async () => {
      const client = groupClients.find(({ name }) => name === "franz-go range");
      assert.ok(client);
      await using group = await ClusterGroup.create(rig, client, 3);
      await group.write(5);
      group.join(1);
      group.join(2);
      await group.allRead();
      await rig.node(3).kill();
      await rig.node(3).start();
      await group.write(5);
      await group.allRead();
      await group.leave();
    });
    await context.step("all brokers are killed at once", async () => {
      await Promise.all(rig.nodes.map((node) => node.kill()));
      await Promise.all(rig.nodes.map((node) => node.start()));
      await rig.allListed();
      for (const [leader, topic] of topics) assert.deepEqual(await leadersOf(rig.nodes, topic), [leader]);
      await writeAll();
    });
  },
});

interopTest({
  name: "cluster: a start that must not be is refused with a sentence",
  needs: ["etcd"],
  async fn(context) {
    using directory = temporaryDirectory();
    await using rig = await ClusterRig.start({ directory: directory.path, brokers: 2 });
    for (const name of ["other", "seven", "eight", "foreign"]) Deno.mkdirSync(`${directory.path}/${name}`);
    const etcd = ["--etcd", rig.etcd.urls.join(",")];
    const cases: [name: string, node: ClusterNode, said: RegExp][] = [
      [
        "a broker of this id is alive",
        new ClusterNode(1, `${directory.path}/other`, etcd),
        /node\.id that another running process has/,
      ],
      ["its directory is in use", new ClusterNode(1, directory.path, etcd), /is used by another broker/],
      [
        "no etcd answers",
        new ClusterNode(7, `${directory.path}/seven`, ["--etcd", `http://127.0.0.1:${freePort()}`]),
        /etcd/,
      ],
      [
        "others could not reach it",
        new ClusterNode(8, `${directory.path}/eight`, () => [...etcd, "--override", "listeners=PLAINTEXT://0.0.0.0:0"]),
        /advertised\.listeners/,
      ],
    ];
    for (const [name, node, said] of cases) {
      await context.step(name, async () => {
        const process = node.launch();
        await waitFor("the start ends", () => process.running ? undefined : "ended", 60_000);
        const { code } = await process.status;
        const tail = process.outputTail();
        assert.ok(code === 1 || code === 2, tail);
        assert.match(tail, said);
        assert.doesNotMatch(tail, /^\s+at /m, "a sentence, not a stack");
      });
    }
    await context.step("its directory belongs to another cluster", async () => {
      await using other = await ClusterRig.start({ directory: `${directory.path}/foreign`, brokers: 1 });
      const [node] = other.nodes as [ClusterNode];
      await node.stop();
      const process = new ClusterNode(1, `${directory.path}/foreign`, etcd).launch();
      assert.equal((await process.status).code, 1);
      assert.match(process.outputTail(), /cluster/);
    });
    await rig.allListed();
    await context.step("none of them has harmed a broker that runs", async () => {
      // Each broker changes metadata, and one creates the topics.
      for (const node of rig.nodes) await createThrough(node, `after-${node.nodeId}`);
      for (const node of rig.nodes) assert.ok(node.isRunning, node.process.outputTail());
    });
  },
});
