/**
 * Several brokers of Apache Kafka as child processes on 127.0.0.1: each is a controller, too (KRaft, combined roles), and all have one
 * cluster id. Main isolate of a benchmark or a test.
 *
 * Settings are Kafka's defaults, but min.insync.replicas is 2: with its default of 1, acks=all may mean one disk. So the internal topics
 * have three replicas, replica.lag.time.max.ms is 30 s and a session 9 s.
 *
 * Always: a node keeps its port, its directory and its node id from one start to the next.
 */
import { type ApacheKafka, launchApacheKafka, randomClusterId } from "./apache_kafka.ts";
import { freePort, type RunningProcess, waitFor } from "./processes.ts";
import { ByteWriter } from "./wire_bytes.ts";
import { WireClient } from "./wire_client.ts";

/** How to run a cluster. */
export interface ApacheKafkaClusterOptions {
  /** Holds a directory for each broker. */
  readonly directory: string;
  /** 3 by default. */
  readonly brokers?: number;
  /** Additions to each server.properties. */
  readonly properties?: Readonly<Record<string, string>>;
  /** Heap of each JVM: "1G", Kafka's default, needs about 4 GB of memory for three brokers; "512M" about 2.5 GB. */
  readonly heap?: string;
}

const CLUSTER_PROPERTIES = { "min.insync.replicas": "2" };

/** One broker's place in the cluster. */
export class ApacheKafkaNode {
  readonly nodeId: number;
  readonly port: number = freePort();
  readonly dataDir: string;
  readonly #launch: (port: number) => Promise<ApacheKafka>;
  #kafka: ApacheKafka | null = null;

  constructor(nodeId: number, directory: string, launch: (port: number) => Promise<ApacheKafka>) {
    this.nodeId = nodeId;
    this.dataDir = `${directory}/data`;
    this.#launch = launch;
  }

  /** For a client's `bootstrap.servers`. */
  get bootstrapServers(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** Its process. @throws Error when it was not launched */
  get process(): RunningProcess {
    if (this.#kafka === null) throw new Error(`Broker ${this.nodeId} was not launched`);
    return this.#kafka.process;
  }

  /** Whether its process runs. */
  get isRunning(): boolean {
    return this.#kafka?.process.running ?? false;
  }

  /** Starts its process, and does not wait for its first answer: that needs a majority of the controllers. */
  async launch(): Promise<void> {
    this.#kafka = await this.#launch(this.port);
  }

  /** Waits until it lists these brokers. */
  async lists(nodeIds: readonly number[]): Promise<void> {
    const expected = nodeIds.toSorted((a, b) => a - b).join();
    const ended = await waitFor(`Apache Kafka's broker ${this.nodeId} lists brokers ${expected}`, async () => {
      if (!this.isRunning) return true;
      using client = await WireClient.connect(this.port);
      return (await client.brokerIds()).join() === expected ? false : undefined;
    }, 120_000);
    if (ended) throw new Error(`Broker ${this.nodeId} of Apache Kafka has ended:\n${this.process.outputTail()}`);
  }

  /** Kills it. */
  async kill(): Promise<void> {
    await this.process.kill();
  }
}

/** The cluster; disposal ends it. */
export class ApacheKafkaCluster implements AsyncDisposable {
  /** In the order of their ids, which begin with 1. */
  readonly nodes: readonly ApacheKafkaNode[];

  private constructor(nodes: readonly ApacheKafkaNode[]) {
    this.nodes = nodes;
  }

  /** Formats the directories and starts all brokers. @returns when each broker lists all of them */
  static async start({ directory, brokers = 3, ...more }: ApacheKafkaClusterOptions): Promise<ApacheKafkaCluster> {
    const [clusterId, controllerPorts] = [randomClusterId(), Array.from({ length: brokers }, freePort)];
    const properties = { ...CLUSTER_PROPERTIES, ...more.properties };
    const nodes = controllerPorts.map((_, index) => {
      const [nodeId, own] = [index + 1, `${directory}/broker-${index + 1}`];
      const member = { clusterId, nodeId, controllerPorts };
      return new ApacheKafkaNode(
        nodeId,
        own,
        (port) => launchApacheKafka({ directory: own, port, properties, heap: more.heap, member }),
      );
    });
    const cluster = new ApacheKafkaCluster(nodes);
    try {
      await Promise.all(nodes.map((node) => node.launch()));
      await cluster.allListed();
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
    return cluster;
  }

  /** For a client's `bootstrap.servers`: all brokers. */
  get bootstrapServers(): string {
    return this.nodes.map(({ bootstrapServers }) => bootstrapServers).join(",");
  }

  /** A broker by its id. */
  node(nodeId: number): ApacheKafkaNode {
    const node = this.nodes[nodeId - 1];
    if (node === undefined) throw new Error(`The cluster has no broker ${nodeId}`);
    return node;
  }

  /** Waits until each broker that runs lists exactly those brokers that run. */
  async allListed(): Promise<void> {
    const running = this.nodes.filter(({ isRunning }) => isRunning);
    const nodeIds = running.map(({ nodeId }) => nodeId);
    await Promise.all(running.map((node) => node.lists(nodeIds)));
  }

  /** Node id of the active controller, which Metadata does not say in KRaft. */
  activeController(): Promise<number> {
    return waitFor("Apache Kafka has an active controller", async () => {
      for (const { port } of this.nodes.filter(({ isRunning }) => isRunning)) {
        using client = await WireClient.connect(port);
        const leader = await leaderOfQuorum(client);
        if (leader >= 0) return leader;
      }
      return undefined;
    });
  }

  /** Kills all brokers: the data of a cluster that is disposed of are of no use. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.nodes.filter(({ isRunning }) => isRunning).map((node) => node.kill()));
  }
}

/** Key and version of DescribeQuorum (KIP-595). */
const DESCRIBE_QUORUM = [55, 0] as const;
const METADATA_TOPIC = "__cluster_metadata";
/** Ends a header or a struct of a flexible version (KIP-482). */
const NO_TAGS = 0;
/** An array of one element, in a flexible version. */
const ONE = 2;

/** Asks for the leader of the metadata's partition. @returns -1 while there is none */
async function leaderOfQuorum(client: WireClient): Promise<number> {
  const name = new TextEncoder().encode(METADATA_TOPIC);
  const body = new ByteWriter().int8(NO_TAGS).int8(ONE).int8(name.length + 1).raw(name).int8(ONE).int32(0);
  const answer = await client.request(DESCRIBE_QUORUM, body.int8(NO_TAGS).int8(NO_TAGS).int8(NO_TAGS).bytes);
  answer.int8(); // tags of the header
  const failed = answer.int16();
  if (failed !== 0 || answer.int8() !== ONE) return -1;
  for (let left = answer.int8(); left > 1; left--) answer.int8(); // the topic's name
  answer.int8(); // one partition
  answer.int32();
  return answer.int16() === 0 ? answer.int32() : -1;
}
