/**
 * A cluster for a test: an etcd and brokers in processes of their own, on ports and in directories of their own. Main isolate of a test.
 */
import assert from "node:assert/strict";
import { freePort, RunningProcess, waitFor } from "../../../bench/peer/processes.ts";
import { wireBatch } from "../../../bench/peer/wire_bytes.ts";
import { WireClient } from "../../../bench/peer/wire_client.ts";
import { errorCode } from "../../../net/protocol/error_codes.ts";
import {
  metadataRequest,
  type MetadataResponse,
  metadataResponse,
} from "../../../net/protocol/messages/03_metadata.ts";
import { isConnectionLost, KafkaClient } from "../../kafka_client.ts";
import { Etcd } from "../etcd/members.ts";
import { HERE, type Place } from "./places.ts";

/** How a cluster is started. */
export interface ClusterRigOptions {
  /** Where everything is kept. */
  readonly directory: string;
  /** 3 by default; node ids begin with 1. */
  readonly brokers?: number;
  /** Members of etcd: 1, the default, or 3. */
  readonly etcdMembers?: number;
  /** Of each broker; 1 by default. */
  readonly shards?: number;
  /** Settings of all brokers, by Kafka's names. */
  readonly overrides?: Readonly<Record<string, string>>;
  /** Where "broker-1" and the members of etcd, "m0", run: `HERE` by default. */
  readonly placeOf?: (name: string) => Place;
  /** How brokers are reached, and reach etcd. */
  readonly wiring?: Wiring;
}

/** What a broker's arguments say of connections. */
export interface Wiring {
  /** Its listeners: `--port` by default. */
  listen(node: ClusterNode): readonly string[];
  /** The URLs by which it reaches etcd. @param urls of the members */
  etcdOf(node: ClusterNode, urls: readonly string[]): readonly string[];
}

const DIRECT: Wiring = {
  listen: ({ place, port }) => ["--host", place.host, "--port", String(port)],
  etcdOf: (_node, urls) => urls,
};

const RECORD = { value: new TextEncoder().encode("a record") };
const RETRIED: readonly number[] = [
  errorCode.NOT_LEADER_OR_FOLLOWER,
  errorCode.LEADER_NOT_AVAILABLE,
  errorCode.UNKNOWN_TOPIC_OR_PARTITION,
];
const mainProgram = new URL("../../../main.ts", import.meta.url).pathname;
const METADATA_VERSION = 12;
/** Where other tests run beside it, a process may get no turn for a second. */
const PATIENCE = { "broker.session.timeout.ms": "3000", "broker.heartbeat.interval.ms": "200" };

/** One broker's place in the cluster: the same port and directory at each start. */
export class ClusterNode {
  readonly nodeId: number;
  readonly place: Place;
  readonly port = freePort();
  readonly dataDir: string;
  readonly #args: (node: ClusterNode) => readonly string[];
  readonly #shards: number;
  #process: RunningProcess | null = null;
  #starts = 0;

  /** @param args arguments of each start; a function also says what the listeners are @param where it runs, with how many shards */
  constructor(
    nodeId: number,
    directory: string,
    args: readonly string[] | ((node: ClusterNode) => readonly string[]),
    { place = HERE, shards = 1 }: { readonly place?: Place; readonly shards?: number } = {},
  ) {
    this.nodeId = nodeId;
    this.place = place;
    this.#shards = shards;
    this.dataDir = `${directory}/broker-${nodeId}`;
    this.#args = typeof args === "function" ? args : (node) => [...DIRECT.listen(node), ...args];
  }

  /** Address of its listeners. */
  get host(): string {
    return this.place.host;
  }

  /** For a client's `bootstrap.servers`. */
  get bootstrapServers(): string {
    return `${this.host}:${this.port}`;
  }

  /** Its process. @throws Error when it was not started */
  get process(): RunningProcess {
    if (this.#process === null) throw new Error(`Broker ${this.nodeId} was not started`);
    return this.#process;
  }

  /** Whether its process runs. */
  get isRunning(): boolean {
    return this.#process?.running ?? false;
  }

  /** Starts its process, and does not wait. */
  launch(): RunningProcess {
    const outputFile = `${this.dataDir}.${++this.#starts}.txt`;
    const [command = "", ...args] = [
      ...this.place.words,
      ...[Deno.execPath(), "run", "-A", mainProgram],
      ...["--node-id", String(this.nodeId), "--data", this.dataDir, "--shards", String(this.#shards)],
      ...this.#args(this),
    ];
    return this.#process = new RunningProcess(command, args, { outputFile });
  }

  /** Starts it. @returns when it says that it has started */
  async start(): Promise<void> {
    const process = this.launch();
    await waitFor(`broker ${this.nodeId} starts`, () => {
      if (!process.running) return "ended";
      return Deno.readTextFileSync(process.outputFile).includes("started in") ? "started" : undefined;
    }, 120_000);
    if (!process.running) throw new Error(`Broker ${this.nodeId} did not start:\n${process.outputTail()}`);
  }

  /** Kills it. */
  async kill(): Promise<void> {
    await this.process.kill();
  }

  /** Stops it in order. @returns its exit code */
  stop(): Promise<number> {
    return this.process.stop(60_000);
  }
}

/** What a broker says of the cluster: its answer to Metadata. */
export type ClusterMetadata = MetadataResponse;

/** The cluster. Disposal stops the brokers, then kills etcd. */
export class ClusterRig implements AsyncDisposable {
  readonly etcd: Etcd;
  /** In the order of their ids. */
  readonly nodes: readonly ClusterNode[];

  private constructor(etcd: Etcd, nodes: readonly ClusterNode[]) {
    this.etcd = etcd;
    this.nodes = nodes;
  }

  /** Starts etcd and all brokers. @returns when each broker lists all of them */
  static async start(options: ClusterRigOptions): Promise<ClusterRig> {
    const rig = await ClusterRig.prepare(options);
    try {
      await Promise.all(rig.nodes.map((node) => node.start()));
      await rig.allListed();
      return rig;
    } catch (error) {
      await rig[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Starts etcd alone. */
  static async prepare(options: ClusterRigOptions): Promise<ClusterRig> {
    const { directory, brokers = 3, etcdMembers = 1, placeOf = () => HERE, wiring = DIRECT } = options;
    const overrides = { ...PATIENCE, ...options.overrides };
    Deno.mkdirSync(directory, { recursive: true });
    const etcd = await Etcd.start({ directory, members: etcdMembers, placeOf });
    const nodes = Array.from({ length: brokers }, (_, index) => {
      const settings = Object.entries(overrides).flatMap(([name, value]) => ["--override", `${name}=${value}`]);
      const rack = `rack-${"abc"[index % 3]}`;
      const args = (node: ClusterNode) => [
        ...wiring.listen(node),
        ...["--etcd", wiring.etcdOf(node, etcd.urls).join(","), "--rack", rack],
        ...settings,
      ];
      const place = placeOf(`broker-${index + 1}`);
      return new ClusterNode(index + 1, directory, args, { place, shards: options.shards });
    });
    return new ClusterRig(etcd, nodes);
  }

  /** For a client's `bootstrap.servers`: all brokers. */
  get bootstrapServers(): string {
    return this.nodes.map(({ bootstrapServers }) => bootstrapServers).join(",");
  }

  /** A broker by its id. */
  node(nodeId: number): ClusterNode {
    const node = this.nodes[nodeId - 1];
    assert.ok(node, `broker ${nodeId} is one of the cluster`);
    return node;
  }

  /** Waits until each broker that runs lists exactly those brokers that run. */
  async allListed(): Promise<void> {
    const expected = this.nodes.filter(({ isRunning }) => isRunning).map(({ nodeId }) => nodeId).join();
    for (const node of this.nodes.filter(({ isRunning }) => isRunning)) {
      await waitFor(`broker ${node.nodeId} lists brokers ${expected}`, async () => {
        const { brokers } = await metadataOf(node);
        return brokers.map(({ nodeId }) => nodeId).sort().join() === expected ? true : undefined;
      });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { isRunning, process } of this.nodes.filter((node) => node.isRunning)) {
      if (isRunning) process.signal("SIGCONT");
    }
    await Promise.all(this.nodes.filter(({ isRunning }) => isRunning).map((node) => node.process.stop(20_000)));
    await this.etcd[Symbol.asyncDispose]();
  }
}

/** Asks a broker about topics, all by default. */
export async function metadataOf(
  node: { readonly host?: string; readonly port: number },
  names: readonly string[] | null = null,
): Promise<ClusterMetadata> {
  using client = await KafkaClient.connect(node);
  const value = {
    topics: names?.map((name) => ({ name })) ?? null,
    allowAutoTopicCreation: false,
  };
  return await client.call(metadataRequest, metadataResponse, { apiVersion: METADATA_VERSION, value });
}

/** The leader of each partition of a topic as a broker names it, once all brokers given name the same for each, none -1. */
export function leadersOf(nodes: readonly ClusterNode[], topic: string): Promise<number[]> {
  return waitFor(`all brokers name the same leaders of ${topic}`, async () => {
    const answers = await Promise.all(nodes.map((node) => metadataOf(node, [topic])));
    const leaders = answers.map(({ topics }) => {
      const [found] = topics;
      if (found === undefined || found.errorCode !== errorCode.NONE) return null;
      return found.partitions.toSorted((a, b) => a.partitionIndex - b.partitionIndex).map(({ leaderId }) => leaderId);
    });
    const [first] = leaders;
    if (first === null || first === undefined || first.includes(-1)) return undefined;
    return leaders.every((each) => each?.join() === first.join()) ? first : undefined;
  });
}

/** Writes one record to partition 0, as a client would: again while the broker does not lead it (yet). @returns its offset */
export async function produceTo(
  node: { readonly host?: string; readonly port: number },
  topic: string,
): Promise<number> {
  using client = await WireClient.connect(node.port, node.host);
  return await waitFor(`${topic}-0 takes a record`, async () => {
    const { errorCode: code, baseOffset } = await client.produce({ topic, partition: 0 }, wireBatch([RECORD]));
    if (RETRIED.includes(code)) return undefined;
    return code === errorCode.NONE ? baseOffset : `error code ${code}`;
  }).then((outcome) => {
    if (typeof outcome === "number") return outcome;
    throw new Error(`Cannot write to ${topic}: ${outcome}`);
  });
}

/** Whether a call failed because the broker has gone, or does not listen. */
export function isGone(error: unknown): boolean {
  return isConnectionLost(error) || error instanceof Deno.errors.ConnectionRefused;
}
