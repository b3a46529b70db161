/** Apache Kafka in the place of the brokers under test: it shows that the rig finds what is known of Kafka. Main isolate of a test. */
import type { RunningProcess } from "../../../bench/peer/processes.ts";
import { ApacheKafkaCluster, type ApacheKafkaNode } from "../../../bench/peer/apache_kafka_cluster.ts";
import { waitForBroker } from "../../../bench/peer/wire_client.ts";
import type { ReplicatedCluster, RigNode } from "./replicated_cluster.ts";

/** Heap of each JVM. */
const HEAP = "512M";

/** Starts three brokers. */
export async function startKafkaBrokers(
  options: { readonly directory: string; readonly overrides: Readonly<Record<string, string>> },
): Promise<ReplicatedCluster> {
  const { directory, overrides } = options;
  const cluster = await ApacheKafkaCluster.start({ directory, properties: overrides, heap: HEAP });
  return {
    nodes: cluster.nodes.map((node) => new KafkaNode(node)),
    bootstrapServers: cluster.bootstrapServers,
    etcd: null,
    [Symbol.asyncDispose]: () => cluster[Symbol.asyncDispose](),
  };
}

class KafkaNode implements RigNode {
  readonly nodeId: number;
  readonly port: number;
  readonly dataDir: string;
  readonly #node: ApacheKafkaNode;

  constructor(node: ApacheKafkaNode) {
    this.nodeId = node.nodeId;
    this.port = node.port;
    this.dataDir = node.dataDir;
    this.#node = node;
  }

  get process(): RunningProcess {
    return this.#node.process;
  }

  get isRunning(): boolean {
    return this.#node.isRunning;
  }

  async start(): Promise<void> {
    await this.#node.launch();
    await waitForBroker(this.port, () => this.isRunning);
  }

  kill(): Promise<void> {
    return this.#node.kill();
  }

  /** Kills it: the last brokers cannot stop in order, for that takes a majority of the controllers. */
  async stop(): Promise<number> {
    await this.#node.kill();
    return 0;
  }
}
