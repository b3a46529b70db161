// deno-lint-ignore-file no-console -- a benchmark prints its figures
/**
 * What a cluster costs and how fast its metadata travel: three brokers on this machine.
 *
 * ```
 * deno run -A bench/cluster.ts [--topics 1000] [--partitions 10] [--rounds 100] [--idle 20] [--in-process 1]
 * ```
 *
 * - **seen by all**: a topic is created (deleted) through one broker; how long until every broker says so, from the request on
 * - **creation**: all topics, some a request, until every broker lists them
 * - **idle**: CPU and memory of each process while nothing happens, with all these partitions
 * - **killed**: from kill -9 of a broker until every other one says that none of its partitions has a leader
 * - **back**: from the start of its process until it says that it has started, and until all brokers name it as their leader again
 *
 * Brokers and an etcd of one member are processes of their own. With `--in-process 1` the brokers are those of `startCluster()`, in the
 * process of the benchmark, over a store of SQLite; nobody is killed then, and the process's figures contain the benchmark's own.
 */
import { processCpuSeconds, processMemory } from "./peer/processes.ts";
import { deleteTopicsRequest, deleteTopicsResponse } from "../net/protocol/messages/20_delete_topics.ts";
import { createTopicsRequest, createTopicsResponse } from "../net/protocol/messages/19_create_topics.ts";
import { metadataRequest, type MetadataResponse, metadataResponse } from "../net/protocol/messages/03_metadata.ts";
import { startCluster } from "../mod.ts";
import { type ClusterNode, ClusterRig } from "../tests/interop/cluster/cluster_rig.ts";
import { KafkaClient } from "../tests/kafka_client.ts";

const TOPICS_A_REQUEST = 20;
const SETTLE_MS = 5000;

interface Figures {
  readonly topics: number;
  readonly partitions: number;
  readonly rounds: number;
  readonly idle: number;
}

/** A connection to each broker. */
class Clients implements Disposable {
  readonly #clients: readonly KafkaClient[];

  constructor(clients: readonly KafkaClient[]) {
    this.#clients = clients;
  }

  static async connect(brokers: readonly { readonly port: number }[]): Promise<Clients> {
    return new Clients(await Promise.all(brokers.map((broker) => KafkaClient.connect(broker))));
  }

  /** Creates topics through a broker. @param nth which broker, in turn */
  async create(nth: number, names: readonly string[], numPartitions: number): Promise<void> {
    const topics = names.map((name) => ({ name, numPartitions, replicationFactor: 1, configs: [] }));
    const value = { topics, timeoutMs: 30_000 };
    const answer = await this.#at(nth).call(createTopicsRequest, createTopicsResponse, { apiVersion: 7, value });
    const failed = answer.topics.find(({ errorCode }) => errorCode !== 0);
    if (failed !== undefined) throw new Error(`${failed.name}: ${failed.errorMessage ?? failed.errorCode}`);
  }

  /** Deletes a topic through a broker. */
  async remove(nth: number, name: string): Promise<void> {
    const value = { topicNames: [name], timeoutMs: 30_000 };
    const answer = await this.#at(nth).call(deleteTopicsRequest, deleteTopicsResponse, { apiVersion: 5, value });
    const failed = answer.responses.find(({ errorCode }) => errorCode !== 0);
    if (failed !== undefined) throw new Error(`${failed.name}: ${failed.errorMessage ?? failed.errorCode}`);
  }

  /** Changes something, and asks all brokers until they say that a topic exists, or does not. @returns ms from the request on */
  async untilAllSay(name: string, exists: boolean, change: () => Promise<void>): Promise<number> {
    const startMs = performance.now();
    await change();
    await this.until([name], ({ topics }) => (topics[0]?.errorCode === 0) === exists);
    return performance.now() - startMs;
  }

  /** Asks every broker about topics until its answer is as wanted. */
  async until(names: readonly string[], isWanted: (answer: MetadataResponse) => boolean): Promise<void> {
    for (const client of this.#clients) while (!isWanted(await metadata(client, names)));
  }

  #at(nth: number): KafkaClient {
    return this.#clients[nth % this.#clients.length] as KafkaClient;
  }

  [Symbol.dispose](): void {
    for (const client of this.#clients) client[Symbol.dispose]();
  }
}

function metadata(client: KafkaClient, names: readonly string[]): Promise<MetadataResponse> {
  const value = { topics: names.map((name) => ({ name })), allowAutoTopicCreation: false };
  return client.call(metadataRequest, metadataResponse, { apiVersion: 12, value });
}

const { inProcess, ...figures } = readFlags(Deno.args);
const directory = await Deno.makeTempDir({ prefix: "barnabas-bench-cluster-" });
try {
  if (inProcess > 0) await measureInProcess();
  else await measureProcesses();
} finally {
  await Deno.remove(directory, { recursive: true });
}

async function measureProcesses(): Promise<void> {
  const startMs = performance.now();
  await using rig = await ClusterRig.start({ directory });
  console.log(`started and known to each other after ${seconds(startMs)} s`);
  {
    using clients = await Clients.connect(rig.nodes);
    await measureTravel(clients, figures);
    await measureCreation(clients, figures);
  }
  await measureIdle([
    ...rig.nodes.map(({ nodeId, process }) => ({ name: `broker ${nodeId}`, pid: process.pid })),
    ...rig.etcd.members.map(({ process }) => ({ name: "etcd", pid: process.pid })),
  ], figures);
  for (const node of rig.nodes) await measureFault(rig, node, figures);
}

async function measureInProcess(): Promise<void> {
  const startMs = performance.now();
  await using cluster = await startCluster({ dataDir: directory });
  console.log(`startCluster() took ${seconds(startMs)} s`);
  using clients = await Clients.connect(cluster.brokers);
  await measureTravel(clients, figures);
  await measureCreation(clients, figures);
  await measureIdle([{ name: "all brokers", pid: Deno.pid }], figures);
}

async function measureTravel(clients: Clients, { rounds }: Figures): Promise<void> {
  const [created, deleted]: [number[], number[]] = [[], []];
  for (let round = 0; round < rounds; round++) {
    const name = `travel-${round}`;
    created.push(await clients.untilAllSay(name, true, () => clients.create(round, [name], 3)));
    deleted.push(await clients.untilAllSay(name, false, () => clients.remove(round, name)));
  }
  for (const [what, times] of [["created", created], ["deleted", deleted]] as const) {
    const sorted = times.toSorted((a, b) => a - b);
    const at = (share: number) => (sorted[Math.ceil(sorted.length * share) - 1] as number).toFixed(1);
    const longest = sorted.at(-1) as number;
    console.log(
      `${what}, seen by all: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, longest ${longest.toFixed(1)} ms ` +
        `(number ${times.indexOf(longest) + 1} of ${times.length})`,
    );
  }
}

async function measureCreation(clients: Clients, { topics, partitions }: Figures): Promise<void> {
  const names = manyTopics(topics);
  const startMs = performance.now();
  for (let first = 0; first < topics; first += TOPICS_A_REQUEST) {
    await clients.create(first / TOPICS_A_REQUEST, names.slice(first, first + TOPICS_A_REQUEST), partitions);
  }
  const answered = seconds(startMs);
  await clients.until([names.at(-1) as string], (answer) => answer.topics[0]?.errorCode === 0);
  console.log(
    `${topics} topics of ${partitions} partitions: answered after ${answered} s, seen by all after ${
      seconds(startMs)
    } s`,
  );
}

async function measureIdle(processes: readonly { name: string; pid: number }[], { idle }: Figures): Promise<void> {
  await sleep(SETTLE_MS);
  const before = processes.map(({ pid }) => processCpuSeconds(pid));
  await sleep(idle * 1000);
  for (const [index, { name, pid }] of processes.entries()) {
    const share = (processCpuSeconds(pid) - (before[index] as number)) / idle;
    const megabytes = processMemory(pid).residentBytes / 1e6;
    console.log(`${name}, idle: ${(share * 100).toFixed(1)} % of a core, RSS ${megabytes.toFixed(0)} MB`);
  }
}

async function measureFault(rig: ClusterRig, node: ClusterNode, { topics }: Figures): Promise<void> {
  const names = manyTopics(topics);
  const others = rig.nodes.filter((other) => other !== node);
  const led = new Map<string, number[]>();
  let isController = false;
  {
    using clients = await Clients.connect(others.slice(0, 1));
    await clients.until(names, ({ topics: found, controllerId }) => {
      isController = controllerId === node.nodeId;
      for (const { name, partitions } of found) {
        const own = partitions.filter(({ leaderId }) => leaderId === node.nodeId);
        led.set(name as string, own.map(({ partitionIndex }) => partitionIndex));
      }
      return true;
    });
  }
  const ledBy = (brokers: readonly ClusterNode[], leader: number) => untilLedBy(brokers, { led, leader });
  const killedMs = performance.now();
  await node.kill();
  await ledBy(others, -1);
  const leaderless = seconds(killedMs);
  const startMs = performance.now();
  await node.start();
  const started = seconds(startMs);
  await ledBy(rig.nodes, node.nodeId);
  const what = `broker ${node.nodeId}${isController ? ", the controller" : ""}`;
  console.log(
    `${what}, killed: leaderless after ${leaderless} s; started again: after ${started} s, leader of all after ${
      seconds(startMs)
    } s`,
  );
}

/** Waits until brokers name this leader of these partitions of topics. */
async function untilLedBy(
  brokers: readonly ClusterNode[],
  { led, leader }: { led: ReadonlyMap<string, readonly number[]>; leader: number },
): Promise<void> {
  using clients = await Clients.connect(brokers);
  const names = [...led.keys()];
  for (let first = 0; first < names.length; first += TOPICS_A_REQUEST) {
    await clients.until(
      names.slice(first, first + TOPICS_A_REQUEST),
      ({ topics }) =>
        topics.every(({ name, partitions }) => {
          const own = led.get(name as string) ?? [];
          return partitions.every((one) => one.leaderId === leader || !own.includes(one.partitionIndex));
        }),
    );
  }
}

function manyTopics(count: number): string[] {
  return Array.from({ length: count }, (_, nth) => `many-${nth}`);
}

function seconds(sinceMs: number): string {
  return ((performance.now() - sinceMs) / 1000).toFixed(2);
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function readFlags(args: readonly string[]) {
  const values = { topics: 1000, partitions: 10, rounds: 100, idle: 20, inProcess: 0 };
  for (let at = 0; at < args.length; at += 2) {
    const name = (args[at] ?? "").replace(/^--/, "").replace("in-process", "inProcess");
    const value = Number(args[at + 1]);
    if (!Object.hasOwn(values, name) || !Number.isInteger(value) || value < 1) {
      throw new Error(
        "Usage: bench/cluster.ts [--topics N] [--partitions N] [--rounds N] [--idle SECONDS] [--in-process 1]",
      );
    }
    values[name as keyof typeof values] = value;
  }
  return values;
}
