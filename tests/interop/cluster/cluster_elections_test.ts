/**
 * Leaders of replicated partitions that are killed, stopped and paused: another in-sync replica takes over, writes with acks=all go on, and the
 * broker comes back as follower, in-sync replica and preferred leader.
 */
import assert from "node:assert/strict";
import { errorCode } from "../../../net/protocol/error_codes.ts";
import { produceRequest, produceResponse } from "../../../net/protocol/messages/00_produce.ts";
import { KafkaClient } from "../../kafka_client.ts";
import { buildBatch } from "../../record_batch_builder.ts";
import { produceTo } from "../../topic_requests.ts";
import { temporaryDirectory } from "../broker.ts";
import { interopTest } from "../toolchain.ts";
import { type ClusterNode, ClusterRig } from "./cluster_rig.ts";
import { ReplicatedTopic } from "./replicated_topic.ts";

const REBALANCED_SOON = { "leader.imbalance.check.interval.seconds": "1" };
const PRODUCE_VERSION = 9;
const NOT_ACKNOWLEDGED: readonly number[] = [
  errorCode.NOT_LEADER_OR_FOLLOWER,
  errorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
  errorCode.REQUEST_TIMED_OUT,
];

interopTest({
  name: "cluster: what a leader has acknowledged with acks=all survives its death, stop and pause, and it leads again",
  needs: ["etcd"],
  async fn(context) {
    using directory = temporaryDirectory();
    await using rig = await ClusterRig.start({ directory: directory.path, overrides: REBALANCED_SOON });
    const topic = await ReplicatedTopic.create(rig, "t", { "min.insync.replicas": "2" });
    await topic.whole();
    await topic.write(rig.node(1));
    await context.step("killed", () => killed(rig, topic));
    await context.step("stopped in order", () => stopped(rig, topic));
    await context.step("paused", () => paused(rig, topic));
    await context.step("killed, and back with an empty directory", () => emptied(rig, topic));
    await Promise.all(rig.nodes.map((node) => node.stop()));
    topic.assertSameLogs();
  },
});

async function killed(rig: ClusterRig, topic: ReplicatedTopic): Promise<void> {
  const two = rig.node(2);
  await two.kill();
  const led = await topic.until("broker 2 leads nothing, and is in no ISR", ({ leaderId, isrNodes }) => {
    return leaderId > 0 && leaderId !== 2 && !isrNodes.includes(2);
  });
  for (const { isrNodes, leaderId, offlineReplicas } of led) {
    assert.ok(isrNodes.includes(leaderId));
    assert.deepEqual(offlineReplicas, [2]);
  }
  await topic.write(rig.node(1));
  await isBack(two, topic);
}

async function stopped(rig: ClusterRig, topic: ReplicatedTopic): Promise<void> {
  const [one, three] = [rig.node(1), rig.node(3)];
  const lost = topic.lostConnections;
  const stopped = three.stop();
  let hasStopped = false;
  void stopped.then(() => hasStopped = true);
  while (!hasStopped) await topic.write(one);
  assert.equal(await stopped, 0, three.process.outputTail());
  assert.equal(topic.lostConnections, lost, "every write that a broker took was answered before it stopped");
  for (const { leaderId, isrNodes } of await topic.partitionsAt(one)) {
    assert.ok(leaderId > 0 && leaderId !== 3 && !isrNodes.includes(3), "others lead before it has stopped");
  }
  await topic.write(rig.node(2));
  await isBack(three, topic);
}

async function paused(rig: ClusterRig, topic: ReplicatedTopic): Promise<void> {
  const [one, two, three] = [rig.node(1), rig.node(2), rig.node(3)];
  using client = await KafkaClient.connect(one);
  one.process.signal("SIGSTOP");
  const zombie = produceTo(topic.name, 0, buildBatch([{ value: "of the zombie" }]));
  await client.send(produceRequest, PRODUCE_VERSION, zombie);
  await topic.until("broker 1 leads nothing", ({ leaderId }) => leaderId > 1, [two, three]);
  await topic.write(two);
  one.process.signal("SIGCONT");
  const answer = await client.receive(produceResponse, PRODUCE_VERSION);
  const code = answer?.response.responses[0]?.partitionResponses[0]?.errorCode;
  // It may have appended it before it stood still: then its time is over first.
  assert.ok(code !== undefined && NOT_ACKNOWLEDGED.includes(code), `a replaced leader answers ${code}`);
  await topic.whole();
  await topic.write(one);
  await topic.allRead(one);
}

/** More of it in cluster_lost_logs_test.ts. */
async function emptied(rig: ClusterRig, topic: ReplicatedTopic): Promise<void> {
  const { dataDir } = rig.node(2);
  await rig.node(2).kill();
  for (const { name } of Deno.readDirSync(dataDir)) Deno.removeSync(`${dataDir}/${name}`, { recursive: true });
  await isBack(rig.node(2), topic);
}

async function isBack(node: ClusterNode, topic: ReplicatedTopic): Promise<void> {
  await node.start();
  await topic.whole();
  await topic.write(node);
  await topic.allRead(node);
}
