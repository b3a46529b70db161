/**
 * The broker under test. By default it is this one, started by `startBroker`. With BARNABAS_INTEROP_PEER=apache-kafka it is Apache Kafka,
 * which shows that a test expects nothing that Kafka does not do. Main isolate of a test.
 */
import { startApacheKafka } from "../../bench/peer/apache_kafka.ts";
import { freePort, RunningProcess } from "../../bench/peer/processes.ts";
import { waitForBroker, WireClient } from "../../bench/peer/wire_client.ts";

/** A running broker with its directory. */
export interface TestBroker extends AsyncDisposable {
  readonly port: number;
  readonly bootstrapServers: string;
  /** Holds the partition directories. */
  readonly dataDir: string;
  /** Stops it; its directory stays until the test removes it. */
  close(): Promise<void>;
}

/** How to start it. */
export interface TestBrokerOptions {
  /** If it was used before, its data is served. */
  readonly dataDir: string;
  /** In Kafka's names. */
  readonly overrides?: Readonly<Record<string, string>>;
}

/** True when Apache Kafka takes the place of the broker under test. */
export const testsApacheKafka = Deno.env.get("BARNABAS_INTEROP_PEER") === "apache-kafka";

/** Starts the broker under test on a free port. */
export async function startTestBroker(options: TestBrokerOptions): Promise<TestBroker> {
  if (testsApacheKafka) {
    // Kafka wants a directory above its data for its properties and output.
    return await startApacheKafka({ directory: options.dataDir, properties: options.overrides });
  }
  const { startBroker } = await import("../../mod.ts");
  return await startBroker({ port: 0, shards: 2, dataDir: options.dataDir, overrides: options.overrides });
}

/** A broker in its own process, which can be killed and whose memory can be measured; disposal stops it. */
export interface BrokerProcess extends AsyncDisposable {
  readonly port: number;
  readonly dataDir: string;
  readonly process: RunningProcess;
}

const mainProgram = new URL("../../main.ts", import.meta.url).pathname;

/** Starts the broker under test as a process. */
export async function startBrokerProcess(options: TestBrokerOptions & { port?: number }): Promise<BrokerProcess> {
  const { dataDir, overrides = {}, port = freePort() } = options;
  if (testsApacheKafka) return await startApacheKafka({ directory: dataDir, port, properties: overrides });
  const process = new RunningProcess(Deno.execPath(), [
    ...["run", "-A", mainProgram, "--port", String(port), "--data", dataDir, "--shards", "2"],
    ...Object.entries(overrides).flatMap(([name, value]) => ["--override", `${name}=${value}`]),
  ], { outputFile: `${dataDir}.output.txt` });
  try {
    await waitForBroker(port, () => process.running);
  } catch (error) {
    await process.stop();
    throw new Error(`Cannot start the broker:\n${process.outputTail()}`, { cause: error });
  }
  return { port, dataDir, process, [Symbol.asyncDispose]: () => process[Symbol.asyncDispose]() };
}

/** A connection to the broker under test. */
export function connect(broker: { readonly port: number }): Promise<WireClient> {
  return WireClient.connect(broker.port);
}

/** A new directory; disposal removes it and what was created beside it for it. */
export function temporaryDirectory(): { readonly path: string } & Disposable {
  const parent = Deno.makeTempDirSync({ prefix: "barnabas-interop-" });
  return { path: `${parent}/broker`, [Symbol.dispose]: () => Deno.removeSync(parent, { recursive: true }) };
}

/** Files of a partition's directories whose names end with `suffix`, with their contents, in offset order. */
export function partitionFiles(
  dataDir: string,
  partition: string,
  suffix: string,
): { path: string; bytes: Uint8Array }[] {
  const directory = `${dataDir}/${partition}`;
  return [...Deno.readDirSync(directory)]
    .filter((entry) => entry.name.endsWith(suffix))
    .map((entry) => `${directory}/${entry.name}`)
    .sort()
    .map((path) => ({ path, bytes: Deno.readFileSync(path) }));
}
