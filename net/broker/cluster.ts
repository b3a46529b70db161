/**
 * A cluster in this process: brokers that share one metadata store, each with workers and log directories of its own. Main isolate.
 */
import { type MetadataImage, SqliteStore } from "../../partitions/control.ts";
import { StartupError, startupFailure } from "../shards/broker_failures.ts";
import type { Broker, TopicOptions } from "./broker.ts";
import { createTopics } from "./broker_parts.ts";
import type { RunningBroker } from "./running_broker.ts";
import { startMember } from "./start.ts";

/** How a cluster is started; every option may be left out. */
export interface ClusterOptions {
  /** How many brokers: 3 where absent. Their node ids begin with 1. */
  readonly brokers?: number;
  /** 127.0.0.1 where absent. Each broker takes a free port. */
  readonly host?: string;
  /** Holds a directory for each broker; a temporary directory where absent, removed when the cluster is closed. */
  readonly dataDir?: string;
  /** `broker.rack` of each broker, in the order of their ids; no racks where absent. */
  readonly racks?: readonly string[];
  /** Workers of each broker that own partitions and connections; 1 where absent. */
  readonly shards?: number;
  /** `barnabas.etcd.endpoints`. Where absent, the brokers share a store in this process. */
  readonly etcd?: string;
  /** Topics to create where they do not exist. */
  readonly topics?: readonly TopicOptions[];
  /** Settings of all brokers, by Kafka's names. */
  readonly overrides?: Readonly<Record<string, string>>;
}

/** A running cluster. Disposing of it closes it. */
export interface Cluster extends AsyncDisposable {
  /** In the order of their node ids. */
  readonly brokers: readonly Broker[];
  /** For a client's `bootstrap.servers`: all brokers, comma-separated. */
  readonly bootstrapServers: string;
  readonly dataDir: string;
  /** Resolves when the cluster has been closed; rejects when a broker failed. The others go on. */
  readonly closed: Promise<void>;
  /** Stops all brokers cleanly. Idempotent. */
  close(): Promise<void>;
}

/** Brokers of one process: a program that keeps this isolate busy for some seconds must not make them fence each other. */
const SESSION = { "broker.session.timeout.ms": "9000", "broker.heartbeat.interval.ms": "100" };
const BROKERS = 3;
/** Kafka's default; a smaller cluster would wait for more brokers before it serves groups. */
const OFFSETS_REPLICAS = 3;
/** How long a start waits until all brokers know each other, and leaders of all partitions. */
const KNOWN_MS_MAX = 5000;
const LOOK_MS = 5;

/**
 * Starts a cluster.
 * @returns the cluster when all brokers serve requests and the topics of the options exist
 * @throws StartupError as startBroker() does
 */
export async function startCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const { brokers: count = BROKERS, racks = [], etcd, topics = [] } = options;
  if (!Number.isInteger(count) || count < 1) throw new StartupError(`A cluster has 1 broker or more, not ${count}`);
  await using started = new AsyncDisposableStack();
  const dataDir = options.dataDir ?? started.adopt(
    await Deno.makeTempDir({ prefix: "barnabas-cluster-" }),
    (path) => Deno.remove(path, { recursive: true }),
  );
  const store = etcd === undefined ? await openStore(dataDir, started) : null;
  const replicated = { "offsets.topic.replication.factor": String(Math.min(count, OFFSETS_REPLICAS)) };
  const overrides = { ...SESSION, ...replicated, ...options.overrides };
  const members = Array.from({ length: count }, (_, index) => {
    const rack = racks[index];
    const own = {
      "node.id": String(index + 1),
      ...rack === undefined ? {} : { "broker.rack": rack },
      ...etcd === undefined ? {} : { "barnabas.etcd.endpoints": etcd },
    };
    return startMember({
      port: 0,
      host: options.host,
      dataDir: `${dataDir}/broker-${index + 1}`,
      shards: options.shards ?? 1,
      overrides: { ...overrides, ...own },
    }, store);
  });
  const ended = await Promise.allSettled(members);
  const brokers = ended.flatMap((end) => end.status === "fulfilled" ? [end.value] : []);
  started.defer(() => closeAll(brokers));
  for (const end of ended) if (end.status === "rejected") throw end.reason;
  const isComplete = ({ brokers }: MetadataImage) =>
    [...brokers.values()].filter(({ state }) => state === "active").length === count;
  // Partitions are spread over the brokers that are active.
  await untilAll(brokers, isComplete);
  const [{ controller }] = brokers as [RunningBroker];
  await createTopics(controller, topics);
  await untilAll(brokers, isLed);
  // Clients are answered by the shards, which hear of a change after the control plane.
  await Promise.all(brokers.map(({ controller }) => controller.call("awaitChanges", {})));
  return new RunningCluster(brokers, { dataDir, resources: started.move() });
}

class RunningCluster implements Cluster {
  readonly brokers: readonly Broker[];
  readonly bootstrapServers: string;
  readonly dataDir: string;
  readonly closed: Promise<void>;
  readonly #resources: AsyncDisposableStack;
  #closing: Promise<void> | null = null;

  constructor(brokers: readonly Broker[], about: { dataDir: string; resources: AsyncDisposableStack }) {
    this.brokers = brokers;
    this.bootstrapServers = brokers.map(({ bootstrapServers }) => bootstrapServers).join(",");
    this.dataDir = about.dataDir;
    this.#resources = about.resources;
    this.closed = Promise.all(brokers.map(({ closed }) => closed)).then(() => {});
    this.closed.catch(() => {}); // The program need not look at it.
  }

  close(): Promise<void> {
    this.#closing ??= this.#resources.disposeAsync();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** Waits until something holds of what each broker knows; not for ever, because a lost disk leaves partitions without a leader. */
async function untilAll(brokers: readonly RunningBroker[], holds: (image: MetadataImage) => boolean): Promise<void> {
  const endMs = performance.now() + KNOWN_MS_MAX;
  while (performance.now() < endMs) {
    const images = brokers.map(({ controller }) => controller.image);
    const versions = new Set(images.map(({ version }) => version));
    if (versions.size === 1 && images.every(holds)) return;
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

function isLed(image: MetadataImage): boolean {
  for (const { partitions } of image.topics()) if (partitions.some(({ leader }) => leader < 0)) return false;
  return true;
}

/** All at once: the last one has nobody left who could take over what it leads. */
async function closeAll(brokers: readonly Broker[]): Promise<void> {
  await Promise.all(brokers.map((broker) => broker.close()));
}

async function openStore(dataDir: string, started: AsyncDisposableStack): Promise<SqliteStore> {
  await Deno.mkdir(dataDir, { recursive: true });
  const store = started.adopt(new SqliteStore(), (store) => store.close());
  try {
    await store.open(`${dataDir}/barnabas-cluster.sqlite`);
  } catch (error) {
    throw startupFailure(error);
  }
  return store;
}
