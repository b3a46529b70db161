/**
 * The interop matrix of README.md: which client does what with this broker. A test that runs a client says what a pass of it proves
 * (`proves`, ../toolchain.ts); `deno task generate:matrix` runs these tests and writes down what passed (proven.json), and the table is
 * made of that. Every later run compares: a test that proves something else than the table says fails. Main isolate of a test.
 */
import { KAFKA_VERSION } from "../../../bench/peer/install.ts";

/** Columns: what a client can do, and how the table names it. */
export const features = {
  produce: "produce",
  consume: "consume",
  gzip: "gzip",
  snappy: "snappy",
  lz4: "lz4",
  zstd: "zstd",
  idempotence: "idempotent",
  classic: "classic groups",
  consumer: "consumer groups (KIP-848)",
  topics: "topics",
  configs: "settings",
  offsets: "groups' offsets",
  quotas: "quotas",
  scram: "SCRAM users",
  cluster: "three brokers",
} as const;

/** One of them. */
export type Feature = keyof typeof features;

/** Whether a word names a column. */
export function isFeature(word: string): word is Feature {
  return word in features;
}

/** Rows: clients, how the table names them, and the file that pins the version, with what stands before it. */
const clients = {
  java: { shown: "Java client", version: KAFKA_VERSION },
  "java 3": { shown: "Java client", pinned: ["../administration/pom.xml", "<artifactId>kafka-clients</artifactId>"] },
  tools: { shown: "Kafka's command-line tools", version: KAFKA_VERSION },
  streams: { shown: "Kafka Streams", version: KAFKA_VERSION },
  connect: { shown: "Kafka Connect", version: KAFKA_VERSION },
  "confluent-kafka": {
    shown: "confluent-kafka (librdkafka)",
    pinned: ["../clients/python/requirements.txt", "confluent-kafka=="],
  },
  kcat: { shown: "kcat (librdkafka)", version: "Debian's" },
  "kafka-python": { shown: "kafka-python", pinned: ["../clients/python/requirements.txt", "kafka-python=="] },
  aiokafka: { shown: "aiokafka", pinned: ["../clients/python/requirements.txt", "aiokafka=="] },
  "franz-go": { shown: "franz-go", pinned: ["../clients/go/go.mod", "github.com/twmb/franz-go "] },
  sarama: { shown: "sarama", pinned: ["../clients/go/go.mod", "github.com/IBM/sarama "] },
  kafkajs: { shown: "kafkajs", pinned: ["../clients/node/package.json", '"kafkajs": '] },
  platformatic: { shown: "@platformatic/kafka", pinned: ["../clients/node/package.json", '"@platformatic/kafka": '] },
} as const satisfies Record<string, { shown: string; version: string } | { shown: string; pinned: [string, string] }>;

/** One of them. */
export type ClientName = keyof typeof clients;

/** What a test proves when it passes. */
export type Proofs = Readonly<Partial<Record<ClientName, readonly Feature[]>>>;

/** What tests prove, by file and name. */
export type Proven = Readonly<Record<string, Readonly<Record<string, Proofs>>>>;

/** The file with what has passed. */
export const PROVEN = new URL("proven.json", import.meta.url);

/** What has passed when the table was made. */
export function provenByRun(): Proven {
  return JSON.parse(Deno.readTextFileSync(PROVEN)) as Proven;
}

/**
 * The same features for each of several clients.
 * @throws Error if there is no such client
 */
export function eachProves(names: readonly string[], proven: readonly Feature[]): Proofs {
  for (const name of names) if (!(name in clients)) throw new Error(`The matrix has no client ${name}`);
  return Object.fromEntries(names.map((name) => [name, proven]));
}

/** Several proofs of one test together. */
export function together(...all: readonly Proofs[]): Proofs {
  const joined = new Map<ClientName, Set<Feature>>();
  for (const [name, proven = []] of all.flatMap((each) => Object.entries(each))) {
    joined.set(name as ClientName, new Set([...joined.get(name as ClientName) ?? [], ...proven]));
  }
  return sorted(Object.fromEntries([...joined].map(([name, proven]) => [name, [...proven]])));
}

/** In the order of rows and columns. */
export function sorted(proofs: Proofs): Proofs {
  const rows = (Object.keys(clients) as ClientName[]).filter((name) => proofs[name] !== undefined);
  const columns = Object.keys(features) as Feature[];
  return Object.fromEntries(rows.map((name) => [name, columns.filter((feature) => proofs[name]!.includes(feature))]));
}

/** The table. */
export function matrixTable(): string {
  const proofs = together(...Object.values(provenByRun()).flatMap((tests) => Object.values(tests)));
  const columns = Object.entries(features) as [Feature, string][];
  const head = `| client | version | ${columns.map(([, shown]) => shown).join(" | ")} |`;
  const rule = `| --- | --- |${" :---: |".repeat(columns.length)}`;
  const rows = (Object.keys(clients) as ClientName[]).map((name) => {
    const cells = columns.map(([feature]) => proofs[name]?.includes(feature) ? "✓" : " ");
    return `| ${clients[name].shown} | ${versionOf(name)} | ${cells.join(" | ")} |`;
  });
  return [head, rule, ...rows].join("\n");
}

function versionOf(name: ClientName): string {
  const client = clients[name];
  if ("version" in client) return client.version;
  const [file, before] = client.pinned;
  const text = Deno.readTextFileSync(new URL(file, import.meta.url));
  const version = /\d+\.\d+\.\d+/.exec(text.slice(text.indexOf(before)));
  if (!text.includes(before) || version === null) throw new Error(`Cannot find the version of ${name} in ${file}`);
  return version[0];
}
