/**
 * Starts a broker: opens its log directories and its metadata while the workers load, has the logs opened, then accepts connections. Main
 * isolate.
 */
import type { BrokerConfig } from "../../partitions/config/broker/broker_config.ts";
import { brokerConfigFrom } from "../../partitions/config/broker/broker_properties.ts";
import {
  BrokerSettings,
  type Checkpoints,
  checkpointsOf,
  Controller,
  LogDirectories,
  type MetadataStore,
  type RetentionNotice,
  speaksOfOthers,
  WatermarkTable,
} from "../../partitions/control.ts";
import { randomUuid, unsupportedReason } from "../../storage/control.ts";
import { listenOn } from "../accept/listening.ts";
import type { ConnectionLimits } from "../accept/connection_limits.ts";
import { ConnectionRates } from "../accept/connection_rates.ts";
import type { DescriptorBudget } from "../accept/descriptor_budget.ts";
import { roomForPartitions } from "../accept/partition_slots.ts";
import { runFailure, StartupError, startupFailure } from "../shards/broker_failures.ts";
import { Compaction } from "../shards/compaction.ts";
import { openLogs } from "../shards/log_opening.ts";
import { ShardPool } from "../shards/shard_pool.ts";
import { type ShardResources, shardResources, shardSettings } from "../shards/shard_settings.ts";
import type { Broker, BrokerOptions } from "./broker.ts";
import {
  acceptorOf,
  balancerOf,
  callsTo,
  connectionLimits,
  createTopics,
  directoryFailures,
  httpOf,
  load,
  metadataHome,
  noticeOf,
} from "./broker_parts.ts";
import type { MetadataHome } from "./metadata_home.ts";
import { MetadataNews } from "./metadata_news.ts";
import { log, writeLine } from "./operator_log.ts";
import type { OutgoingDials } from "./outgoing_dials.ts";
import { RunningBroker } from "./running_broker.ts";

/**
 * Starts a broker.
 * @returns the broker when it serves requests and the topics of the options exist
 * @throws StartupError when the system or the version of Deno is not supported, a setting is wrong, a port is taken, or the data directory
 *         cannot be used
 */
export function startBroker(options: BrokerOptions = {}): Promise<Broker> {
  return startMember(options, null);
}

/** Parts that exist later than what calls them. */
interface LateParts {
  /** Opened while the workers load, but released after they have ended, because they hold the locks. */
  directories: LogDirectories | null;
  notice: RetentionNotice | null;
  limits: ConnectionLimits | null;
  controller: Controller | null;
  checkpoints: Checkpoints | null;
  compaction: Compaction | null;
  dials: OutgoingDials | null;
}

/** Starts a broker. @param sharedStore the store of a cluster whose brokers run in this process; null by default @throws as startBroker() */
export async function startMember(
  options: BrokerOptions,
  sharedStore: MetadataStore | null,
): Promise<RunningBroker> {
  if (unsupportedReason !== null) throw new StartupError(unsupportedReason);
  const { signal } = options;
  await using started = new AsyncDisposableStack();
  const brokerSettings = new BrokerSettings(await configOf(options, started), log.broker.warn);
  const { config } = brokerSettings;
  const ended = Promise.withResolvers<void>();
  ended.promise.catch(() => {}); // `closed` reports the failure; the program need not look at it.
  const http = started.use(await httpOf(config));
  const resources = await shardResources(config);
  const { descriptors, shardsCount } = resources;
  const late: LateParts = noParts();
  const news = new MetadataNews({ nodeId: config.nodeId, ...log });
  // Loading the shards' workers takes most of a start, so they start first. They stop before the store, because they use it.
  const pool = poolOf(resources, late, (error) => ended.reject(error));
  started.defer(() => late.directories?.[Symbol.asyncDispose]());
  const failed = (error: unknown) => ended.reject(runFailure(error));
  const about = { config, brokerSettings, sharedStore, shardsCount, isolates: pool.isolates };
  const home = started.use(await metadataHome({ ...about, failed }));
  started.adopt(pool, (pool) => pool.stop());
  const partitionsCount = () => late.controller?.partitionsCount ?? 0;
  const limits = late.limits = connectionLimits(config, { descriptors, pool, partitionsCount });
  const clientQuotas = () => late.controller?.image.clientQuotas ?? [];
  const acceptor = started.use(acceptorOf(limits, new ConnectionRates({ config, clientQuotas }), pool));
  try {
    const ports = config.listeners.map((listener) => listenOn(acceptor, listener));
    const checked = acceptor.check(); // takes milliseconds, during which directories are opened
    checked.catch(() => {}); // whichever fails first is reported
    const directories = late.directories = await openDirectories(config, home);
    const [httpPort = null] = await Promise.all([http?.listening(), home.open(directories, ports), checked]);
    const controller = late.controller = controllerOf(home, { brokerSettings, pool, descriptors, late, news });
    const loaded = await load(controller, directories);
    news.begin(controller.image);
    late.dials = home.dialsFor(pool);
    started.defer(() => late.dials?.[Symbol.dispose]());
    late.notice = noticeOf(directories, { config, shardsCount, ports });
    const shared = { ...config, interBrokerSecret: home.secret ?? config.interBrokerSecret };
    const settings = await shardSettings(shared, directories, { ...loaded, resources, report: log.storage.warn });
    await openLogs(pool, { controller, directories, settings, report: progressOf(options) });
    const [{ image }, { watermarks }] = [controller, pool];
    const place = { directories: directories.opened, report: log.storage.warn };
    const onDirectoryFailed = directoryFailures(directories, { controller, onEnd: ended.reject });
    const { checkpoints: others } = home;
    const checkpoints = late.checkpoints = started.use(
      checkpointsOf({ ...place, config, image, watermarks, others, onDirectoryFailed }),
    );
    // After a crash, a line about a deleted topic would be taken for one about a new topic of the same name.
    if (speaksOfOthers(directories.checkpointed, image)) await checkpoints.writeAll();
    const cleanerLog = { report: log.cleaner.warn, inform: log.cleaner.inform };
    const compaction = late.compaction = started.use(
      await Compaction.start({ ...place, ...cleanerLog, config, image, watermarks, shards: pool }),
    );
    brokerSettings.listen((changed) => {
      compaction.configure();
      for (const { name, value } of changed) log.broker.inform(`${name} is ${value ?? "the default"} from now on`);
    });
    // Changes of other brokers are applied from here on: they need the checkpoints.
    home.follow();
    // A failure ends the wait: a broker whose shards or metadata have failed never becomes active.
    await Promise.race([home.join(() => acceptor.start()), ended.promise, abortOf(signal)]);
    await createTopics(controller, options.topics ?? []);
    const balancer = balancerOf(controller, pool);
    acceptor.start();
    http?.serve({ config, image, watermarks, pool, replication: home.replication });
    const parts = { acceptor, balancer, home, compaction, controller, pool, checkpoints, directories, http };
    return new RunningBroker({ ...parts, resources: started.move() }, { config, ports, httpPort, shardsCount, ended });
  } catch (error) {
    throw startupFailure(error);
  }
}

/** Tells the operator, and who has started the broker, how far a long start is. */
function progressOf({ onProgress }: BrokerOptions): (sentence: string) => void {
  return (sentence) => {
    log.storage.inform(sentence);
    onProgress?.(sentence);
  };
}

/** Rejects when the start is to end. */
function abortOf(signal: AbortSignal | undefined): Promise<void> {
  const { promise, reject } = Promise.withResolvers<void>();
  const abort = () => reject(new StartupError("The start was ended"));
  signal?.addEventListener("abort", abort);
  if (signal?.aborted === true) abort();
  return promise;
}

function noParts(): LateParts {
  return {
    directories: null,
    notice: null,
    limits: null,
    controller: null,
    checkpoints: null,
    compaction: null,
    dials: null,
  };
}

function poolOf(resources: ShardResources, late: LateParts, onFailure: (error: Error) => void): ShardPool {
  return new ShardPool(resources, {
    onLine: writeLine,
    onRetention: (event) => late.notice?.receive(event),
    onClosed: (peers) => late.limits?.onClosed(peers),
    onCleaningNotice: (notice) => late.compaction?.receive(notice),
    onConnect: (shard, wanted) => void late.dials?.connect(shard, wanted),
    onCacheDoubtful: () => late.directories?.caches.forEach((cache) => cache.doubt()),
    onFailure,
  });
}

async function openDirectories(config: BrokerConfig, home: MetadataHome): Promise<LogDirectories> {
  const directories = await LogDirectories.open({
    ...config,
    clusterId: async (found, path) => await home.clusterIdOf(found, path) ?? config.clusterId,
    isInCluster: home.isShared,
    report: log.storage.warn,
  });
  for (const warning of directories.warnings) log.storage.warn(warning);
  return directories;
}

function controllerOf(
  home: MetadataHome,
  { brokerSettings, pool, descriptors, late, news }: {
    brokerSettings: BrokerSettings;
    pool: ShardPool;
    descriptors: DescriptorBudget;
    late: LateParts;
    news: MetadataNews;
  },
): Controller {
  return new Controller({
    ...home.control,
    brokerSettings,
    config: brokerSettings.config,
    shardsCount: pool.shardsCount,
    slotsMax: WatermarkTable.SLOTS_MAX,
    ...callsTo(pool, news),
    saveLogStarts: async () => await late.checkpoints?.writeLogStarts(),
    saveCheckpoints: async () => {
      await Promise.all([late.checkpoints?.writeAll(), late.compaction?.offsets.write()]);
    },
    room: (logs) => roomForPartitions(descriptors, { logs, connections: pool.connectionsCount }),
    report: log.topics.warn,
    inform: log.topics.inform,
    newTopicId: randomUuid,
  });
}

async function configOf(options: BrokerOptions, started: AsyncDisposableStack): Promise<BrokerConfig> {
  if (options.config !== undefined) return { ...options.config }; // dynamic settings change it
  const { host, port, shards } = options;
  let { dataDir } = options;
  if (dataDir === undefined && options.overrides?.["log.dirs"] === undefined) {
    dataDir = await Deno.makeTempDir({ prefix: "barnabas-" });
    started.defer(() => Deno.remove(dataDir as string, { recursive: true }));
  }
  const result = brokerConfigFrom(new Map(Object.entries(options.overrides ?? {})), { host, port, dataDir, shards });
  if ("refused" in result) throw new StartupError(result.refused);
  if (result.unused.length > 0) throw new StartupError(`This broker has no setting ${result.unused.join(", ")}`);
  return result.config;
}
