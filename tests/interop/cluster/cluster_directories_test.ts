/**
 * Log directories of brokers in a cluster: those of topics that were deleted while a broker was away, and those that the cluster does not
 * know.
 */
import assert from "node:assert/strict";
import { errorCode } from "../../../net/protocol/error_codes.ts";
import { deleteTopicsRequest, deleteTopicsResponse } from "../../../net/protocol/messages/20_delete_topics.ts";
import { KafkaClient } from "../../kafka_client.ts";
import { append, readBatches } from "../../topic_requests.ts";
import { temporaryDirectory } from "../broker.ts";
import { interopTest } from "../toolchain.ts";
import { type ClusterNode, ClusterRig, leadersOf } from "./cluster_rig.ts";
import { createThrough, topicOnEach } from "./spread_topics.ts";

async function deleteThrough(node: ClusterNode, ...topicNames: string[]): Promise<void> {
  using client = await KafkaClient.connect(node);
  const value = { topicNames, timeoutMs: 30_000 };
  const answer = await client.call(deleteTopicsRequest, deleteTopicsResponse, { apiVersion: 5, value });
  assert.deepEqual(answer.responses.map((response) => response.errorCode), topicNames.map(() => errorCode.NONE));
}

function directoriesOf(node: ClusterNode, topic: string): string[] {
  return [...Deno.readDirSync(node.dataDir)].map(({ name }) => name).filter((name) => name.startsWith(`${topic}-`))
    .sort();
}

async function write(node: ClusterNode, topic: string, value: string): Promise<void> {
  using client = await KafkaClient.connect(node);
  const [code] = await append(client, topic, 0, [value]);
  assert.equal(code, errorCode.NONE, topic);
}

async function recordsIn(node: ClusterNode, topic: string): Promise<number> {
  using client = await KafkaClient.connect(node);
  return (await readBatches(client, [topic, 0])).length;
}

interopTest({
  name:
    "cluster: a broker that was away removes deleted topics, and renames directories that the cluster does not know",
  needs: ["etcd"],
  async fn() {
    using directory = temporaryDirectory();
    await using rig = await ClusterRig.start({ directory: directory.path, brokers: 2 });
    const topics = await topicOnEach(rig, "t");
    const [first, second] = [rig.node(1), rig.node(2)];
    const topic = topics.get(2) as string;
    await write(second, topic, "deleted later");
    await second.kill();
    await rig.allListed();
    await deleteThrough(first, topic);
    // Another topic of this name lies on the broker that is there.
    await createThrough(first, topic);
    Deno.mkdirSync(`${second.dataDir}/unknown-3`);
    assert.deepEqual(directoriesOf(second, topic), [`${topic}-0`]);
    await second.start();
    await rig.allListed();
    assert.deepEqual(directoriesOf(second, topic).filter((name) => !name.endsWith("-delete")), []);
    const [stray] = directoriesOf(second, "unknown");
    assert.match(stray ?? "", /^unknown-3\.[0-9a-f]{32}-stray$/);
    assert.deepEqual(await leadersOf(rig.nodes, topic), [1]);
    await write(first, topic, "another topic");
    assert.equal(await recordsIn(first, topic), 1);
  },
});
