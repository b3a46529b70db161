/** Topics of the rig are created, deleted and written through a broker. Main isolate of a test. */
import assert from "node:assert/strict";
import { waitFor } from "../../../bench/peer/processes.ts";
import { wireBatch } from "../../../bench/peer/wire_bytes.ts";
import { errorCode } from "../../../net/protocol/error_codes.ts";
import { produceRequest, produceResponse } from "../../../net/protocol/messages/00_produce.ts";
import { createTopicsRequest, createTopicsResponse } from "../../../net/protocol/messages/19_create_topics.ts";
import { deleteTopicsRequest, deleteTopicsResponse } from "../../../net/protocol/messages/20_delete_topics.ts";
import { produceTo } from "../../topic_requests.ts";
import { ask, type RigNode } from "./replicated_cluster.ts";
import type { TopicView } from "./topic_view.ts";

/** Replicas of every partition: one on each broker. */
export const REPLICAS = 3;

const CHANGE_MS = 30_000;
const PRODUCE_VERSION = 9;

/** A topic to create. */
export interface RigTopic {
  readonly name: string;
  readonly numPartitions: number;
  readonly configs: Readonly<Record<string, string>>;
}

/** Creates a topic. @throws AssertionError when it is refused */
export async function createTopic(node: RigNode, { name, numPartitions, configs }: RigTopic): Promise<void> {
  const list = Object.entries(configs).map(([key, value]) => ({ name: key, value }));
  const topics = [{ name, numPartitions, replicationFactor: REPLICAS, configs: list }];
  const of = { apiVersion: 7, value: { topics, timeoutMs: CHANGE_MS } };
  const answer = await ask(node, (client) => client.call(createTopicsRequest, createTopicsResponse, of), CHANGE_MS);
  const [topic] = answer?.topics ?? [];
  assert.equal(topic?.errorCode, errorCode.NONE, topic?.errorMessage ?? "no answer");
}

/** Deletes a topic; one that does not exist stays away. @throws AssertionError when it is refused */
export async function deleteTopic(node: RigNode, name: string): Promise<void> {
  const of = { apiVersion: 5, value: { topicNames: [name], timeoutMs: CHANGE_MS } };
  const answer = await ask(node, (client) => client.call(deleteTopicsRequest, deleteTopicsResponse, of), CHANGE_MS);
  const [topic] = answer?.responses ?? [];
  if (topic?.errorCode === errorCode.UNKNOWN_TOPIC_OR_PARTITION) return;
  assert.equal(topic?.errorCode, errorCode.NONE, topic?.errorMessage ?? "no answer");
}

/** Writes a record to partition 0 with acks=all, through whoever leads it, until it is acknowledged: it may be there twice. @param by the topic as this broker sees it */
export async function writeRecord({ view, node }: { view: TopicView; node: RigNode }, value: string): Promise<void> {
  const request = produceTo(view.topic, 0, wireBatch([{ value: new TextEncoder().encode(value) }]));
  await waitFor(`${view.topic} takes a record`, async () => {
    await view.ask(node);
    const leader = view.leaderOf(0);
    if (leader === null || !leader.isRunning) return undefined;
    const of = { apiVersion: PRODUCE_VERSION, value: request };
    const answer = await ask(leader, (client) => client.call(produceRequest, produceResponse, of));
    return answer?.responses[0]?.partitionResponses[0]?.errorCode === errorCode.NONE || undefined;
  });
}
