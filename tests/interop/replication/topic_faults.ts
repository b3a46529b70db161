/** A topic changes while a broker is away, which has to find out at its start. Main isolate of a test. */
import assert from "node:assert/strict";
import { waitFor } from "../../../bench/peer/processes.ts";
import type { Fault } from "./fault.ts";
import { History } from "./history.ts";
import { readReplica } from "./replica_logs.ts";
import type { RigNode } from "./replicated_cluster.ts";
import { createTopic, deleteTopic, REPLICAS, writeRecord } from "./rig_topics.ts";
import { TopicView } from "./topic_view.ts";

const TOPIC = "recreated";
/** A dead process is noticed by refused connections; a loaded machine takes seconds for that. */
const RESUME_MS = 20_000;

/** Creates the topic, empty, and writes a record to it. */
async function create(nodes: readonly RigNode[], through: RigNode, value: string): Promise<TopicView> {
  await deleteTopic(through, TOPIC);
  await createTopic(through, { name: TOPIC, numPartitions: 1, configs: {} });
  // Another topic of this name began with lower epochs.
  const view = new TopicView(nodes, new History(), { topic: TOPIC, partitions: 1 });
  await writeRecord({ view, node: through }, value);
  return view;
}

async function inSync(view: TopicView, through: RigNode): Promise<void> {
  await waitFor(`all replicas of ${TOPIC} are in sync`, async () => {
    const answer = await view.ask(through);
    return answer?.partitions[0]?.inSync.length === REPLICAS || undefined;
  });
}

/** Deleted and created again under the same name: what the broker that was away has of the old one must not come back. */
export const topicRecreated: Fault = {
  name: "kill -9 of a broker, and a topic that is deleted and created again meanwhile",
  async apply({ cluster: { nodes } }, random) {
    const node = random.pick(nodes);
    const other = random.pick(nodes.filter((each) => each !== node));
    await inSync(await create(nodes, other, "old"), other);
    await node.kill();
    const view = await create(nodes, other, "new");
    return {
      what: `broker ${node.nodeId}`,
      writes: { resumeWithinMs: RESUME_MS },
      lastsMs: 0,
      undo: async () => {
        await node.start();
        await inSync(view, other);
        for (const { nodeId, dataDir } of nodes) {
          const { batches } = readReplica(nodeId, { dataDir, topic: TOPIC, partition: 0 });
          // Written again until it is acknowledged, so there may be several.
          const values = new Set(batches.flatMap((batch) => batch.values));
          assert.deepEqual(values, new Set(["new"]), `broker ${nodeId} has the new topic alone`);
        }
      },
    };
  },
};
