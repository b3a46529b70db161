/**
 * Shared by the tests of hostile clients: a broker process with a topic, the proof that it still serves others, and a valid request of
 * every API, which tests cut and change. Main isolate of a test.
 */
import assert from "node:assert/strict";
import { processMemory } from "../../bench/peer/processes.ts";
import { batchesOf, ByteWriter, wireBatch } from "../../bench/peer/wire_bytes.ts";
import { NONE, WireClient } from "../../bench/peer/wire_client.ts";
import { type BrokerProcess, startBrokerProcess, temporaryDirectory } from "./broker.ts";

/** The topic that honest clients use. */
export const HONEST = { topic: "honest", partition: 0 } as const;

/** A broker process under attack, in its own directory. */
export async function withVictim(body: (broker: BrokerProcess) => Promise<void>): Promise<void> {
  using directory = temporaryDirectory();
  const overrides = { "auto.create.topics.enable": "false" };
  await using broker = await startBrokerProcess({ dataDir: directory.path, overrides });
  using client = await WireClient.connect(broker.port);
  await client.createTopic(HONEST.topic, 1);
  await body(broker);
}

/**
 * Proves that the broker serves others: a new connection appends a batch and reads it back.
 * @throws Error when that does not happen within ten seconds, or the process has ended
 */
export async function stillServes(broker: BrokerProcess): Promise<void> {
  assert(broker.process.running, `the broker still runs:\n${broker.process.outputTail()}`);
  const timeout = Promise.withResolvers<never>();
  const timer = setTimeout(() => timeout.reject(new Error("Cannot get an answer within 10 s")), 10_000);
  try {
    await Promise.race([timeout.promise, appendAndRead(broker)]);
  } finally {
    clearTimeout(timer);
  }
}

async function appendAndRead(broker: BrokerProcess): Promise<void> {
  using client = await WireClient.connect(broker.port);
  const batch = wireBatch([{ value: crypto.getRandomValues(new Uint8Array(16)) }]);
  const { errorCode, baseOffset } = await client.produce(HONEST, batch);
  assert.equal(errorCode, NONE, "an honest produce");
  const { records } = await client.fetch(HONEST, baseOffset);
  assert.deepEqual(batchesOf(records)[0]?.payload, batch.subarray(21), "an honest fetch");
}

/** Resident memory of the broker, in bytes. */
export function residentBytes(broker: BrokerProcess): number {
  return processMemory(broker.process.pid).residentBytes;
}

/** Number of descriptors that the broker has open. */
export function openDescriptors(broker: BrokerProcess): number {
  return [...Deno.readDirSync(`/proc/${broker.process.pid}/fd`)].length;
}

/** A valid request: its API and its body. */
export interface RequestTemplate {
  readonly name: string;
  readonly api: readonly [key: number, version: number];
  readonly body: Uint8Array;
}

/** A valid request of each API. They change nothing but the honest topic's end and the state of a group. */
export function requestTemplates(): RequestTemplate[] {
  const templates = [
    ...dataTemplates(),
    ...groupTemplates(),
    ...adminTemplates(),
    ...clientTemplates(),
    ...clusterTemplates(),
    ...brokerTemplates(),
  ];
  return templates.map(([name, api, { bytes }]) => ({ name, api, body: bytes.slice() }));
}

type Template = [name: string, api: RequestTemplate["api"], body: ByteWriter];

const body = () => new ByteWriter();
/** The body of a flexible version, behind the tagged fields of its header. */
const flexible = () => body().int8(0);
/** A compact string of few bytes. */
const short = (text: string) => new Uint8Array([text.length + 1, ...ascii(text)]);

function dataTemplates(): Template[] {
  const batch = wireBatch([{ key: new Uint8Array(3), value: new Uint8Array(40) }, { value: null }]);
  const { topic, partition } = HONEST;
  return [
    [
      "Produce",
      [0, 3],
      body().string(null).int16(-1).int32(1000).int32(1).string(topic).int32(1).int32(partition).blob(batch),
    ],
    [
      "Fetch",
      [1, 4],
      body().int32(-1).int32(0).int32(0).int32(1 << 20).int8(0)
        .int32(1).string(topic).int32(1).int32(partition).int64(0).int32(1 << 20),
    ],
    ["ListOffsets", [2, 1], body().int32(-1).int32(1).string(topic).int32(1).int32(partition).int64(-1)],
    ["Metadata", [3, 1], body().int32(2).string(topic).string("absent")],
    ["FindCoordinator", [10, 1], body().string("group").int8(0)],
    ["ApiVersions", [18, 0], body()],
    ["ApiVersions flexible", [18, 3], body().int8(0).int8(5).raw(ascii("name")).int8(2).raw(ascii("1")).int8(0)],
    // The last byte makes it a dry run.
    ["CreateTopics", [19, 2], body().int32(1).string("dry").int32(2).int16(1).int32(0).int32(0).int32(1000).int8(1)],
    ["DeleteTopics", [20, 1], body().int32(1).string("absent").int32(1000)],
    ["InitProducerId", [22, 0], body().string(null).int32(1000)],
    ["OffsetForLeaderEpoch", [23, 2], body().int32(1).string(topic).int32(1).int32(partition).int32(0).int32(0)],
    ["DescribeConfigs", [32, 1], body().int32(1).int8(2).string(topic).int32(-1).int8(0)],
    ["DescribeCluster", [60, 0], body().int8(0).int8(0).int8(0)],
  ];
}

/** Change nothing, even if a flipped bit makes a dry run a real one: the topic is absent, and the log start is 0 already. */
function adminTemplates(): Template[] {
  const { topic, partition } = HONEST;
  const [ofTopic, ofGroup] = [2, 32];
  return [
    ["DeleteRecords", [21, 0], body().int32(1).string(topic).int32(1).int32(partition).int64(0).int32(1000)],
    [
      "AlterConfigs",
      [33, 0],
      body().int32(1).int8(ofTopic).string("absent").int32(1).string("retention.ms").string("5").int8(1),
    ],
    [
      "AlterReplicaLogDirs",
      [34, 1],
      body().int32(1).string("/nowhere").int32(1).string(topic).int32(1).int32(partition),
    ],
    ["DescribeLogDirs", [35, 1], body().int32(1).string(topic).int32(1).int32(partition)],
    [
      "CreatePartitions",
      [37, 0],
      body().int32(1).string("absent").int32(3).int32(1).int32(1).int32(1).int32(1000).int8(1),
    ],
    [
      "IncrementalAlterConfigs",
      [44, 0],
      body().int32(1).int8(ofGroup).string("group").int32(2).string("cleanup.policy").int8(2).string("compact")
        .string("segment.ms").int8(1).string(null).int8(1),
    ],
    [
      "ElectLeaders",
      [43, 1],
      body().int8(1).int32(1).string(topic).int32(1).int32(partition).int32(1000),
    ],
    [
      "AlterPartitionReassignments",
      [45, 0],
      flexible().int32(1000).int8(2).raw(short("absent")).int8(2).int32(0).int8(2).int32(1).int8(0).int8(0).int8(0),
    ],
    [
      "ListPartitionReassignments",
      [46, 0],
      flexible().int32(1000).int8(2).raw(short(topic)).int8(2).int32(partition).int8(0).int8(0),
    ],
    [
      "DescribeProducers",
      [61, 0],
      flexible().int8(3).raw(short(topic)).int8(2).int32(partition).int8(0)
        .raw(short("absent")).int8(2).int32(0).int8(0).int8(0),
    ],
    ["ListConfigResources", [74, 1], flexible().int8(3).int8(ofTopic).int8(ofGroup).int8(0)],
    [
      "DescribeTopicPartitions",
      [75, 0],
      flexible().int8(3).raw(short(topic)).int8(0).raw(short("absent")).int8(0).int32(5)
        .int8(1).raw(short(topic)).int32(0).int8(0).int8(0),
    ],
  ];
}

/** Quotas and credentials of nobody. */
function clientTemplates(): Template[] {
  return [
    ["DescribeClientQuotas", [48, 0], body().int32(1).string("user").int8(0).string("absent").int8(0)],
    // A removal, and the last byte makes it a dry run.
    [
      "AlterClientQuotas",
      [49, 0],
      body().int32(1).int32(2).string("user").string("absent").string("client-id").string(null)
        .int32(1).string("producer_byte_rate").int64(0).int8(1).int8(1),
    ],
    ["DescribeUserScramCredentials", [50, 0], flexible().int8(2).raw(short("absent")).int8(0).int8(0)],
    // The user is absent, and the salted password is empty.
    [
      "AlterUserScramCredentials",
      [51, 0],
      flexible().int8(2).raw(short("absent")).int8(1).int8(0)
        .int8(2).raw(short("user")).int8(1).int32(4096).int8(3).raw(ascii("si")).int8(1).int8(0).int8(0),
    ],
  ];
}

/** What asks about the cluster as a whole. They change nothing, because there are no ACLs, one level of each feature and one broker. */
function clusterTemplates(): Template[] {
  const [ofTopic, topic] = [2, HONEST.topic];
  return [
    [
      "DescribeAcls",
      [29, 1],
      body().int8(ofTopic).string(topic).int8(3).string(null).string(null).int8(1).int8(1),
    ],
    [
      "CreateAcls",
      [30, 1],
      body().int32(1).int8(ofTopic).string(topic).int8(3).string("User:a").string("*").int8(3).int8(3),
    ],
    [
      "DeleteAcls",
      [31, 1],
      body().int32(1).int8(ofTopic).string(topic).int8(3).string(null).string(null).int8(1).int8(1),
    ],
    [
      "DescribeQuorum",
      [55, 2],
      flexible().int8(2).raw(short("__cluster_metadata")).int8(2).int32(0).int8(0).int8(0).int8(0),
    ],
    [
      "UpdateFeatures",
      [57, 1],
      flexible().int32(1000).int8(2).raw(short("group.version")).int16(1).int8(1).int8(0).int8(0).int8(0),
    ],
    ["UnregisterBroker", [64, 0], flexible().int32(7).int8(0)],
    ["DescribeTransactions", [65, 0], flexible().int8(3).raw(short("orders")).raw(short("")).int8(0)],
    [
      "ListTransactions",
      [66, 2],
      flexible().int8(2).raw(short("Ongoing")).int8(2).int64(7).int64(-1).raw(short("order.*")).int8(0),
    ],
  ];
}

/** What brokers send to each other; a client proves nothing by them. */
function brokerTemplates(): Template[] {
  return [
    ["SaslHandshake", [17, 1], body().string("SCRAM-SHA-256")],
    ["SaslAuthenticate", [36, 0], body().blob(ascii("n,,n=broker-1,r=0123456789"))],
    [
      "BrokerRegistration",
      [62, 0],
      flexible().int32(1).raw(short("cluster")).raw(new Uint8Array(16))
        .int8(2).raw(short("PLAINTEXT")).raw(short("host")).int16(9092).int16(0).int8(0)
        .int8(2).raw(short("feature")).int16(1).int16(1).int8(0).raw(short("rack")).int8(0),
    ],
    ["BrokerHeartbeat", [63, 0], flexible().int32(1).int64(1).int64(1).int8(0).int8(0).int8(0)],
  ];
}

/** Requests to one group, which members try to join and never do. */
function groupTemplates(): Template[] {
  const { topic, partition } = HONEST;
  const ofGroup = () => body().string("group");
  return [
    [
      "OffsetCommit",
      [8, 2],
      ofGroup().int32(-1).string("").int64(-1).int32(1).string(topic).int32(1).int32(partition).int64(1).string("at 1"),
    ],
    ["OffsetFetch", [9, 2], ofGroup().int32(1).string(topic).int32(1).int32(partition)],
    [
      "JoinGroup",
      [11, 5],
      ofGroup().int32(6000).int32(6000).string("").string(null).string("consumer")
        .int32(1).string("range").blob(new Uint8Array(30)),
    ],
    ["Heartbeat", [12, 0], ofGroup().int32(1).string("member")],
    ["LeaveGroup", [13, 0], ofGroup().string("member")],
    ["SyncGroup", [14, 0], ofGroup().int32(1).string("member").int32(1).string("member").blob(new Uint8Array(30))],
    ["DescribeGroups", [15, 0], body().int32(2).string("group").string("absent")],
    ["ListGroups", [16, 0], body()],
    ["DeleteGroups", [42, 0], body().int32(1).string("absent")],
    ["OffsetDelete", [47, 0], ofGroup().int32(1).string(topic).int32(1).int32(partition)],
    // The member leaves, although it is in no group.
    [
      "ConsumerGroupHeartbeat",
      [68, 0],
      flexible().raw(short("consumers")).raw(short("member")).int32(-1).int8(0).int8(0).int32(6000)
        .int8(0).int8(0).int8(0).int8(0),
    ],
    ["ConsumerGroupDescribe", [69, 0], flexible().int8(2).raw(short("consumers")).int8(0).int8(0)],
  ];
}

function ascii(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
