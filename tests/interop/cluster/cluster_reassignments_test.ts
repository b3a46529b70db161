/**
 * Partitions that are reassigned while producers (acks=all) and readers work on them: more replicas, fewer, others, other leaders, with
 * brokers that are away or die. Nothing that was acknowledged is lost, and the logs are the same everywhere. With BARNABAS_SLOW=1 a topic is
 * deleted meanwhile.
 */
import assert from "node:assert/strict";
import { temporaryDirectory } from "../broker.ts";
import { interopTest, slowTestsWanted } from "../toolchain.ts";
import { ClusterRig, metadataOf } from "./cluster_rig.ts";
import { MovingTopic } from "./moving_topic.ts";

interopTest({
  name: "cluster: partitions get more replicas, fewer and others under load, and nothing acknowledged is lost",
  needs: ["etcd"],
  async fn(context) {
    const step = async (name: string, fn: () => Promise<void>) => assert.ok(await context.step(name, fn), name);
    using directory = temporaryDirectory();
    await using rig = await ClusterRig.start({ directory: directory.path });
    const [one, two, three] = [rig.node(1), rig.node(2), rig.node(3)];
    await using topic = await MovingTopic.create(rig, "moved", [[1], [2]], { "min.insync.replicas": "2" });
    await topic.load();
    await step("one replica becomes three", async () => {
      await topic.move(three, { 0: [1, 2, 3], 1: [2, 3, 1] });
      await topic.written();
    });
    await step("the leader's replica goes, through a broker that has none", async () => {
      await topic.move(one, { 0: [3, 2] });
      await topic.move(one, { 0: [1, 3] });
      await topic.written();
    });
    await step("three replicas become one, which has not led", async () => {
      await topic.move(two, { 1: [1] });
      await topic.written();
    });
    await step("a replica that is away keeps it under way; it is replaced, and cancelled", async () => {
      await two.kill();
      assert.deepEqual(await topic.reassign(one, { 1: [2] }), ["NONE"]);
      assert.deepEqual(await topic.listed(three), ["1: 2,1 +2 -1"]);
      await topic.written();
      assert.deepEqual(await topic.reassign(three, { 1: [3, 2] }), ["NONE"]);
      await topic.written();
      assert.deepEqual(await topic.listed(three), ["1: 3,2,1 +3,2 -1"]);
      assert.deepEqual(await topic.reassign(three, { 1: null }), ["NONE"]);
      await topic.placed({ 1: [1] });
      assert.deepEqual(await topic.reassign(one, { 1: null }), ["NO_REASSIGNMENT_IN_PROGRESS"]);
      await two.start();
      await rig.allListed();
      await topic.placed({ 1: [1] });
      await topic.written();
    });
    await step("the controller and a new replica are killed in the middle", async () => {
      const { controllerId = 1 } = await metadataOf(one, []);
      const other = rig.node(controllerId % 3 + 1);
      assert.deepEqual(await topic.reassign(other, { 0: [2, 1, 3], 1: [3, 2] }), ["NONE", "NONE"]);
      await rig.node(controllerId).kill();
      await rig.node(controllerId).start();
      await topic.ended();
      await topic.placed({ 0: [2, 1, 3], 1: [3, 2] });
      await topic.written();
    });
    if (slowTestsWanted()) {
      await step("a topic is deleted while it is reassigned", async () => {
        const gone = await MovingTopic.create(rig, "gone", [[1]]);
        await two.kill();
        assert.deepEqual(await gone.reassign(one, { 0: [3, 2] }), ["NONE"]);
        await gone.delete(three);
        await two.start();
        await gone.removed();
      });
    }
    await topic.conclude();
  },
});
