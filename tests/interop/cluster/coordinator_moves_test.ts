/**
 * Coordinators of groups whose brokers are killed: another broker that has the group's committed offsets coordinates it, the members go on,
 * and nothing that was committed is lost. With BARNABAS_SLOW=1 more clients, and each broker in turn.
 */
import assert from "node:assert/strict";
import { temporaryDirectory } from "../broker.ts";
import { groupClients } from "../group_clients.ts";
import { interopTest, slowTestsWanted } from "../toolchain.ts";
import { ClusterRig } from "./cluster_rig.ts";
import { allInSync, ReplicatedGroup, replicatedSettings } from "./replicated_group.ts";

const CLIENTS = slowTestsWanted()
  ? [
    "franz-go cooperative-sticky",
    "franz-go consumer",
    "confluent-kafka range",
    "confluent-kafka consumer",
    "java cooperative-sticky",
    "java consumer",
    "kafkajs roundrobin",
  ]
  : ["confluent-kafka range", "confluent-kafka consumer"];
/** Clients that join again when a connection breaks. */
const REJOINS = ["kafkajs roundrobin"];

interopTest({
  name: "cluster: groups go on when the brokers of their coordinators are killed",
  needs: ["etcd", "python", ...slowTestsWanted() ? ["java", "go", "node"] as const : []],
  async fn(context) {
    using directory = temporaryDirectory();
    await using rig = await ClusterRig.start({ directory: directory.path, overrides: replicatedSettings });
    await using running = new AsyncDisposableStack();
    const groups: ReplicatedGroup[] = [];
    for (const name of CLIENTS) {
      const client = groupClients.find((each) => each.name === name);
      assert.ok(client, name);
      groups.push(running.use(await ReplicatedGroup.start(rig, client)));
    }
    await Promise.all(groups.map((group) => group.shared()));
    await Promise.all(groups.map((group) => group.goesOn()));
    const topics = groups.map(({ topic }) => topic);
    await allInSync(rig, ...topics);
    const killed = slowTestsWanted() ? rig.nodes.map(({ nodeId }) => nodeId) : [await groups[0]!.coordinator()];
    for (const nodeId of killed) {
      await context.step(`broker ${nodeId} is killed`, async () => {
        const assignments = groups.map((group) => group.assignments);
        await rig.node(nodeId).kill();
        await Promise.all(groups.map((group) => group.goesOn()));
        for (const [at, group] of groups.entries()) {
          assert.notEqual(await group.coordinator(), nodeId);
          if (REJOINS.includes(group.client)) continue;
          assert.equal(group.assignments, assignments[at], `${group.client}: members keep their partitions`);
        }
        if (!slowTestsWanted()) return;
        await rig.node(nodeId).start();
        await allInSync(rig, ...topics);
      });
    }
    for (const group of groups) await group.finish();
  },
});
