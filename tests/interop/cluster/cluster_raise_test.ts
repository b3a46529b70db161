/**
 * A broker that was alone becomes a cluster of three, and its partitions get three replicas by `main.ts cluster raise`; Kafka's own tool
 * moves them, tells how far it is, and (with BARNABAS_SLOW=1) cancels.
 */
import assert from "node:assert/strict";
import { kafkaTool } from "../../../bench/peer/apache_kafka.ts";
import { run, waitFor } from "../../../bench/peer/processes.ts";
import { WireClient } from "../../../bench/peer/wire_client.ts";
import { startBroker } from "../../../mod.ts";
import { errorCode } from "../../../net/protocol/error_codes.ts";
import { offsetCommitRequest, offsetCommitResponse } from "../../../net/protocol/messages/08_offset_commit.ts";
import { findCoordinatorRequest, findCoordinatorResponse } from "../../../net/protocol/messages/10_find_coordinator.ts";
import { KafkaClient } from "../../kafka_client.ts";
import { temporaryDirectory } from "../broker.ts";
import { interopTest, slowTestsWanted } from "../toolchain.ts";
import { type ClusterNode, ClusterRig, leadersOf, metadataOf, produceTo } from "./cluster_rig.ts";
import { MovingTopic } from "./moving_topic.ts";
import { committedOffsets } from "../wire_groups.ts";

const mainProgram = new URL("../../../main.ts", import.meta.url).pathname;
const PARTITIONS = 6;
const TOPIC = "grown";
const GROUP = "g";
const COMMITTED = 7;

/** Commits an offset of a group, as soon as its coordinator is ready. */
async function commit(broker: { readonly port: number }): Promise<void> {
  using client = await KafkaClient.connect(broker);
  const partitions = [{ partitionIndex: 0, committedOffset: COMMITTED, committedMetadata: null }];
  const value = { groupId: GROUP, topics: [{ name: "other", partitions }] };
  await waitFor("the group's coordinator takes a commit", async () => {
    const key = { coordinatorKeys: [GROUP], keyType: 0 };
    await client.call(findCoordinatorRequest, findCoordinatorResponse, { apiVersion: 4, value: key });
    const answer = await client.call(offsetCommitRequest, offsetCommitResponse, { apiVersion: 8, value });
    return answer.topics[0]?.partitions[0]?.errorCode === errorCode.NONE ? true : undefined;
  });
}

/** The offset that a broker says the group has committed; undefined when it does not coordinate the group. */
async function committed({ port }: { readonly port: number }): Promise<number | undefined> {
  using client = await WireClient.connect(port);
  return (await committedOffsets(client, GROUP, [{ topic: "other", partition: 0 }]))[0]?.offset;
}

/** The cluster, and what the steps use. */
interface Scene {
  readonly rig: ClusterRig;
  readonly topic: MovingTopic;
  /** For files of the tool. */
  readonly directory: string;
}

const FACTOR = ["--replication-factor", "3"];

function raise(bootstrapServers: string, ...args: readonly string[]) {
  const command = ["run", "-A", mainProgram, "cluster", "raise", "--bootstrap-server", bootstrapServers];
  return run(Deno.execPath(), [...command, ...args]);
}

async function refusesTooFewBrokers({ bootstrapServers }: ClusterNode): Promise<void> {
  const { code, stderr } = await raise(bootstrapServers, ...FACTOR, "--all");
  const sentence =
    "barnabas: 3 replicas need as many brokers, and 1 of the cluster's are active: start more brokers first\n";
  assert.deepEqual([code, stderr], [1, sentence]);
  const unknown = await raise(bootstrapServers, ...FACTOR, "--topics", "grown,nope");
  assert.deepEqual([unknown.code, unknown.stderr], [1, "barnabas: The cluster has no topic nope\n"]);
}

async function raisesNamedTopics({ rig, topic }: Scene): Promise<void> {
  const [one, two, three] = [rig.node(1), rig.node(2), rig.node(3)];
  await topic.load();
  const dry = await raise(two.bootstrapServers, ...FACTOR, "--topics", TOPIC, "--dry-run");
  assert.equal(dry.code, 0, dry.stderr);
  const planned = [...dry.stdout.matchAll(/^grown-\d: from 1 to [123],[123],[123]$/gm)];
  assert.equal(planned.length, PARTITIONS, dry.stdout);
  assert.deepEqual(await topic.listed(one), []);
  // The first server is nobody's.
  const done = await raise(`127.0.0.1:1,${three.bootstrapServers}`, ...FACTOR, "--topics", TOPIC);
  assert.equal(done.code, 0, done.stderr);
  const said = /^Raising 6 partitions to 3 replicas;.*\n([^]*\n)?Done: 6 partitions with 3 replicas, all in sync\n$/;
  assert.match(done.stdout, said);
  const { topics } = await metadataOf(one);
  for (const { name, partitions } of topics) {
    const expected = name === TOPIC ? "1,2,3" : "1";
    for (const { isrNodes } of partitions) assert.equal(isrNodes.toSorted().join(), expected, name ?? "");
  }
  await waitFor("the brokers lead as many", async () => {
    // Broker 1 leads the four partitions of the others.
    return (await leadersOf(rig.nodes, TOPIC)).toSorted().join() === "2,2,2,3,3,3" ? true : undefined;
  });
  const again = await raise(one.bootstrapServers, ...FACTOR, "--topics", TOPIC);
  assert.deepEqual([again.code, /nothing is to be done/.test(again.stdout)], [0, true], again.stderr);
}

async function raisesAll({ rig, topic }: Scene): Promise<void> {
  const [one, two, three] = [rig.node(1), rig.node(2), rig.node(3)];
  const { code, stdout, stderr } = await raise(one.bootstrapServers, "--replication-factor=3", "--all");
  assert.equal(code, 0, stderr);
  assert.match(stdout, /Done: 4 partitions with 3 replicas/);
  await one.kill();
  await waitFor("another broker coordinates the group", async () => {
    const answers = await Promise.all([two, three].map(committed));
    return answers.includes(COMMITTED) ? true : undefined;
  });
  await one.start();
  await rig.allListed();
  await topic.written();
}

/** Runs Kafka's tool. @returns what it says */
async function tool({ rig }: Scene, ...args: readonly string[]): Promise<string> {
  const to = ["--bootstrap-server", rig.node(2).bootstrapServers];
  const { code, stdout, stderr } = await kafkaTool("reassign.ReassignPartitionsCommand", [...to, ...args]);
  assert.equal(code, 0, stdout + stderr);
  return stdout;
}

function fileOf({ directory }: Scene, name: string, content: unknown): string {
  Deno.writeTextFileSync(`${directory}/${name}`, JSON.stringify(content));
  return `${directory}/${name}`;
}

async function movesByTool(scene: Scene): Promise<void> {
  const { rig, topic } = scene;
  const wanted = fileOf(scene, "topics.json", { version: 1, topics: [{ topic: TOPIC }] });
  const generated = await tool(scene, "--generate", "--topics-to-move-json-file", wanted, "--broker-list", "1,2,3");
  const [, proposal] = /Proposed partition reassignment configuration\n(\{.*\})/.exec(generated) ?? [];
  assert.ok(proposal, generated);
  // It keeps the number of replicas; two of them are enough from now on.
  const { partitions } = JSON.parse(proposal) as { partitions: { partition: number; replicas: number[] }[] };
  assert.equal(partitions.length, PARTITIONS);
  const moved = partitions.map((one) => {
    return { ...one, replicas: one.partition % 2 === 0 ? [2, 3] : [3, 2], log_dirs: ["any", "any"] };
  });
  const plan = fileOf(scene, "plan.json", { version: 1, partitions: moved });
  const executed = await tool(scene, "--execute", "--reassignment-json-file", plan);
  assert.match(executed, /Successfully started partition reassignments for grown-0,/);
  await topic.ended();
  const verified = await tool(scene, "--verify", "--reassignment-json-file", plan);
  const completed = [...verified.matchAll(/Reassignment of partition grown-\d is completed\./g)];
  assert.equal(completed.length, PARTITIONS, verified);
  for (const { partition } of partitions) assert.equal(topic.hasDirectory(rig.node(1), partition), false);
}

async function cancelsByTool(scene: Scene): Promise<void> {
  const { rig, topic } = scene;
  const [one, two] = [rig.node(1), rig.node(2)];
  await one.kill();
  const partitions = [{ topic: TOPIC, partition: 0, replicas: [1], log_dirs: ["any"] }];
  const plan = fileOf(scene, "cancelled.json", { version: 1, partitions });
  // The tool itself moves nothing to brokers that are away.
  assert.deepEqual(await topic.reassign(two, { 0: [1] }), ["NONE"]);
  const verified = await tool(scene, "--verify", "--reassignment-json-file", plan);
  assert.match(verified, /partition grown-0 is still in progress/);
  assert.match(await tool(scene, "--list"), /grown-0: replicas: 1,2,3\. adding: 1\. removing: [23],[23]\./);
  // It would wait for the broker that is away to end its throttles.
  const cancelled = await tool(scene, "--cancel", "--reassignment-json-file", plan, "--preserve-throttles");
  assert.match(cancelled, /Successfully cancelled partition reassignment for: grown-0/);
  assert.match(await tool(scene, "--list"), /No partition reassignments found\./);
  await one.start();
  await rig.allListed();
  await topic.placed({ 0: [2, 3] });
}

interopTest({
  name: "cluster: what a broker has that was alone gets three replicas by one command, and is moved by Kafka's tool",
  needs: ["etcd", "kafka"],
  async fn(context) {
    const step = async (name: string, fn: () => Promise<void>) => assert.ok(await context.step(name, fn), name);
    using directory = temporaryDirectory();
    await using rig = await ClusterRig.prepare({
      directory: directory.path,
      overrides: { "leader.imbalance.check.interval.seconds": "1" },
    });
    const one = rig.node(1);
    const topics = [{ name: TOPIC, partitions: PARTITIONS }, { name: "other", partitions: 2 }];
    const overrides = { "offsets.topic.num.partitions": "2" };
    await using alone = await startBroker({ port: 0, shards: 1, dataDir: one.dataDir, topics, overrides });
    assert.equal(await produceTo(alone, "other"), 0);
    await commit(alone);
    await alone.close();
    await one.start();
    await step("it is refused while there are too few brokers", () => refusesTooFewBrokers(one));
    await Promise.all([rig.node(2).start(), rig.node(3).start()]);
    await rig.allListed();
    await using topic = MovingTopic.existing(rig, TOPIC, PARTITIONS);
    const scene = { rig, topic, directory: directory.path };
    await step("all partitions of the named topics get three replicas under load", () => raisesNamedTopics(scene));
    await step(
      "--all raises internal topics, too: a group has its offsets without the first broker",
      () => raisesAll(scene),
    );
    await step("Kafka's tool proposes, moves and verifies", () => movesByTool(scene));
    if (slowTestsWanted()) {
      await step("Kafka's tool says what is under way, and cancels it", () => cancelsByTool(scene));
    }
    await topic.conclude();
  },
});
