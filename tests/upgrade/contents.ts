/**
 * What a data directory of an upgrade fixture holds, written and read through a broker's own requests. Test code.
 */
import { strict as assert } from "node:assert";
import { errorCode } from "../../net/protocol/error_codes.ts";
import { offsetCommitRequest, offsetCommitResponse } from "../../net/protocol/messages/08_offset_commit.ts";
import { offsetFetchRequest, offsetFetchResponse } from "../../net/protocol/messages/09_offset_fetch.ts";
import { findCoordinatorRequest, findCoordinatorResponse } from "../../net/protocol/messages/10_find_coordinator.ts";
import { deleteRecordsRequest, deleteRecordsResponse } from "../../net/protocol/messages/21_delete_records.ts";
import { describeConfigsRequest, describeConfigsResponse } from "../../net/protocol/messages/32_describe_configs.ts";
import { BatchRecordReader } from "../../storage/records/batch_record_reader.ts";
import { codecNames } from "../../storage/records/record_batch.ts";
import { KafkaClient } from "../kafka_client.ts";
import { buildBatch } from "../record_batch_builder.ts";
import { appendBatch, create, EARLIEST, LATEST, listOffset, readBatches } from "../topic_requests.ts";

/** What a reader finds in a partition. */
export interface PartitionContents {
  readonly logStart: number;
  readonly logEnd: number;
  /** `<offset> <key> <first word of the value> <its length>` */
  readonly records: readonly string[];
}

/** What is in a directory, as its clients see it. */
export interface Contents {
  /** By `<topic>-<partition>`. */
  readonly partitions: Readonly<Record<string, PartitionContents>>;
  /** Committed offsets of group `readers` by partition of `orders`. */
  readonly committed: readonly number[];
  /** Configs that were set, by topic. */
  readonly configs: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

/** Small segments; the records' times are old, and retention is not what a fixture is about. */
const ORDERS = { "segment.bytes": "1048576", "retention.ms": "-1" };
const USERS = { "cleanup.policy": "compact", "segment.bytes": "1048576", "min.cleanable.dirty.ratio": "1.0" };
const TOPICS: Readonly<Record<string, { partitions: number; configs: Readonly<Record<string, string>> }>> = {
  orders: { partitions: 2, configs: ORDERS },
  users: { partitions: 1, configs: USERS },
};
const GROUP = "readers";
const BATCHES = 60;
const DELETED_BELOW = 50;

/** Writes the contents of a fixture into an empty broker. */
export async function writeContents(port: number): Promise<void> {
  using client = await KafkaClient.connect({ port });
  for (const [name, { partitions, configs }] of Object.entries(TOPICS)) await create(client, name, partitions, configs);
  for (let batch = 0; batch < BATCHES; batch++) {
    const codec = codecNames[batch % codecNames.length];
    const producer = { producerId: 1, producerEpoch: 0, baseSequence: batch * 5 };
    await produce(client, ["orders", 0], buildBatch(recordsOf(`order ${batch}`), { codec, ...producer }));
    await produce(client, ["orders", 1], buildBatch(recordsOf(`other ${batch}`)));
    await produce(
      client,
      ["users", 0],
      buildBatch([{ key: `user-${batch % 7}`, value: batch % 10 === 9 ? null : `${batch}` }]),
    );
  }
  const deletion = {
    topics: [{ name: "orders", partitions: [{ partitionIndex: 1, offset: DELETED_BELOW }] }],
    timeoutMs: 5000,
  };
  const deleted = await client.call(deleteRecordsRequest, deleteRecordsResponse, { apiVersion: 2, value: deletion });
  assert.equal(deleted.topics[0]!.partitions[0]!.errorCode, errorCode.NONE);
  await commit(client);
}

/** Reads everything that the topics and the group of a fixture hold. */
export async function readContents(port: number): Promise<Contents> {
  using client = await KafkaClient.connect({ port });
  const partitions: Record<string, PartitionContents> = {};
  const configs: Record<string, Record<string, string>> = {};
  for (const [name, topic] of Object.entries(TOPICS)) {
    for (let partition = 0; partition < topic.partitions; partition++) {
      partitions[`${name}-${partition}`] = await readPartition(client, name, partition);
    }
    configs[name] = await readConfigs(client, name, Object.keys(topic.configs));
  }
  return { partitions, committed: await committedOffsets(client), configs };
}

/** Appends a record to each partition. @returns their offsets, by `<topic>-<partition>` */
export async function appendToAll(port: number): Promise<Record<string, number>> {
  using client = await KafkaClient.connect({ port });
  const offsets: Record<string, number> = {};
  for (const [name, { partitions }] of Object.entries(TOPICS)) {
    for (let partition = 0; partition < partitions; partition++) {
      offsets[`${name}-${partition}`] = await produce(
        client,
        [name, partition],
        buildBatch([{ key: "k", value: "new" }]),
      );
    }
  }
  return offsets;
}

function recordsOf(text: string) {
  return Array.from({ length: 5 }, (_, index) => ({ key: `k${index}`, value: `${text}.${index} ${"x".repeat(8000)}` }));
}

async function produce(
  client: KafkaClient,
  [topic, partition]: [string, number],
  records: Uint8Array,
): Promise<number> {
  const [code, baseOffset] = await appendBatch(client, [topic, partition], records);
  assert.equal(code, errorCode.NONE, `${topic}-${partition}`);
  return baseOffset;
}

/** The look-up creates the topic of the offsets; the group's coordinator may still be loading afterwards. */
async function commit(client: KafkaClient): Promise<void> {
  await client.call(findCoordinatorRequest, findCoordinatorResponse, {
    apiVersion: 3,
    value: { key: GROUP, keyType: 0 },
  });
  const partitions = [0, 1].map((partitionIndex) => {
    return { partitionIndex, committedOffset: 100 + partitionIndex, committedMetadata: "m" };
  });
  const value = { groupId: GROUP, topics: [{ name: "orders", partitions }] };
  for (;;) {
    const { topics } = await client.call(offsetCommitRequest, offsetCommitResponse, { apiVersion: 8, value });
    const code = topics[0]!.partitions[0]!.errorCode;
    if (code === errorCode.NONE) return;
    assert(
      [errorCode.NOT_COORDINATOR, errorCode.COORDINATOR_LOAD_IN_PROGRESS, errorCode.COORDINATOR_NOT_AVAILABLE].includes(
        code as never,
      ),
      `code ${code}`,
    );
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

async function committedOffsets(client: KafkaClient): Promise<number[]> {
  const value = { groupId: GROUP, topics: [{ name: "orders", partitionIndexes: [0, 1] }] };
  for (;;) {
    const answer = await client.call(offsetFetchRequest, offsetFetchResponse, { apiVersion: 7, value });
    if (answer.errorCode === errorCode.NONE) {
      return answer.topics[0]!.partitions.map(({ committedOffset }) => committedOffset);
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

async function readConfigs(
  client: KafkaClient,
  topic: string,
  names: readonly string[],
): Promise<Record<string, string>> {
  const value = { resources: [{ resourceType: 2, resourceName: topic, configurationKeys: [...names] }] };
  const { results } = await client.call(describeConfigsRequest, describeConfigsResponse, { apiVersion: 4, value });
  return Object.fromEntries(results[0]!.configs.map(({ name, value }) => [name, value ?? ""]));
}

async function readPartition(client: KafkaClient, topic: string, partition: number): Promise<PartitionContents> {
  const [, logStart] = await listOffset(client, [topic, partition], EARLIEST);
  const [, logEnd] = await listOffset(client, [topic, partition], LATEST);
  const records: string[] = [];
  for (const { bytes, baseOffset } of await readBatches(client, [topic, partition], logStart)) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const reader = BatchRecordReader.open({ bytes, view }, 0);
    assert(typeof reader !== "string", `${topic}-${partition} at ${baseOffset}: ${reader}`);
    while (reader.next()) {
      if (reader.offset < logStart) continue;
      records.push(`${reader.offset} ${textOf(reader.key())} ${valueOf(reader.value())}`);
    }
    assert(!reader.damaged);
  }
  return { logStart, logEnd, records };
}

function valueOf(bytes: Uint8Array | null): string {
  const text = textOf(bytes);
  return `${text.split(" x")[0]} ${text.length}`;
}

function textOf(bytes: Uint8Array | null): string {
  return bytes === null ? "null" : new TextDecoder().decode(bytes.slice());
}
