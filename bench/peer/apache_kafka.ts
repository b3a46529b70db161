/**
 * Apache Kafka as a child process: one broker with its controller (KRaft) on 127.0.0.1, and its command-line tools. Main isolate.
 *
 * Source: the quick start of Apache Kafka 4.3; JVM flags of its kafka-run-class.sh.
 */
import { installKafka, kafkaInstalled, kafkaJars } from "./install.ts";
import { freePort, type ProcessResult, run, RunningProcess, type RunOptions, runOrThrow } from "./processes.ts";
import { waitForBroker } from "./wire_client.ts";

/** How to run Apache Kafka. */
export interface ApacheKafkaOptions {
  /** Holds its properties, output and data; if it was used before, its data is served. */
  readonly directory: string;
  /** 0 or absent: a free one. */
  readonly port?: number;
  /** Additions to server.properties. */
  readonly properties?: Readonly<Record<string, string>>;
  /** Heap of the JVM; Apache Kafka's default is a fixed 1 GiB. */
  readonly heap?: string;
  /** File to which the JVM writes a line at each collection; absent: none. */
  readonly gcTraceFile?: string;
  /** Its place among the brokers of a cluster (apache_kafka_cluster.ts); absent: it is alone. */
  readonly member?: KafkaMember;
}

/** One broker of several, each of which is a voter of the controllers' quorum as well. */
export interface KafkaMember {
  /** Of all of them, as `randomClusterId()` makes it. */
  readonly clusterId: string;
  /** From 1 on. */
  readonly nodeId: number;
  /** Ports of all controllers, in the order of their node ids. */
  readonly controllerPorts: readonly number[];
}

const JVM_FLAGS = [
  ...["-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-XX:InitiatingHeapOccupancyPercent=35"],
  ...["-XX:+ExplicitGCInvokesConcurrent", "-XX:MaxInlineLevel=15", "-Djava.awt.headless=true"],
];

/** A running Apache Kafka; disposal stops it. */
export class ApacheKafka implements AsyncDisposable {
  readonly port: number;
  readonly dataDir: string;
  readonly process: RunningProcess;
  /** `performance.now()` just before its process was started. */
  readonly launchedAtMs: number;

  constructor(started: { port: number; dataDir: string; process: RunningProcess; launchedAtMs: number }) {
    this.port = started.port;
    this.dataDir = started.dataDir;
    this.process = started.process;
    this.launchedAtMs = started.launchedAtMs;
  }

  get bootstrapServers(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** Stops it as an operator would. */
  async close(): Promise<void> {
    await this.process.stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/**
 * Starts Apache Kafka, formatting its directory when that is new.
 * @returns once it answers requests
 */
export async function startApacheKafka(options: ApacheKafkaOptions): Promise<ApacheKafka> {
  const kafka = await launchApacheKafka(options);
  try {
    await waitForBroker(kafka.port, () => kafka.process.running);
  } catch (error) {
    await kafka.close();
    throw new Error(`Cannot start Apache Kafka:\n${kafka.process.outputTail()}`, { cause: error });
  }
  return kafka;
}

/** Starts Apache Kafka without waiting for its first answer, for measurements of the start. */
export async function launchApacheKafka(options: ApacheKafkaOptions): Promise<ApacheKafka> {
  if (!kafkaInstalled()) await installKafka();
  const { directory } = options;
  const port = options.port || freePort();
  await Deno.mkdir(directory, { recursive: true });
  const properties = `${directory}/server.properties`;
  const member = options.member ?? { clusterId: randomClusterId(), nodeId: 1, controllerPorts: [freePort()] };
  await Deno.writeTextFile(properties, serverProperties(options, port, member));
  await formatOnce(directory, properties, member.clusterId);
  const heap = options.heap ?? "1G";
  const trace = options.gcTraceFile === undefined ? [] : [`-Xlog:gc:file=${options.gcTraceFile}::filecount=0`];
  const launchedAtMs = performance.now();
  const process = new RunningProcess("java", [
    ...[`-Xms${heap}`, `-Xmx${heap}`, ...JVM_FLAGS, ...trace],
    ...["-cp", `${kafkaJars()}/*`, "kafka.Kafka", properties],
  ], { outputFile: `${directory}/output.txt` });
  return new ApacheKafka({ port, dataDir: `${directory}/data`, process, launchedAtMs });
}

/** Settings of a broker that is alone, where the internal topics have one replica. */
const ALONE = {
  "offsets.topic.replication.factor": "1",
  "transaction.state.log.replication.factor": "1",
  "transaction.state.log.min.isr": "1",
  "share.coordinator.state.topic.replication.factor": "1",
  "share.coordinator.state.topic.min.isr": "1",
};

function serverProperties(options: ApacheKafkaOptions, port: number, { nodeId, controllerPorts }: KafkaMember): string {
  const { directory } = options;
  const voters = controllerPorts.map((controllerPort, index) => `${index + 1}@127.0.0.1:${controllerPort}`);
  const properties = {
    "process.roles": "broker,controller",
    "node.id": String(nodeId),
    "controller.quorum.voters": voters.join(","),
    "listeners": `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPorts[nodeId - 1]}`,
    "advertised.listeners": `PLAINTEXT://127.0.0.1:${port}`,
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
    "inter.broker.listener.name": "PLAINTEXT",
    "log.dirs": `${directory}/data`,
    ...(controllerPorts.length === 1 ? ALONE : {}),
    "group.initial.rebalance.delay.ms": "0",
    ...options.properties,
  };
  return Object.entries(properties).map(([name, value]) => `${name}=${value}\n`).join("");
}

async function formatOnce(directory: string, properties: string, clusterId: string): Promise<void> {
  try {
    await Deno.stat(`${directory}/data/meta.properties`);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    await runOrThrow("java", [
      ...["-cp", `${kafkaJars()}/*`, "kafka.tools.StorageTool", "format"],
      ...["-t", clusterId, "-c", properties],
    ]);
  }
}

/** A cluster id as Kafka makes it: 16 bytes in base64url without padding and leading dash. */
export function randomClusterId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[0]! &= 0x7f; // so that the first letter is not "-", which the tool would take for a flag
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/**
 * Runs a command-line tool of Apache Kafka.
 * @param className below org.apache.kafka.tools ("TopicCommand"), or in full
 * @returns its output, whatever its exit code
 */
export function kafkaTool(
  className: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<ProcessResult> {
  return run("java", kafkaToolArguments(className, args), options);
}

/** Arguments for java that run a tool: for callers that need its output as bytes. */
export function kafkaToolArguments(className: string, args: readonly string[]): string[] {
  return ["-Xmx512M", "-XX:TieredStopAtLevel=1", "-cp", `${kafkaJars()}/*`, toolClass(className), ...args];
}

/** The class of a tool in full. @param name below org.apache.kafka.tools ("TopicCommand"), or in full */
export function toolClass(name: string): string {
  return /^(kafka|org)\./.test(name) ? name : `org.apache.kafka.tools.${name}`;
}
