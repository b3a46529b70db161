/** Plays the cases of cases.ts against a broker, and reads and writes the recording of Apache Kafka's answers. Main isolate of a test. */
import { apiOf } from "../../../net/handlers/api_testing.ts";
import { produceRequest, produceResponse } from "../../../net/protocol/messages/00_produce.ts";
import { createTopicsRequest, createTopicsResponse } from "../../../net/protocol/messages/19_create_topics.ts";
import { KafkaClient } from "../../kafka_client.ts";
import { type BatchOptions, buildBatch } from "../../record_batch_builder.ts";
import type { AdminCase } from "./admin_case.ts";
import { adminCases } from "./cases.ts";

/** A broker's answer to a case. */
export interface AdminAnswer {
  readonly name: string;
  readonly answer: unknown;
}

/** Where Kafka's answers are kept, one per line. */
export const GOLDEN = new URL("../../golden/admin_kafka_4.3.1.jsonl", import.meta.url);

/** Idempotent producers; the first one's second batch begins a new epoch. */
const PRODUCERS: readonly BatchOptions[] = [
  { producerId: 2 ** 33, producerEpoch: 0, baseSequence: 5, baseTimestamp: 1_700_000_000_000 },
  { producerId: 7, producerEpoch: 1, baseSequence: 0, baseTimestamp: 1_700_000_001_000 },
  { producerId: 2 ** 33, producerEpoch: 1, baseSequence: 0, baseTimestamp: 1_700_000_002_000 },
];

/** Fields that differ from run to run, or with the disk. */
const LEFT_OUT = new Set(["throttleTimeMs", "topicId", "leaderEpoch", "logDir", "totalBytes", "usableBytes"]);

/** Key of DescribeTransactions, whose cases come last. */
const DESCRIBE_TRANSACTIONS = 65;

/** Sends all cases. @param beforeTransactions makes a broker ready for the cases of DescribeTransactions */
export async function playAdminCases(
  port: number,
  beforeTransactions: (client: KafkaClient) => Promise<void> = () => Promise.resolve(),
): Promise<AdminAnswer[]> {
  using client = await KafkaClient.connect({ port });
  await createTopics(client);
  for (const index of [0, 1]) await appendThree(client, { name: "t", index }, { baseTimestamp: Date.now() });
  for (const producer of PRODUCERS) await appendThree(client, { name: "kept", index: 0 }, producer);
  const first = adminCases.find(({ api: [key] }) => key === DESCRIBE_TRANSACTIONS);
  return await answersTo(client, adminCases, {
    before: async (one) => one === first ? await beforeTransactions(client) : undefined,
  });
}

/** Sends some cases. @param around awaited before and after each */
export async function answersTo(
  client: KafkaClient,
  cases: readonly AdminCase[],
  around: { readonly before?: (one: AdminCase) => Promise<void>; readonly after?: () => Promise<void> } = {},
): Promise<AdminAnswer[]> {
  const answers: AdminAnswer[] = [];
  for (const one of cases) {
    await around.before?.(one);
    const { name, api: [key, apiVersion], request } = one;
    const api = apiOf(key);
    const answer = await client.call(api.request, api.response, { apiVersion, value: request });
    answers.push({ name, answer: comparable(answer) });
    await around.after?.();
  }
  return answers;
}

/** What was recorded. @param file the answers to all admin cases by default */
export async function readRecording(file = GOLDEN): Promise<AdminAnswer[]> {
  return (await Deno.readTextFile(file)).trim().split("\n").map((line) => JSON.parse(line));
}

async function createTopics(client: KafkaClient): Promise<void> {
  const topic = (name: string, numPartitions: number, ...configs: { name: string; value: string }[]) => ({
    name,
    numPartitions,
    replicationFactor: 1,
    configs,
  });
  const policy = (value: string) => ({ name: "cleanup.policy", value });
  const topics = [topic("t", 2), topic("compacted", 1, policy("compact")), topic("kept", 1, policy(""))];
  const of = { apiVersion: 7, value: { topics, timeoutMs: 10_000, validateOnly: false } };
  const answer = await client.call(createTopicsRequest, createTopicsResponse, of);
  const refused = answer.topics.find(({ errorCode }) => errorCode !== 0);
  if (refused !== undefined) throw new Error(`Cannot create ${refused.name}: ${refused.errorMessage}`);
}

/** Tries again and again, because Kafka answers CreateTopics before the partitions have leaders. */
async function appendThree(
  client: KafkaClient,
  { name, index }: { name: string; index: number },
  options: BatchOptions,
): Promise<void> {
  const records = buildBatch(["a", "b", "c"].map((value) => ({ value })), options);
  const topicData = [{ name, partitionData: [{ index, records }] }];
  const value = { transactionalId: null, acks: -1, timeoutMs: 5000, topicData };
  for (const deadline = Date.now() + 30_000; Date.now() < deadline;) {
    const answer = await client.call(produceRequest, produceResponse, { apiVersion: 9, value });
    if (answer.responses[0]?.partitionResponses[0]?.errorCode === 0) return;
  }
  throw new Error("Cannot append within 30 s");
}

/** An answer without what differs from run to run, and with sorted lists, because Kafka's come from hash maps. */
function comparable(value: unknown): unknown {
  if (Array.isArray(value)) {
    const texts = value.map((item) => JSON.stringify(comparable(item)));
    return texts.sort().map((text) => JSON.parse(text));
  }
  if (typeof value !== "object" || value === null) return value;
  const kept = Object.entries(value).filter(([name]) => !LEFT_OUT.has(name));
  return Object.fromEntries(kept.map(([name, inner]) => [name, comparable(inner)]));
}
