/**
 * Three brokers and an etcd: client libraries write and read partitions that all of them lead, through any of them, and Kafka's tools
 * administer the cluster.
 */
import assert from "node:assert/strict";
import { kafkaTool } from "../../../bench/peer/apache_kafka.ts";
import { run, waitFor } from "../../../bench/peer/processes.ts";
import { quotaEntry, upsertion } from "../../../partitions/metadata/settings/settings_testing.ts";
import { alterQuotas, alterUsers, described } from "../../client_settings.ts";
import { KafkaClient } from "../../kafka_client.ts";
import { temporaryDirectory } from "../broker.ts";
import { clientLibraries, writtenLines } from "../client_libraries.ts";
import { groupClients } from "../group_clients.ts";
import { assertSameLines } from "../lines.ts";
import { eachProves } from "../matrix/matrix.ts";
import { interopTest } from "../toolchain.ts";
import { ClusterGroup } from "./cluster_group.ts";
import { ClusterRig, metadataOf } from "./cluster_rig.ts";
import { topicOnEach } from "./spread_topics.ts";

const LIBRARIES = ["java", "confluent-kafka", "franz-go", "kafkajs"];
const READERS = ["java", "confluent-kafka", "franz-go"];
const GROUP_CLIENTS = ["franz-go consumer", "confluent-kafka range", "kafkajs roundrobin"];
const PARTITIONS = 6;

interopTest({
  name: "cluster: client libraries write and read what three brokers lead, through any of them",
  needs: ["etcd", "kafka", "python", "go", "node", "kcat"],
  proves: eachProves([...LIBRARIES, "kcat"], ["cluster"]),
  async fn(context) {
    using directory = temporaryDirectory();
    await using rig = await ClusterRig.start({ directory: directory.path });
    const topics = await topicOnEach(rig, "each");
    for (const [leader, topic] of topics) {
      // None of the clients is told of the broker that leads.
      const other = rig.node(leader % rig.nodes.length + 1).bootstrapServers;
      await context.step(`broker ${leader} leads, clients begin at another`, async () => {
        const expected: string[] = [];
        for (const { name, codecs, run } of clientLibraries.filter(({ name }) => LIBRARIES.includes(name))) {
          await run(["produce", other, topic, codecs.join(","), "60"]);
          expected.push(...writtenLines(name, codecs));
        }
        const numbered = expected.map((line, offset) => `${offset}\t${line}`);
        for (const { run } of clientLibraries.filter(({ name }) => READERS.includes(name))) {
          assertSameLines(await run(["consume", other, topic, String(expected.length)]), numbered);
        }
        const kcat = await run("kcat", ["-C", "-b", other, "-t", topic, "-o", "beginning", "-e", "-q", "-f", "%o\n"]);
        assert.deepEqual(kcat.stdout.trimEnd().split("\n").map(Number), numbered.map((_, offset) => offset));
      });
    }
    await context.step("each library creates, describes and deletes topics through each broker", async () => {
      for (const { name, run } of clientLibraries.filter(({ name }) => LIBRARIES.includes(name))) {
        for (const node of rig.nodes) await run(["admin", node.bootstrapServers, `admin-${name}-${node.nodeId}`]);
      }
    });
    for (const name of GROUP_CLIENTS) {
      await context.step(`a group of ${name} reads partitions of three brokers`, () => groupReads(rig, name));
    }
  },
});

async function groupReads(rig: ClusterRig, name: string): Promise<void> {
  const client = groupClients.find((each) => each.name === name);
  assert.ok(client, name);
  await using group = await ClusterGroup.create(rig, client, PARTITIONS);
  assert.deepEqual([...new Set(await group.leaders())].sort(), [1, 2, 3], "partitions are spread over all brokers");
  await group.write(10);
  group.join(1);
  group.join(2);
  await group.allRead();
  await group.write(10);
  await group.allRead();
  await group.leave();
}

interopTest({
  name: "cluster: Kafka's tools see and change one cluster through each broker",
  needs: ["etcd", "kafka"],
  proves: { tools: ["cluster"] },
  async fn(context) {
    using directory = temporaryDirectory();
    await using rig = await ClusterRig.start({ directory: directory.path });
    for (const { nodeId, bootstrapServers } of rig.nodes) {
      await context.step(`through broker ${nodeId}`, async () => {
        const to = ["--bootstrap-server", bootstrapServers];
        const topics = (...words: string[]) => kafkaTool("TopicCommand", [...to, ...words]);
        const topic = `tool-${nodeId}`;
        const created = await topics("--create", "--topic", topic, "--partitions", "6", "--replication-factor", "1");
        assert.match(created.stdout, /Created topic/, created.stderr);
        const { stdout } = await topics("--describe", "--topic", topic);
        const leaders = [...stdout.matchAll(/Leader: (\d+)\s+Replicas: \1\s+Isr: \1/g)].map(([, leader]) => leader);
        assert.deepEqual(leaders.toSorted(), ["1", "1", "2", "2", "3", "3"], stdout);
        const refused = await topics("--create", "--topic", "many", "--replication-factor", "4");
        assert.match(refused.stdout + refused.stderr, /[Rr]eplication/);
        const versions = await kafkaTool("BrokerApiVersionsCommand", to);
        const brokers = [...versions.stdout.matchAll(/^127\.0\.0\.1:\d+ \(id: (\d) rack: (rack-[abc])/gm)];
        assert.deepEqual(brokers.map(([, id, rack]) => `${id} ${rack}`).sort(), ["1 rack-a", "2 rack-b", "3 rack-c"]);
        const groups = await kafkaTool("consumer.group.ConsumerGroupCommand", [...to, "--list"]);
        assert.equal(groups.code, 0, groups.stderr);
      });
    }
    await context.step("quotas and credentials that one broker takes are known to all", async () => {
      {
        using client = await KafkaClient.connect(rig.node(1));
        const entries = [quotaEntry({ user: "u", "client-id": null }, { producer_byte_rate: 2 ** 40 })];
        assert.deepEqual(await alterQuotas(client, ...entries), [0]);
      }
      {
        using client = await KafkaClient.connect(rig.node(2));
        assert.deepEqual(await alterUsers(client, [upsertion("alice"), upsertion("bob")]), [0, 0]);
        assert.deepEqual(await alterUsers(client, [], ["bob"]), [0]);
      }
      const expected = JSON.stringify([["client-id null, user u producer_byte_rate=1099511627776"], ["alice 1:4096"]]);
      for (const node of rig.nodes) {
        using client = await KafkaClient.connect(node);
        await waitFor(`broker ${node.nodeId} has them`, async () => {
          return JSON.stringify(await described(client)) === expected ? true : undefined;
        });
      }
    });
    await context.step("what one broker deletes is gone at all brokers", async () => {
      const to = ["--bootstrap-server", rig.node(3).bootstrapServers];
      const { code, stderr } = await kafkaTool("TopicCommand", [...to, "--delete", "--topic", "tool-1"]);
      assert.equal(code, 0, stderr);
      for (const node of rig.nodes) {
        await waitFor(`broker ${node.nodeId} has not tool-1`, async () => {
          const { topics } = await metadataOf(node);
          return topics.some(({ name }) => name === "tool-1") ? undefined : true;
        });
      }
    });
  },
});
