/**
 * Ways into a cluster: a broker that has run alone brings its topics along, a broker runs its own etcd, brokers of one process share an
 * etcd, and brokers wait for what is not there yet.
 */
import assert from "node:assert/strict";
import { freePort, waitFor } from "../../../bench/peer/processes.ts";
import { WireClient } from "../../../bench/peer/wire_client.ts";
import { startBroker, startCluster } from "../../../mod.ts";
import { temporaryDirectory } from "../broker.ts";
import { interopTest } from "../toolchain.ts";
import { ClusterNode, ClusterRig, leadersOf, metadataOf, produceTo } from "./cluster_rig.ts";
import { createThrough } from "./spread_topics.ts";

/** The end of partition 0, once the broker leads it: metadata say so before it does, as Kafka's. */
function countOf(port: number, topic: string): Promise<number> {
  return waitFor(`the broker leads ${topic}-0`, async () => {
    using client = await WireClient.connect(port);
    return await client.listOffset({ topic, partition: 0 }, -1);
  });
}

interopTest({
  name: "cluster: a broker that has run alone becomes the first member, also when it is killed meanwhile",
  needs: ["etcd"],
  async fn() {
    using directory = temporaryDirectory();
    await using rig = await ClusterRig.prepare({ directory: directory.path, brokers: 2 });
    const [first, second] = rig.nodes as [ClusterNode, ClusterNode];
    const topics = Array.from({ length: 200 }, (_, nth) => ({ name: `own-${nth}`, partitions: 2 }));
    const configs = { "retention.ms": "123456789" };
    await using alone = await startBroker({
      port: 0,
      shards: 1,
      dataDir: first.dataDir,
      topics: [{ name: "kept", configs }, ...topics],
    });
    for (const offset of [0, 1]) assert.equal(await produceTo(alone, "kept"), offset);
    await alone.close();
    // Each time a little later in the import, unless it is over by then.
    for (const delayMs of [300, 450, 600]) {
      const process = first.launch();
      await new Promise((resolve) => setTimeout(resolve, delayMs));
      await process.kill();
    }
    await first.start();
    await second.start();
    await rig.allListed();
    assert.deepEqual(await leadersOf(rig.nodes, "kept"), [1]);
    assert.equal((await metadataOf(second)).topics.length, 201);
    assert.equal(await produceTo(first, "kept"), 2);
    const names = [...Deno.readDirSync(first.dataDir)].map(({ name }) => name);
    assert.ok(names.includes("barnabas-metadata.sqlite.imported"), names.join());
    assert.ok(!names.includes("barnabas-metadata.sqlite"), names.join());
    await first.stop();
    await first.start();
    assert.deepEqual(await leadersOf(rig.nodes, "kept"), [1]);
    assert.equal(await countOf(first.port, "kept"), 3);
  },
});

interopTest({
  name:
    "cluster: a broker runs an etcd itself, which others use, too, and which a killed broker leaves to its next start",
  needs: ["etcd"],
  async fn() {
    using directory = temporaryDirectory();
    Deno.mkdirSync(directory.path);
    const first = new ClusterNode(1, directory.path, ["--etcd", "managed"]);
    const second = new ClusterNode(2, directory.path, ["--etcd", "http://127.0.0.1:2391"]);
    try {
      await first.start();
      await second.start();
      await waitFor("both list both", async () => {
        for (const node of [first, second]) if ((await metadataOf(node)).brokers.length !== 2) return undefined;
        return true;
      });
      await first.kill();
      await waitFor("the other lists itself alone", async () => {
        return (await metadataOf(second)).brokers.length === 1 ? true : undefined;
      });
      await first.start();
      assert.equal(await second.stop(), 0);
      assert.equal(await first.stop(), 0);
      await assert.rejects(Deno.connect({ hostname: "127.0.0.1", port: 2391 }), Deno.errors.ConnectionRefused);
    } finally {
      for (const node of [second, first]) if (node.isRunning) await node.stop();
    }
  },
});

interopTest({
  name: "cluster: startCluster() starts brokers of one process over an etcd",
  needs: ["etcd"],
  async fn() {
    using directory = temporaryDirectory();
    await using rig = await ClusterRig.prepare({ directory: directory.path, brokers: 0 });
    await using cluster = await startCluster({ etcd: rig.etcd.urls.join(","), topics: [{ name: "t", partitions: 3 }] });
    for (const broker of cluster.brokers) {
      const { brokers, topics } = await metadataOf(broker);
      assert.deepEqual(brokers.map(({ nodeId }) => nodeId), [1, 2, 3]);
      assert.deepEqual(topics[0]?.partitions.map(({ leaderId }) => leaderId).sort(), [1, 2, 3]);
    }
  },
});

interopTest({
  name: "cluster: the data plane goes on while no etcd answers, and changes are refused until one does",
  needs: ["etcd", "kafka"],
  async fn() {
    using directory = temporaryDirectory();
    await using rig = await ClusterRig.start({ directory: directory.path, brokers: 2 });
    const [first] = rig.nodes as [ClusterNode];
    await createThrough(first, "going-on", 2);
    const leaders = await leadersOf(rig.nodes, "going-on");
    const leader = rig.node(leaders[0] as number);
    const [member] = rig.etcd.members;
    assert.ok(member);
    assert.equal(await produceTo(leader, "going-on"), 0);
    member.process.signal("SIGSTOP");
    assert.equal(await produceTo(leader, "going-on"), 1);
    assert.equal(await countOf(leader.port, "going-on"), 2);
    await assert.rejects(createThrough(first, "refused"), /7 !== 0/); // REQUEST_TIMED_OUT
    assert.deepEqual((await metadataOf(first)).brokers.length, 2, "nobody is fenced");
    member.process.signal("SIGCONT");
    await waitFor("topics can be created again", async () => {
      await createThrough(first, "created");
      return true;
    });
    assert.equal(await produceTo(leader, "going-on"), 2);
  },
});

interopTest({
  name: "cluster: a broker without its cluster's etcd does not start alone, and says what to do",
  needs: ["etcd"],
  async fn() {
    using directory = temporaryDirectory();
    await using rig = await ClusterRig.start({ directory: directory.path, brokers: 1 });
    const [first] = rig.nodes as [ClusterNode];
    await first.stop();
    await assert.rejects(startBroker({ port: freePort(), dataDir: first.dataDir }), /etcd/);
  },
});
