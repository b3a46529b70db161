/**
 * Coordinators of groups whose brokers are killed: another broker that has the group's committed offsets coordinates it, the members go on,
 * and nothing that was committed is lost. With BARNABAS_SLOW=1 there are more clients, and each broker in turn is killed, paused and stopped;
 * ConsumerGroupCommand is asked, too.
 */
import assert from "node:assert/strict";
import { temporaryDirectory } from "../broker.ts";
import { groupClients } from "../group_clients.ts";
import { KafkaTools } from "../kafka_tools.ts";
import { interopTest, slowTestsWanted } from "../toolchain.ts";
import { type ClusterNode, ClusterRig } from "./cluster_rig.ts";
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
const GROUP_COMMAND = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";
/** Clients that join again when a connection breaks. */
const REJOINS = ["kafkajs roundrobin"];

interopTest({
  name: "cluster: groups go on when the brokers of their coordinators are killed, paused and stopped",
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
    if (!slowTestsWanted()) {
      await context.step("a broker is killed", async () => killed(rig.node(await groups[0]!.coordinator()), groups));
      for (const group of groups) await group.finish();
      return;
    }
    await using tools = new KafkaTools();
    const step = async (name: string, run: () => Promise<void>) => {
      // Without that, the next ones would fail, too.
      if (!await context.step(name, run)) throw new Error(name);
      await allInSync(rig, ...topics);
    };
    for (const node of rig.nodes) {
      await step(`broker ${node.nodeId} is killed`, async () => {
        const before = await described(tools, rig, groups);
        await killed(node, groups);
        const after = await described(tools, rig, groups);
        for (const [at, group] of groups.entries()) {
          assertGoesOn(before[at]!, after[at]!, { isSameMembers: !REJOINS.includes(group.client) });
        }
        await node.start();
      });
      await step(`broker ${node.nodeId} is paused, and coordinates no more when it goes on`, async () => {
        node.process.signal("SIGSTOP");
        await Promise.all(groups.map((group) => group.coordinatesElsewhere(node)));
        node.process.signal("SIGCONT");
        await Promise.all(groups.map((group) => group.goesOn()));
      });
      await step(`broker ${node.nodeId} is stopped`, async () => {
        assert.equal(await node.stop(), 0);
        await Promise.all(groups.map((group) => group.goesOn()));
        await node.start();
      });
    }
    for (const group of groups) await group.finish();
  },
});

/** Kills a broker: all groups go on, and no member loses its partitions. */
async function killed(node: ClusterNode, groups: readonly ReplicatedGroup[]): Promise<void> {
  const assignments = groups.map((group) => group.assignments);
  await node.kill();
  await Promise.all(groups.map((group) => group.goesOn()));
  for (const [at, group] of groups.entries()) {
    await group.coordinatesElsewhere(node);
    if (REJOINS.includes(group.client)) continue;
    assert.equal(group.assignments, assignments[at], `${group.client}: members keep their partitions`);
  }
}

/** What ConsumerGroupCommand prints of a group: committed offsets by partition, members, and the state with the coordinator. */
interface Described {
  readonly offsets: ReadonlyMap<string, number>;
  readonly members: ReadonlySet<string>;
  readonly state: string;
}

async function described(tools: KafkaTools, rig: ClusterRig, groups: readonly ReplicatedGroup[]): Promise<Described[]> {
  const running = rig.nodes.filter(({ isRunning }) => isRunning);
  const to = ["--bootstrap-server", running.map(({ bootstrapServers }) => bootstrapServers).join(",")];
  const found: Described[] = [];
  for (const { group } of groups) {
    const describe = (...what: string[]) =>
      tools.run(GROUP_COMMAND, [...to, "--describe", "--group", group, ...what]).then(({ lines }) =>
        lines.filter((line) => line.startsWith(`${group} `)).map((line) => line.trim().split(/\s+/))
      );
    const rows = await describe();
    const [state = []] = await describe("--state");
    found.push({
      offsets: new Map(rows.map(([, topic, partition, offset]) => [`${topic}-${partition}`, Number(offset)])),
      members: new Set(rows.map((words) => words[6] ?? "")),
      state: state.join(" "),
    });
  }
  return found;
}

function assertGoesOn(before: Described, after: Described, { isSameMembers }: { isSameMembers: boolean }): void {
  assert.equal(before.offsets.size, 3);
  assert.deepEqual([...after.offsets.keys()].sort(), [...before.offsets.keys()].sort());
  for (const [partition, offset] of before.offsets) {
    assert.ok(after.offsets.get(partition)! >= offset, `${partition}: ${after.offsets.get(partition)} after ${offset}`);
  }
  if (isSameMembers) assert.deepEqual(after.members, before.members);
  for (const { state } of [before, after]) assert.match(state, /127\.0\.0\.1:\d+ \(\d\).* Stable .*2$/);
}
