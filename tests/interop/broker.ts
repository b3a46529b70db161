/**
 * The broker under test. By default it is this one, by `startBroker`; with BARNABAS_INTEROP_PEER=apache-kafka it is Apache Kafka,
 * which shows that a test asks for nothing that the original does not give. Main isolate of a test.
 */
import { startApacheKafka } from "../../bench/peer/apache_kafka.ts";
import { WireClient } from "../../bench/peer/wire_client.ts";

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
  /** One that was used before goes on. */
  readonly dataDir: string;
  /** In Kafka's names. */
  readonly overrides?: Readonly<Record<string, string>>;
}

/** True when Apache Kafka stands in for the broker under test. */
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

/** A connection to the broker under test. */
export function connect(broker: { readonly port: number }): Promise<WireClient> {
  return WireClient.connect(broker.port);
}

/** A new directory that disposal removes with all it holds. */
export function temporaryDirectory(): { readonly path: string } & Disposable {
  const path = Deno.makeTempDirSync({ prefix: "barnabas-interop-" });
  return { path, [Symbol.dispose]: () => Deno.removeSync(path, { recursive: true }) };
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
