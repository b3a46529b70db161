/**
 * What /metrics says of known amounts: a broker of two shards is asked after clients wrote, read, committed and failed, and the numbers have
 * to be exactly those.
 */
import { strict as assert } from "node:assert";
import { startBroker } from "../mod.ts";
import { startMember } from "../net/broker/start.ts";
import { errorCode } from "../net/protocol/error_codes.ts";
import { produceRequest, produceResponse } from "../net/protocol/messages/00_produce.ts";
import { metadataRequest, metadataResponse } from "../net/protocol/messages/03_metadata.ts";
import { deleteTopicsRequest, deleteTopicsResponse } from "../net/protocol/messages/20_delete_topics.ts";
import {
  alterPartitionReassignmentsRequest,
  alterPartitionReassignmentsResponse,
} from "../net/protocol/messages/45_alter_partition_reassignments.ts";
import { FOLLOWER_FETCH, SqliteStore } from "../partitions/control.ts";
import { GroupMember } from "./group_member.ts";
import { KafkaClient } from "./kafka_client.ts";
import { buildBatch } from "./record_batch_builder.ts";
import { createReplicated } from "./replicated_topics.ts";
import { withDirectory } from "./temporary_directory.ts";
import { append, appendBatch, fetchBatches, produceTo } from "./topic_requests.ts";

/** A scrape: the value of each series. */
async function scrape(port: number | null): Promise<Scrape> {
  const response = await fetch(`http://127.0.0.1:${port}/metrics`);
  const lines = (await response.text()).split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(lines.map((line) => {
    const end = line.lastIndexOf(" ");
    return [line.slice(0, end), Number(line.slice(end + 1))];
  }));
}

/** What a client did. */
interface Amounts {
  /** Bytes of batches that were appended, by topic. */
  readonly a: number;
  readonly b: number;
  readonly rejected: number;
  readonly read: number;
}

/** Writes, reads, commits and is refused. @param member of a group, already connected */
async function useBroker(broker: { port: number }, member: GroupMember): Promise<Amounts> {
  using client = await KafkaClient.connect(broker);
  using other = await KafkaClient.connect(broker);
  const sent = { a: 0, b: 0 };
  for (let partition = 0; partition < 4; partition++) {
    for (const each of [client, other]) {
      const batch = buildBatch([{ value: "x" }, { value: "y" }, { value: "z".repeat(100 * partition) }]);
      assert.equal((await appendBatch(each, ["a", partition], batch))[0], errorCode.NONE);
      sent.a += batch.length;
    }
  }
  const small = buildBatch([{ value: "b" }]);
  await client.send(produceRequest, 9, produceTo("b", 0, small, 0));
  sent.b += small.length;
  const large = buildBatch([{ value: "l".repeat(30_000) }]);
  assert.equal((await appendBatch(client, ["b", 0], large))[0], errorCode.MESSAGE_TOO_LARGE);
  const value = produceTo("nowhere", 0, small);
  const refused = await client.call(produceRequest, produceResponse, { apiVersion: 9, value });
  assert.equal(refused.responses[0]?.partitionResponses[0]?.errorCode, errorCode.UNKNOWN_TOPIC_OR_PARTITION);
  let read = 0;
  for (const each of [client, other]) {
    for (const batch of await fetchBatches(each, ["a", 2], 0)) read += batch.bytes.length;
  }
  const of = { apiVersion: 9, value: { topics: null } };
  await client.call(metadataRequest, metadataResponse, of);
  await member.find();
  await member.join();
  await member.sync();
  assert.deepEqual(await member.commit("a", { 0: 2, 1: 6 }), [0, 0]);
  await append(client, "a", 0, ["one more"]);
  sent.a += buildBatch([{ value: "one more" }]).length;
  return { ...sent, rejected: large.length, read };
}

type Scrape = ReadonlyMap<string, number>;

function assertTraffic(found: Scrape, sent: Amounts): void {
  const topic = (name: string) => ["", '{topic="a"}', '{topic="b"}'].map((labels) => found.get(`${name}${labels}`));
  const rate = (name: string) => topic(`kafka_server_brokertopicmetrics_${name}_total`);
  assert.deepEqual(rate("messagesin"), [24 + 1 + 1, 25, 1]);
  assert.deepEqual(rate("bytesin"), [sent.a + sent.b, sent.a, sent.b]);
  assert.deepEqual(rate("bytesout"), [sent.read, sent.read, 0]);
  assert.deepEqual(rate("bytesrejected"), [sent.rejected, 0, sent.rejected]);
  assert.deepEqual(rate("totalproducerequests"), [11, 9, 2]);
  assert.deepEqual(rate("totalfetchrequests"), [2, 2, 0]);
  assert.deepEqual(rate("failedproducerequests"), [0, 0, 0]);
}

function assertRequests(found: Scrape): void {
  const request = (name: string, labels: string) =>
    found.get(`kafka_network_requestmetrics_${name}{request=${labels}}`);
  assert.equal(request("requests_total", '"Produce"'), 12);
  assert.equal(request("requests_total", '"Fetch"'), 2);
  assert.equal(request("requests_total", '"FetchConsumer"'), 2);
  assert.equal(request("requests_total", '"FetchFollower"'), undefined);
  assert.equal(request("errors_total", '"Produce",error="NONE"'), 9);
  assert.equal(request("errors_total", '"Produce",error="MESSAGE_TOO_LARGE"'), 1);
  assert.equal(request("errors_total", '"Produce",error="UNKNOWN_TOPIC_OR_PARTITION"'), 1);
  for (const part of ["total", "requestqueue", "local", "remote", "responsequeue", "responsesend"]) {
    assert.equal(request(`${part}timems_count`, '"Produce"'), 12, part);
    const p99 = request(`${part}timems`, '"Produce",quantile="0.99"');
    assert.ok(p99 !== undefined && p99 >= 0 && p99 < 60_000, part);
  }
  assert.ok((request("totaltimems_sum", '"Produce"') ?? 0) > 0);
}

function assertRest(found: Scrape, sent: Amounts): void {
  const sockets = (name: string) => found.get(`kafka_server_socket_server_metrics_${name}{listener="PLAINTEXT"}`);
  assert.deepEqual([
    sockets("connection_count"),
    sockets("connection_creation_total"),
    sockets("connection_close_total"),
  ], [1, 3, 2]);
  const idle = found.get("kafka_network_socketserver_networkprocessoravgidle_percent") ?? -1;
  assert.ok(idle > 0 && idle <= 1);
  const log = (name: string, of: string) => found.get(`kafka_log_log_${name}{${of}}`);
  assert.equal(log("size", 'topic="b",partition="0"'), sent.b);
  assert.equal(log("numlogsegments", 'topic="a",partition="3"'), 1);
  assert.equal(log("logendoffset", 'topic="a",partition="0"'), 7);
  const group = (name: string, rest: string) => found.get(`kafka_consumergroup_${name}{consumergroup="group"${rest}}`);
  assert.equal(group("members", ""), 1);
  assert.equal(group("current_offset", ',topic="a",partition="0"'), 2);
  assert.equal(group("lag", ',topic="a",partition="0"'), 5);
  assert.equal(group("lag", ',topic="a",partition="1"'), 0);
  assert.equal(group("lag_sum", ',topic="a"'), 5);
  assert.equal(found.get("kafka_coordinator_group_groupmetadatamanager_numgroups"), 1);
  assert.equal(found.get("kafka_coordinator_group_groupmetadatamanager_numoffsets"), 2);
  assert.ok((found.get('barnabas_shard_memory_bytes{shard="1",owner="heap-used"}') ?? 0) > 2 ** 20);
}

Deno.test("/metrics says exactly what clients wrote, read, committed and were refused", async () => {
  const topics = [{ name: "a", partitions: 4 }, { name: "b", partitions: 1 }];
  const overrides = { "barnabas.http.port": "0", "message.max.bytes": "20000" };
  await using broker = await startBroker({ port: 0, shards: 2, topics, overrides });
  using member = await GroupMember.connect(broker, "group");
  const sent = await useBroker(broker, member);
  // The clients have closed their connections: the shards see it in their next turns.
  let found = await scrape(broker.httpPort);
  while (found.get('kafka_server_socket_server_metrics_connection_count{listener="PLAINTEXT"}') !== 1) {
    found = await scrape(broker.httpPort);
  }
  assertTraffic(found, sent);
  assertRequests(found);
  assertRest(found, sent);
});

/** Starts two brokers that share a store. */
function withTwoBrokers(body: (first: MemberBroker, second: MemberBroker) => Promise<void>): Promise<void> {
  return withDirectory(async (directory) => {
    await using closing = new AsyncDisposableStack();
    const store = closing.adopt(new SqliteStore(), (store) => store.close());
    await store.open(`${directory}/cluster.sqlite`);
    const start = (nodeId: number) =>
      startMember({
        port: 0,
        shards: 2,
        dataDir: `${directory}/${nodeId}`,
        overrides: { "node.id": String(nodeId), "barnabas.http.port": "0" },
      }, store);
    await using first = await start(1);
    await using second = await start(2);
    await body(first, second);
  });
}

type MemberBroker = Awaited<ReturnType<typeof startMember>>;

Deno.test("brokers count what goes from a leader to its followers as replication, apart from what consumers read", () =>
  withTwoBrokers(async (leader, follower) => {
    using client = await KafkaClient.connect(leader);
    await createReplicated(client, "r", [[1, 2]]);
    let bytes = 0;
    for (let count = 0; count < 3; count++) {
      const batch = buildBatch([{ value: "x".repeat(1000 * count) }]);
      while ((await appendBatch(client, ["r", 0], batch))[0] !== errorCode.NONE);
      bytes += batch.length;
    }
    const [batch] = await fetchBatches(client, ["r", 0], 0, 1);
    const of = (broker: typeof leader) => ({
      replicationIn: broker.pool.counters.total("replicationBytesIn"),
      replicationOut: broker.pool.counters.total("replicationBytesOut"),
      bytesIn: broker.pool.counters.allTraffic().bytesIn,
      bytesOut: broker.pool.counters.allTraffic().bytesOut,
      consumerFetches: broker.pool.counters.requests(1),
      hasFollowerFetches: broker.pool.counters.requests(FOLLOWER_FETCH) > 0,
    });
    assert.deepEqual(of(leader), {
      replicationIn: 0,
      replicationOut: bytes,
      bytesIn: bytes,
      bytesOut: batch?.bytes.length,
      consumerFetches: 1,
      hasFollowerFetches: true,
    });
    assert.deepEqual(of(follower), {
      replicationIn: bytes,
      replicationOut: 0,
      bytesIn: 0,
      bytesOut: 0,
      consumerFetches: 0,
      hasFollowerFetches: false,
    });
  }));

/** What a topic's series have in a scrape: all that count. */
function ofTopic(found: Scrape, topic: string): Map<string, number> {
  const pattern = new RegExp(`^kafka_server_brokertopicmetrics_\\w+_total\\{topic="${topic}"\\}$`);
  return new Map([...found].filter(([name]) => pattern.test(name)));
}

/** Waits until a page shows a value: pages are kept for a moment. */
async function shows({ httpPort }: MemberBroker, series: string, value: number | undefined): Promise<void> {
  const name = `kafka_server_brokertopicmetrics_${series}`;
  for (;;) {
    const found = (await scrape(httpPort)).get(name);
    if (found === value) return;
    assert.ok(value === undefined || (found ?? 0) < value, `${name} is ${found}, not ${value}`);
  }
}

Deno.test("a topic's counters do not fall when a partition goes to another broker, and begin anew with a new topic of the name", () =>
  withTwoBrokers(async (first) => {
    using client = await KafkaClient.connect(first);
    await createReplicated(client, "moving", [[1], [1]]);
    const batch = buildBatch([{ value: "x" }]);
    for (const partition of [0, 1, 1]) {
      while ((await appendBatch(client, ["moving", partition], batch))[0] !== errorCode.NONE);
    }
    await fetchBatches(client, ["moving", 1], 0);
    let last = await scrape(first.httpPort);
    assert.equal(
      ofTopic(last, "moving").get(`kafka_server_brokertopicmetrics_bytesin_total{topic="moving"}`),
      3 * batch.length,
    );
    const partitions = [{ partitionIndex: 1, replicas: [2] }];
    const value = { timeoutMs: 30_000, topics: [{ name: "moving", partitions }] };
    const of = { apiVersion: 1, value };
    await client.call(alterPartitionReassignmentsRequest, alterPartitionReassignmentsResponse, of);
    while (last.get("kafka_server_replicamanager_partitioncount") !== 1) {
      const found = await scrape(first.httpPort);
      for (const [name, value] of ofTopic(last, "moving")) assert.ok((found.get(name) ?? 0) >= value, name);
      last = found;
    }
    await appendBatch(client, ["moving", 0], batch);
    await shows(first, 'bytesin_total{topic="moving"}', 4 * batch.length);
    const deleted = { topics: [], topicNames: ["moving"], timeoutMs: 30_000 };
    await client.call(deleteTopicsRequest, deleteTopicsResponse, { apiVersion: 5, value: deleted });
    await shows(first, 'bytesin_total{topic="moving"}', undefined);
    await createReplicated(client, "moving", [[1]]);
    while ((await appendBatch(client, ["moving", 0], batch))[0] !== errorCode.NONE);
    await shows(first, 'bytesin_total{topic="moving"}', batch.length);
    await shows(first, "bytesin_total", 5 * batch.length); // topics included that are gone
  }));
