/**
 * The metadata of a broker in a cluster: a store that all its brokers share, and this broker's membership. Main isolate, which loads it only
 * for such a broker.
 *
 * ```
 *   clusterIdOf()  etcd answers (or is started) ─► the cluster's row is read, or written by the first broker
 *   open()         what a broker that was alone has is copied ─► all rows are read, and followed ─► the membership checks what this broker brings
 *   join()         listeners accept ─► registered ─► active
 *   leave()        what it leads moves, its listeners still accept ─► nobody needs it
 * ```
 */
import type { BrokerConfig } from "../../partitions/config/broker/broker_config.ts";
import type { Listener } from "../../partitions/config/broker/listeners.ts";
import { isUncleanElectionEnabled } from "../../partitions/config/topics/topic_configs.ts";
import { VERSION } from "../../partitions/config/version.ts";
import {
  type BrokerSettings,
  type Changes,
  type ChangesParts,
  type CheckpointKind,
  type ClusterParts,
  type ControllerOptions,
  fileExists,
  type IsolateTable,
  type LogDirectories,
  METADATA_STORE_FILE,
  type MetadataStore,
  type OpenedEtcd,
  openEtcdStore,
  readEtcdAccess,
  type ReplicationCounters,
  SqliteStore,
  startAntiEntropy,
  startManagedEtcd,
} from "../../partitions/control.ts";
import { systemClock } from "../../storage/control.ts";
import { MembershipNews } from "./membership_news.ts";
import type { MetadataHome } from "./metadata_home.ts";
import { log } from "./operator_log.ts";
import { type DialingShards, OutgoingDials } from "./outgoing_dials.ts";
import { RepeatedLines } from "./repeated_lines.ts";

/** How long a broker that stops waits for others to take over what it leads. Source: Kafka's BrokerLifecycleManager, 5 minutes. */
const LEAVE_MS_MAX = 300_000;

/** What the home is built from. */
export interface ClusterHomeParts {
  readonly config: BrokerConfig;
  /** What is in force of it. */
  readonly brokerSettings: BrokerSettings;
  /** The code of clusters. */
  readonly code: ClusterParts;
  /** A store that the brokers of a process share, which this one does not close; null: etcd. */
  readonly sharedStore: MetadataStore | null;
  readonly shardsCount: number;
  /** Tells whether the shards turn. */
  readonly isolates: IsolateTable;
  /** The broker has to end. */
  failed(reason: unknown): void;
}

/** How long a connection to another broker with its login may take. Source: Kafka's socket.connection.setup.timeout.ms. */
const CONNECT_MS_MAX = 10_000;

type Membership = ReturnType<ClusterParts["Membership"]["open"]>;
type SharedChanges = InstanceType<ClusterParts["SharedChanges"]>;

/** The metadata of one broker of a cluster. */
export class ClusterHome implements MetadataHome {
  readonly isShared = true;
  readonly #parts: ClusterHomeParts;
  readonly #owned = new AsyncDisposableStack();
  #cluster: Promise<string> | null = null;
  #store: MetadataStore | null = null;
  #etcd: OpenedEtcd["store"] | null = null;
  #secret = "";
  #membership: Membership | null = null;
  #news: MembershipNews | null = null;
  #changes: SharedChanges | null = null;
  #isAbandoned = false;
  #control: MetadataHome["control"] | null = null;
  #checkpoints: readonly CheckpointKind[] = [];

  /** @param parts of the broker */
  constructor(parts: ClusterHomeParts) {
    this.#parts = parts;
  }

  get control(): MetadataHome["control"] {
    return present(this.#control);
  }

  get secret(): string {
    return this.#secret;
  }

  get checkpoints(): readonly CheckpointKind[] {
    return this.#checkpoints;
  }

  get replication(): ReplicationCounters | null {
    return this.#membership?.counters ?? null;
  }

  get brokerEpoch(): number {
    return this.#membership?.brokerEpoch ?? -1;
  }

  clusterIdOf(found: string | null, directory: string): Promise<string> {
    return this.#cluster ??= this.#findCluster(found, directory);
  }

  async open(directories: LogDirectories, ports: readonly number[]): Promise<void> {
    const { code, config, isolates, shardsCount, failed } = this.#parts;
    const store = present(this.#store);
    if (await fileExists(directories.storePath)) await this.#import(directories);
    const follower = this.#owned.use(await code.StoreFollower.open(store));
    // Before the membership: what it decides, it decides by the settings that the store has now.
    this.#owned.use(this.#parts.brokerSettings.follow(follower));
    const report = log.etcd.warn;
    if (this.#etcd !== null) this.#owned.use(await startAntiEntropy({ store: this.#etcd, follower, report }));
    const turns = new code.TurnWatch(isolates, shardsCount, systemClock);
    const membership = this.#membership = code.Membership.open({
      store,
      follower,
      clusterId: directories.clusterId,
      nodeId: config.nodeId,
      description: {
        rack: config.rack,
        listeners: advertisedOf(config, ports),
        directories: directories.ids.filter((id) => id !== null),
        shards: shardsCount,
        version: VERSION,
      },
      interBrokerListener: config.interBrokerListenerName,
      cleanEpoch: directories.cleanEpoch,
      sessionMs: config.brokerSessionTimeoutMs,
      heartbeatMs: config.brokerHeartbeatIntervalMs,
      rebalanceMs: config.leaderRebalanceIntervalMs,
      registrationTimeoutMs: config.initialBrokerRegistrationTimeoutMs,
      rules: rulesOf(config),
      channelTo: code.brokerChannels({
        nodeId: config.nodeId,
        secret: this.#secret,
        // One heartbeat is in flight at a time: a lost one must leave time for the next.
        timeoutMs: config.brokerSessionTimeoutMs / 2,
      }),
      shardsTurn: () => turns.allTurn(),
      inform: log.cluster.inform,
      failed,
    });
    this.#owned.adopt(membership, (membership) => membership.close());
    this.#news = this.#owned.use(new MembershipNews({ ...log.cluster, membership }));
    const changes = (parts: ChangesParts): Changes => {
      const { incarnation } = membership;
      this.#changes = this.#owned.use(new code.SharedChanges(parts, { store, follower, incarnation, failed }));
      return this.#changes;
    };
    const { rowProposals } = membership;
    this.#control = { store, changes, membership, rowProposals } satisfies Partial<ControllerOptions>;
  }

  dialsFor(shards: DialingShards): OutgoingDials {
    const { code, config: { nodeId } } = this.#parts;
    const lines = new RepeatedLines(systemClock, log.replication.warn);
    const dial = code.brokerDial({ nodeId, secret: this.#secret, timeoutMs: CONNECT_MS_MAX });
    return new OutgoingDials(dial, { shards, report: (text) => lines.report(text) });
  }

  follow(): void {
    present(this.#changes).start();
  }

  async join(listen: () => void): Promise<void> {
    listen();
    const news = present(this.#news);
    await news.starting(this.#join());
    news.follow();
  }

  async #join(): Promise<void> {
    const membership = present(this.#membership);
    await membership.join();
    // Only now: a process that is refused must not harm the one that has this broker's place.
    await this.#etcd?.claim();
    const active = Promise.withResolvers<void>();
    const look = () => membership.state === "active" && active.resolve();
    using _following = membership.image.follow(look);
    look();
    await active.promise;
    // The control plane may be behind: it would still count this broker as fenced, and refuse the topics of the start.
    await present(this.#changes).settled();
  }

  async leave(): Promise<void> {
    const withinMs = this.#parts.config.controlledShutdownEnable && !this.#isAbandoned ? LEAVE_MS_MAX : 0;
    const left = present(this.#membership).stop(withinMs);
    await present(this.#news).stopping(left, withinMs);
    await this.#changes?.stop();
  }

  abandon(): void {
    this.#isAbandoned = true;
    void this.#membership?.stop(0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#owned.disposeAsync();
  }

  async #findCluster(found: string | null, directory: string): Promise<string> {
    const { config } = this.#parts;
    this.#store = await this.#openStore(directory);
    // A broker that was alone brings its cluster id along.
    if (found !== null && await fileExists(`${config.metadataLogDirectory}/${METADATA_STORE_FILE}`)) return found;
    return await this.#establish(found);
  }

  /** Reads the cluster's row, or writes it. @returns the cluster id */
  async #establish(found: string | null): Promise<string> {
    const { config: { clusterId: wanted, interBrokerSecret }, code } = this.#parts;
    const claim = { clusterId: found, newClusterId: wanted, secret: interBrokerSecret };
    const { clusterId, secret } = await code.establishCluster(present(this.#store), claim);
    this.#secret = interBrokerSecret ?? secret;
    return clusterId;
  }

  /** Copies what the broker had when it was alone. */
  async #import(directories: LogDirectories): Promise<void> {
    const { code, config, failed } = this.#parts;
    const { clusterId, storePath } = directories;
    const source = new SqliteStore(failed);
    try {
      await source.open(storePath);
      const secret = config.interBrokerSecret ?? code.randomSecret();
      const store = present(this.#store);
      await code.importSingleNode({ store, source, nodeId: config.nodeId, clusterId, secret, directories });
    } finally {
      await source.close();
    }
    await this.#establish(clusterId);
    await code.setStoreAside(storePath);
    log.cluster.inform(`The topics of this broker are those of the cluster ${clusterId} now, whose first member it is`);
  }

  async #openStore(directory: string): Promise<MetadataStore> {
    const { config, sharedStore, failed } = this.#parts;
    if (sharedStore !== null) return sharedStore;
    const etcd = present(config.etcd);
    let endpoints = etcd.endpoints;
    if (etcd.managed) {
      const process = await startManagedEtcd({ directory, warn: log.etcd.warn });
      this.#owned.defer(() => process.close());
      process.ended.then((error) => error === null || failed(error));
      endpoints = [process.endpoint];
    }
    const owner = `broker-${config.nodeId}`;
    const access = await readEtcdAccess(etcd, endpoints);
    const options = { ...access, prefix: etcd.prefix, owner, failed, report: log.etcd.warn };
    const { store, position } = await openEtcdStore(options, [directory]);
    this.#checkpoints = [position];
    return this.#etcd = this.#owned.adopt(store, (store) => store.close());
  }
}

/** The addresses under which others reach this broker. A port that the system chose is known only now. */
function advertisedOf({ advertisedListeners, listeners }: BrokerConfig, ports: readonly number[]): Listener[] {
  const listening = listeners.map((listener, index) => ({ ...listener, port: ports[index] ?? listener.port }));
  if (advertisedListeners === null) return listening;
  return advertisedListeners.map((advertised) => {
    const port = advertised.port || listening.find(({ name }) => name === advertised.name)?.port || 0;
    return { ...advertised, port };
  });
}

function rulesOf(config: BrokerConfig) {
  return {
    minIsrOf: (configs: Readonly<Record<string, string>>) =>
      Number(configs["min.insync.replicas"] ?? config.minInsyncReplicas),
    isUncleanElectionEnabled: (configs: Readonly<Record<string, string>>) => isUncleanElectionEnabled(configs, config),
  };
}

function present<T>(value: T | null): T {
  if (value === null) throw new Error("The parts of a cluster's metadata are used in the order of a start");
  return value;
}
